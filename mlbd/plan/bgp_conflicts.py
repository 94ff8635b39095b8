"""Advertisements over BGP, and local preferences of theirs that contradict each other: one prefix cannot be told to one
peer with two of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from mlbd.model.community import CommunityValue
from mlbd.model.metallb import BGPAdvertisement
from mlbd.model.peering import Announcement


@dataclass(frozen=True, slots=True, eq=False)
class Attached:
    """A BGPAdvertisement, or what a MetalLoadBalancerConfiguration says written as one, with the nodes that it covers
    and what it says of a prefix. `origin` is the object that it stands in. Compared by identity: the same on one
    ground."""

    advertisement: BGPAdvertisement
    nodes: frozenset[str]
    announcement: Announcement
    origin: str

    def reaches(self, peer: str) -> bool:
        return not self.advertisement.peers or peer in self.advertisement.peers

    def length(self, family: int) -> int:
        """Of the prefixes that stand for addresses."""
        return self.advertisement.aggregation_length if family == 4 else self.advertisement.aggregation_length_v6


def announcement(local_pref: int | None, communities: Iterable[CommunityValue]) -> Announcement:
    """Equal ones are one object: thousands of prefixes have it."""
    return _announcement(local_pref, frozenset(communities))


@lru_cache(maxsize=1024)
def _announcement(local_pref: int | None, communities: frozenset[CommunityValue]) -> Announcement:
    return Announcement(local_pref, tuple(sorted(communities)))


def conflict(attached: Iterable[Attached], families: Collection[int]) -> tuple[Attached, Attached] | None:
    """The first two advertisements of a pool, which holds addresses of `families`, that contradict each other."""
    return next((pair for pair in combinations(attached, 2) if _contradict(*pair, families)), None)


def _contradict(one: Attached, other: Attached, families: Collection[int]) -> bool:
    first, second = one.advertisement, other.advertisement
    if first.local_pref == second.local_pref or not one.nodes & other.nodes:
        return False
    if first.peers and second.peers and not set(first.peers) & set(second.peers):
        return False
    return any(one.length(family) == other.length(family) for family in families)
