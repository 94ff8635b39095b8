"""The classes and pools that stand beside each other. A bad one harms itself, the younger of two that clash, never the
rest: one pool written wrong must not freeze the addresses of every other tenant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mlbd.model.address import AddressRange
from mlbd.model.core import Namespace
from mlbd.model.deckhouse import CLASS_KIND, MetalLoadBalancerClass
from mlbd.model.desired import Refusal
from mlbd.model.metallb import IPAddressPool, ServiceAllocation
from mlbd.model.reference import Reference
from mlbd.model.selector import any_matches
from mlbd.model.status import Problem, Severity
from mlbd.model.world import World

from .clashes import Accepted, Owner, age, precedence
from .sources import Scope, Source


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


#: Of an object that is in a file and cannot be used; the file's own Problem has the field.
UNREADABLE = Refusal("InvalidObject", "its file has a mistake, `mlbctl status` names the field: correct it")


def catalog(world: World) -> Catalog:
    refused: dict[Reference, Refusal] = {}
    sources: list[Source] = []
    accepted = Accepted()
    for reference, owner in _by_age(world):
        refusal = _empty(owner.addresses) or accepted.clash(reference, owner)
        if refusal is not None:
            refused[reference] = refusal
            continue
        accepted.add(reference, owner)
        sources.append(_source(reference, owner, world))
    sources.sort(key=lambda source: source.reference)
    default, several = _default(world.classes.values())
    broken = {reference: UNREADABLE for reference in world.refused if reference.kind == CLASS_KIND}
    names = {*world.classes, *(reference.key for reference in broken)}
    return Catalog(
        {source.reference.key.name: source for source in sources if source.reference.kind == CLASS_KIND},
        {source.reference.key.name: source for source in sources if source.reference.kind != CLASS_KIND},
        frozenset(key.name for key in names),
        default,
        broken | refused,
        (*several, *(problem_of(reference, refusal) for reference, refusal in sorted(refused.items()))),
    )


def _by_age(world: World) -> list[tuple[Reference, Owner]]:
    """A pool and a class of one name are two."""
    owners: list[tuple[Reference, Owner]] = []
    owners += [(Reference(CLASS_KIND, key), value) for key, value in world.classes.items()]
    owners += [(Reference("IPAddressPool", key), value) for key, value in world.address_pools.items()]
    owners += [(Reference("MetalLoadBalancerPool", key), value) for key, value in world.load_balancer_pools.items()]
    return sorted(owners, key=lambda pair: (*age(pair[1]), pair[0].kind))


def _source(reference: Reference, owner: Owner, world: World) -> Source:
    reserved = {
        address: f"{key.name}'s InternalIP"
        for key, node in sorted(world.nodes.items())
        for address in node.addresses
        if any(address in entry for entry in owner.addresses)
    }
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


def _default(classes: Iterable[MetalLoadBalancerClass]) -> tuple[str, tuple[Problem, ...]]:
    """The first of the default classes, and a word about the others."""
    found = sorted((owner for owner in classes if owner.is_default), key=age)
    if not found:
        return "", ()
    first, *others = found
    return first.key.name, tuple(_not_default(other, first) for other in others)


def _not_default(other: MetalLoadBalancerClass, first: MetalLoadBalancerClass) -> Problem:
    told = f"cannot be the default class, {first.key.name} is and {precedence(first, other)}: set isDefault on one only"
    where = str(Reference(CLASS_KIND, other.key))
    return Problem(Severity.WARNING, where, "SeveralDefaultClasses", told, "spec.isDefault")


def problem_of(reference: Reference, refusal: Refusal) -> Problem:
    return Problem(Severity.ERROR, str(reference), refusal.reason, refusal.message)
