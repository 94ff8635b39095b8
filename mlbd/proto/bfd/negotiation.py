"""How often both sides send: intervals, Poll Sequences, Detection Time (RFC 5880 6.5, 6.8.2 to 6.8.4).

Rules of 6.8.3, while the session is Up:
1. A change of our intervals is told by a Poll Sequence and holds when its Final has come, where holding it sooner
   could make one side wait for packets that the other does not send yet: sending more slowly, waiting for less long.
   Everything else holds at once.
2. One change at a time. The next is told when the Final has come and after it a packet without Final, so that it is
   plain which change a Final answers.

While the session is not Up nothing depends on when a change holds, so it holds at once.
"""

from enum import Enum
from typing import Final

from mlbd.proto.bfd.packet import Packet

SLOW: Final = 1_000_000
"""Microseconds between packets until the session is Up, at least (6.8.3)."""


class Poll(Enum):
    IDLE = "no Poll Sequence"
    POLLING = "every packet has the Poll bit until a Final comes"
    SETTLING = "the Final has come, a packet without it has not"


class Negotiation:
    """All intervals in microseconds. `desired_min_tx` and `required_min_rx` are what our packets say."""

    __slots__ = (
        "_min_rx",
        "_min_tx",
        "desired_min_tx",
        "poll",
        "remote_min_rx",
        "remote_min_tx",
        "remote_multiplier",
        "required_min_rx",
    )

    def __init__(self, desired_min_tx: int, required_min_rx: int) -> None:
        self.desired_min_tx = self._min_tx = max(SLOW, desired_min_tx)
        self.required_min_rx = self._min_rx = required_min_rx
        self.remote_min_tx = 0
        self.remote_min_rx = 1
        self.remote_multiplier = 0
        self.poll = Poll.IDLE

    @property
    def transmit_interval(self) -> int:
        return max(self._min_tx, self.remote_min_rx)

    @property
    def detection_time(self) -> int:
        """0 as long as nothing has been received."""
        return self.remote_multiplier * max(self._min_rx, self.remote_min_tx)

    def want(self, desired_min_tx: int, required_min_rx: int, up: bool) -> None:
        if not up:
            desired_min_tx = max(SLOW, desired_min_tx)
        wanted = desired_min_tx, required_min_rx
        if wanted != (self.desired_min_tx, self.required_min_rx) and not (up and self.poll is not Poll.IDLE):
            self.desired_min_tx, self.required_min_rx = wanted
            self.poll = Poll.POLLING
            self._min_tx = min(self._min_tx, desired_min_tx)
            self._min_rx = max(self._min_rx, required_min_rx)
        if not up:
            self._hold()

    def receive(self, packet: Packet) -> None:
        self.remote_min_tx = packet.desired_min_tx
        self.remote_min_rx = packet.required_min_rx
        self.remote_multiplier = packet.multiplier
        if packet.final:
            if self.poll is Poll.POLLING:
                self.poll = Poll.SETTLING
                self._hold()
        elif self.poll is Poll.SETTLING:
            self.poll = Poll.IDLE

    def lose(self) -> None:
        """After a Detection Time of silence the other side's wish no longer binds (6.8.18)."""
        self.remote_min_rx = 1

    def _hold(self) -> None:
        self._min_tx, self._min_rx = self.desired_min_tx, self.required_min_rx
