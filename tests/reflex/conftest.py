"""A real reflex in a namespace, at the other end of the control socket."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from mlbd.proto.bfd.watch import Watch
from mlbd.proto.control import Claims, Links, Order, Ping, Pong, Report, Unreadable, VipChanged, Watches
from mlbd.proto.lines import LineBuffer, claim_lines, decode_report, encode
from mlbd.proto.neighbor.frame import parse_mac
from mlbd.proto.neighbor.link import Claim, Link
from mlbd.proto.neighbor.vip import State
from tests import lab
from tests.lab import Host, wait_for


class Reflex:
    """The daemon's part, played by the test; it pings only when asked for counters."""

    def __init__(self, host: Host, *wrapper: str, node: str = "node-1", failures: int = 0) -> None:
        self.host = host
        self.reports: list[Report] = []
        self._buffer = LineBuffer()
        self._control, theirs = socket.socketpair()
        self._control.setblocking(False)
        self._pings = 0
        fd = str(theirs.fileno())
        with theirs, host.enter():
            options = ["--fd", fd, "--node", node, "--failures", str(failures)]
            command = [*wrapper, sys.executable, "-m", "mlbd.reflex", *options]
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()])

    def order(self, *orders: Order) -> None:
        self.send(b"".join(map(encode, orders)))

    def send(self, octets: bytes) -> None:
        self._control.setblocking(True)
        self._control.sendall(octets)
        self._control.setblocking(False)

    def use(self, *links: lab.Link) -> None:
        self.order(Links(tuple(Link(link.index, link.name, parse_mac(link.mac)) for link in links)))

    def watch(self, *watches: Watch, hold_down: float = 0.0) -> None:
        """Whom to watch; without anybody it is alone and holds what nobody else has."""
        self.order(Watches(watches, hold_down))

    def claim(self, *addresses: str, on: tuple[lab.Link, ...], order: tuple[str, ...] = ("node-1",)) -> None:
        indexes = tuple(link.index for link in on)
        self.send(b"".join(claim_lines([Claim(ip_address(address), indexes, order) for address in addresses], ())))

    def drop(self, *addresses: str) -> None:
        self.order(Claims(dropped=tuple(map(ip_address, addresses))))

    def read(self) -> list[Report]:
        with contextlib.suppress(BlockingIOError):
            while octets := self._control.recv(1 << 16):
                for line in self._buffer.feed(octets):
                    report = decode_report(line)
                    assert not isinstance(report, Unreadable)
                    self.reports.append(report)
        return self.reports

    def changes(self, address: str) -> list[VipChanged]:
        return [r for r in self.read() if isinstance(r, VipChanged) and r.address == ip_address(address)]

    def wait_for_state(self, state: State, *addresses: str, seconds: float = 10) -> VipChanged:
        wanted = set(map(ip_address, addresses))

        def last() -> VipChanged | None:
            latest = {r.address: r for r in self.read() if isinstance(r, VipChanged) and r.address in wanted}
            reached = len(latest) == len(wanted) and all(change.state is state for change in latest.values())
            return next(iter(latest.values())) if reached else None

        found = wait_for(last, seconds, f"{len(wanted)} addresses {state}")
        assert found is not None
        return found

    def pong(self) -> Pong:
        """The answer to a ping, so everything ordered before it has been obeyed."""
        self._pings += 1
        self.order(Ping(self._pings))
        pongs = wait_for(lambda: [r for r in self.read() if isinstance(r, Pong) and r.number == self._pings])
        return pongs[0]

    def memory(self) -> int:
        """Resident, in KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))

    def hang_up(self) -> None:
        self._control.close()


StartReflex = Callable[..., Reflex]


@pytest.fixture
def start() -> Iterator[StartReflex]:
    started: list[Reflex] = []

    def start_one(host: Host, *wrapper: str, node: str = "node-1", failures: int = 0) -> Reflex:
        started.append(Reflex(host, *wrapper, node=node, failures=failures))
        return started[-1]

    yield start_one
    for reflex in started:
        reflex.hang_up()
        reflex.process.kill()
        reflex.process.wait()
