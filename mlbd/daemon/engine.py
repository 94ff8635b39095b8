"""The one loop of mlbd: facts -> plan -> apply -> status.

    manifests --+                           +--> firewall   kernel silence, guard
    links ------+--> wake --> turn: plan ---+--> addresses  VIPs on lo
    reflex -----+                           +--> layer2     reflex: answers, announcements, BFD
    speaker ----+                           +--> bgp        speaker: sessions and routes

A turn reads what the drivers know, plans anew and hands every driver the whole of its part; drivers find the difference
themselves. Whatever happens during a turn wakes the next one, so many changes cost one.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import operator
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import IPv4Address
from pathlib import Path

from mlbd.drivers.addresses import Addresses
from mlbd.drivers.bgp.place import router_id
from mlbd.drivers.control.events import EventLog
from mlbd.drivers.firewall import Firewall
from mlbd.drivers.links import Links
from mlbd.drivers.manifests import Manifests
from mlbd.drivers.memory import Memory
from mlbd.drivers.reflex import Reflex
from mlbd.model.address import IPAddress
from mlbd.model.core import Port
from mlbd.model.desired import Desired
from mlbd.model.explanation import Explanation
from mlbd.model.link import Link as HostLink
from mlbd.model.link import Unusable, unusable
from mlbd.model.reference import Key
from mlbd.model.settings import Settings
from mlbd.model.status import Event, Move, Problem, RouteStatus, Severity, Status
from mlbd.model.world import World
from mlbd.plan.plan import Plan, plan
from mlbd.proto.bgp.neighbor import State, StateChanged
from mlbd.proto.control import ConflictSeen, SessionReport, VipChanged, Watches
from mlbd.proto.neighbor.link import Link

from .bgp import Bgp
from .changes import Change, link_changes, plan_changes, problem_changes, restored_change, session_change, vip_change
from .drain import moves
from .facts import Facts
from .layer2 import LEAVE_SECONDS, STOP_LINGER_SECONDS, Layer2
from .lookout import Lookout
from .peers import route_statuses
from .problems import problems
from .report import compose
from .turns import Turns

#: Without a reason a turn comes this often: what the kernel refused is tried again, and what a driver has to say of
#: itself is told.
RETRY_SECONDS = 5.0


class Engine:
    """Raises OSError when the kernel gives no netlink socket."""

    def __init__(
        self,
        settings: Settings,
        on_event: Callable[[Event, Severity | None], None],
        others: Callable[[], Iterable[Problem]],
    ) -> None:
        """`others` are the problems of the process around the engine."""
        self.settings = settings
        self.events = EventLog()
        self.ready = asyncio.Event()
        self._on_event = on_event
        self._others = others
        self._started = time.time()
        self._stopping = False
        self._kept: frozenset[IPAddress] = frozenset()
        self._wake = asyncio.Event()
        self._turns = Turns()
        self._world = World()
        self._desired = Plan()
        self._lookout = Lookout()
        self._watches = Watches((), settings.hold_down)
        self._problems: frozenset[Problem] = frozenset()
        self._usability: Mapping[str, Unusable | None] = {}
        self._manifests = Manifests([Path(path) for path in settings.state], self._wake.set)
        self._links = Links(self._wake.set)
        self._seen: tuple[HostLink, ...] = ()
        self._decided_on: tuple[object, ...] = ()
        self._addresses = Addresses(self._hear_restored)
        self._firewall = Firewall()
        self._memory = Memory(Path(settings.data))
        self._reflex = Reflex(settings.node, self._hear)
        self._layer2 = Layer2(self._reflex, self._wake.set)
        self._bgp = Bgp(self._hear_peer, self._memory.forwarding, self._memory.drain is not None)

    async def run(self) -> None:
        """Until cancelled. A driver that ends by itself, or an exception that got this far, is a bug: it ends the
        process, and the supervisor starts it again."""
        # What is read and decided first stays, and is none of the collector's business: looking through it again and
        # again takes a third of the first turn, and 0.1 s of any later one at 10,000 Services.
        gc.disable()
        self._manifests.scan()
        if self._memory.drain:
            await self._reflex.drain(True, 0)
        async with asyncio.TaskGroup() as group:
            for driver in (self._manifests, self._links, self._addresses, self._firewall, self._bgp.speaker):
                group.create_task(driver.run(), name=type(driver).__name__)
            group.create_task(self._reflex.run(self._memory.started(self._started)), name="Reflex")
            while True:
                self._wake.clear()
                async with self._turns:
                    await self._turn()
                if not self.ready.is_set():
                    gc.collect()
                    gc.freeze()
                    gc.enable()
                    self.ready.set()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), RETRY_SECONDS)

    async def leave(self, restarting: bool) -> None:
        """Before run() is cancelled: returns when others answer for what this node held. `restarting`: routers that
        agreed to graceful restart keep their routes to it."""
        self._stopping = True
        self._kept = self._bgp.restartable(self._desired) if restarting else frozenset()
        goodbye = self._bgp.pause() if self._kept else self._bgp.leave(self._desired, "mlbd stops")
        await asyncio.gather(self._leave_layer2(), goodbye)
        self._memory.stopped(forwarding=bool(self._kept))

    async def _leave_layer2(self) -> None:
        if self._reflex.vips:
            await self._reflex.drain(True, LEAVE_SECONDS)
            await asyncio.sleep(STOP_LINGER_SECONDS)

    async def close(self) -> None:
        """After run() has ended, and the reflex with it: leave nothing behind but what routers still send to."""
        if self._kept:
            await self._addresses.apply(self._kept)
        else:
            await self._addresses.close()
            self._firewall.close()
        self._links.close()

    def healthy(self, limit: float) -> bool:
        """Whether the engine turns and the reflex answers, neither of them out for longer than `limit` seconds."""
        now = asyncio.get_running_loop().time()
        pong = self._reflex.status(now).last_pong
        return self._turns.lasting(now) <= limit and pong is not None and pong <= limit

    async def reload(self, settings: Settings) -> None:
        """Take the settings that can change while running, read the state directories again, and return when all that
        is applied."""
        self.settings = settings
        await self._manifests.refresh()
        self._wake.set()
        await self._turns.next()

    async def drain(self, reason: str) -> None:
        """Over restarts too. Returns when this node answers for nothing any more, or cannot wait any longer."""
        if before := self._memory.drain:
            self._memory.remember_drain(before.since, reason or before.reason)
        else:
            self._memory.remember_drain(time.time(), reason)
            self._record(Change("Drained", "mlbd", f"drained{': ' if reason else ''}{reason}"))
        try:
            await asyncio.gather(self._drain_layer2(), self._bgp.leave(self._desired, reason or "drained"))
        finally:
            self._wake.set()

    async def _drain_layer2(self) -> None:
        if not self._reflex.drained:
            await self._reflex.drain(True, LEAVE_SECONDS)

    async def undrain(self) -> None:
        drained = self._memory.drain is not None
        self._memory.forget_drain()
        if not drained:
            return
        self._record(Change("Undrained", "mlbd", "no longer drained"))
        self._bgp.come_back()
        # Make before announce: what it may hold again is on lo first.
        self._wake.set()
        await self._turns.next()
        if self._memory.drain is None and not self._stopping:  # it may have been drained again meanwhile
            await self._reflex.drain(False, 0)

    def moves(self) -> tuple[Move, ...]:
        return moves(self._facts())

    def status(self) -> Status:
        return compose(self._facts())

    def why(self, text: str) -> Explanation | None:
        """What `mlbctl why` prints for an object, an address, a node or a link; None when nothing has that name."""
        from .explain import explain  # not before somebody asks

        facts = self._facts()
        return explain(text, facts.world, facts.desired, compose(facts), self._manifests.source_of)

    def routes(self, peer: str | None) -> tuple[RouteStatus, ...]:
        return tuple(route_statuses(self._facts(), peer))

    async def reset_peer(self, name: str, soft: bool) -> bool:
        """Whether there is such a session."""
        if name not in self._bgp.speaker.status(asyncio.get_running_loop().time()):
            return False
        self._bgp.speaker.reset(name, soft)
        return True

    def headline(self) -> str:
        """One line for `systemctl status`."""
        services, vips = len(self._desired.services), len(self._desired.vips)
        drained = "DRAINED. " if self._memory.drain else ""
        counts = f"{drained}Services: {services}, addresses: {vips}, here: {self._layer2.holding}"
        return f"{counts}, problems: {len(self._problems)} (mlbctl status)" if self._problems else counts

    async def _turn(self) -> None:
        before, usability = self._desired, self._usability
        self._memory.retry()
        # One look for the whole turn: a file or a link may come or go at any await in it.
        self._world, _, _ = self._manifests.current()
        self._seen = self._links.current()
        facts = (self._world, self._seen, self.settings)
        if not self._decided_on or any(map(operator.is_not, facts, self._decided_on)):
            self._decided_on = facts
            self._decide()
        await self._apply()
        self._tell(before, usability)

    def _decide(self) -> None:
        before = self._desired
        self._desired = plan(self._world, self.settings.node, before)
        self._usability = {link.name: unusable(link, self.settings.exclude_interfaces) for link in self._seen}
        usable = {name for name, why_not in self._usability.items() if why_not is None}
        self._watches = self._lookout.watches(self.settings, self._world, self._desired, self._seen, usable)
        self._layer2.decide(self._desired, self._usable_links())

    async def _apply(self) -> None:
        """Make before announce, withdraw before remove. Between the two both what is new and what is old are there, and
        the kernel is silent about both."""
        # First: the other end needs its time.
        self._bgp.connect(self._desired, self.settings, self._router_id(), self._seen)
        vips = frozenset(self._desired.vips)
        bound = self._bound() if self.settings.bind_addresses else frozenset()
        present = self._addresses.status().bound
        await self._firewall.apply(vips | present, self._guarded(bound | present))
        await self._addresses.apply(bound | present)
        routers = self._bgp.watches(self._desired, asyncio.get_running_loop().time())
        await self._layer2.apply(self._usable_links(), dataclasses.replace(self._watches, routers=routers))
        self._bgp.advertise(self._desired)
        await self._addresses.apply(bound)
        await self._firewall.apply(vips, self._guarded(bound))

    def _bound(self) -> frozenset[IPAddress]:
        """Addresses that belong on this host."""
        now = asyncio.get_running_loop().time()
        held = self._layer2.on_loopback(self._memory.drain is not None, now)
        return held | self._bgp.on_loopback(self._desired, now)

    def _guarded(self, bound: frozenset[IPAddress]) -> Mapping[IPAddress, frozenset[Port]] | None:
        if not (self.settings.guard and self.settings.bind_addresses):
            return None
        vips = self._desired.vips
        return {address: vips[address].ports if address in vips else frozenset() for address in bound}

    def _usable_links(self) -> list[Link]:
        return [Link(link.index, link.name, link.mac) for link in self._seen if self._usability[link.name] is None]

    def _hear(self, report: VipChanged | ConflictSeen | SessionReport) -> None:
        """A change that the reflex tells of."""
        now = asyncio.get_running_loop().time()
        if isinstance(report, SessionReport):
            if report.router:
                self._bgp.hear(report)
            elif self._lookout.changed(report, now):
                self._record(session_change(report, self._name(report.link)))
            return
        before = self._layer2.hear(report, now)
        vip = self._desired.vips.get(report.address)
        if vip and (change := vip_change(report, str(vip.services[0]), before)):
            self._record(change)

    def _hear_peer(self, name: str, change: StateChanged) -> None:
        """What becomes of a BGP session. With a connection BFD has somebody to watch."""
        if change.state in (State.IDLE, State.ESTABLISHED):
            self._wake.set()
        if told := self._bgp.news(name, change, self._desired):
            self._record(told)

    def _router_id(self) -> IPv4Address:
        node = self._world.nodes.get(Key("", self.settings.node))
        return router_id(self.settings.node, node.addresses if node else (), self._seen, self._desired.vips.keys())

    def _hear_restored(self, address: IPAddress) -> None:
        if vip := self._desired.vips.get(address):
            self._record(restored_change(address, str(vip.services[0])))

    def _name(self, index: int) -> str:
        return next((link.name for link in self._seen if link.index == index), "")

    def _tell(self, before: Desired, usability: Mapping[str, Unusable | None]) -> None:
        """Events for what this turn changed. The first turn would have one for everything there is, and says so in one
        instead."""
        found = frozenset(problems(self._facts()))
        if self.ready.is_set():
            changes = [
                *plan_changes(before, self._desired),
                *link_changes(usability, self._usability),
                *problem_changes(self._problems, found),
            ]
        else:
            started = Change("Started", "mlbd", f"started as {self.settings.node}. {self.headline()}")
            changes = [started, *problem_changes(frozenset(), found)]
        self._problems = found
        for change in changes:
            self._record(change)

    def _facts(self) -> Facts:
        now = asyncio.get_running_loop().time()
        reflex = self._reflex.status(now)
        names = {link.index: link.name for link in self._seen}
        _, found, directories = self._manifests.current()
        return Facts(
            settings=self.settings,
            pid=os.getpid(),
            started=self._started,
            ready=self.ready.is_set(),
            world=self._world,
            desired=self._desired,
            directories=directories,
            found=(
                *found,
                *self._others(),
                *self._lookout.problems,
                *self._bgp.passwords.problems,
                *self._memory_problems(),
            ),
            links=self._seen,
            usability=self._usability,
            addresses=self._addresses.status(),
            firewall=self._firewall.status(),
            reflex=reflex,
            sessions=tuple(self._lookout.sessions(reflex.sessions, names, now)),
            contests=self._layer2.contests(now),
            now=time.time(),
            drain=self._memory.drain,
            drained=self._reflex.drained and self._bgp.silent,
            speaking=self._bgp.status(reflex.routers, names, now),
        )

    def _memory_problems(self) -> Iterator[Problem]:
        if text := self._memory.problem:
            yield Problem(Severity.WARNING, "mlbd", "NoMemory", text)

    def _record(self, change: Change) -> None:
        self._on_event(
            self.events.record(
                time.time(),
                change.reason,
                change.object,
                change.message,
                service=change.service,
                address=change.address,
                peer=change.peer,
            ),
            change.severity,
        )
