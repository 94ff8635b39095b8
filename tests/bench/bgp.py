"""A router with FRR and a host on one segment, and the announcers that are compared on that host."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from tests.bgp.bird import Bird
from tests.bgp.exabgp import Exabgp
from tests.bgp.frr import Frr
from tests.bgp.gobgp import Gobgp
from tests.bgp.peer import Peer
from tests.lab import Frame, Host, Lab

ROUTER, ROUTER_AS, NODE, NODE_AS = "192.0.2.1", 64500, "192.0.2.11", 64512
LINK: Final = "eth0"
MANY: Final = 10_000
_PORT: Final = 179


def prefixes(count: int) -> list[str]:
    """Of the addresses set aside for benchmarks (RFC 2544)."""
    return [f"198.18.{number >> 8}.{number & 255}/32" for number in range(count)]


class Announcer(Protocol):
    """A program that is running when it has been made."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def announce(self, networks: Collection[str]) -> None: ...
    def prepared(self, networks: Collection[str]) -> Callable[[], None]: ...
    def withdraw(self, networks: Collection[str]) -> None: ...


def bird(host: Host, bfd: bool = False) -> Bird:
    """Waits a second where it would wait five: connect delay time cannot be less."""
    return Bird(host, NODE_AS, NODE, Peer(ROUTER_AS, ROUTER, bfd=bfd))


def gobgp(host: Host) -> Gobgp:
    return Gobgp(host, NODE_AS, NODE, Peer(ROUTER_AS, ROUTER))


def exabgp(host: Host) -> Exabgp:
    return Exabgp(host, NODE_AS, NODE, Peer(ROUTER_AS, ROUTER, source=NODE))


RIVALS: Final[dict[str, Callable[[Host], Announcer]]] = {"GoBGP": gobgp, "BIRD": bird, "ExaBGP": exabgp}


@dataclass(frozen=True, slots=True)
class Uplink:
    """`router` knows the node as a neighbor, whoever speaks there."""

    router: Frr
    node: Host

    def table(self) -> tuple[bool, int]:
        """Whether a session is Established, and how many of its prefixes are in FRR's table; takes 0.1 ms."""
        found = self.router.vty.json("show bgp ipv4 unicast summary")["peers"][NODE]
        return found["state"] == "Established", found["pfxRcd"]

    def when(self, established: bool, count: int, seconds: float = 60) -> float:
        """The moment (time.monotonic()) when the table was seen so."""
        deadline = time.monotonic() + seconds
        while self.table() != (established, count):
            if time.monotonic() > deadline:
                raise AssertionError(f"cannot measure: {count} prefixes did not come in {seconds} s: {self.table()}")
            time.sleep(0.0005)
        return time.monotonic()

    def hold_back(self) -> None:
        """No session until it is let in."""
        self.router.configure(f"neighbor {NODE} shutdown")

    def let_in(self) -> None:
        self.router.configure(f"no neighbor {NODE} shutdown")


@contextlib.contextmanager
def uplink(bfd: bool = False, passive: bool = False) -> Iterator[Uplink]:
    with Lab() as lab:
        lan = lab.segment("lan")
        router, node = lab.host("router"), lab.host("node-1")
        router.connect(lan, LINK, f"{ROUTER}/24")
        node.connect(lan, LINK, f"{NODE}/24")
        yield Uplink(Frr(router, ROUTER_AS, ROUTER, Peer(NODE_AS, NODE, bfd=bfd, passive=passive)), node)


def is_syn(frame: Frame) -> bool:
    """The first segment of a connection to BGP's port. Linux sends IPv4 without options there, hence by position."""
    octets = frame.octets
    port = int.from_bytes(octets[36:38], "big")
    return octets[12:14] == b"\x08\x00" and octets[23] == socket.IPPROTO_TCP and port == _PORT and octets[47] == 0x02
