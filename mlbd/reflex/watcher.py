"""BFD with the other nodes and with routers, as the reflex does it: the sessions, their sockets, and what the group
learns from those with nodes.

A router says nothing of who holds what, and is told nothing of it: drains and leases are between nodes. FRR (until
2026) and BIRD 2.0 end the session of BGP for an AdminDown, against RFC 5882 4.2: it comes after BGP's own last word.
"""

import contextlib
import math
import random
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Final

from mlbd.proto.bfd.packet import Diagnostic, State
from mlbd.proto.bfd.session import Action, Send, SessionChanged
from mlbd.proto.bfd.sessions import Sessions, SessionStatus
from mlbd.proto.bfd.watch import Watch
from mlbd.proto.control import SessionReport, Watches
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
        self._nodes: dict[bytes, Watch] = {}
        self._routers: dict[bytes, Watch] = {}
        self._concerned: dict[bytes, list[tuple[str, bool]]] = {}
        self._kept: dict[bytes, tuple[Watch, float]] = {}
        self._down = False
        self._untold = False
        self._failed: set[bytes] = set()
        self._told: dict[tuple[bytes, str, bool], SessionReport] = {}

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

    def watch(self, wanted: Watches, stays: bool, now: float) -> list[str]:
        """All to be watched. Another node may learn later than this one that it is not among them any more: so that it
        does not take this one for dead, its session is kept for a while, but not when this node itself leaves."""
        before = {key: (watch, now + KEPT) for key, watch in self._nodes.items()} if stays else {}
        up = self._up() - self._nodes.keys()
        self._nodes = {watch.key: watch for watch in wanted.watches}
        self._routers = {watch.key: watch for watch in wanted.routers}
        self._concerned = {key: [(watch.peer, False)] for key, watch in self._nodes.items()}
        for watch in wanted.routers:
            self._concerned.setdefault(watch.key, []).append((watch.peer, True))
        kept = (before | self._kept).items() if stays else ()
        self._kept = {key: entry for key, entry in kept if key not in self._concerned}
        self._group.watch([(watch.peer, watch.link) for watch in wanted.watches], wanted.hold_down, now)
        # A session that was kept, or was a router's, has nothing new to tell.
        present = [watch for key, watch in self._nodes.items() if key in up]
        for watch in present:
            self._group.see(watch.peer, watch.link, True, False, now)
            self._learn(watch)
        return [*(watch.peer for watch in present), *self._follow(now)]

    def look_after(self, now: float) -> list[str]:
        """From time to time: opens what could not be opened before, learns MACs that changed, ends what was kept."""
        self.learn()
        self._untold = True
        up = self._up()
        self._kept = {key: entry for key, entry in self._kept.items() if key in up and now < entry[1]}
        return self._follow(now)

    def _up(self) -> set[bytes]:
        return {status.watch.key for status in self._sessions.status() if status.state is State.UP}

    def _follow(self, now: float) -> list[str]:
        nodes = self._nodes | {key: watch for key, (watch, _) in self._kept.items()}
        watches = (self._routers | nodes).values()
        disabled: Set[bytes] = nodes.keys() if self._down else frozenset()
        self._transport.watch(watches)
        return self._perform(self._sessions.watch(watches, now, disabled), now)

    def learn(self) -> None:
        """The MACs of all nodes, also of those that are not seen: the kernel asks for them to send them our packets."""
        for watch in self._nodes.values():
            self._learn(watch)

    def tell(self) -> None:
        """Reports every session that is not as it was when it was last reported, to each whom it concerns."""
        if not self._untold:
            return
        self._untold = False
        told, self._told = self._told, {}
        for status in self._sessions.status():
            key = status.watch.key
            for peer, router in self._concerned.get(key, ()):
                report = self._told[key, peer, router] = _report(status, peer, router, key in self._failed)
                if told.get((key, peer, router)) != report:
                    self._report(report)
        self._failed.clear()

    def administratively_down(self, down: bool, now: float) -> list[str]:
        """All sessions with nodes, also those that are still to come."""
        self._down = down
        return self._follow(now)

    @property
    def has_routers(self) -> bool:
        return bool(self._routers)

    def leave(self, now: float) -> None:
        """Ends all sessions, also those with routers."""
        self._perform(self._sessions.watch((), now), now)

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
        """Whether it did not run for as long as other nodes wait before they take it for dead."""
        deadline = self._sessions.deadline()
        # They count from the last packet, which was one interval before the deadline.
        patiences = (watch.desired_min_tx * (watch.multiplier - 1) / 1e6 for watch in self._nodes.values())
        return deadline is not None and now - deadline > min(patiences, default=math.inf)

    def _perform(self, actions: Iterable[Action], now: float) -> list[str]:
        names = []
        for action in actions:
            match action:
                case Send(watch, octets):
                    self._transport.send(watch, octets)
                case SessionChanged(state=State.INIT):
                    pass  # on its way up
                case SessionChanged(watch):
                    self._untold = True
                    if action.failed:
                        self._failed.add(watch.key)
                    if not self._is_only_a_router(watch.key):
                        self._see(action, now)
                        names.append(watch.peer)
        return names

    def _is_only_a_router(self, key: bytes) -> bool:
        """What is kept of a node, and what has just ended, is the group's business still: it may be watched again."""
        return key in self._routers and key not in self._nodes and key not in self._kept

    def _see(self, change: SessionChanged, now: float) -> None:
        """What the group makes of a session with a node."""
        node, link = change.watch.peer, change.watch.link
        if _is_unheard(change):
            self._group.unheard(node, link, now)
        else:
            planned = State.ADMIN_DOWN in (change.state, change.remote_state)
            self._group.see(node, link, change.state is State.UP, planned, now)
        if change.state is State.UP:
            self._learn(change.watch)

    def _learn(self, watch: Watch) -> None:
        if not watch.link:
            return
        with contextlib.suppress(OSError):  # no socket is to be had now: later
            if (mac := neighbour(watch.link, watch.remote)) is not None:
                self._group.learn(watch.peer, watch.link, mac)


def _is_unheard(change: SessionChanged) -> bool:
    """Whether the other end took the session down because it heard nothing. One that just started says Down as well,
    and gives no reason."""
    signaled = change.diagnostic is Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN and change.remote_state is State.DOWN
    return signaled and change.remote_diagnostic is Diagnostic.CONTROL_DETECTION_TIME_EXPIRED


def _report(status: SessionStatus, peer: str, router: bool, failed: bool) -> SessionReport:
    watch = status.watch
    return SessionReport(
        peer=peer,
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
        router=router,
        failed=failed,
    )


def _word(value: State | Diagnostic, gap: str) -> str:
    return "" if value is Diagnostic.NONE else value.name.lower().replace("_", gap)
