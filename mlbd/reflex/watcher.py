"""BFD with the other nodes, as the reflex does it: the sessions, their sockets, and what the group learns from them."""

import contextlib
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from mlbd.proto.bfd.packet import Diagnostic, State
from mlbd.proto.bfd.session import Action, Send, SessionChanged
from mlbd.proto.bfd.sessions import Sessions, SessionStatus
from mlbd.proto.bfd.watch import Path, Watch
from mlbd.proto.control import SessionReport
from mlbd.proto.neighbor.group import Group
from mlbd.reflex.bfd import Transport
from mlbd.reflex.neighbours import neighbour

KEPT: Final = 300.0
"""Seconds for which the session with a node that is not watched any more is kept, as long as it is up."""


class Watcher:
    """Methods that return names tell which nodes came into sight or were lost."""

    def __init__(self, group: Group, report: Callable[[SessionReport], None]) -> None:
        self._group = group
        self._report = report
        self._sessions = Sessions(random.random)
        self._transport = Transport()
        self._watches: tuple[Watch, ...] = ()
        self._kept: dict[Path, tuple[Watch, float]] = {}
        self._told: dict[Path, SessionReport] = {}

    def fileno(self) -> int:
        """Readable while `receive` has something to do."""
        return self._transport.fileno()

    @property
    def problems(self) -> Mapping[str, str]:
        """By local address."""
        return self._transport.problems()

    @property
    def counters(self) -> Mapping[str, int]:
        drops = {f"dropped.bfd.{reason.value}": number for reason, number in self._sessions.drops.items()}
        return drops | {f"bfd.{name}": number for name, number in self._transport.counters.items()}

    def watch(self, watches: tuple[Watch, ...], hold_down: float, stays: bool, now: float) -> list[str]:
        """All to be watched. Another node may learn later than this one that it is not among them any more: so that it
        does not take this one for dead, its session is kept for a while, but not when this node itself leaves."""
        before = {watch.path: (watch, now + KEPT) for watch in self._watches} if stays else {}
        named = {watch.path for watch in watches}
        self._kept = {path: entry for path, entry in (before | self._kept).items() if stays and path not in named}
        self._watches = watches
        self._group.watch([(watch.peer, watch.link) for watch in watches], hold_down, now)
        return self._follow(now)

    def look_after(self, now: float) -> list[str]:
        """From time to time: opens what could not be opened before, learns MACs that changed, ends what was kept."""
        self.learn()
        up = {status.watch.path for status in self._sessions.status() if status.state is State.UP}
        self._kept = {path: entry for path, entry in self._kept.items() if path in up and now < entry[1]}
        return self._follow(now)

    def _follow(self, now: float) -> list[str]:
        watches = [*self._watches, *(watch for watch, _ in self._kept.values())]
        self._transport.watch(watches)
        return self._perform(self._sessions.watch(watches, now), now)

    def learn(self) -> None:
        """The MACs of all nodes, also of those that are not seen: the kernel asks for them to send them our packets."""
        for watch in self._watches:
            self._learn(watch)

    def tell(self) -> None:
        """Reports every session that is watched and not as it was when it was last reported."""
        watched = {watch.path for watch in self._watches}
        self._told = {path: report for path, report in self._told.items() if path in watched}
        for status in self._sessions.status():
            report = _report(status)
            if status.watch.path in watched and self._told.get(status.watch.path) != report:
                self._told[status.watch.path] = report
                self._report(report)

    def administratively_down(self, down: bool, now: float) -> list[str]:
        return self._perform(self._sessions.administratively_down(down, now), now)

    def receive(self, now: float) -> list[str]:
        names: list[str] = []
        for octets, arrival in self._transport.receive():
            if actions := self._sessions.receive(octets, arrival, now):
                names += self._perform(actions, now)
        return names

    def deadline(self) -> float | None:
        return self._sessions.deadline()

    def expire(self, now: float) -> list[str]:
        return self._perform(self._sessions.expire(now), now)

    def is_overdue(self, now: float) -> bool:
        """Whether it did not run for as long as others wait before they take it for dead."""
        deadline = self._sessions.deadline()
        # They count from the last packet, which was one interval before the deadline.
        patiences = (watch.desired_min_tx * (watch.multiplier - 1) for watch in self._watches)
        return deadline is not None and now - deadline > min(patiences, default=0) / 1e6

    def _perform(self, actions: Iterable[Action], now: float) -> list[str]:
        names = []
        for action in actions:
            match action:
                case Send(watch, octets):
                    self._transport.send(watch, octets)
                case SessionChanged(watch, State.INIT):
                    pass  # on its way up
                case SessionChanged(watch, state, diagnostic, remote_state, remote_diagnostic):
                    if _is_unheard(diagnostic, remote_diagnostic) and remote_state is State.DOWN:
                        self._group.unheard(watch.peer, watch.link, now)
                    else:
                        planned = State.ADMIN_DOWN in (state, remote_state)
                        self._group.see(watch.peer, watch.link, state is State.UP, planned, now)
                    names.append(watch.peer)
                    if state is State.UP:
                        self._learn(watch)
        return names

    def _learn(self, watch: Watch) -> None:
        if not watch.link:
            return
        with contextlib.suppress(OSError):  # no socket is to be had now: later
            if (mac := neighbour(watch.link, watch.remote)) is not None:
                self._group.learn(watch.peer, watch.link, mac)


def _is_unheard(diagnostic: Diagnostic, remote_diagnostic: Diagnostic) -> bool:
    """Whether the other end took the session down because it heard nothing. One that just started says Down as well,
    and gives no reason."""
    signaled = diagnostic is Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN
    return signaled and remote_diagnostic is Diagnostic.CONTROL_DETECTION_TIME_EXPIRED


def _report(status: SessionStatus) -> SessionReport:
    watch = status.watch
    return SessionReport(
        peer=watch.peer,
        link=watch.link,
        local=watch.local,
        remote=watch.remote,
        state=_word(status.state, "-"),
        diagnostic=_word(status.diagnostic, " "),
        remote_state=_word(status.remote_state, "-"),
        remote_diagnostic=_word(status.remote_diagnostic, " "),
        interval=status.transmit_interval or 0,
        detection=status.detection_time,
        ups=status.ups,
        downs=status.downs,
    )


def _word(value: State | Diagnostic, gap: str) -> str:
    return "" if value is Diagnostic.NONE else value.name.lower().replace("_", gap)
