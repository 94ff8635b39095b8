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
from tests.bgp.raw import BGP, MARKER, Kind
from tests.lab import Capture, Frame, Host, Lab

ROUTER, ROUTER_AS, NODE, NODE_AS = "192.0.2.1", 64500, "192.0.2.11", 64512
LINK: Final = "eth0"
MANY: Final = 10_000
_PORT: Final = BGP.to_bytes(2, "big")
_SYN: Final = 0x02
_IP, _TCP = 14, 34  # behind an Ethernet header, and one of IPv4 without options


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
        """The moment (seconds since the epoch) when the table was seen so."""
        deadline = time.monotonic() + seconds
        while self.table() != (established, count):
            if time.monotonic() > deadline:
                raise AssertionError(f"cannot measure: {count} prefixes did not come in {seconds} s: {self.table()}")
            time.sleep(0.0005)
        return time.time()

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
    """The first segment of a connection to BGP's port."""
    return _is_tcp(frame) and frame.octets[_TCP + 13] == _SYN and frame.octets[_TCP + 2 : _TCP + 4] == _PORT


def first_of(kind: Kind, capture: Capture, seconds: float = 60) -> float:
    """When the node's first message of that kind was there, by the kernel's clock."""
    return capture.wait_for(lambda frame: kind in _kinds(frame), seconds, f"a message {kind.name}").time


def _kinds(frame: Frame) -> set[int]:
    """The types of the messages in a segment from the node that begins with one, as all do when a session opens."""
    if frame.sent or not _is_tcp(frame):
        return set()
    length = int.from_bytes(frame.octets[_IP + 2 : _IP + 4], "big")
    payload = frame.octets[_TCP + (frame.octets[_TCP + 12] >> 4) * 4 : _IP + length]
    found = set()
    while payload.startswith(MARKER) and len(payload) > len(MARKER) + 2:
        found.add(payload[18])
        payload = payload[int.from_bytes(payload[16:18], "big") :]
    return found


def _is_tcp(frame: Frame) -> bool:
    """Linux sends IPv4 without options there, hence by position."""
    return frame.octets[12:14] == b"\x08\x00" and frame.octets[_IP + 9] == socket.IPPROTO_TCP
