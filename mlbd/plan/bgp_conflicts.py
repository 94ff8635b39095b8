"""Local preferences that contradict each other: one prefix cannot be told to one peer with two of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import combinations

from mlbd.model.metallb import BGPAdvertisement


@dataclass(frozen=True, slots=True)
class Attached:
    """A BGPAdvertisement and the nodes that it covers."""

    advertisement: BGPAdvertisement
    nodes: frozenset[str]


def conflict(attached: Iterable[Attached], families: Collection[int]) -> tuple[Attached, Attached] | None:
    """The first two advertisements of a pool, which holds addresses of `families`, that contradict each other."""
    return next((pair for pair in combinations(attached, 2) if _contradict(*pair, families)), None)


def _contradict(one: Attached, other: Attached, families: Collection[int]) -> bool:
    first, second = one.advertisement, other.advertisement
    if first.local_pref == second.local_pref or not one.nodes & other.nodes:
        return False
    if first.peers and second.peers and not set(first.peers) & set(second.peers):
        return False
    return any(_length(first, family) == _length(second, family) for family in families)


def _length(advertisement: BGPAdvertisement, family: int) -> int:
    return advertisement.aggregation_length if family == 4 else advertisement.aggregation_length_v6
