"""Two ends of BFD sessions and the wire between them, under a clock that the test moves."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

from mlbd.proto.bfd.packet import Diagnostic, Packet, State, decode
from mlbd.proto.bfd.session import Action, Send, SessionChanged
from mlbd.proto.bfd.sessions import Arrival, Sessions, SessionStatus
from mlbd.proto.bfd.watch import Watch

A, B = ip_address("192.0.2.1"), ip_address("192.0.2.2")
WATCH = Watch("b", A, B, 2, 100_000, 100_000, 3)
DELAY = 0.001


def mirrored(watch: Watch) -> Watch:
    """The other end's view of the same path."""
    return replace(watch, peer="a", local=watch.remote, remote=watch.local)


class End:
    """`log` holds what the machine did, `sent` every packet that it sent, each with its time."""

    def __init__(self, watch: Watch, seed: float | Callable[[], float]) -> None:
        self.sessions = Sessions(seed if callable(seed) else random.Random(seed).random)
        self.watch = watch
        self.reaches_other = True
        self.ttl = 255
        self.log: list[tuple[float, SessionChanged]] = []
        self.sent: list[tuple[float, Packet]] = []
        self.octets: list[bytes] = []

    def note(self, now: float, actions: list[Action]) -> list[bytes]:
        """The octets that go to the wire."""
        octets = [action.octets for action in actions if isinstance(action, Send)]
        self.octets += octets
        for each in octets:
            packet = decode(each)
            assert isinstance(packet, Packet)
            self.sent.append((now, packet))
        self.log += [(now, action) for action in actions if isinstance(action, SessionChanged)]
        return octets if self.reaches_other else []

    @property
    def status(self) -> SessionStatus:
        (status,) = self.sessions.status()
        return status

    @property
    def state(self) -> State:
        return self.status.state

    def reasons(self) -> list[tuple[State, Diagnostic, State]]:
        return [(change.state, change.diagnostic, change.remote_state) for _, change in self.log]

    def since(self, time: float) -> list[tuple[float, Packet]]:
        return [(at, packet) for at, packet in self.sent if at >= time]

    def arrival(self) -> Arrival:
        """How the other end's packets reach this one."""
        return Arrival(self.watch.remote, self.watch.local, self.watch.link, self.ttl, self.watch.link == 0)


class Pair:
    def __init__(self, a: Watch = WATCH, b: Watch | None = None, start: bool = True) -> None:
        self.now = 1000.0
        self.a, self.b = End(a, 1), End(b or mirrored(a), 2)
        self._wire: list[tuple[float, End, bytes]] = []
        if start:
            self.start(self.a)
            self.start(self.b)

    def start(self, end: End) -> None:
        self.watch(end, end.watch)

    def watch(self, end: End, watch: Watch) -> None:
        end.watch = watch
        self.do(end, end.sessions.watch([watch], self.now))

    def disable(self, end: End, down: bool = True) -> None:
        self.do(end, end.sessions.watch([end.watch], self.now, {end.watch.key} if down else set()))

    def do(self, end: End, actions: list[Action]) -> None:
        other = self.b if end is self.a else self.a
        self._wire += [(self.now + DELAY, other, octets) for octets in end.note(self.now, actions)]

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while (time := self._next()) <= end:
            self.now = max(self.now, time)
            self._step()
        self.now = end

    def _next(self) -> float:
        deadlines = [side.sessions.deadline() for side in (self.a, self.b)]
        times = [time for time in (*deadlines, *(at for at, _, _ in self._wire)) if time is not None]
        return min(times, default=float("inf"))

    def _step(self) -> None:
        arrived = [item for item in self._wire if item[0] <= self.now]
        self._wire = [item for item in self._wire if item[0] > self.now]
        for _, receiver, octets in arrived:
            self.do(receiver, receiver.sessions.receive(octets, receiver.arrival(), self.now))
        for side in (self.a, self.b):
            self.do(side, side.sessions.expire(self.now))


def up(a: Watch = WATCH, b: Watch | None = None) -> Pair:
    """A pair that is Up and has negotiated."""
    pair = Pair(a, b)
    pair.run(3)
    assert (pair.a.state, pair.b.state) == (State.UP, State.UP)
    return pair
