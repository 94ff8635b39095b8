"""The classes and pools that stand beside each other. A bad one harms itself, the younger of two that clash, never the
rest: one pool written wrong must not freeze the addresses of every other tenant."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mlbd.model.address import AddressRange
from mlbd.model.core import Namespace
from mlbd.model.deckhouse import MetalLoadBalancerClass, MetalLoadBalancerPool
from mlbd.model.desired import Refusal
from mlbd.model.metallb import IPAddressPool, ServiceAllocation
from mlbd.model.reference import Key, Reference
from mlbd.model.selector import any_matches
from mlbd.model.status import Problem, Severity
from mlbd.model.world import World

from .sources import Scope, Source

Owner = MetalLoadBalancerClass | MetalLoadBalancerPool | IPAddressPool


@dataclass(frozen=True, slots=True)
class Catalog:
    """`classes` and `pools` are the valid ones by name, pools in the order of their names (MetalLB's is random);
    `refused` says what is wrong with the others, which are known by name all the same."""

    classes: Mapping[str, Source] = field(default_factory=dict)
    pools: Mapping[str, Source] = field(default_factory=dict)
    class_names: frozenset[str] = frozenset()
    default: str = ""
    refused: Mapping[Reference, Refusal] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def catalog(world: World) -> Catalog:
    refused: dict[Reference, Refusal] = {}
    sources: list[Source] = []
    accepted = _Accepted()
    for reference, owner in _by_age(world):
        refusal = _empty(owner.addresses) or accepted.clash(reference, owner.addresses)
        if refusal is not None:
            refused[reference] = refusal
            continue
        accepted.add(reference, owner.addresses)
        sources.append(_source(reference, owner, world))
    sources.sort(key=lambda source: source.reference)
    default, several = _default(world.classes.values())
    return Catalog(
        {source.reference.key.name: source for source in sources if source.reference.kind == "MetalLoadBalancerClass"},
        {source.reference.key.name: source for source in sources if source.reference.kind != "MetalLoadBalancerClass"},
        frozenset(key.name for key in world.classes),
        default,
        refused,
        (*several, *(problem_of(reference, refusal) for reference, refusal in sorted(refused.items()))),
    )


def _by_age(world: World) -> list[tuple[Reference, Owner]]:
    """Oldest first, then by name; one without a date is taken for new. A pool and a class of one name are two."""
    owners: list[tuple[Reference, Owner]] = []
    owners += [(Reference("MetalLoadBalancerClass", key), value) for key, value in world.classes.items()]
    owners += [(Reference("IPAddressPool", key), value) for key, value in world.address_pools.items()]
    owners += [(Reference("MetalLoadBalancerPool", key), value) for key, value in world.load_balancer_pools.items()]
    return sorted(owners, key=lambda pair: (*_age(pair[1]), pair[0].kind))


def _age(owner: Owner) -> tuple[bool, str, str, str]:
    return not owner.created, owner.created, owner.key.name, owner.key.namespace


def _source(reference: Reference, owner: Owner, world: World) -> Source:
    nodes = (address for node in world.nodes.values() for address in node.addresses)
    reserved = frozenset(address for address in nodes if any(address in entry for entry in owner.addresses))
    if isinstance(owner, MetalLoadBalancerClass):
        return Source(reference, owner.addresses, trimmed=True, reserved=reserved)
    allocation = owner.allocation if isinstance(owner, IPAddressPool) else None
    return Source(
        reference,
        owner.addresses,
        automatic=owner.auto_assign,
        avoid_buggy=owner.avoid_buggy_ips,
        scope=_scope(allocation, world.namespaces.values()) if allocation else None,
        reserved=reserved,
    )


def _scope(allocation: ServiceAllocation, namespaces: Iterable[Namespace]) -> Scope:
    """A namespace selector that matches no namespace keeps the pool from everybody; MetalLB lets all name it."""
    if not allocation.namespaces and not allocation.namespace_selectors:
        return Scope(allocation.priority, None, allocation.service_selectors)
    matched = {space.key.name for space in namespaces if any_matches(allocation.namespace_selectors, space.labels)}
    return Scope(allocation.priority, allocation.namespaces | matched, allocation.service_selectors)


def _empty(ranges: tuple[AddressRange, ...]) -> Refusal | None:
    if ranges:
        return None
    return Refusal("NoAddresses", "cannot give out any address, it lists none: add a CIDR or a range to it")


class _Accepted:
    """The ranges of the objects accepted so far, which never overlap: sorted by their first address."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int, int, AddressRange, Reference]] = []

    def clash(self, reference: Reference, ranges: tuple[AddressRange, ...]) -> Refusal | None:
        for place, entry in enumerate(ranges):
            for other in ranges[:place]:
                if entry.overlaps(other):
                    return Refusal(
                        "OverlappingAddresses", f"cannot use {entry}, it overlaps {other} of the same object"
                    )
            if found := self._overlapping(entry):
                other, owner = found
                return Refusal(
                    "OverlappingAddresses",
                    f"cannot use {reference}, {entry} overlaps {other} of {owner}, which is older: take it out of one",
                )
        return None

    def _overlapping(self, entry: AddressRange) -> tuple[AddressRange, Reference] | None:
        """Since ranges are disjoint, only the two neighbours of its last address can touch it."""
        place = bisect_left(self._ranges, (entry.family, entry.last + 1))
        if place and self._ranges[place - 1][3].overlaps(entry):
            return self._ranges[place - 1][3:]
        return None

    def add(self, reference: Reference, ranges: tuple[AddressRange, ...]) -> None:
        self._ranges += [(entry.family, entry.first, entry.last, entry, reference) for entry in ranges]
        self._ranges.sort()


def _default(classes: Iterable[MetalLoadBalancerClass]) -> tuple[str, tuple[Problem, ...]]:
    """The oldest of the default classes, and a word about the others."""
    names = [owner.key.name for owner in sorted(classes, key=_age) if owner.is_default]
    if not names:
        return "", ()
    told = f"cannot be the default class, {names[0]} is and is older: set isDefault on one class only"
    others = (Reference("MetalLoadBalancerClass", Key("", name)) for name in names[1:])
    return names[0], tuple(
        Problem(Severity.WARNING, str(other), "SeveralDefaultClasses", told, "spec.isDefault") for other in others
    )


def problem_of(reference: Reference, refusal: Refusal) -> Problem:
    return Problem(Severity.ERROR, str(reference), refusal.reason, refusal.message)
