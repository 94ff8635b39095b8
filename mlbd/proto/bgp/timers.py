"""The timers of a connection (RFC 4271 8, RFC 9687)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .fsm import Event

#: Until the peer's OPEN (RFC 4271 8.2.2, OpenSent).
OPEN_HOLD: Final = 240.0
#: At least, and at least twice the hold time (RFC 9687 6).
SEND_HOLD: Final = 480.0


class Timers:
    """`hold_time` and `keepalive_time` in seconds, 0 for none."""

    __slots__ = ("_blocked_at", "_hold_due", "_keepalive_due", "_random", "hold_time", "keepalive_time")

    def __init__(self, random: Callable[[], float]) -> None:
        self.hold_time = self.keepalive_time = 0.0
        self._random = random
        self._hold_due: float | None = None
        self._keepalive_due: float | None = None
        self._blocked_at: float | None = None

    def await_open(self, now: float) -> None:
        self.hold_time = OPEN_HOLD
        self.heard(now)

    def agree(self, hold_time: float, keepalive_time: float, now: float) -> None:
        self.hold_time, self.keepalive_time = hold_time, keepalive_time
        self.heard(now)

    def heard(self, now: float) -> None:
        self._hold_due = now + self.hold_time if self.hold_time else None

    def said(self, now: float) -> None:
        """A KEEPALIVE or UPDATE. The next is due after 75 to 100 % of the keepalive time (RFC 4271 10), but never
        within a second (4.4)."""
        if self.keepalive_time:
            self._keepalive_due = now + max(1.0, self.keepalive_time * (0.75 + 0.25 * self._random()))

    def waits(self, now: float) -> None:
        """Something is in the send buffer."""
        if self._blocked_at is None:
            self._blocked_at = now

    def moves(self, pending: int, now: float) -> None:
        """Something left the send buffer, and `pending` octets are still there."""
        self._blocked_at = now if pending else None

    @property
    def send_hold_time(self) -> float:
        return max(SEND_HOLD, 2 * self.hold_time)

    def due(self, now: float) -> Event | None:
        for time, event in self._all():
            if time <= now:
                return event
        return None

    def deadline(self) -> float | None:
        return min((time for time, _ in self._all()), default=None)

    def _all(self) -> list[tuple[float, Event]]:
        """The fatal ones first."""
        found = []
        if self._hold_due is not None:
            found.append((self._hold_due, Event.HOLD_TIMER_EXPIRES))
        if self._blocked_at is not None and self.hold_time:
            found.append((self._blocked_at + self.send_hold_time, Event.SEND_HOLD_TIMER_EXPIRES))
        if self._keepalive_due is not None:
            found.append((self._keepalive_due, Event.KEEPALIVE_TIMER_EXPIRES))
        return found
