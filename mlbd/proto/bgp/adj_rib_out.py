"""What one peer was told (RFC 4271 3.2), and the fewest UPDATEs that make it what it should be.

New and changed routes are announced before old ones are withdrawn: when one aggregate takes the place of many routes,
there is no moment without any. An UPDATE does only one of the two, and for one family (RFC 7606 5.1).

No copy of the routes is made, and equal objects are compared by identity first: ten thousand routes to each of many
peers cost as much as those of one, and a change of one route a walk over them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from . import packing
from .family_encoder import FamilyEncoder, NextHop, encoders
from .messages import Attributes, Prefix
from .negotiated import Negotiated
from .neighbor import Path
from .nlri import family_of
from .numbers import Family

_NAMES: Final = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}

Routes = Mapping[Prefix, Attributes]
_Change = tuple[Prefix, Attributes | None, Attributes | None]
"""What was said of a prefix before, and what is said now; None is nothing."""


class AdjRibOut:
    """One established session. The mapping of set() is kept, and must not change afterwards.

    `next_hops` are by family, of those that can be announced.
    """

    def __init__(self, negotiated: Negotiated, path: Path) -> None:
        self._families = negotiated.families
        self._encoders = encoders(negotiated, path)
        self._routes: Routes = {}
        self._announced = 0
        self._left_out: Mapping[str, int] | None = {}
        self.next_hops: Mapping[Family, NextHop] = {f: encoder.next_hop for f, encoder in self._encoders.items()}

    def __len__(self) -> int:
        """How many routes the peer was told."""
        return self._announced

    def set(self, routes: Routes) -> list[bytes]:
        """The UPDATEs after which the peer has exactly `routes`, but for those that left_out() names."""
        if routes is self._routes:
            return []
        before, self._routes, self._left_out = self._routes, routes, None
        batches = self._batches()
        for prefix, old, new in _changes(before, routes):
            batches[prefix.version].add(prefix, old, new)
        self._announced += sum(batch.more for batch in batches.values())
        return [update for batch in batches.values() for update in batch.updates()]

    def again(self, family: Family | None = None) -> list[bytes]:
        """Everything that was told, of one family or of all (RFC 2918)."""
        batches = self._batches()
        for prefix, attributes in self._routes.items():
            if family is None or family_of(prefix) is family:
                batches[prefix.version].add(prefix, None, attributes)
        return [update for batch in batches.values() for update in batch.updates()]

    def left_out(self) -> Mapping[str, int]:
        """How many routes cannot be announced, by the reason in words."""
        if self._left_out is None:
            complete = self._announced == len(self._routes)
            self._left_out = {} if complete else self._count_left_out()
        return self._left_out

    def end_of_rib(self, family: Family) -> bytes:
        return packing.end_of_rib(family)

    def _batches(self) -> dict[int, _Batch]:
        return {4: _Batch(self._encoders.get(Family.IPV4)), 6: _Batch(self._encoders.get(Family.IPV6))}

    def _count_left_out(self) -> Mapping[str, int]:
        batches = self._batches()
        found = (p for p, attributes in self._routes.items() if batches[p.version].encode(attributes) is None)
        return dict(Counter(self._reason(family_of(prefix)) for prefix in found))

    def _reason(self, family: Family) -> str:
        name = _NAMES[family]
        if family not in self._families:
            return f"the peer does not take {name} routes"
        if family not in self._encoders:
            return f"this end has no address to be the next hop of {name} routes"
        return f"the communities of {name} routes are more than a message can hold"


def _changes(before: Routes, after: Routes) -> Iterator[_Change]:
    """At least those routes that are no longer as they were. Hashing prefixes is what takes long: by their identities
    nearly all are found without."""
    known = dict(zip(map(id, before), before.values(), strict=True))
    additions = 0
    for prefix, attributes in after.items():
        if known.get(id(prefix)) is not attributes:
            old = before.get(prefix)
            additions += old is None
            yield prefix, old, attributes
    if len(before) + additions > len(after):
        for prefix, attributes in before.items():
            if prefix not in after:
                yield prefix, attributes, None


class _Batch:
    """The changes of one family. `encoder` is None when nothing of it can be announced; `more` is how many routes more
    the peer has afterwards."""

    def __init__(self, encoder: FamilyEncoder | None) -> None:
        self.more = 0
        self._encoder = encoder
        self._encoded: dict[int, bytes | None] = {}
        self._announced: dict[bytes, list[Prefix]] = {}
        self._withdrawn: list[Prefix] = []

    def add(self, prefix: Prefix, old: Attributes | None, new: Attributes | None) -> None:
        """Attributes of which this session says the same share a message, and to change one for another is nothing."""
        before, after = self.encode(old), self.encode(new)
        if before == after:
            return
        self.more += (after is not None) - (before is not None)
        if after is None:
            self._withdrawn.append(prefix)
        else:
            self._announced.setdefault(after, []).append(prefix)

    def encode(self, attributes: Attributes | None) -> bytes | None:
        """None when they cannot be announced. By identity, which is good as long as the routes are there."""
        if attributes is None or self._encoder is None:
            return None
        if id(attributes) not in self._encoded:
            self._encoded[id(attributes)] = self._encoder.encode(attributes)
        return self._encoded[id(attributes)]

    def updates(self) -> list[bytes]:
        if self._encoder is None:
            return []
        updates = []
        for attributes, prefixes in self._announced.items():
            updates += self._encoder.announce(attributes, prefixes)
        return updates + self._encoder.withdraw(self._withdrawn)
