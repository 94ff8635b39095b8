"""Where addresses come from: a class or a pool, as allocation sees it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

from mlbd.model.address import AddressRange, IPAddress
from mlbd.model.reference import Reference
from mlbd.model.selector import LabelSelector, any_matches

FAMILIES = (4, 6)

#: A search over more taken addresses than this is not worth noting address by address: the pool is all but full.
LONG_WAY = 32


@dataclass(frozen=True, slots=True)
class Scope:
    """serviceAllocation: which Services a pool is kept for. `namespaces` None is any, `selectors` empty is any."""

    priority: int = 0
    namespaces: frozenset[str] | None = None
    selectors: tuple[LabelSelector, ...] = ()

    def admits(self, namespace: str, labels: Mapping[str, str]) -> bool:
        if self.namespaces is not None and namespace not in self.namespaces:
            return False
        return not self.selectors or any_matches(self.selectors, labels)


@dataclass(frozen=True)
class Source:
    """`ranges` as the object wrote them. `automatic` is false when a Service must name it (autoAssign: false).

    `trimmed`: the network and broadcast addresses of its IPv4 CIDRs are not given out (classes).
    `avoid_buggy`: IPv4 addresses that end in .0 or .255 are not given out, and not considered owned (metallb.io).
    `reserved`: those of its addresses that are somebody's already, and what they are.
    """

    reference: Reference
    ranges: tuple[AddressRange, ...]
    automatic: bool = True
    trimmed: bool = False
    avoid_buggy: bool = False
    scope: Scope | None = None
    reserved: Mapping[IPAddress, str] = field(default_factory=dict, repr=False)

    @cached_property
    def usable(self) -> tuple[AddressRange, ...]:
        return tuple(_trim(entry) if self.trimmed else entry for entry in self.ranges)

    @cached_property
    def spans(self) -> dict[int, Span]:
        """The usable ranges by family, families without any left out."""
        by_family = {family: tuple(r for r in self.usable if r.family == family) for family in FAMILIES}
        return {family: Span(ranges) for family, ranges in by_family.items() if ranges}

    def admits(self, namespace: str, labels: Mapping[str, str]) -> bool:
        return self.scope is None or self.scope.admits(namespace, labels)

    def __contains__(self, address: IPAddress) -> bool:
        return any(address in entry for entry in self.usable) and not self.buggy(address)

    def wrote(self, address: IPAddress) -> bool:
        """Within the ranges as written, whether or not it may be given out."""
        return any(address in entry for entry in self.ranges)

    def withheld(self, address: IPAddress) -> str:
        """What an address in its ranges is that it never gives out, "" for one that it may."""
        if address in self.reserved:
            return self.reserved[address]
        if self.buggy(address):
            return f"one that ends in .0 or .255, which {self.reference} avoids (avoidBuggyIPs)"
        return "" if address in self else self._edge(address)

    def _edge(self, address: IPAddress) -> str:
        entry = next(entry for entry in self.ranges if address in entry)
        return f"the {'network' if int(address) == entry.first else 'broadcast'} address of {entry}"

    def buggy(self, address: IPAddress) -> bool:
        return self.avoid_buggy and address.version == 4 and int(address) & 0xFF in (0, 0xFF)

    @cached_property
    def capacity(self) -> dict[int, int]:
        """How many addresses of each family it can give out."""
        total = dict.fromkeys(FAMILIES, 0)
        for entry in self.usable:
            total[entry.family] += entry.size - (_buggy_within(entry) if self.avoid_buggy else 0)
        for address in self.reserved:
            if address in self:
                total[address.version] -= 1
        return total


@dataclass(frozen=True)
class Span:
    """The addresses of one family in the order of the pool, numbered from 0: an IPv6 /32 is one entry."""

    ranges: tuple[AddressRange, ...]

    @cached_property
    def ends(self) -> tuple[int, ...]:
        return tuple(accumulate(entry.size for entry in self.ranges))

    @property
    def size(self) -> int:
        return self.ends[-1]

    def address(self, index: int) -> IPAddress:
        place = bisect_right(self.ends, index)
        entry = self.ranges[place]
        return entry.address(entry.last + 1 + index - self.ends[place])

    def index(self, address: IPAddress) -> int:
        """The number of an address. Raises ValueError for one that is not in it."""
        number = int(address)
        for entry, end in zip(self.ranges, self.ends, strict=True):
            if entry.first <= number <= entry.last:
                return end - 1 - (entry.last - number)
        raise ValueError(f"{address} is in none of the ranges")


class Free:
    """Which addresses of one family of a source nobody has: the next free one in constant time, however full."""

    def __init__(self, source: Source, family: int) -> None:
        self.span = source.spans[family]
        self.left = source.capacity[family]
        self._source = source
        self._next: dict[int, int] = {}  # a taken index to one that is nearer to the next free one
        for address in source.reserved:
            if address in source and address.version == family:
                self._pass_over(self.span.index(address))

    def take(self, address: IPAddress) -> None:
        index = self.span.index(address)
        if index not in self._next:
            self._pass_over(index)
            self.left -= 1

    def find(self, start: int) -> IPAddress | None:
        """The first free address from number `start` (modulo the size) on, round the end of the span once."""
        index = start % self.span.size
        for _ in range(2):
            while (index := self._free_from(index)) < self.span.size:
                address = self.span.address(index)
                if not self._source.buggy(address):  # reserved ones are passed over from the start
                    return address
                self._pass_over(index)
            index = 0
        return None

    def passed(self, start: int, found: IPAddress) -> list[IPAddress] | None:
        """What a search from number `start` went by until it found an address, that one included; None when it is too
        much to list."""
        first = start % self.span.size
        steps = (self.span.index(found) - first) % self.span.size
        if steps > LONG_WAY:
            return None
        return [*(self.span.address((first + step) % self.span.size) for step in range(steps)), found]

    def _free_from(self, index: int) -> int:
        steps = []
        while (following := self._next.get(index)) is not None:
            steps.append(index)
            index = following
        for step in steps:
            self._next[step] = index
        return index

    def _pass_over(self, index: int) -> None:
        self._next[index] = index + 1


def _trim(entry: AddressRange) -> AddressRange:
    if entry.family == 4 and entry.prefix_length is not None and entry.prefix_length < 31:
        return AddressRange(4, entry.first + 1, entry.last - 1)
    return entry


def _buggy_within(entry: AddressRange) -> int:
    """How many of an IPv4 range end in .0 or .255."""
    if entry.family != 4:
        return 0
    return sum((entry.last - last) // 256 - (entry.first - 1 - last) // 256 for last in (0, 255))


def owner(sources: Iterable[Source], addresses: Collection[IPAddress]) -> Source | None:
    """The source that holds all of the addresses, if one does."""
    return next((source for source in sources if all(address in source for address in addresses)), None)
