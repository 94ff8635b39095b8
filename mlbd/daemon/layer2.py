"""What this node answers for at layer 2: the claims it hands to its reflex, and what it hears of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence

from mlbd.drivers.reflex import Reflex
from mlbd.model.address import IPAddress
from mlbd.model.desired import Desired
from mlbd.proto.control import ConflictSeen, VipChanged, Watches
from mlbd.proto.neighbor.link import Claim, Link
from mlbd.proto.neighbor.vip import State

#: An address stays on lo for so long after this node answered for it last: whoever missed the announcement of its new
#: holder still sends here. There are several, within 5 s.
LINGER_SECONDS = 5.0
#: On a stop there is less time; what is under way arrives.
STOP_LINGER_SECONDS = 0.2
#: So long others have to take what this node gives away; the reflex itself waits less for each address.
LEAVE_SECONDS = 4.0
#: So long the claim of another to an address that is held here is a Problem.
CONTEST_SECONDS = 60.0
TROUBLE = (State.CONFLICT, State.SILENT)
ANSWERING = (State.HOLDING, State.LEAVING)


class Layer2:
    """`wake` asks for a turn of the engine. An address that only others may hold now is claimed until one of them was
    heard: it is leaving."""

    def __init__(self, reflex: Reflex, wake: Callable[[], None]) -> None:
        self._reflex = reflex
        self._wake = wake
        self._desired = Desired()
        self._claims: dict[IPAddress, Claim] = {}
        self._leaving: dict[IPAddress, Claim] = {}
        self._let_go: dict[IPAddress, float] = {}
        self._states: dict[tuple[IPAddress, str], State] = {}
        self._contests: dict[tuple[IPAddress, str, str | None], tuple[float, ConflictSeen]] = {}

    def decide(self, desired: Desired, links: Sequence[Link]) -> None:
        """`links` are those that may announce."""
        self._desired = desired
        known, self._claims = self._claims | self._leaving, dict(_claims(desired, links))
        self._leaving |= {address: self._left(claim) for address, claim in known.items() if self._is_left(address)}
        # The reflex has no last word about what it is to forget.
        self._states = {place: state for place, state in self._states.items() if place[0] in known}

    async def apply(self, links: Sequence[Link], watches: Watches) -> None:
        await self._reflex.apply(links, [*self._claims.values(), *self._leaving.values()], watches)

    def on_loopback(self, drained: bool, now: float) -> frozenset[IPAddress]:
        """All that this node may hold, so that a take-over waits for nothing, unless somebody else's host has it; and
        what it only just gave away. `now` is the event loop's clock."""
        self._leaving = {address: claim for address, claim in self._leaving.items() if self._is_left(address)}
        self._let_go = {address: at for address, at in self._let_go.items() if now - at < LINGER_SECONDS}
        given_away = self._let_go.keys() & self._desired.vips.keys()
        if drained and not self.holding:
            return frozenset(given_away)
        taken = {address for address in self._claims if self._is_taken(address)}
        return frozenset((self._claims.keys() - taken) | self._leaving.keys() | given_away)

    @property
    def holding(self) -> int:
        """How many addresses it answers for, of those that it may hold."""
        return sum(map(self._answers, self._claims))

    def contests(self, now: float) -> tuple[ConflictSeen, ...]:
        """What others claimed lately of what is held here."""
        self._contests = {place: seen for place, seen in self._contests.items() if self._is_recent(*seen, now)}
        return tuple(seen for _, seen in self._contests.values())

    def hear(self, report: VipChanged | ConflictSeen, now: float) -> State | None:
        """The state that the address was in before, None if that is not known. Only trouble takes a turn, when it comes
        and when it goes: somebody else's host having an address takes it off this one, and both it and the lack of a
        link are Problems."""
        address, link = report.address, report.link
        if isinstance(report, ConflictSeen):
            self._contests[address, link, report.node] = now, report
            self._wake()
            return None
        before, state = self._states.get((address, link)), report.state
        # Who waits asks from time to time, which is no news.
        if not (before is State.WAITING and state is State.PROBING):
            self._states[address, link] = state
        if before in ANSWERING and state not in ANSWERING:
            self._let_go[address] = now
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._wake)
        if state in TROUBLE or before in TROUBLE or address in self._leaving:
            self._wake()
        return before

    def _is_taken(self, address: IPAddress) -> bool:
        """Whether it is somebody else's host that has it."""
        changes = self._reflex.vips.get(address, {}).values()
        return any(change.state is State.CONFLICT for change in changes) and not self._answers(address)

    def _is_left(self, address: IPAddress) -> bool:
        """Whether this node still answers for an address that only others may hold now."""
        vip = self._desired.vips.get(address)
        return vip is not None and bool(vip.order) and address not in self._claims and self._answers(address)

    def _left(self, claim: Claim) -> Claim:
        return Claim(claim.address, claim.links, self._desired.vips[claim.address].order)

    def _is_recent(self, at: float, seen: ConflictSeen, now: float) -> bool:
        return now - at < CONTEST_SECONDS and seen.address in self._desired.vips

    def _answers(self, address: IPAddress) -> bool:
        return any(change.state in ANSWERING for change in self._reflex.vips.get(address, {}).values())


def _claims(desired: Desired, links: Sequence[Link]) -> Iterator[tuple[IPAddress, Claim]]:
    """As the reflex takes them: links by their ifindex."""
    indexes: Mapping[str, int] = {link.name: link.index for link in links}
    for address, claim in desired.claims.items():
        wanted = indexes if claim.interfaces is None else [name for name in indexes if name in claim.interfaces]
        yield address, Claim(address, tuple(indexes[name] for name in wanted), claim.order)
