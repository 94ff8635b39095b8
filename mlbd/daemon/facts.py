"""Everything that is known at one moment: what was read, what was decided, and what each driver says of its part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mlbd.drivers.addresses import AddressesStatus
from mlbd.drivers.bgp.peering import PeeringStatus
from mlbd.drivers.firewall import FirewallStatus
from mlbd.drivers.reflex import ChildStatus
from mlbd.model.address import IPAddress
from mlbd.model.desired import Claim, Desired, Vip
from mlbd.model.drain import Drain
from mlbd.model.link import Link, Unusable
from mlbd.model.settings import Settings
from mlbd.model.status import DirectoryStatus, Presence, Problem, SessionStatus, VipState
from mlbd.model.world import World
from mlbd.proto.bgp.neighbor import State
from mlbd.proto.control import ConflictSeen, VipChanged

#: Of what an address is on several links, this is told of it as a whole: the first that it is anywhere.
_TELLING = tuple(map(VipState, ("holding", "leaving", "conflict", "probing", "waiting", "standby", "silent")))
_MOMENT = 3.0
ANSWERING = (VipState.HOLDING, VipState.LEAVING)


@dataclass(frozen=True, slots=True)
class Loss:
    """Of an established session: `at` in seconds since the epoch, `why` in words."""

    at: float
    why: str


@dataclass(frozen=True, slots=True)
class Speaking:
    """BGP as it is: its sessions by name (NAME/ADDRESS of who came from the network of NAME), the BFD sessions beside
    them, and how each was lost last. `clock` is now by the clock of the sessions; `router_id` is what a peer is told
    whose object has none."""

    peerings: Mapping[str, PeeringStatus] = field(default_factory=dict)
    bfd: Mapping[str, SessionStatus] = field(default_factory=dict)
    losses: Mapping[str, Loss] = field(default_factory=dict)
    clock: float = 0.0
    router_id: str = ""


@dataclass(frozen=True)
class Facts:
    """`started` in seconds since the epoch. `found` are the problems that reading and listening met by themselves.
    `usability` says by the name of each link why it is not used, None when it is. `sessions` are those of BFD to other
    nodes; `contests` are the claims of others to what is held here, of the last minute; `now` is in seconds since the
    epoch; `drained` when nothing is answered for or announced any more."""

    settings: Settings
    pid: int
    started: float
    ready: bool
    world: World
    desired: Desired
    directories: tuple[DirectoryStatus, ...]
    found: tuple[Problem, ...]
    links: tuple[Link, ...]
    usability: Mapping[str, Unusable | None]
    addresses: AddressesStatus
    firewall: FirewallStatus
    reflex: ChildStatus
    sessions: tuple[SessionStatus, ...] = ()
    contests: tuple[ConflictSeen, ...] = ()
    now: float = 0.0
    drain: Drain | None = None
    drained: bool = False
    speaking: Speaking = Speaking()

    def vip_states(self) -> Iterator[tuple[IPAddress, VipState]]:
        """What this node does with each address that it may hold."""
        for address in self.desired.claims:
            yield address, self.vip_state(address)

    def vip_state(self, address: IPAddress) -> VipState:
        """At layer 2; ADVERTISED where it is not announced there."""
        if heard := self.heard(address):
            states = {VipState(change.state.value) for change in heard.values()}
            return next(state for state in _TELLING if state in states)
        claim = self.desired.claims.get(address)
        if claim is None:
            return VipState.ADVERTISED if address in self.advertised else VipState.NONE
        # Nothing is said of it yet: a word is on its way from a reflex that lives and has a link, and from no other.
        return VipState.STANDBY if self.reflex.alive and self.claimed_links(claim) else VipState.SILENT

    def heard(self, address: IPAddress) -> Mapping[str, VipChanged]:
        """The reflex's word on each link."""
        return self.reflex.vips.get(address, {})

    def answering_links(self, address: IPAddress) -> tuple[str, ...]:
        return tuple(link for link, change in self.heard(address).items() if change.state.value in ANSWERING)

    def claimed_links(self, claim: Claim) -> tuple[str, ...]:
        """The links on which an address would be announced now."""
        return tuple(
            name
            for name, why_not in self.usability.items()
            if why_not is None and (claim.interfaces is None or name in claim.interfaces)
        )

    def presence(self, node: str) -> Presence:
        if node == self.settings.node:
            return Presence.DRAINED if self.drain else Presence.ALIVE
        return self._presences.get(node, Presence.APART)

    @cached_property
    def advertised(self) -> frozenset[IPAddress]:
        """What some peer hears of now."""
        hearers = {name for name in self.desired.peers if self.established(name)}
        return self.desired.advertised if hearers and not self.drain else frozenset()

    @cached_property
    def _presences(self) -> Mapping[str, Presence]:
        """Of the others of the group; thousands of addresses ask for them."""
        by_node: dict[str, list[SessionStatus]] = {node: [] for node in self.desired.group}
        for session in self.sessions:
            by_node.setdefault(session.peer, []).append(session)
        return {node: _presence(sessions) for node, sessions in by_node.items()}

    def established(self, peer: str) -> bool:
        """Whether a BGP peer, or whoever came from its network, hears this node."""
        return any(
            peering.session is not None and peering.session.state is State.ESTABLISHED
            for name, peering in self.speaking.peerings.items()
            if peer in (name, name.rpartition("/")[0])
        )

    def lost(self, node: str) -> bool:
        """Whether it has been out of sight for long enough to be told of: a start takes a moment. What this host itself
        has no carrier for tells nothing of others."""
        dark = {link.name for link in self.links if not (link.up and link.carrier)}
        sessions = (session for session in self.sessions if session.peer == node and session.link not in dark)
        return any(self.now - session.since > _MOMENT for session in sessions)

    def holder(self, vip: Vip) -> str | None:
        """Who answers for it as far as this node knows: itself, or whom it waits for, or the first that lives. None
        also when it is somebody else's host."""
        if self.answering_links(vip.address):
            return self.settings.node
        if waited_for := next((change.node for change in self.heard(vip.address).values() if change.node), None):
            return waited_for
        match self.vip_state(vip.address):
            case VipState.CONFLICT:
                return None
            case VipState.SILENT:
                return self.heir(vip)
        return self._first_present(vip.order)

    def heir(self, vip: Vip) -> str | None:
        """Who answers for it if this node does not."""
        return self._first_present(node for node in vip.order if node != self.settings.node)

    def _first_present(self, order: Iterable[str]) -> str | None:
        return next(filter(self.may_serve, order), None)

    def may_serve(self, node: str) -> bool:
        """Whether nothing speaks against it, as far as this node knows."""
        return self.presence(node) not in (Presence.DOWN, Presence.DRAINED)


def _presence(sessions: Sequence[SessionStatus]) -> Presence:
    """With sessions that this node has down itself, because it is drained, it watches nobody."""
    if all(session.state == "admin-down" for session in sessions):
        return Presence.UNWATCHED
    if any(session.state == "up" for session in sessions):
        return Presence.ALIVE
    drained = any(session.remote_state == "admin-down" for session in sessions)
    return Presence.DRAINED if drained else Presence.DOWN
