"""How much of each class and pool is given out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlbd.model.address import IPAddress
from mlbd.model.reference import Reference
from mlbd.model.status import PoolStatus

from .ground import Ground
from .ipam import Allotment
from .sources import Source

#: Totals beyond it are told as this: JSON readers count in 64 bits.
MOST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Used:
    """Distinct addresses by family (a shared one counts once), and Services that asked the source for some."""

    ipv4: int = 0
    ipv6: int = 0
    services: int = 0


def used(allotments: Iterable[Allotment]) -> dict[Reference, Used]:
    by_source: dict[Reference, list[Allotment]] = {}
    for allotment in allotments:
        if allotment.source is not None:
            by_source.setdefault(allotment.source.reference, []).append(allotment)
    return {reference: _used(mine) for reference, mine in by_source.items()}


def _used(allotments: list[Allotment]) -> Used:
    given = frozenset[IPAddress]().union(*(each.addresses for each in allotments))
    ipv4 = sum(address.version == 4 for address in given)
    return Used(ipv4, len(given) - ipv4, len(allotments))


def pool_statuses(ground: Ground, usage: Mapping[Reference, Used]) -> tuple[PoolStatus, ...]:
    """Of the valid ones, in order of kind and name."""
    sources = sorted((*ground.catalog.classes.values(), *ground.catalog.pools.values()), key=lambda one: one.reference)
    return tuple(_status(source, usage.get(source.reference, Used()), ground) for source in sources)


def _status(source: Source, usage: Used, ground: Ground) -> PoolStatus:
    links = ground.links(source)
    return PoolStatus(
        source.reference.kind,
        source.reference.key.name,
        tuple(map(str, source.ranges)),
        min(source.capacity[4], MOST),
        min(source.capacity[6], MOST),
        usage.ipv4,
        usage.ipv6,
        usage.services,
        tuple(sorted(links.keys() | ground.bgp_nodes(source))),
        tuple(sorted(set().union(*(names or () for names in links.values())))),
    )
