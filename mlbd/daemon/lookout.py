"""Whom this node watches, with which key, and since when each session is as it is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from mlbd.drivers.keys import BFD_LONGEST, KeyUnreadable, read_key
from mlbd.model import settings as settings_of
from mlbd.model.link import Link
from mlbd.model.settings import Settings
from mlbd.model.status import Problem, SessionStatus, Severity
from mlbd.model.world import World
from mlbd.plan import liveness
from mlbd.plan.plan import Plan
from mlbd.proto.bfd.authentication import Authentication, AuthenticationType
from mlbd.proto.bfd.watch import Path, Watch
from mlbd.proto.control import SessionReport, Watches

_TYPES = {kind.name: kind for kind in AuthenticationType}
#: Routers between two nodes lower the TTL by their number, which is not known (RFC 5883 5 leaves the limit to us).
_ANY_TTL = 0
_GTSM_TTL = 255


class Lookout:
    """`problems` are of what cannot be watched."""

    def __init__(self) -> None:
        self.problems: tuple[Problem, ...] = ()
        self._settings: Settings | None = None
        self._key: Authentication | None = None
        self._unreadable: tuple[Problem, ...] = ()
        self._seen: dict[Path, tuple[bool, float]] = {}

    def watches(
        self, settings: Settings, world: World, desired: Plan, links: Sequence[Link], usable: set[str]
    ) -> Watches:
        """`links` are all of the host, `usable` the names of those that may announce."""
        pace = settings.liveness
        if settings is not self._settings or self._unreadable:
            self._settings = settings
            self._unreadable = tuple(self._read_key(pace.authentication))
        self.problems = self._unreadable
        if pace.authentication and self._key is None:
            # Unauthenticated sessions would be refused by everybody else: better none, and static holders.
            return Watches((), settings.hold_down)
        announcing = [link for link in links if link.name in usable]
        others = [link for link in links if link.name not in usable]
        found = liveness.watches(settings.node, desired.group, world.nodes, announcing, others)
        lost = liveness.unwatched(desired.group, found)
        self.problems += tuple(liveness.unwatched_problems(settings.node, lost, world.nodes, links))
        indexes = {link.name: link.index for link in links}
        interval = round(pace.interval * 1e6)
        watches = tuple(
            Watch(
                peer=each.node,
                local=each.local,
                remote=each.remote,
                link=indexes[each.link] if each.link else 0,
                desired_min_tx=interval,
                required_min_rx=interval,
                multiplier=pace.multiplier,
                minimum_ttl=_GTSM_TTL if each.link else _ANY_TTL,
                authentication=self._key,
            )
            for each in found
        )
        paths = {watch.path for watch in watches}
        self._seen = {path: known for path, known in self._seen.items() if path in paths}
        return Watches(watches, settings.hold_down)

    def changed(self, report: SessionReport, now: float) -> bool:
        """Whether the session came up or went down, or its other end took it down; `now` is the event loop's clock.
        What a new reflex has not seen yet is not lost, nor is what this node took down itself."""
        path = report.remote, report.local, report.link
        before, _ = self._seen.get(path, (None, 0.0))
        seen = report.state == "up"  # init is on the way there: nobody is told of it
        if before is seen:
            return False
        self._seen[path] = seen, now
        if seen:
            return before is not None
        return before is True and report.ups > 0 and report.state != "admin-down"

    def sessions(
        self, reports: Mapping[Path, SessionReport], names: Mapping[int, str], now: float
    ) -> Iterator[SessionStatus]:
        """`names` of links by ifindex."""
        wall = time.time()
        for path, report in reports.items():
            _, since = self._seen.get(path, (False, now))
            yield session_status(report, names, wall - (now - since))

    def _read_key(self, where: settings_of.Authentication | None) -> Iterator[Problem]:
        """With new settings, so that a key that is being replaced is not read half; the last good one stays."""
        if where is None:
            self._key = None
            return
        try:
            key = read_key(where.key, "BFD key", BFD_LONGEST)
            self._key = Authentication(_TYPES[where.type.name], where.key_id, key)
        except KeyUnreadable as error:
            yield Problem(Severity.ERROR, "mlbd", "BadKey", str(error), "liveness.authentication")


def session_status(report: SessionReport, names: Mapping[int, str], since: float) -> SessionStatus:
    """`names` of links by ifindex; `since` in seconds since the epoch."""
    return SessionStatus(
        peer=report.peer,
        link=names.get(report.link, ""),
        local=str(report.local),
        remote=str(report.remote),
        state=report.state,
        diagnostic=report.diagnostic,
        remote_state=report.remote_state,
        remote_diagnostic=report.remote_diagnostic,
        interval=report.interval / 1e6,
        detection=report.detection / 1e6,
        since=since,
        ups=report.ups,
        downs=report.downs,
    )
