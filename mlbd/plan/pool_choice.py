"""Which pools a Service without a class may draw from, and in which order (MetalLB's rules)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .sources import Source


def automatic_pools(pools: Iterable[Source], namespace: str, labels: Mapping[str, str]) -> tuple[Source, ...]:
    """Pools kept for such a Service first, by priority (lower first, 0 last), then the open ones. Among equals by
    name: MetalLB's order is random there, which no two nodes would agree on."""
    usable = [pool for pool in pools if pool.automatic and pool.admits(namespace, labels)]
    return tuple(sorted(usable, key=_rank))


def _rank(pool: Source) -> tuple[bool, bool, int, str]:
    if pool.scope is None:
        return True, True, 0, pool.reference.key.name
    return False, pool.scope.priority == 0, pool.scope.priority, pool.reference.key.name
