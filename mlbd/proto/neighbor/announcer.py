"""All addresses of this node that are probed, announced and defended: one machine, one deadline.

Room for liveness: who holds an address is `first_alive` of its ordered list, asked anew by `review`.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from mlbd.proto.neighbor import arp, ndp
from mlbd.proto.neighbor.arp import ArpPacket
from mlbd.proto.neighbor.link import Claim, Link
from mlbd.proto.neighbor.ndp import Advertisement, Solicitation
from mlbd.proto.neighbor.responder import Packet
from mlbd.proto.neighbor.vip import Due, Event, State, Vip

BATCH: Final = 16
"""Addresses served by one `expire`, so that a take-over of a thousand does not stall answers."""


@dataclass(frozen=True, slots=True)
class Send:
    """`frame` is to leave on the link with that ifindex; it announces when `announces`, else it probes."""

    link: int
    frame: bytes
    announces: bool


@dataclass(frozen=True, slots=True)
class StateChanged:
    """`mac` and `link` (an ifindex) say who else claims the address, in CONFLICT only."""

    address: bytes
    state: State
    mac: bytes | None = None
    link: int | None = None


@dataclass(frozen=True, slots=True)
class Contested:
    """Another MAC claimed an address while it was held here; it was defended (RFC 5227 2.4)."""

    address: bytes
    mac: bytes
    link: int


Action = Send | StateChanged | Contested


def first_alive(order: Sequence[str], alive: Callable[[str], bool]) -> str | None:
    return next((node for node in order if alive(node)), None)


class Announcer:
    """`alive` tells of a node by name whether it can hold addresses now."""

    def __init__(self, node: str, alive: Callable[[str], bool]) -> None:
        self._node = node
        self._alive = alive
        self._vips: dict[bytes, Vip] = {}
        self._links: dict[int, Link] = {}
        self._own_macs: frozenset[bytes] = frozenset()
        self._silent = False
        self._timers: list[tuple[float, int, Vip]] = []
        self._sequence = count()
        self.held: dict[bytes, frozenset[int]] = {}
        """Packed address to the ifindexes where this node answers for it now."""

    def active(self, link: int) -> set[bytes]:
        """The addresses whose frames on that link must reach `receive` or the responder."""
        return {vip.address for vip in self._vips.values() if vip.active and link in vip.claim.links}

    def claims(self, wanted: Iterable[Claim], dropped: Iterable[bytes], now: float) -> list[Action]:
        """Adds or replaces claims and forgets others. Nothing is sent on leaving an address."""
        for address in dropped:
            self._forget(address)
        actions: list[Action] = []
        for claim in wanted:
            actions += self._claim(claim, now)
        return actions

    def links(self, links: Iterable[Link], now: float) -> list[Action]:
        """Replaces the links. What is held is announced again on a link that is new or has another MAC."""
        before, self._links = self._links, {link.index: link for link in links}
        self._own_macs = frozenset(link.mac for link in self._links.values())
        fresh = {link.index for link in self._links.values() if before.get(link.index) != link}
        if not fresh and before.keys() == self._links.keys():
            return []
        actions: list[Action] = []
        for vip in self._vips.values():
            actions += self._review(vip, now)
            if not fresh.isdisjoint(vip.claim.links):
                self._announce_again(vip, now)
        return actions

    def silence(self, now: float) -> list[Action]:
        """No answer and no announcement until `resume`: the daemon may have been frozen for long."""
        self._silent = True
        return self.review(now)

    def resume(self, now: float) -> list[Action]:
        self._silent = False
        return self.review(now)

    def review(self, now: float) -> list[Action]:
        """Decides for every address anew who holds it."""
        actions: list[Action] = []
        for vip in self._vips.values():
            actions += self._review(vip, now)
        return actions

    def receive(self, packet: Packet, link: Link, now: float) -> list[Action]:
        """Looks for somebody else's claim to one of our addresses."""
        address, mac, weak = _claimant(packet)
        vip = self._vips.get(address)
        if vip is None or not vip.active or link.index not in vip.claim.links or mac in self._own_macs:
            return []
        if vip.state is State.HOLDING:
            return [] if weak or not vip.defend(now) else self._defend(vip, mac, link)
        if not vip.handle(Event.FOREIGN, now):
            return []
        self._arm(vip)
        return [StateChanged(address, vip.state, mac, link.index)]

    def expire(self, now: float) -> list[Action]:
        """What is due, for `BATCH` addresses at most; `deadline` stays in the past while more are due."""
        actions: list[Action] = []
        for _ in range(BATCH):
            if (vip := self._pop(now)) is None:
                break
            match vip.expire(now):
                case None:
                    actions += self._entered(vip)
                case due:
                    actions += self._frames(vip, due, self._links_of(vip))
            self._arm(vip)
        return actions

    def deadline(self) -> float | None:
        while self._timers and self._timers[0][2].due != self._timers[0][0]:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def _claim(self, claim: Claim, now: float) -> list[Action]:
        vip = self._vips.get(claim.address.packed)
        if vip is None:
            vip = self._vips[claim.address.packed] = Vip(claim)
            return self._review(vip, now) or [StateChanged(vip.address, vip.state)]
        unknown_links = set(claim.links).difference(vip.claim.links)
        vip.claim = claim
        vip.known |= not claim.probe
        actions = self._review(vip, now)
        self._answer_where_held(vip)
        if unknown_links:
            self._announce_again(vip, now)
        return actions

    def _announce_again(self, vip: Vip, now: float) -> None:
        if vip.state is State.HOLDING:
            vip.announce_again(now)
            self._arm(vip)

    def _forget(self, address: bytes) -> None:
        if (vip := self._vips.pop(address, None)) is not None:
            vip.due = None
            self.held.pop(address, None)

    def _review(self, vip: Vip, now: float) -> list[Action]:
        if self._silent or not self._links_of(vip):
            entered = vip.handle(Event.SILENCE, now)
        elif first_alive(vip.claim.order, self._alive) == self._node:
            entered = vip.take(now)
        else:
            entered = vip.handle(Event.YIELD, now)
        return self._entered(vip) if entered else []

    def _entered(self, vip: Vip) -> list[Action]:
        self._answer_where_held(vip)
        self._arm(vip)
        return [StateChanged(vip.address, vip.state)]

    def _answer_where_held(self, vip: Vip) -> None:
        if vip.state is State.HOLDING:
            self.held[vip.address] = frozenset(vip.claim.links)
        else:
            self.held.pop(vip.address, None)

    def _defend(self, vip: Vip, mac: bytes, link: Link) -> list[Action]:
        return [*self._frames(vip, Due.ANNOUNCEMENT, [link]), Contested(vip.address, mac, link.index)]

    def _frames(self, vip: Vip, due: Due, links: Iterable[Link]) -> list[Action]:
        announces = due is Due.ANNOUNCEMENT
        frames = _announcements if announces else _probes
        return [Send(link.index, frame, announces) for link in links for frame in frames(link.mac, vip.address)]

    def _links_of(self, vip: Vip) -> list[Link]:
        return [self._links[index] for index in vip.claim.links if index in self._links]

    def _arm(self, vip: Vip) -> None:
        if vip.due is not None:
            heapq.heappush(self._timers, (vip.due, next(self._sequence), vip))

    def _pop(self, now: float) -> Vip | None:
        due = self.deadline()
        return heapq.heappop(self._timers)[2] if due is not None and due <= now else None


def _announcements(mac: bytes, address: bytes) -> tuple[bytes, ...]:
    return arp.announcements(mac, address) if len(address) == 4 else (ndp.announcement(mac, address),)


def _probes(mac: bytes, address: bytes) -> tuple[bytes, ...]:
    return (arp.probe(mac, address) if len(address) == 4 else ndp.probe(mac, address),)


def _claimant(packet: Packet) -> tuple[bytes, bytes, bool]:
    """The address, the MAC that claims it, and whether the claim is weak: it matters only to who probes too.

    Weak are probes, and advertisements without Override: proxies send those (RFC 4861 7.2.8). A solicitation
    from an address is a question about another's target and claims nothing: it yields the empty address.
    """
    match packet:
        case ArpPacket(sender_ip=arp.UNSPECIFIED):
            return packet.target_ip, packet.sender_mac, True
        case ArpPacket():
            return packet.sender_ip, packet.sender_mac, False
        case Advertisement():
            return packet.target, packet.link_layer or packet.ethernet_source, not packet.flags & ndp.OVERRIDE
        case Solicitation(source=ndp.UNSPECIFIED):
            return packet.target, packet.ethernet_source, True
        case Solicitation():
            return b"", packet.ethernet_source, False
