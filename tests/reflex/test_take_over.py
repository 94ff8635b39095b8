"""Two real reflexes that watch each other: VIP is node-1's first, VIP6 is node-2's."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from mlbd.proto.bfd.watch import Watch
from mlbd.proto.control import Drain, Drained, Ready, SessionReport
from mlbd.proto.neighbor.frame import parse_mac
from mlbd.proto.neighbor.vip import State
from tests import lab
from tests.lab import Capture, Frame, Host, Lab, wait_for
from tests.reflex.conftest import Reflex, StartReflex

VIP, VIP6 = "192.0.2.10", "2001:db8::10"
ORDERS = {VIP: ("node-1", "node-2"), VIP6: ("node-2", "node-1")}
LONG = 3600.0
SHORT = 3.0


class Peer:
    """A node with its reflex; `number` is in its name and address."""

    def __init__(self, host: Host, lan: lab.Segment, number: int) -> None:
        self.host, self.number = host, number
        self.address = f"192.0.2.{number}"
        self.eth0 = host.connect(lan, "eth0", f"{self.address}/24", f"2001:db8::{number}/64")
        self.reflex: Reflex

    def start(self, start: StartReflex, hold_down: float, failures: int = 0) -> None:
        other = 3 - self.number
        self.reflex = start(self.host, node=f"node-{self.number}", failures=failures)
        self.reflex.use(self.eth0)
        for address, order in ORDERS.items():
            self.reflex.claim(address, on=(self.eth0,), order=order)
        local, remote = ip_address(self.address), ip_address(f"192.0.2.{other}")
        watch = Watch(f"node-{other}", local, remote, self.eth0.index, 100_000, 100_000, 3)
        self.reflex.watch(watch, hold_down=hold_down)

    def kill(self) -> None:
        self.reflex.process.kill()
        self.reflex.process.wait()

    def freeze(self) -> None:
        self.reflex.process.send_signal(signal.SIGSTOP)
        wait_for(self._is_frozen)

    def runs(self) -> bool:
        return self.reflex.process.poll() is None and not self._is_frozen()

    def _is_frozen(self) -> bool:
        return " T " in Path(f"/proc/{self.reflex.process.pid}/stat").read_text()

    def states(self, address: str = VIP) -> list[State]:
        return [change.state for change in self.reflex.changes(address)]

    def session(self) -> SessionReport | None:
        """As it was last reported."""
        self.reflex.pong()
        return next((r for r in reversed(self.reflex.read()) if isinstance(r, SessionReport)), None)

    def announced(self, frame: Frame) -> bool:
        """Whether it is a claim to VIP or VIP6 of this node."""
        if frame.octets[6:12] != parse_mac(self.eth0.mac):
            return False
        arp = is_arp(frame) and frame.octets[28:32] == socket.inet_aton(VIP)
        ndp = frame.octets[54:55] == b"\x88" and frame.octets[62:78] == socket.inet_pton(socket.AF_INET6, VIP6)
        return arp or ndp


def is_arp(frame: Frame) -> bool:
    return frame.octets[12:14] == b"\x08\x06"


class Pair:
    def __init__(self, lab: Lab, start: StartReflex) -> None:
        self._start = start
        self.lan = lab.segment("lan")
        self.one, self.two = (Peer(lab.host(f"node-{i}"), self.lan, i) for i in (1, 2))
        self.client = lab.host("client")
        self.client.connect(self.lan, "eth0", "192.0.2.9/24")

    def serve(self, hold_down: float = LONG) -> None:
        for peer in (self.one, self.two):
            peer.start(self._start, hold_down)
        self.until(lambda: self.one.states() == self.two.states(VIP6) == [State.PROBING, State.HOLDING])

    def until(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        """Both daemons stay alive meanwhile; a reflex that cannot answer is left alone."""

        def ping_and_look() -> bool:
            for peer in (self.one, self.two):
                if peer.runs():
                    peer.reflex.pong()
            return condition()

        wait_for(ping_and_look, seconds)

    def restart(self, peer: Peer, hold_down: float) -> None:
        peer.start(self._start, hold_down, failures=1)


@pytest.fixture
def pair(lab: Lab, start: StartReflex) -> Pair:
    return Pair(lab, start)


@pytest.fixture
def capture(pair: Pair) -> Iterator[Capture]:
    with pair.client.capture("eth0") as capture:
        yield capture


def test_each_holds_what_it_stands_first_for(pair: Pair) -> None:
    pair.serve()
    assert pair.one.states(VIP6) == pair.two.states(VIP) == []
    assert pair.one.session() == SessionReport(
        "node-2",
        pair.one.eth0.index,
        ip_address("192.0.2.1"),
        ip_address("192.0.2.2"),
        "up",
        "",
        "up",
        "",
        100_000,
        300_000,
        1,
        0,
    )


@pytest.mark.parametrize("fault", [Peer.kill, Peer.freeze])
def test_a_dead_or_frozen_holder_is_replaced(pair: Pair, capture: Capture, fault: Callable[[Peer], None]) -> None:
    pair.serve()
    fault(pair.one)
    pair.until(lambda: pair.two.states() == [State.HOLDING])
    capture.wait_for(pair.two.announced)
    assert pair.two.states(VIP6) == [State.PROBING, State.HOLDING]
    session = pair.two.session()
    assert session is not None
    assert (session.state, session.diagnostic, session.downs) == ("down", "control detection time expired", 1)


def test_the_other_family_is_taken_over_too(pair: Pair, capture: Capture) -> None:
    pair.serve()
    pair.two.kill()
    pair.until(lambda: pair.one.states(VIP6) == [State.HOLDING])
    capture.wait_for(lambda frame: pair.one.announced(frame) and not is_arp(frame))


def test_one_that_was_frozen_claims_nothing_and_waits(pair: Pair, capture: Capture) -> None:
    pair.serve()
    pair.one.freeze()
    frozen = time.time()
    taken = capture.wait_for(lambda frame: frame.time > frozen and pair.two.announced(frame) and is_arp(frame))
    capture.wait_for(lambda frame: frame.time > taken.time + 1 and pair.two.announced(frame) and is_arp(frame))
    thawed = time.time()
    pair.one.reflex.process.send_signal(signal.SIGCONT)
    pair.until(lambda: pair.one.states()[2:4] == [State.PROBING, State.WAITING])
    assert pair.one.reflex.changes(VIP)[-1].node == "node-2"
    assert pair.one.reflex.pong().counters["frozen"] == 1
    pair.until(lambda: (session := pair.one.session()) is not None and session.ups == 2)
    assert not [frame for frame in capture.frames() if frame.time > thawed and pair.one.announced(frame)]
    assert pair.two.states() == [State.HOLDING]
    assert State.HOLDING not in pair.one.states()[2:]


def test_one_that_returns_takes_its_addresses_after_its_hold_down(pair: Pair) -> None:
    pair.serve(SHORT)
    pair.one.kill()
    pair.until(lambda: pair.two.states() == [State.HOLDING])
    started = time.monotonic()
    pair.restart(pair.one, SHORT)
    pair.until(lambda: pair.one.states()[-1] is State.HOLDING)
    assert pair.one.states()[:2] == [State.PROBING, State.WAITING]
    assert time.monotonic() - started >= SHORT
    pair.until(lambda: pair.two.states() == [State.HOLDING, State.STANDBY])


def test_when_the_daemon_is_gone_the_others_are_told(pair: Pair) -> None:
    pair.serve()
    pair.one.reflex.hang_up()
    assert pair.one.reflex.process.wait(10) == 0
    wait_for(lambda: pair.two.states() == [State.HOLDING])
    session = pair.two.session()
    assert session is not None
    assert (session.diagnostic, session.remote_state) == ("neighbor signaled session down", "admin-down")


def test_a_drain_hands_over_and_tells_when_it_is_done(pair: Pair) -> None:
    pair.serve(SHORT)
    pair.one.reflex.order(Drain(True))
    pair.until(lambda: Drained() in pair.one.reflex.read())
    assert pair.one.states()[2:] == [State.LEAVING, State.STANDBY]
    assert pair.two.states() == [State.HOLDING]
    pair.one.reflex.order(Drain(False))
    pair.until(lambda: pair.one.states()[-1] is State.HOLDING)
    pair.until(lambda: pair.two.states() == [State.HOLDING, State.STANDBY])


def test_a_drain_without_anybody_to_take_over_ends_too(pair: Pair) -> None:
    pair.serve()
    pair.two.kill()
    pair.until(lambda: pair.one.states(VIP6) == [State.HOLDING])
    pair.one.reflex.order(Drain(True))
    pair.until(lambda: Drained() in pair.one.reflex.read())


def test_a_daemon_that_is_not_heard_from_ends_the_sessions_on_purpose(pair: Pair) -> None:
    pair.serve()

    def told() -> bool:
        session = pair.two.session()
        return session is not None and session.remote_state == "admin-down"

    wait_for(told, 30)
    wait_for(lambda: pair.two.states() == [State.HOLDING])
    assert pair.one.states()[-1] is State.SILENT
    pair.one.reflex.pong()
    pair.until(lambda: pair.one.states()[-1] is State.WAITING)


def test_it_runs_in_real_time_and_says_so(pair: Pair) -> None:
    pair.serve()
    assert Ready(True) in pair.one.reflex.read()
    assert os.sched_getscheduler(pair.one.reflex.process.pid) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO
