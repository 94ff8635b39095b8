"""All addresses that this node may hold: who holds each of them, link by link. One machine, one deadline.

It is decided for each link on its own, because each is a network of its own: a node that lost one of two cables goes
on serving behind the other. Nobody talks about it; every node draws the same conclusion from the same lists and from
whom it sees. Where two see differently for a moment, the one that hears the other settles it:

1. A claim of a node that stands before this one: this one yields at once, unless the other failed and came back only
   just now. Then it says so by announcing again, and yields when the other insists: it was not cut off.
2. A claim of a node that stands after this one: this one defends by announcing again. If it was itself cut off from
   several others it yields, and lets them speak first.
3. A claim of a node that does not hear this one, which BFD knows: this one yields, whatever its place.
4. Two nodes that go on insisting have different lists, which is somebody's mistake: the greater name yields. It is
   told, and tried again when a list or a session has changed, or after CONCESSION.
5. A stranger's claim: defended at a limited rate (RFC 5227 2.4), and told.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Final

from mlbd.proto.neighbor import arp, frame, ndp
from mlbd.proto.neighbor.arp import ArpPacket
from mlbd.proto.neighbor.group import START_WINDOW, Group
from mlbd.proto.neighbor.link import Claim, Link
from mlbd.proto.neighbor.ndp import Advertisement, Solicitation
from mlbd.proto.neighbor.responder import Packet
from mlbd.proto.neighbor.vip import PROBE_TRUST, TRUST, Due, Event, State, Vip

BATCH: Final = 16
"""Addresses served by one `expire`, so that a take-over of a thousand does not stall answers."""

DISPUTE: Final = 3
"""Claims without a pause after which it is no passing difference of views."""


@dataclass(frozen=True, slots=True)
class Send:
    """`frame` is to leave on the link with that ifindex; it announces when `announces`, else it probes."""

    link: int
    frame: bytes
    announces: bool


@dataclass(frozen=True, slots=True)
class StateChanged:
    """`mac` says who else claims the address, in CONFLICT only; `node` who holds it, in WAITING only."""

    address: bytes
    link: int
    state: State
    mac: bytes | None = None
    node: str | None = None


@dataclass(frozen=True, slots=True)
class Contested:
    """Another MAC claimed an address that is held here. `node` is whose it is, None for a stranger's. `disputed`: it is
    one of ours, and both go on insisting."""

    address: bytes
    link: int
    mac: bytes
    node: str | None = None
    disputed: bool = False


Action = Send | StateChanged | Contested


class Strength(Enum):
    """ASKS matters only to who asks too: probes, and advertisements without Override, which proxies send (RFC 4861
    7.2.8). REPEATS is the second frame of an announcement (`arp.announcements`)."""

    ASKS = "asks"
    CLAIMS = "claims"
    REPEATS = "repeats"


class Announcer:
    def __init__(self, node: str, group: Group) -> None:
        self._node = node
        self._group = group
        self._vips: dict[tuple[bytes, int], Vip] = {}
        self._claimed: dict[bytes, Claim] = {}
        self._links: dict[int, Link] = {}
        self._own_macs: frozenset[bytes] = frozenset()
        self._silent = False
        self._drained = False
        self._timers: list[tuple[float, int, Vip]] = []
        self._sequence = count()
        self.held: dict[bytes, frozenset[int]] = {}
        """Packed address to the ifindexes where this node answers for it now."""

    def active(self, link: int) -> set[bytes]:
        """The addresses whose frames on that link must reach `receive` or the responder."""
        return {vip.address for vip in self._vips.values() if vip.active and vip.link == link}

    def claims(self, wanted: Iterable[Claim], dropped: Iterable[bytes], now: float) -> list[Action]:
        """Adds or replaces claims and forgets others. Nothing is sent on forgetting an address."""
        for address in dropped:
            if (claim := self._claimed.pop(address, None)) is not None:
                self._forget(address, claim.links)
        actions: list[Action] = []
        for claim in wanted:
            actions += self._claim(claim, now)
        return actions

    def links(self, links: Iterable[Link], now: float) -> list[Action]:
        """Replaces the links. What is held is announced again on a link that has another MAC."""
        before, self._links = self._links, {link.index: link for link in links}
        changed = {index for index in before | self._links if before.get(index) != self._links.get(index)}
        if not changed:
            return []
        self._own_macs = frozenset(link.mac for link in self._links.values())
        self._group.open(self._links.keys(), now)
        actions: list[Action] = []
        for vip in self._vips.values():
            if vip.link in changed:
                actions += self._review(vip, now)
                if vip.state is State.HOLDING:
                    vip.announce_again(now)
                    self._arm(vip)
        return actions

    def silence(self, now: float) -> list[Action]:
        """No answer and no announcement until `resume`: the daemon may have been frozen for long."""
        self._silent = True
        return self.review(now)

    def resume(self, now: float) -> list[Action]:
        self._silent = False
        return self.review(now)

    def drain(self, now: float) -> list[Action]:
        """From now on this node is to hold nothing. It answers until others have taken what it held."""
        self._drained = True
        return self.review(now)

    def undrain(self, now: float) -> list[Action]:
        """What others hold by now is found out by asking."""
        self._drained = False
        for vip in self._vips.values():
            vip.other, vip.known = None, False
        return self.review(now)

    def doubt(self, now: float) -> list[Action]:
        """This node did not run for so long that others may hold its addresses: it asks before it goes on."""
        actions: list[Action] = []
        for vip in self._vips.values():
            if len(vip.claim.order) > 1 and vip.handle(Event.DOUBT, now):
                self._decide(vip, now)
                actions += self._entered(vip)
        return actions

    def review(self, now: float) -> list[Action]:
        """Decides for every address anew who holds it."""
        actions: list[Action] = []
        for vip in self._vips.values():
            actions += self._review(vip, now)
        return actions

    def seen(self, node: str, now: float) -> list[Action]:
        """What changes because the group sees that node, or has lost sight of it."""
        actions: list[Action] = []
        for vip in self._vips.values():
            listed = node in vip.claim.order or (vip.other is not None and vip.other.node == node)
            if listed or vip.state is State.HOLDING:  # its own list may be another
                actions += self._meet(vip, node, now)
        return actions

    def receive(self, packet: Packet, link: Link, now: float) -> list[Action]:
        """Looks for somebody else's claim to one of our addresses."""
        address, mac, strength = _claimant(packet)
        vip = self._vips.get((address, link.index))
        if vip is None or not vip.active or mac in self._own_macs:
            return []
        node = self._group.who(mac, link.index, self._before(vip))
        if node is None:
            return self._hear_stranger(vip, mac, strength, now)
        return self._hear(vip, node, mac, strength, now)

    def expire(self, now: float) -> list[Action]:
        """What is due, for `BATCH` addresses at most; `deadline` stays in the past while more are due."""
        actions: list[Action] = []
        for _ in range(BATCH):
            if (vip := self._pop(now)) is None:
                break
            match vip.expire(now):
                case None:
                    actions += self._entered(vip)
                    if vip.state is State.STANDBY:  # nobody took what it left: it may be its turn again by now
                        actions += self._review(vip, now)
                case due:
                    actions += self._frames(vip, due)
                    self._arm(vip)
        return actions

    @property
    def has_claims(self) -> bool:
        return bool(self._claimed)

    @property
    def asks_next(self) -> bool:
        """Whether what is due next is a probe: whose answers must be able to come through."""
        return self.deadline() is not None and self._timers[0][2].state is State.PROBING

    def deadline(self) -> float | None:
        while self._timers and self._timers[0][0] != self._timers[0][2].due:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def _claim(self, claim: Claim, now: float) -> list[Action]:
        address = claim.address.packed
        before = self._claimed.get(address)
        self._claimed[address] = claim
        if before is not None:
            self._forget(address, set(before.links) - set(claim.links))
        actions: list[Action] = []
        for link in claim.links:
            vip = self._vips.get((address, link))
            if vip is None:
                vip = self._vips[address, link] = Vip(claim, link)
            elif vip.claim.order != claim.order:
                vip.reclaim()
            vip.claim = claim
            actions += self._review(vip, now)
            # Another node may have had the new list first, and announced what this one insisted on then.
            if (node := vip.contender(now)) is not None and node in self._before(vip) and vip.answering:
                actions += self._yield(vip, node, b"", now)
        return actions

    def _forget(self, address: bytes, links: Iterable[int]) -> None:
        for link in links:
            if (vip := self._vips.pop((address, link), None)) is not None:
                vip.due, vip.state = None, State.STANDBY
                self._answer_where_held(vip)

    def _review(self, vip: Vip, now: float) -> list[Action]:
        entered = self._decide(vip, now)
        return self._entered(vip) if entered else []

    def _decide(self, vip: Vip, now: float) -> bool:
        """Whether the address entered another state."""
        if self._silent or vip.link not in self._links:
            return vip.handle(Event.SILENCE, now)
        if self._drained or self._node not in vip.claim.order:
            left = vip.handle(Event.LEAVE, now)
            if left and not any(self._group.alive(node, vip.link) for node in self._others(vip)):
                vip.handle(Event.UNCLAIMED, now)  # there is nobody to wait for
            return left
        if self._group.starting:
            # Nothing is taken yet; but a probe that was answered is over.
            return vip.state is State.PROBING and vip.other is not None and vip.handle(Event.WAIT, now)
        if any(self._group.alive(node, vip.link) for node in self._before(vip)):
            vip.known, vip.other = True, None
            return vip.handle(Event.STAND_BY, now)
        return vip.take(now) if self._may_take(vip, now) else vip.handle(Event.WAIT, now)

    def _may_take(self, vip: Vip, now: float) -> bool:
        other = vip.other
        if other is None:
            return True
        if now < other.conceded:
            return False
        if self._group.drained(other.node, vip.link) or other.node not in vip.claim.order:
            return True
        if other.node in self._before(vip):
            return False
        group = self._group
        back = group.returned(other.node, vip.link, now)
        return group.settled(vip.link, now) and group.hears(other.node, vip.link) and not back

    def _others(self, vip: Vip) -> Iterator[str]:
        return (node for node in vip.claim.order if node != self._node)

    def _before(self, vip: Vip) -> tuple[str, ...]:
        order = vip.claim.order
        return order[: order.index(self._node)] if self._node in order else order

    def _meet(self, vip: Vip, node: str, now: float) -> list[Action]:
        if self._group.alive(node, vip.link):
            if vip.state is State.HOLDING:
                # It may have missed the announcements: the two learn at once who goes on (rules 1 and 2).
                vip.remind(now + self._courtesy(vip, now))
                self._arm(vip)
            elif vip.state is State.WAITING:
                if vip.other is not None and vip.other.node == node:
                    vip.reclaim()
                vip.verify(now)
                self._arm(vip)
        elif vip.other is not None and vip.other.node == node:
            # In the start window it may be about to come into sight again, and is asked then.
            vip.other, vip.known = None, vip.known and not self._group.starting
        return self._review(vip, now)

    def _courtesy(self, vip: Vip, now: float) -> float:
        """Seconds for which one that was cut off lets the others speak; of several such nodes the first in the list
        speaks first, for whoever hears another yields."""
        return START_WINDOW * (1 + len(self._before(vip))) if self._group.rejoined(vip.link, now) else 0.0

    def _hear(self, vip: Vip, node: str, mac: bytes, strength: Strength, now: float) -> list[Action]:
        if strength is Strength.ASKS:
            # Who holds the address answers; of two who ask the first in the list goes on.
            if vip.answering or node not in self._before(vip):
                return []
            vip.believe(node, now + PROBE_TRUST)
            return self._review(vip, now)
        if vip.state is State.HOLDING:
            if strength is Strength.REPEATS:
                return []
            if (actions := self._insist(vip, node, mac, now)) is not None:
                return actions
        return self._yield(vip, node, mac, now)

    def _insist(self, vip: Vip, node: str, mac: bytes, now: float) -> list[Action] | None:
        """What is done to keep an address that is held here; None when it is to be yielded."""
        group, claims = self._group, vip.contest(node, now)
        # It goes on answering until it hears this one. To yield to it would be to take the address back at once.
        leaves = group.drained(node, vip.link) or node not in vip.claim.order
        if not (leaves or group.hears(node, vip.link)):
            return None
        if node in self._before(vip) and not leaves:
            if claims > 1 or not (group.returned(node, vip.link, now) and group.settled(vip.link, now)):
                return None
        elif group.rejoined(vip.link, now) and not leaves:
            return None
        elif claims >= DISPUTE and (self._node > node or not group.alive(node, vip.link)):
            vip.concede(node, now)
            return None
        if not vip.insist(now):
            return []
        vip.announce_again(now)
        self._arm(vip)
        return [Contested(vip.address, vip.link, mac, node, disputed=claims >= DISPUTE)]

    def _yield(self, vip: Vip, node: str, mac: bytes, now: float) -> list[Action]:
        yielded = vip.handle(Event.YIELD, now)
        # Two may have yielded to each other: they ask soon.
        vip.believe(node, now + (PROBE_TRUST if yielded else TRUST))
        entered = self._decide(vip, now) or yielded
        self._arm(vip)
        disputed = vip.other is not None and now < vip.other.conceded
        told: list[Action] = [Contested(vip.address, vip.link, mac, node, disputed=True)] if disputed else []
        return [*told, *(self._entered(vip) if entered else [])]

    def _hear_stranger(self, vip: Vip, mac: bytes, strength: Strength, now: float) -> list[Action]:
        if vip.state is State.HOLDING:
            if strength is Strength.ASKS or not vip.defend(now):
                return []
            return [*self._frames(vip, Due.ANNOUNCEMENT), Contested(vip.address, vip.link, mac)]
        if not vip.handle(Event.FOREIGN, now):
            return []
        self._arm(vip)
        return [StateChanged(vip.address, vip.link, vip.state, mac=mac)]

    def _entered(self, vip: Vip) -> list[Action]:
        self._answer_where_held(vip)
        self._arm(vip)
        node = vip.other.node if vip.state is State.WAITING and vip.other else None
        return [StateChanged(vip.address, vip.link, vip.state, node=node)]

    def _answer_where_held(self, vip: Vip) -> None:
        links = self.held.get(vip.address, frozenset())
        links = links | {vip.link} if vip.answering else links - {vip.link}
        if links:
            self.held[vip.address] = links
        else:
            self.held.pop(vip.address, None)

    def _frames(self, vip: Vip, due: Due) -> list[Action]:
        return list(_frames(self._links[vip.link], vip.address, due is Due.ANNOUNCEMENT))

    def _arm(self, vip: Vip) -> None:
        if vip.due is not None:
            heapq.heappush(self._timers, (vip.due, next(self._sequence), vip))

    def _pop(self, now: float) -> Vip | None:
        due = self.deadline()
        return heapq.heappop(self._timers)[2] if due is not None and due <= now else None


def _frames(link: Link, address: bytes, announces: bool) -> Iterator[Send]:
    for octets in (_announcements if announces else _probes)(link.mac, address):
        yield Send(link.index, octets, announces)


def _announcements(mac: bytes, address: bytes) -> tuple[bytes, ...]:
    return arp.announcements(mac, address) if len(address) == 4 else (ndp.announcement(mac, address),)


def _probes(mac: bytes, address: bytes) -> tuple[bytes, ...]:
    return (arp.probe(mac, address) if len(address) == 4 else ndp.probe(mac, address),)


def _claimant(packet: Packet) -> tuple[bytes, bytes, Strength]:
    """The address, and the MAC that claims it. A solicitation from an address is a question about another's target and
    claims nothing: it yields the empty address."""
    match packet:
        case ArpPacket(sender_ip=arp.UNSPECIFIED):
            return packet.target_ip, packet.sender_mac, Strength.ASKS
        case ArpPacket(operation=arp.REPLY, destination=frame.BROADCAST):
            return packet.sender_ip, packet.sender_mac, Strength.REPEATS
        case ArpPacket():
            return packet.sender_ip, packet.sender_mac, Strength.CLAIMS
        case Advertisement():
            overrides = packet.flags & ndp.OVERRIDE
            mac = packet.link_layer or packet.ethernet_source
            return packet.target, mac, Strength.CLAIMS if overrides else Strength.ASKS
        case Solicitation(source=ndp.UNSPECIFIED):
            return packet.target, packet.ethernet_source, Strength.ASKS
        case Solicitation():
            return b"", packet.ethernet_source, Strength.ASKS
