"""The machine of a peer as long as it has no connection: when to connect, and when to wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .fsm import Do, Event, transition
from .neighbor import Action, Connect, GiveUp, Neighbor, State

FIRST_PAUSE: Final = 1.0
#: A session that lasted this long was a good one: what ended it is new.
LASTING: Final = 30.0
#: An attempt is begun anew after this time: the kernel repeats a SYN at 1, 3 and 7 seconds and then ever more rarely,
#: which would keep a router waiting that has just come up.
PATIENCE: Final = 10.0


class Opener:
    """`state` is None while a connection carries on its machine, or is Established. `due` is when to call expire().
    `listening`: the peer may connect, also while this end waits for its next attempt."""

    __slots__ = ("_neighbor", "_pause", "_random", "due", "listening", "state")

    def __init__(self, neighbor: Neighbor, random: Callable[[], float]) -> None:
        self._neighbor = neighbor
        self._random = random
        self._pause = self._first_pause()
        self.state: State | None = State.IDLE
        self.due: float | None = None
        self.listening = False

    def start(self, now: float) -> list[Action]:
        self._pause, self.listening = self._first_pause(), True
        return self._handle(Event.MANUAL_START_PASSIVE if self._neighbor.passive else Event.MANUAL_START, now)

    def stop(self, now: float) -> list[Action]:
        """Nothing begins after it but by start()."""
        actions = self._handle(Event.MANUAL_STOP, now)
        self.state, self.due, self.listening = State.IDLE, None, False
        return actions

    def is_patience_over(self, now: float) -> bool:
        """Whether expire() will begin an attempt anew that nobody answered."""
        return self.state is State.CONNECT and self.due is not None and self.due <= now

    def expire(self, now: float) -> list[Action]:
        if self.due is None or now < self.due:
            return []
        self.due, self.listening = None, True
        if self.state is not State.IDLE:
            return self._handle(Event.CONNECT_RETRY_TIMER_EXPIRES, now)
        passive = self._neighbor.passive
        return self._handle(Event.AUTOMATIC_START_DAMPED_PASSIVE if passive else Event.AUTOMATIC_START_DAMPED, now)

    def fail(self, now: float) -> None:
        """The attempt under way failed; the next comes after the back-off."""
        self._handle(Event.TCP_CONNECTION_FAILS, now)
        self._back_off(now)

    def hand_over(self) -> None:
        """A connection goes on with the machine."""
        self.state, self.due = None, None

    def give_up(self) -> list[Action]:
        """Another connection is Established: no attempt is needed."""
        actions: list[Action] = [GiveUp()] if self.state is State.CONNECT else []
        self.hand_over()
        return actions

    def take_back(self, state: State, lasted: float, alone: bool, now: float) -> None:
        """The connection ended after it had been Established for `lasted` seconds; `state` is what follows: Idle for
        the back-off, or Active. A peer that connected anew meanwhile, so that this end is not `alone`, comes first."""
        self.state = state
        if lasted >= LASTING:
            self._pause = self._first_pause()
        if lasted >= LASTING and alone:
            self.due = now
        else:
            self._back_off(now)

    def rest(self, seconds: float, now: float) -> None:
        """Idle, whoever calls (RFC 4271 8.2.2)."""
        self.state, self.listening = State.IDLE, False
        self.due = now + seconds

    def _back_off(self, now: float) -> None:
        """RFC 4271 10 has the jitter."""
        self.due = now + self._jitter(self._pause)
        self._pause = min(2 * self._pause, self._neighbor.connect_retry_time)

    def _first_pause(self) -> float:
        return min(FIRST_PAUSE, self._neighbor.connect_retry_time)

    def _jitter(self, seconds: float) -> float:
        return seconds * (0.75 + 0.25 * self._random())

    def _handle(self, event: Event, now: float) -> list[Action]:
        if self.state is None:
            return []
        before, (do, self.state) = self.state, transition(self.state, event)
        match do:
            case Do.CONNECT:
                self.due = now + self._jitter(min(PATIENCE, self._neighbor.connect_retry_time))
                return [Connect()]
            case Do.DROP if before is State.CONNECT:
                return [GiveUp()]
            case _:
                return []
