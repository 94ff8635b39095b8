"""What should be: the answer of the plan, the same on every node but for the claims and what is said over BGP: these
are one node's own part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .address import IPAddress, IPNetwork
from .core import Port
from .peering import Peer, Routes
from .reference import Key, Reference
from .status import PoolStatus, Problem


@dataclass(frozen=True, slots=True)
class Refusal:
    """A no with its reason: a word for programs (`NoNodeMatchesSelector`) and a sentence for people."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Slot:
    """One address that a Service wants: which family, whether a user pinned it, and what it got or why it got none."""

    index: int
    family: int
    address: IPAddress | None = None
    pinned: bool = False
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class OverBgp:
    """What BGP makes of a Service. `nodes` says of every known node whether it announces it: None is yes. `heard` are
    the prefixes that stand for its addresses, by the names of the peers of this node that hear them. `refusal` is why
    no node announces it."""

    nodes: Mapping[str, Refusal | None]
    heard: Mapping[str, tuple[IPNetwork, ...]] = field(default_factory=dict)
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What becomes of one Service of type LoadBalancer.

    `source` is the class or pool that its addresses come from. `nodes` says of every known node whether it may hold
    them, or, of a Service that BGP alone announces, whether it announces them: None is yes. `refusal` is why nobody
    announces it, although it may have addresses. `bgp` is None where nothing advertises its pool over BGP, and
    `layer2` says whether anything does at layer 2.
    """

    key: Key
    source: Reference | None
    slots: tuple[Slot, ...] = ()
    nodes: Mapping[str, Refusal | None] = field(default_factory=dict)
    refusal: Refusal | None = None
    bgp: OverBgp | None = None
    layer2: bool = True


@dataclass(frozen=True, slots=True)
class Vip:
    """One public address, whoever holds it: `order` is who may, best first, and empty for an address that only BGP
    announces; `ports` are those of all its Services."""

    address: IPAddress
    services: tuple[Key, ...]
    order: tuple[str, ...]
    ports: frozenset[Port] = frozenset()


@dataclass(frozen=True, slots=True)
class Claim:
    """A VIP that this node may hold, and on which links (names; None is every usable one)."""

    address: IPAddress
    order: tuple[str, ...]
    interfaces: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """A BFD session by which this node watches another. `link` is the name of the one both are on (RFC 5881), "" when
    routers may be between them (RFC 5883); `local` is an address of this host."""

    node: str
    link: str
    local: IPAddress
    remote: IPAddress


@dataclass(frozen=True, slots=True)
class Desired:
    """`foreign` are the Services of other controllers, which mlbd leaves alone, and how it knows. `group` are the other
    nodes that share a layer 2 class or pool with this one, whether or not they may hold addresses now: they watch each
    other, so that a session is up before it counts. `peers` are the BGP sessions of this node by name, `routes` what
    each of them hears, and `advertised` the addresses that this node announces to some peer."""

    services: Mapping[Key, ServicePlan] = field(default_factory=dict)
    vips: Mapping[IPAddress, Vip] = field(default_factory=dict)
    claims: Mapping[IPAddress, Claim] = field(default_factory=dict)
    pools: tuple[PoolStatus, ...] = ()
    problems: tuple[Problem, ...] = ()
    foreign: Mapping[Key, Refusal] = field(default_factory=dict)
    group: frozenset[str] = frozenset()
    peers: Mapping[str, Peer] = field(default_factory=dict)
    routes: Mapping[str, Routes] = field(default_factory=dict)
    advertised: frozenset[IPAddress] = frozenset()
