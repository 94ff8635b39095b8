"""Two speakers and the TCP connections between them, with any order of what happens."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from random import Random

from mlbd.proto.bgp.neighbor import Action, Close, Connect, GiveUp, Neighbor, Path, Send, State, StateChanged
from mlbd.proto.bgp.session import Session

UPDATE = 2


@dataclass(eq=False)
class End:
    """One end of a TCP connection. `arriving` is on its way to this end; None is the other's FIN behind it."""

    side: Side
    is_dialer: bool
    number: int = 0
    is_known: bool = False
    is_open: bool = True
    arriving: deque[bytes | None] = field(default_factory=deque)
    received: bytearray = field(default_factory=bytearray)
    other: End = field(init=False, repr=False)

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self.other.arriving.append(None)


class Side:
    def __init__(self, neighbor: Neighbor, path: Path, random: Random) -> None:
        self.session = Session(neighbor, random.random)
        self.path = path
        self.is_dialing = False
        self.ends: list[End] = []
        self.changes: list[StateChanged] = []
        self.other: Side

    @property
    def state(self) -> State:
        return self.changes[-1].state if self.changes else State.IDLE

    def open_ends(self) -> list[End]:
        return [end for end in self.ends if end.is_open]


class Wire:
    """step() lets one thing happen of all that can; a timer runs out only when nothing else can, or by `haste`."""

    def __init__(self, a: Neighbor, b: Neighbor, random: Random) -> None:
        here, there = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
        self.now = 0.0
        self.a = Side(a, Path(here, there, ipv4=here), random)
        self.b = Side(b, Path(there, here, ipv4=there), random)
        self.a.other, self.b.other = self.b, self.a
        self.sides = self.a, self.b
        self._random = random
        self._numbers = 0

    def do(self, side: Side, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Connect():
                    self._give_up(side)
                    side.is_dialing = True
                case GiveUp():
                    self._give_up(side)
                case Send(number, data):
                    end = self._end(side, number)
                    end.other.arriving.append(data)
                    self.do(side, side.session.sent(number, 0, self.now))
                case Close(number):
                    self._end(side, number).close()
                case StateChanged():
                    side.changes.append(action)

    def step(self, haste: float = 0.0) -> bool:
        """False when nothing can happen any more, at any time."""
        dials = [side for side in self.sides if side.is_dialing]
        unknown = [end for side in self.sides for end in side.ends if end.is_open and not end.is_known]
        reading = [end for side in self.sides for end in side.ends if end.is_open and end.is_known and end.arriving]
        deadlines = [due for side in self.sides if (due := side.session.deadline()) is not None]
        if deadlines and (not (dials or unknown or reading) or self._random.random() < haste):
            self.expire(min(deadlines))
        elif dials or unknown or reading:
            match self._random.choice([*dials, *unknown, *reading]):
                case Side() as side:
                    self._shake_hands(side)
                case End(is_known=False) as end:
                    self._introduce(end)
                case End() as end:
                    self._read(end)
        return bool(deadlines or dials or unknown or reading)

    def expire(self, due: float) -> None:
        self.now = max(self.now, due)
        for side in self.sides:
            self.do(side, side.session.expire(self.now))

    def lose(self, end: End) -> None:
        """The connection breaks; what was on its way is gone."""
        for one in (end, end.other):
            one.arriving.clear()
            one.arriving.append(None)

    def settle(self, seconds: float) -> None:
        """Lets everything happen that happens within the time."""
        until = self.now + seconds
        while self.now < until and self.step():
            pass

    def _end(self, side: Side, number: int) -> End:
        [end] = [end for end in side.ends if end.number == number]
        assert end.is_open, "nothing may be done with a closed connection"
        return end

    def _give_up(self, side: Side) -> None:
        side.is_dialing = False
        for end in side.ends:
            if end.is_dialer and not end.is_known:
                end.close()

    def _shake_hands(self, side: Side) -> None:
        """Both kernels have the connection; neither process knows."""
        side.is_dialing = False
        one, other = End(side, True), End(side.other, False)
        one.other, other.other = other, one
        for end in (one, other):
            self._numbers += 1
            end.number = self._numbers
            end.side.ends.append(end)

    def _introduce(self, end: End) -> None:
        end.is_known = True
        session = end.side.session
        tell = session.connected if end.is_dialer else session.accepted
        self.do(end.side, tell(end.number, end.side.path, self.now))

    def _read(self, end: End) -> None:
        data = end.arriving.popleft()
        if data is None:
            end.close()
            self.do(end.side, end.side.session.closed(end.number, self.now, "closed by the peer"))
            return
        cut = self._random.randint(1, len(data))
        if data[cut:]:
            end.arriving.appendleft(data[cut:])
        end.received += data[:cut]
        self.do(end.side, end.side.session.receive(end.number, data[:cut], self.now))


def updates(octets: bytes) -> list[bytes]:
    """The UPDATEs of a stream, whole."""
    found, at = [], 0
    while at < len(octets):
        length = int.from_bytes(octets[at + 16 : at + 18], "big")
        if octets[at + 18] == UPDATE:
            found.append(octets[at : at + length])
        at += length
    return found
