"""Which of two objects that cannot both stand is refused: the one that comes later, and it is told of the other."""

from __future__ import annotations

from bisect import bisect_left

from mlbd.model.address import AddressRange
from mlbd.model.deckhouse import CLASS_KIND, MetalLoadBalancerClass, MetalLoadBalancerPool
from mlbd.model.desired import Refusal
from mlbd.model.metallb import IPAddressPool
from mlbd.model.reference import Reference

Owner = MetalLoadBalancerClass | MetalLoadBalancerPool | IPAddressPool


def age(owner: Owner) -> tuple[bool, str, str, str]:
    """Oldest first, then by name; one without a date is taken for new."""
    return not owner.created, owner.created, owner.key.name, owner.key.namespace


def precedence(first: Owner, later: Owner) -> str:
    """Why the first of two stands, to be said of it."""
    if first.created != later.created:
        return "is older" if later.created else "is taken for older, for only it has a creationTimestamp"
    if first.key.name != later.key.name:
        by = "name"
    else:
        by = "namespace" if first.key.namespace != later.key.namespace else "kind"
    tie = "both are of one age" if first.created else "neither has a creationTimestamp"
    return f"comes first by {by} ({tie})"


class Accepted:
    """The objects that stand so far. Their ranges never overlap; a pool is known by its name alone."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int, int, AddressRange, Reference]] = []  # sorted by their first address
        self._owners: dict[Reference, Owner] = {}
        self._pools: dict[str, Reference] = {}

    def clash(self, reference: Reference, owner: Owner) -> Refusal | None:
        namesake = self._pools.get(reference.key.name) if reference.kind != CLASS_KIND else None
        if namesake is not None:
            why = precedence(self._owners[namesake], owner)
            told = f"cannot use {reference}, {namesake} has that name too and {why}: rename one"
            return Refusal("DuplicateName", told)
        return _within(owner.addresses) or self._overlap(reference, owner)

    def add(self, reference: Reference, owner: Owner) -> None:
        self._owners[reference] = owner
        if reference.kind != CLASS_KIND:
            self._pools[reference.key.name] = reference
        self._ranges += [(entry.family, entry.first, entry.last, entry, reference) for entry in owner.addresses]
        self._ranges.sort()

    def _overlap(self, reference: Reference, owner: Owner) -> Refusal | None:
        for entry in owner.addresses:
            if found := self._overlapping(entry):
                other, holder = found
                why = precedence(self._owners[holder], owner)
                told = f"cannot use {reference}, {entry} overlaps {other} of {holder}, which {why}: take it out of one"
                return Refusal("OverlappingAddresses", told)
        return None

    def _overlapping(self, entry: AddressRange) -> tuple[AddressRange, Reference] | None:
        """Since ranges are disjoint, only the two neighbours of its last address can touch it."""
        place = bisect_left(self._ranges, (entry.family, entry.last + 1))
        if place and self._ranges[place - 1][3].overlaps(entry):
            return self._ranges[place - 1][3:]
        return None


def _within(ranges: tuple[AddressRange, ...]) -> Refusal | None:
    for place, entry in enumerate(ranges):
        for other in ranges[:place]:
            if entry.overlaps(other):
                told = f"cannot use {entry}, it overlaps {other} of the same object: take one of the two out"
                return Refusal("OverlappingAddresses", told)
    return None
