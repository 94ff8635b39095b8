"""How much of each class and pool is given out."""

from __future__ import annotations

from collections.abc import Iterable

from mlbd.model.desired import ServicePlan
from mlbd.model.reference import Reference
from mlbd.model.status import PoolStatus

from .ground import Ground
from .group import Group
from .sources import FAMILIES, Source

#: Totals beyond it are told as this: JSON readers count in 64 bits.
MOST = 2**63 - 1


def usage(ground: Ground, groups: Iterable[Group]) -> tuple[PoolStatus, ...]:
    """Of the valid ones, in order of kind and name."""
    services: dict[Reference, list[ServicePlan]] = {}
    for group in groups:
        for each in group.services.values():
            if each.source is not None:
                services.setdefault(each.source, []).append(each)
    sources = sorted((*ground.catalog.classes.values(), *ground.catalog.pools.values()), key=lambda one: one.reference)
    return tuple(_status(source, services.get(source.reference, []), ground) for source in sources)


def _status(source: Source, services: list[ServicePlan], ground: Ground) -> PoolStatus:
    used: dict[int, set[int]] = {family: set() for family in FAMILIES}
    for each in services:
        for slot in each.slots:
            if slot.address is not None:
                used[slot.family].add(int(slot.address))
    links = ground.links(source)
    return PoolStatus(
        source.reference.kind,
        source.reference.key.name,
        tuple(map(str, source.ranges)),
        min(source.capacity[4], MOST),
        min(source.capacity[6], MOST),
        len(used[4]),
        len(used[6]),
        len(services),
        tuple(sorted(links)),
        tuple(sorted(set().union(*(names or () for names in links.values())))),
    )
