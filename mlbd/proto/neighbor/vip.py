"""One address on its way to being held: RFC 5227 for IPv4, RFC 4862 5.4 for IPv6.

Rules:
1. Everything that changes the state of an address is in TRANSITIONS; a pair that is not there changes nothing.
2. This file does not know frames, links or the wire. It says what is due, `announcer` sends it.
3. An address that this node held needs no second probe: a take-over never waits.
4. In CONFLICT the address is probed again from time to time; only silence leads to HOLDING.
"""

from enum import Enum
from typing import Final

from mlbd.proto.neighbor.link import Claim

PROBE_COUNT: Final = 3
PROBE_WAIT: Final = 0.1  # seconds in all; RFC 5227 1.1 has up to 7, too long for a Service that waits
ANNOUNCE_ROUNDS: Final = 5
ANNOUNCE_INTERVAL: Final = 1.1  # seconds; RFC 4861 7.2.6 wants 1 at least
REFRESH_INTERVAL: Final = 30.0  # seconds between announcements while held
DEFEND_INTERVAL: Final = 10.0  # seconds, RFC 5227 1.1
RETRY_INTERVAL: Final = 10.0  # seconds from a conflict to the next probe
MAX_CONFLICTS: Final = 10  # RFC 5227 1.1: after these,
RATE_LIMIT_INTERVAL: Final = 60.0  # seconds between probes


class State(Enum):
    STANDBY = "standby"
    PROBING = "probing"
    HOLDING = "holding"
    CONFLICT = "conflict"
    SILENT = "silent"


class Event(Enum):
    TAKE = "this node is to hold the address"
    TAKE_UNKNOWN = "this node is to hold an address that none of ours is known to have held"
    YIELD = "another node is to hold it"
    FOREIGN = "another MAC claims it"
    UNCLAIMED = "nobody answered the probes"
    SILENCE = "there is no link to speak on, or the daemon was not heard from"


class Due(Enum):
    """What a machine wants sent when its time has come."""

    PROBE = "probe"
    ANNOUNCEMENT = "announcement"


TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (State.STANDBY, Event.TAKE): State.HOLDING,
    (State.STANDBY, Event.TAKE_UNKNOWN): State.PROBING,
    (State.STANDBY, Event.SILENCE): State.SILENT,
    (State.PROBING, Event.TAKE): State.HOLDING,
    (State.PROBING, Event.YIELD): State.STANDBY,
    (State.PROBING, Event.FOREIGN): State.CONFLICT,
    (State.PROBING, Event.UNCLAIMED): State.HOLDING,
    (State.PROBING, Event.SILENCE): State.SILENT,
    (State.HOLDING, Event.YIELD): State.STANDBY,
    (State.HOLDING, Event.SILENCE): State.SILENT,
    (State.CONFLICT, Event.YIELD): State.STANDBY,
    (State.CONFLICT, Event.FOREIGN): State.CONFLICT,
    (State.CONFLICT, Event.UNCLAIMED): State.HOLDING,
    (State.CONFLICT, Event.SILENCE): State.SILENT,
    (State.SILENT, Event.TAKE): State.HOLDING,
    (State.SILENT, Event.TAKE_UNKNOWN): State.PROBING,
    (State.SILENT, Event.YIELD): State.STANDBY,
}


class Vip:
    """The machine of one address. `due` is when it wants `expire`, None for never."""

    __slots__ = ("_conflicts", "_defended", "_step", "address", "claim", "due", "known", "state")

    def __init__(self, claim: Claim) -> None:
        self.address = claim.address.packed
        self.claim = claim
        self.state = State.STANDBY
        self.due: float | None = None
        self.known = not claim.probe
        self._step = 0
        self._conflicts = 0
        self._defended: float | None = None

    @property
    def active(self) -> bool:
        """Whether frames about the address matter to this node."""
        return self.state in (State.PROBING, State.HOLDING, State.CONFLICT)

    def take(self, now: float) -> bool:
        return self.handle(Event.TAKE if self.known else Event.TAKE_UNKNOWN, now)

    def handle(self, event: Event, now: float) -> bool:
        """Whether the machine entered a state (perhaps the one it was in, as CONFLICT after a retry)."""
        if event is Event.FOREIGN and self._waits_to_retry():
            return False
        state = TRANSITIONS.get((self.state, event))
        if state is None:
            return False
        self._enter(state, now)
        return True

    def expire(self, now: float) -> Due | None:
        """What is to be sent now; None when the wait for answers to the probes is over."""
        if self.state is State.HOLDING:
            self._step += 1
            self.due = now + ANNOUNCE_INTERVAL if self._step < ANNOUNCE_ROUNDS else self._next_refresh(now)
            return Due.ANNOUNCEMENT
        if self._step == PROBE_COUNT:
            self.handle(Event.UNCLAIMED, now)
            return None
        self._step += 1
        self.due = now + PROBE_WAIT / PROBE_COUNT
        return Due.PROBE

    def announce_again(self, now: float) -> None:
        """While HOLDING: the burst from its beginning, for a link or MAC that neighbours do not know yet."""
        self._step, self.due = 0, now

    def defend(self, now: float) -> bool:
        """RFC 5227 2.4 (c): whether the address may be defended now, at most once in DEFEND_INTERVAL."""
        if self._defended is not None and now - self._defended < DEFEND_INTERVAL:
            return False
        self._defended = now
        return True

    def _enter(self, state: State, now: float) -> None:
        self.state, self._step = state, 0
        match state:
            case State.PROBING:
                self.due = now
            case State.HOLDING:
                self.due, self.known, self._conflicts = now, True, 0
            case State.CONFLICT:
                self._conflicts += 1
                self.due = now + (RETRY_INTERVAL if self._conflicts <= MAX_CONFLICTS else RATE_LIMIT_INTERVAL)
            case State.STANDBY | State.SILENT:
                self.due = None

    def _waits_to_retry(self) -> bool:
        return self.state is State.CONFLICT and self._step == 0

    def _next_refresh(self, now: float) -> float:
        """The next moment of the address's own phase, so that many taken at once do not refresh at once."""
        spread = int.from_bytes(self.address[-4:]) * 0x9E37_79B1 % 2**32
        phase = spread / 2**32 * REFRESH_INTERVAL
        return now + REFRESH_INTERVAL - (now - phase) % REFRESH_INTERVAL
