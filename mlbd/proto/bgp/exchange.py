"""The routes of an Established session: what the peer is told, and a count of what it tells.

A peer that reads slowly costs no memory: while much waits to be sent nothing more is made, and then only the difference
between what it was told and what is so now.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .adj_rib_out import AdjRibOut, Routes
from .encoding import encode
from .messages import Nlri, RouteRefresh, Update
from .negotiated import Negotiated
from .neighbor import Path
from .numbers import Family
from .snapshot import Snapshot

_BEGIN: Final = 1  # of the two messages around the routes that are told again (RFC 7313 3)
_END: Final = 2


class Exchange:
    """Until the first advertise() the routes are not known, and there is no End-of-RIB. `limit` is of the prefixes of a
    family that the peer may announce."""

    __slots__ = ("_asked", "_is_begun", "_is_due", "_limit", "_negotiated", "_out", "_received", "_routes")

    def __init__(self, negotiated: Negotiated, path: Path, limit: int) -> None:
        self._negotiated = negotiated
        self._out = AdjRibOut(negotiated, path)
        self._limit = limit
        self._routes: Routes | None = None
        self._received: dict[Family, set[Nlri]] = {family: set() for family in self._families()}
        self._asked: set[Family] = set()
        self._is_begun = False
        self._is_due = False

    def advertise(self, routes: Routes) -> None:
        self._routes, self._is_due = routes, True

    def repeat(self, family: Family) -> None:
        """Tell all routes of the family again, as the peer asks (RFC 2918)."""
        self._asked.add(family)
        self._is_due = True

    def repeat_all(self) -> None:
        for family in self._negotiated.families:
            self.repeat(family)

    def messages(self) -> list[bytes]:
        """Whatever is still to be told, in as few messages as there can be."""
        if self._routes is None or not self._is_due:
            return []
        self._is_due = False
        told = self._out.set(self._routes)
        if not self._is_begun:
            self._is_begun = True
            told = told + [self._out.end_of_rib(family) for family in self._families()]
        asked, self._asked = self._asked, set()
        return told + [message for family in self._families() if family in asked for message in self._again(family)]

    def ask(self) -> list[bytes]:
        """For the peer's routes again, where it can be asked."""
        if not self._negotiated.route_refresh:
            return []
        return [encode(RouteRefresh(family)) for family in self._families()]

    def take(self, update: Update) -> Family | None:
        """Counts; the family of which there are more than the limit, if there is one."""
        for family, prefixes in update.withdrawn.items():
            self._received[family].difference_update(prefixes)
        for family, prefixes in update.announced.items():
            self._received[family].update(prefixes)
            if len(self._received[family]) > self._limit:
                return family
        return None

    def complete(self, snapshot: Snapshot) -> Snapshot:
        """With what is told and heard."""
        return replace(
            snapshot,
            announced=len(self._out),
            left_out=self._out.left_out(),
            next_hops=self._out.next_hops,
            heard=sum(map(len, self._received.values())),
        )

    def _again(self, family: Family) -> list[bytes]:
        told = self._out.again(family)
        if not self._negotiated.enhanced_refresh:
            return told
        return [encode(RouteRefresh(family, _BEGIN)), *told, encode(RouteRefresh(family, _END))]

    def _families(self) -> list[Family]:
        return sorted(self._negotiated.families, key=lambda family: family.value)
