"""A segment with one real mlbd, a client and all the other nodes of a fleet, of which only BFD is there."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from mlbd.proto.bfd.watch import Watch
from tests.lab import Lab, Link, wait_for
from tests.node import Node
from tests.reflex.speaker import Speaker

from . import state
from .state import Fleet

#: Numbers of hosts that are no nodes, beyond those of any fleet.
_CLIENTS = 0xFF00
SLOW = 1_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class Station:
    """A host's link to the segment and what it is called there."""

    link: Link
    ipv4: str
    ipv6: str

    def address(self, version: int) -> str:
        return self.ipv4 if version == 4 else self.ipv6


class Site:
    """`node` is node-1 of the fleet. Its files are there, its daemon is not started yet."""

    def __init__(self, lab: Lab, fleet: Fleet, suffix: str = "yaml") -> None:
        self.lab = lab
        self.segment = lab.segment("lan")
        self.station = self._wire("node-1", 1)
        self.node = Node(self.station.link.host)
        self.state = self.node.state
        state.write(self.state, fleet, suffix)
        self._bring_to_life([number for number in range(2, fleet.nodes + 1) if fleet.are_together(1, number)])
        self.client = self.wire_client("client")

    def wire_client(self, name: str) -> Station:
        return self._wire(name, _CLIENTS + len(self.segment.links))

    def start(self, seconds: float = 60) -> float:
        """Start mlbd and return the seconds from then until it told its supervisor that it is ready."""
        with _supervisor(self.lab.directory / "notify") as notified:
            began = time.monotonic()
            self.node.start()
            notified.settimeout(seconds)
            while b"READY=1" not in notified.recv(4096).split(b"\n"):
                pass
            return time.monotonic() - began

    def wait_until_announced(self) -> None:
        """Every address that this node stands first for is held here."""
        wait_for(self._all_held, 60, "all addresses of this node held")

    def held(self, version: int) -> list[str]:
        """Addresses that this node answers for."""
        sign = "." if version == 4 else ":"
        return sorted(address for address in self.node.holds() if sign in address)

    def processes(self) -> list[int]:
        """mlbd and its reflex."""
        return self.node.host.pids()

    def _bring_to_life(self, numbers: list[int]) -> None:
        """One host with the addresses of them all, and a process that speaks BFD for them, as slowly as it goes."""
        if not numbers:
            return
        addresses = [state.address_of(number)[0] for number in numbers]
        link = self.lab.host("others").connect(
            self.segment, "eth0", *(f"{each}/{state.PREFIXES[0]}" for each in addresses)
        )
        here = ip_address(self.station.ipv4)
        Speaker(link.host, *(Watch("node-1", ip_address(each), here, link.index, SLOW, SLOW, 3) for each in addresses))

    def _all_held(self) -> bool:
        summary, nodes = self.node.get("summary"), self.node.get("nodes")
        planned = next(node["holds"] for node in nodes if node["me"])
        return bool(summary["holding"] == planned)

    def _wire(self, name: str, number: int) -> Station:
        addresses = state.address_of(number)
        with_prefixes = (f"{address}/{prefix}" for address, prefix in zip(addresses, state.PREFIXES, strict=True))
        return Station(self.lab.host(name).connect(self.segment, "eth0", *with_prefixes), *addresses)


@contextlib.contextmanager
def site(fleet: Fleet, suffix: str = "yaml") -> Iterator[Site]:
    with Lab() as lab:
        yield Site(lab, fleet, suffix)


@contextlib.contextmanager
def _supervisor(path: Path) -> Iterator[socket.socket]:
    """What systemd is to a service of Type=notify: sd_notify(3)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(path))
        os.environ["NOTIFY_SOCKET"] = str(path)
        try:
            yield notified
        finally:
            del os.environ["NOTIFY_SOCKET"]
            path.unlink()


@contextlib.contextmanager
def busy_cores() -> Iterator[None]:
    """Another program wants all of every core."""
    hogs = [_hog(core) for core in sorted(os.sched_getaffinity(0))]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def _hog(core: int) -> subprocess.Popen[Any]:
    program = f"import os; os.sched_setaffinity(0, [{core}])\nwhile True: pass"
    return subprocess.Popen([sys.executable, "-c", program])
