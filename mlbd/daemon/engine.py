"""The one loop of mlbd: facts -> plan -> apply -> status.

    manifests --+                           +--> firewall   kernel silence, guard
    links ------+--> wake --> turn: plan ---+--> addresses  VIPs on lo
    reflex -----+                           +--> reflex     answers, announcements

A turn reads what the drivers know, plans anew and hands every driver the whole of its part; drivers find the difference
themselves. Whatever happens during a turn wakes the next one, so many changes cost one.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import operator
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from mlbd.drivers.addresses import Addresses
from mlbd.drivers.control.events import EventLog
from mlbd.drivers.firewall import Firewall
from mlbd.drivers.links import Links
from mlbd.drivers.manifests import Manifests
from mlbd.drivers.reflex import Reflex
from mlbd.model.address import IPAddress
from mlbd.model.core import Port
from mlbd.model.desired import Desired
from mlbd.model.explanation import Explanation
from mlbd.model.link import Link as HostLink
from mlbd.model.link import Unusable, unusable
from mlbd.model.settings import Settings
from mlbd.model.status import Event, Problem, Severity, Status
from mlbd.model.world import World
from mlbd.plan.plan import Plan, plan
from mlbd.proto.control import ConflictSeen, VipChanged
from mlbd.proto.neighbor.link import Claim, Link
from mlbd.proto.neighbor.vip import State

from .changes import Change, link_changes, plan_changes, problem_changes, vip_change
from .explain import explain
from .facts import Facts
from .problems import problems
from .report import compose
from .turns import Turns

#: Without a reason a turn comes this often: what the kernel refused is tried again, and what a driver has to say of
#: itself is told.
RETRY_SECONDS = 5.0
TROUBLE = (State.CONFLICT, State.SILENT)


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
        self._wake = asyncio.Event()
        self._turns = Turns()
        self._world = World()
        self._desired = Plan()
        self._fresh: frozenset[IPAddress] = frozenset()
        self._claims: list[Claim] = []
        self._states: dict[IPAddress, State] = {}
        self._problems: frozenset[Problem] = frozenset()
        self._usability: Mapping[str, Unusable | None] = {}
        self._manifests = Manifests([Path(path) for path in settings.state], self._wake.set)
        self._links = Links(self._wake.set)
        self._seen: tuple[HostLink, ...] = ()
        self._decided_on: tuple[object, ...] = ()
        self._addresses = Addresses()
        self._firewall = Firewall()
        self._reflex = Reflex(settings.node, self._hear)

    async def run(self) -> None:
        """Until cancelled. A driver that ends by itself, or an exception that got this far, is a bug: it ends the
        process, and the supervisor starts it again."""
        # What is read and decided first stays, and is none of the collector's business: looking through it again and
        # again takes a third of the first turn, and 0.1 s of any later one at 10,000 Services.
        gc.disable()
        self._manifests.scan()
        async with asyncio.TaskGroup() as group:
            for driver in (self._manifests, self._links, self._addresses, self._firewall, self._reflex):
                group.create_task(driver.run(), name=type(driver).__name__)
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

    async def close(self) -> None:
        """After run() has ended, and the reflex with it: leave nothing behind."""
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

    def status(self) -> Status:
        return compose(self._facts())

    def why(self, text: str) -> Explanation | None:
        """What `mlbctl why` prints for an object, an address, a node or a link; None when nothing has that name."""
        facts = self._facts()
        return explain(text, facts.world, facts.desired, compose(facts), self._manifests.source_of)

    def headline(self) -> str:
        """One line for `systemctl status`."""
        services, vips, held = len(self._desired.services), len(self._desired.vips), len(self._held())
        counts = f"Services: {services}, addresses: {vips}, here: {held}"
        return f"{counts}, problems: {len(self._problems)} (mlbctl status)" if self._problems else counts

    async def _turn(self) -> None:
        before, usability = self._desired, self._usability
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
        self._fresh = self._still_fresh(before)
        self._usability = {link.name: unusable(link, self.settings.exclude_interfaces) for link in self._seen}
        self._claims = self._wire_claims()
        # The reflex has no last word about what it is to forget.
        self._states = {address: state for address, state in self._states.items() if address in self._desired.claims}

    async def _apply(self) -> None:
        """Make before announce, withdraw before remove. Between the two both what is new and what is old are there, and
        the kernel is silent about both."""
        vips = frozenset(self._desired.vips)
        held = self._held() if self.settings.bind_addresses else frozenset()
        present = self._addresses.status().bound
        await self._firewall.apply(vips | present, self._guarded(held | present))
        await self._addresses.apply(held | present)
        await self._reflex.apply(self._usable_links(), self._claims)
        await self._addresses.apply(held)
        await self._firewall.apply(vips, self._guarded(held))

    def _held(self) -> frozenset[IPAddress]:
        """Addresses that belong on this host: those it stands first for, unless somebody else's host has them."""
        taken = {address for address, report in self._reflex.vips.items() if report.state is State.CONFLICT}
        return frozenset(
            address
            for address, claim in self._desired.claims.items()
            if claim.order[0] == self.settings.node and address not in taken
        )

    def _guarded(self, bound: frozenset[IPAddress]) -> Mapping[IPAddress, frozenset[Port]] | None:
        if not (self.settings.guard and self.settings.bind_addresses):
            return None
        vips = self._desired.vips
        return {address: vips[address].ports if address in vips else frozenset() for address in bound}

    def _still_fresh(self, before: Desired) -> frozenset[IPAddress]:
        """Addresses that no node of ours is known to have held, to be probed: new ones that this node stands first for,
        as long as it does. What another node stood first for is taken over, and that never waits."""
        return frozenset(
            address
            for address, claim in self._desired.claims.items()
            if claim.order[0] == self.settings.node and (address not in before.vips or address in self._fresh)
        )

    def _usable_links(self) -> list[Link]:
        return [Link(link.index, link.name, link.mac) for link in self._seen if self._usability[link.name] is None]

    def _wire_claims(self) -> list[Claim]:
        indexes = {link.name: link.index for link in self._usable_links()}
        return [
            Claim(
                address,
                tuple(indexes[name] for name in indexes if claim.interfaces is None or name in claim.interfaces),
                claim.order,
                address in self._fresh,
            )
            for address, claim in self._desired.claims.items()
        ]

    def _hear(self, report: VipChanged | ConflictSeen) -> None:
        """A change that the reflex tells of. Only trouble takes a turn, when it comes and when it goes: somebody else's
        host having an address takes it off this one, and both it and the lack of a link are Problems."""
        vip = self._desired.vips.get(report.address)
        before = self._states.get(report.address)
        if vip and (change := vip_change(report, str(vip.services[0]), before)):
            self._record(change)
        if isinstance(report, VipChanged):
            self._states[report.address] = report.state
            if report.state in TROUBLE or before in TROUBLE:
                self._wake.set()

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
        _, found, directories = self._manifests.current()
        return Facts(
            settings=self.settings,
            pid=os.getpid(),
            started=self._started,
            ready=self.ready.is_set(),
            world=self._world,
            desired=self._desired,
            directories=directories,
            found=(*found, *self._others()),
            links=self._seen,
            usability=self._usability,
            addresses=self._addresses.status(),
            firewall=self._firewall.status(),
            reflex=self._reflex.status(asyncio.get_running_loop().time()),
        )

    def _record(self, change: Change) -> None:
        self._on_event(
            self.events.record(
                time.time(),
                change.reason,
                change.object,
                change.message,
                service=change.service,
                address=change.address,
            ),
            change.severity,
        )
