"""One address on one link, on its way to being held: RFC 5227 for IPv4, RFC 4862 5.4 for IPv6.

Rules:
1. Everything that changes the state of an address is in TRANSITIONS; a pair that is not there changes nothing.
2. This file does not know frames, links, other nodes or the wire. It says what is due, `announcer` sends it.
3. An address that this node stood by for, or that another node of ours has, needs no probe: a take-over never waits.
4. A node that holds an address goes on until it hears another of ours announce it (YIELD). So it is never nobody's,
   whatever nodes think of each other, and a planned move loses nothing.
5. In CONFLICT the address is probed again from time to time; only silence leads to HOLDING.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from mlbd.proto.neighbor.link import Claim

PROBE_COUNT: Final = 3
PROBE_WAIT: Final = 0.1  # seconds in all; RFC 5227 1.1 has up to 7, too long for a Service that waits
ANNOUNCE_ROUNDS: Final = 5
ANNOUNCE_INTERVAL: Final = 1.1  # seconds; RFC 4861 7.2.6 wants 1 at least
REFRESH_INTERVAL: Final = 30.0  # seconds between announcements while held
DEFEND_INTERVAL: Final = 10.0  # seconds, RFC 5227 1.1
INSIST_INTERVAL: Final = 1.0  # seconds between announcements against one of our own nodes
RETRY_INTERVAL: Final = 10.0  # seconds from a conflict to the next probe
MAX_CONFLICTS: Final = 10  # RFC 5227 1.1: after these,
RATE_LIMIT_INTERVAL: Final = 60.0  # seconds between probes
LEAVE_WAIT: Final = 3.0  # seconds in which another node is to announce what this one leaves
TRUST: Final = 10.0  # seconds after its announcement in which another node is believed to hold
PROBE_TRUST: Final = 1.0  # seconds after its probe
_SAME_CLAIM: Final = INSIST_INTERVAL / 2
_MOMENT: Final = 0.1  # seconds by which one node may read its files sooner than another
PATIENCE: Final = 10.0  # seconds without a further claim after which a dispute is over
CONCESSION: Final = 600.0  # seconds for which what was conceded is not claimed again


class State(Enum):
    STANDBY = "standby"
    PROBING = "probing"
    WAITING = "waiting"
    HOLDING = "holding"
    LEAVING = "leaving"
    CONFLICT = "conflict"
    SILENT = "silent"


class Event(Enum):
    TAKE = "this node is to hold the address"
    TAKE_UNKNOWN = "this node is to hold an address that none of ours is known to have held"
    STAND_BY = "a node that is alive stands before this one"
    WAIT = "it is this node's turn, but another of ours holds the address"
    YIELD = "another node of ours announced it"
    LEAVE = "this node is not to hold it"
    UNCLAIMED = "nobody answered the probes, or announced what this node leaves"
    FOREIGN = "another MAC claims it"
    DOUBT = "this node did not run for a while: others may have taken it"
    SILENCE = "there is no link to speak on, or the daemon was not heard from"


class Due(Enum):
    """What a machine wants when its time has come."""

    PROBE = "probe"
    ANNOUNCEMENT = "announcement"


TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (State.STANDBY, Event.TAKE): State.HOLDING,
    (State.STANDBY, Event.TAKE_UNKNOWN): State.PROBING,
    (State.STANDBY, Event.WAIT): State.WAITING,
    (State.STANDBY, Event.SILENCE): State.SILENT,
    (State.PROBING, Event.TAKE): State.HOLDING,
    (State.PROBING, Event.STAND_BY): State.STANDBY,
    (State.PROBING, Event.WAIT): State.WAITING,
    (State.PROBING, Event.LEAVE): State.STANDBY,
    (State.PROBING, Event.FOREIGN): State.CONFLICT,
    (State.PROBING, Event.UNCLAIMED): State.HOLDING,
    (State.PROBING, Event.SILENCE): State.SILENT,
    (State.WAITING, Event.TAKE): State.HOLDING,
    (State.WAITING, Event.TAKE_UNKNOWN): State.PROBING,
    (State.WAITING, Event.STAND_BY): State.STANDBY,
    (State.WAITING, Event.LEAVE): State.STANDBY,
    (State.WAITING, Event.SILENCE): State.SILENT,
    (State.HOLDING, Event.YIELD): State.STANDBY,
    (State.HOLDING, Event.LEAVE): State.LEAVING,
    (State.HOLDING, Event.DOUBT): State.PROBING,
    (State.HOLDING, Event.SILENCE): State.SILENT,
    (State.LEAVING, Event.TAKE): State.HOLDING,
    (State.LEAVING, Event.STAND_BY): State.HOLDING,
    (State.LEAVING, Event.YIELD): State.STANDBY,
    (State.LEAVING, Event.UNCLAIMED): State.STANDBY,
    (State.LEAVING, Event.DOUBT): State.STANDBY,
    (State.LEAVING, Event.SILENCE): State.SILENT,
    (State.CONFLICT, Event.STAND_BY): State.STANDBY,
    (State.CONFLICT, Event.WAIT): State.WAITING,
    (State.CONFLICT, Event.LEAVE): State.STANDBY,
    (State.CONFLICT, Event.FOREIGN): State.CONFLICT,
    (State.CONFLICT, Event.UNCLAIMED): State.HOLDING,
    (State.CONFLICT, Event.SILENCE): State.SILENT,
    (State.SILENT, Event.TAKE): State.HOLDING,
    (State.SILENT, Event.TAKE_UNKNOWN): State.PROBING,
    (State.SILENT, Event.STAND_BY): State.STANDBY,
    (State.SILENT, Event.WAIT): State.WAITING,
    (State.SILENT, Event.LEAVE): State.STANDBY,
}

ANSWERING: Final = (State.HOLDING, State.LEAVING)


@dataclass(frozen=True, slots=True)
class Other:
    """The node of ours that was heard to hold the address, believed `until` then. Both insisted and this one gave in:
    `conceded` is when it may try again."""

    node: str
    until: float
    conceded: float = float("-inf")


class Vip:
    """The machine of one address on one link. `due` is when it wants `expire`, None for never."""

    __slots__ = (
        "_conflicts",
        "_contests",
        "_defended",
        "_insisted",
        "_step",
        "address",
        "claim",
        "due",
        "known",
        "link",
        "other",
        "state",
    )

    def __init__(self, claim: Claim, link: int) -> None:
        self.address = claim.address.packed
        self.claim = claim
        self.link = link
        self.state = State.STANDBY
        self.due: float | None = None
        self.known = False
        self.other: Other | None = None
        self._step = 0
        self._conflicts = 0
        self._contests: dict[str, tuple[int, float]] = {}
        self._defended = self._insisted = float("-inf")

    @property
    def active(self) -> bool:
        """Whether frames about the address matter to this node."""
        return self.state not in (State.STANDBY, State.SILENT)

    @property
    def answering(self) -> bool:
        return self.state in ANSWERING

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
        """What is to be done now; None when the machine entered another state."""
        match self.state:
            case State.HOLDING:
                self._step += 1
                self.due = now + ANNOUNCE_INTERVAL if self._step < ANNOUNCE_ROUNDS else self._next_refresh(now)
                return Due.ANNOUNCEMENT
            case State.WAITING:
                self.handle(Event.TAKE_UNKNOWN, now)  # whoever is waited for may have gone, or waits as well
                return None
            case State.PROBING | State.CONFLICT if self._step < PROBE_COUNT:
                self._step += 1
                self.due = now + PROBE_WAIT / PROBE_COUNT
                return Due.PROBE
        self.handle(Event.UNCLAIMED, now)
        return None

    def believe(self, node: str, until: float) -> None:
        """Another node of ours holds it; it needs no probe then. What was conceded stays so, whoever has it now."""
        self.other = replace(self.other, node=node, until=until) if self.other else Other(node, until)
        self.known = True
        if self.state is State.WAITING:
            self.due = until

    def concede(self, node: str, now: float) -> None:
        """To stop a dispute."""
        self.other = Other(node, now + TRUST, now + CONCESSION)

    def reclaim(self) -> None:
        """What was conceded may be claimed again: something has changed."""
        if self.other is not None:
            self.other = Other(self.other.node, self.other.until)

    def verify(self, now: float) -> None:
        """While WAITING: asks again soon, because others may yield to each other."""
        if self.other is not None and now >= self.other.conceded:
            self.due = now + PROBE_TRUST

    def announce_again(self, now: float) -> None:
        """While HOLDING: the burst from its beginning, for a link or MAC that neighbours do not know yet."""
        self._step, self.due = 0, now

    def remind(self, at: float) -> None:
        """While HOLDING: an announcement then, for a node that has come back; a burst goes on after it."""
        self._step, self.due = min(self._step, ANNOUNCE_ROUNDS - 1), at

    def defend(self, now: float) -> bool:
        """RFC 5227 2.4 (c): whether the address may be defended against a stranger now."""
        if now - self._defended < DEFEND_INTERVAL:
            return False
        self._defended = now
        return True

    def insist(self, now: float) -> bool:
        """The same, against one of our own nodes."""
        if now - self._insisted < INSIST_INTERVAL:
            return False
        self._insisted = now
        return True

    def contest(self, node: str, now: float) -> int:
        """Counts the claims of a node that should not make them, one in INSIST_INTERVAL at most; how many there were
        without a pause."""
        claims, at = self._contests.get(node, (0, now))
        if claims and now - at < _SAME_CLAIM:
            return claims
        claims = claims + 1 if now - at < PATIENCE else 1
        self._contests[node] = claims, now
        return claims

    def contender(self, now: float) -> str | None:
        """Who claimed the address a moment ago, though it should not."""
        return next((node for node, (_, at) in self._contests.items() if now - at < _MOMENT), None)

    def _enter(self, state: State, now: float) -> None:
        self.state, self._step = state, 0
        match state:
            case State.PROBING:
                self.due, self.known = now, False
            case State.WAITING:
                self.due = self.other.until if self.other else now
            case State.HOLDING:
                self.due, self.known, self.other, self._conflicts = now, True, None, 0
                self._contests.clear()
            case State.LEAVING:
                self.due = now + LEAVE_WAIT
            case State.CONFLICT:
                self._conflicts += 1
                self.due = now + (RETRY_INTERVAL if self._conflicts <= MAX_CONFLICTS else RATE_LIMIT_INTERVAL)
            case State.STANDBY:
                self.due = None
            case State.SILENT:
                # RFC 5227 2.1: a link that comes up again may have met others meanwhile.
                self.due, self.known = None, False

    def _waits_to_retry(self) -> bool:
        return self.state is State.CONFLICT and self._step == 0

    def _next_refresh(self, now: float) -> float:
        """The next moment of the address's own phase, so that many taken at once do not refresh at once."""
        spread = int.from_bytes(self.address[-4:]) * 0x9E37_79B1 % 2**32
        phase = spread / 2**32 * REFRESH_INTERVAL
        return now + REFRESH_INTERVAL - (now - phase) % REFRESH_INTERVAL
