"""What the explainers look at, and what they are asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from mlbd.model.deckhouse import CLASS_KIND
from mlbd.model.desired import Desired, Slot
from mlbd.model.reference import Key, Reference
from mlbd.model.status import AddressStatus, DrainStatus, NodeStatus, Presence, Severity, Status
from mlbd.model.wording import listed
from mlbd.model.world import World

#: The kinds that can be asked for, as a user may write them before the name.
_KINDS = {
    "service": "Service",
    "node": "Node",
    "link": "Link",
    "address": "Address",
    "class": CLASS_KIND,
    "metalloadbalancerclass": CLASS_KIND,
    "ipaddresspool": "IPAddressPool",
    "metalloadbalancerpool": "MetalLoadBalancerPool",
    "peer": "Peer",
    "bgppeer": "BGPPeer",
    "metalloadbalancerbgppeer": "MetalLoadBalancerBGPPeer",
}
#: So many names of a list are spelled out.
_SPELLED_OUT = 12


@dataclass(frozen=True, slots=True)
class Scene:
    world: World
    desired: Desired
    status: Status
    origin: Callable[[Reference], str]

    def file_of(self, reference: Reference) -> list[str]:
        """The first sentence of every chain, where it is known."""
        file = self.origin(reference)
        return [f"It comes from {file}."] if file else []

    def addresses_of(self, service: Key) -> tuple[AddressStatus, ...]:
        known = (each for each in self.status.services if (each.namespace, each.name) == service)
        return next((each.addresses for each in known), ())

    def is_announced(self, slot: Slot) -> bool:
        """Whether somebody may hold its address or announces it, be it for another Service that shares it."""
        vip = self.desired.vips.get(slot.address) if slot.address is not None else None
        if vip is None:
            return False
        plans = (self.desired.services[key] for key in vip.services)
        return bool(vip.order) or any(plan.bgp is not None and plan.bgp.refusal is None for plan in plans)

    def node(self, name: str) -> NodeStatus | None:
        return next((node for node in self.status.nodes if node.name == name), None)

    def presence(self, name: str) -> Presence:
        node = self.node(name)
        return node.presence if node is not None else Presence.UNWATCHED

    def lives(self, name: str) -> bool:
        """As far as this node knows: whom nobody watches counts as alive."""
        return self.presence(name) not in (Presence.DOWN, Presence.DRAINED)

    def problems_of(self, subject: str, told: Collection[str] = ()) -> list[str]:
        """Sentences, but for errors with a reason of `told`: the chain has them where it breaks."""
        found = (problem for problem in self.status.problems if problem.object == subject)
        return [
            sentence(problem.message)
            for problem in found
            if problem.severity is not Severity.ERROR or problem.reason not in told
        ]


@dataclass(frozen=True, slots=True)
class Question:
    """`kind` is "" when the user gave only a name."""

    kind: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        first, _, rest = text.strip().partition(" ")
        kind = _KINDS.get(first.lower())
        return cls(kind, rest.strip()) if kind and rest else cls("", text.strip())

    def asks_for(self, kind: str, key: Key) -> bool:
        """Whether it means this object; the namespace may be left out."""
        return self.kind in ("", kind) and self.name in (str(key), key.name)


def sentence(text: str) -> str:
    """With a capital and a full stop; what begins with the name of a thing or a field keeps it as it is."""
    first = text.partition(" ")[0]
    return clause(text[:1].upper() + text[1:] if first.isalpha() and first.islower() else text)


def clause(text: str) -> str:
    """What may follow a colon and end a sentence."""
    return text if text.endswith(".") else f"{text}."


def moment(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def drained(drain: DrainStatus) -> str:
    """The clause for a node that is."""
    return f"drained since {moment(drain.since)}{f' ({drain.reason})' if drain.reason else ''}"


def counted(number: int, noun: str, plural: str = "") -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def abridged(names: Iterable[str]) -> str:
    """As `listed`, a long list shortened."""
    return listed(names, most=_SPELLED_OUT)
