"""One datagram a millisecond to each of several addresses, and the times when nobody answered.

    for node in nodes:
        serve(node)
    with traffic(client, addresses) as flow:
        ...
    flow.report["192.0.2.100"].longest_gap

The nodes run an echo server that answers with the node's name. The client is a process of its own, in real time where
that is allowed: a late client would measure itself. A Service whose addresses are asked needs the UDP port.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import socket
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .lab import Host

PORT: Final = 7  # RFC 862
INTERVAL: Final = 0.001
#: Seconds; a later answer is none. A host that was frozen answers, once thawed, all that came meanwhile.
PATIENCE: Final = 0.2
_NUMBER: Final = slice(0, 4)
_NOBODY: Final = -1.0


@dataclass(frozen=True, slots=True)
class Gap:
    """Nobody answered what was sent later than `began` (seconds, time.monotonic()) and before `began + seconds`."""

    began: float
    seconds: float
    lost: int


@dataclass(frozen=True, slots=True)
class Holder:
    """From `since` (seconds, time.monotonic()) on the answers came from `node`."""

    since: float
    node: str


@dataclass(frozen=True, slots=True)
class Answers:
    """What one address did. `longest_gap` is there without a loss too: two answered datagrams are that far apart."""

    sent: int
    twice: int
    longest_gap: float
    gaps: tuple[Gap, ...]
    holders: tuple[Holder, ...]

    @property
    def lost(self) -> int:
        return sum(gap.lost for gap in self.gaps)


@dataclass(slots=True)
class Flow:
    """`report` is by address, and there when the traffic is over."""

    report: dict[str, Answers] = field(default_factory=dict)


def serve(host: Host) -> None:
    """Answer for every address of the host, both families; returns when it listens."""
    _started(host, subprocess.DEVNULL, "serve", host.name)


@contextlib.contextmanager
def traffic(client: Host, addresses: Iterable[str]) -> Iterator[Flow]:
    """The datagrams flow for the length of the block; afterwards there is a report."""
    flow = Flow()
    with tempfile.NamedTemporaryFile(dir=client.lab.directory) as samples:
        process = _started(client, subprocess.PIPE, "send", samples.name, *addresses)
        yield flow
        process.communicate(timeout=60)  # which ends its standard input
        if process.returncode:
            raise AssertionError(f"cannot measure: the client of {client.name} ended with {process.returncode}")
        nodes, found = pickle.load(samples)
    flow.report = {address: answers(nodes, *columns) for address, columns in found.items()}


def who_answers(client: Host, address: str, seconds: float = PATIENCE) -> str:
    """The node that answers one datagram, or nothing."""
    with client.enter():
        asking = socket.socket(_family(address), socket.SOCK_DGRAM)
    with asking, contextlib.suppress(OSError):
        asking.settimeout(seconds)
        asking.sendto(bytes(4), (address, PORT))
        return asking.recv(256)[4:].decode()
    return ""


def answers(nodes: list[str], sent: array[float], answered: array[float], by: array[int], twice: int) -> Answers:
    """Of the nth datagram: when it was sent, when it was answered (negative: never), by which of the `nodes`."""
    gaps: list[Gap] = []
    holders: list[Holder] = []
    last, lost, longest = sent[0], 0, 0.0
    for at, back, number in zip(sent, answered, by, strict=True):
        if back < at or back - at > PATIENCE:
            lost += 1
            continue
        if lost:
            gaps.append(Gap(last, at - last, lost))
        longest = max(longest, at - last)
        last, lost = at, 0
        if not holders or holders[-1].node != nodes[number]:
            holders.append(Holder(at, nodes[number]))
    if lost:
        gaps.append(Gap(last, sent[-1] - last, lost))
        longest = max(longest, sent[-1] - last)
    return Answers(len(sent), twice, longest, tuple(gaps), tuple(holders))


def _started(host: Host, stdin: int, *argv: str) -> subprocess.Popen[str]:
    process = host.spawn(sys.executable, __file__, *argv, stdin=stdin, stdout=subprocess.PIPE)
    assert process.stdout
    if not process.stdout.readline():
        raise AssertionError(f"cannot {argv[0]} on {host.name}: see what it said above")
    return process


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _tell_ready() -> None:
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    print("ready", flush=True)


def _serve(name: str) -> None:
    """IPV6_PKTINFO holds the address that was asked (an IPv4 one as ::ffff:), and makes it the source of the answer."""
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    server.bind(("::", PORT))
    _tell_ready()
    while True:
        octets, ancillary, _, client = server.recvmsg(256, socket.CMSG_SPACE(20))
        with contextlib.suppress(OSError):  # the address or the route is gone
            server.sendmsg([octets[_NUMBER], name.encode()], ancillary, 0, client)


class _Target:
    """An address and what became of the datagrams to it. The socket is not connected: an ICMP error that is reported
    would take the place of the next datagram (udp(7))."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(_family(address), socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.sent = array("d")
        self.answered = array("d")
        self.by = array("b")
        self.twice = 0
        self._there = (str(ip_address(address)), PORT)

    def send(self) -> None:
        number = len(self.sent)
        self.sent.append(time.monotonic())
        self.answered.append(_NOBODY)
        self.by.append(0)
        with contextlib.suppress(OSError):  # no route, or full: it is not answered
            self.socket.sendto(number.to_bytes(4, "big"), self._there)

    def receive(self, nodes: list[str]) -> None:
        (octets, sender), now = self.socket.recvfrom(256), time.monotonic()
        if sender[:2] != self._there:
            return  # a connection would not take it either
        number, name = int.from_bytes(octets[_NUMBER], "big"), octets[4:].decode()
        if self.answered[number] != _NOBODY:
            self.twice += 1
            return
        if name not in nodes:
            nodes.append(name)
        self.answered[number], self.by[number] = now, nodes.index(name)


def _send(path: str, addresses: list[str]) -> None:
    """Until the standard input ends."""
    targets = {address: _Target(address) for address in addresses}
    sockets = {target.socket.fileno(): target for target in targets.values()}
    nodes: list[str] = []
    _tell_ready()
    stdin = sys.stdin.fileno()
    turn = time.monotonic()
    while stdin not in _receive(sockets, turn, nodes, stdin):
        for target in targets.values():
            target.send()
        turn += INTERVAL
    _receive(sockets, time.monotonic() + PATIENCE, nodes)
    columns = {a: (target.sent, target.answered, target.by, target.twice) for a, target in targets.items()}
    Path(path).write_bytes(pickle.dumps((nodes, columns)))


def _receive(sockets: dict[int, _Target], until: float, nodes: list[str], *others: int) -> list[int]:
    """What comes in until then; returns sooner, with them, when any of the `others` can be read."""
    while True:
        ready, _, _ = select.select([*sockets, *others], [], [], max(0.0, until - time.monotonic()))
        for number in ready:
            if number in sockets:
                sockets[number].receive(nodes)
        found = [number for number in others if number in ready]
        if found or time.monotonic() >= until:
            return found


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", name]:
            _serve(name)
        case ["send", path, *addresses]:
            _send(path, addresses)
