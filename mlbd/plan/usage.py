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
    by_source: dict[int, list[frozenset[IPAddress]]] = {}
    sources: dict[int, Source] = {}
    for allotment in allotments:
        if (source := allotment.source) is not None:
            sources[id(source)] = source  # there is one of each, and its id is its cheapest key
            by_source.setdefault(id(source), []).append(allotment.addresses)
    return {source.reference: _used(source, by_source[key]) for key, source in sources.items()}


def _used(source: Source, addresses: list[frozenset[IPAddress]]) -> Used:
    given = frozenset[IPAddress]().union(*addresses)
    ipv6 = sum(address.version == 6 for address in given) if 6 in source.spans else 0
    return Used(len(given) - ipv6, ipv6, len(addresses))


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
