"""The process around the engine: its control socket, its metrics, its signals, its supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib
import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlbd.drivers import systemd
from mlbd.drivers.control.control import Control
from mlbd.drivers.control.events import EventLog
from mlbd.drivers.journal import fields
from mlbd.model.explanation import Explanation
from mlbd.model.settings import Settings
from mlbd.model.status import Event, Move, Problem, RouteStatus, Severity, Status

from .engine import Engine

if TYPE_CHECKING:
    from mlbd.drivers.metrics import Metrics

#: Settings that other parts hold on to, and how mlbd.yaml(5) spells them: a change of one takes a restart.
FIXED = {
    "node": "node",
    "state": "state",
    "socket": "socket",
    "socket_group": "socketGroup",
    "admin_group": "adminGroup",
    "data": "data",
    "metrics": "metrics",
}
#: Seconds without a finished turn or an answer of the reflex after which the watchdog is not fed any more.
UNHEALTHY_SECONDS = 5.0

#: So long whoever asks the control socket waits for the first turn.
FIRST_TURN_SECONDS = 1.0

log = logging.getLogger(__name__)


class Process:
    """Offers the engine to the control socket as well (`mlbd.drivers.control.routes.Source`)."""

    def __init__(self, settings: Settings, load: Callable[[], Settings]) -> None:
        """`load` reads the settings anew; what it raises is shown and the old ones stay."""
        self._load = load
        self._reload_problems: tuple[Problem, ...] = ()
        self._engine = Engine(settings, log_event, self._problems)
        readers = settings.socket_group or "root"  # without a group of readers, those whom nothing is kept from
        self._control = Control(Path(settings.socket), readers, settings.admin_group, self)
        self._metrics: Metrics | None = None

    async def run(self) -> None:
        """Until SIGTERM or SIGINT. Raises ControlError when another mlbd has the socket, before anything is touched."""
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        self._control.start()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in (self._engine.run(), self._supervise(), self._serve())]
            reloads = asyncio.Semaphore(0)
            loop.add_signal_handler(signal.SIGHUP, reloads.release)
            tasks.append(group.create_task(self._reload_on(reloads)))
            await stopped.wait()
            restarting = await systemd.restarting()
            systemd.stopping()
            await self._engine.leave(restarting)
            for task in tasks:
                task.cancel()
        await self._engine.close()
        self._control.close()

    async def _serve(self) -> None:
        """After the first turn, so that no address and no router waits for it, unless that turn hangs."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._engine.ready.wait(), FIRST_TURN_SECONDS)
        await asyncio.gather(self._control.run(), self._serve_metrics())

    async def _serve_metrics(self) -> None:
        if endpoint := self._engine.settings.metrics:
            module = await asyncio.to_thread(importlib.import_module, "mlbd.drivers.metrics")
            self._metrics = metrics = module.Metrics(endpoint, self.status)
            await metrics.run()

    @property
    def events(self) -> EventLog:
        return self._engine.events

    def status(self) -> Status:
        return self._engine.status()

    def why(self, text: str) -> Explanation | None:
        return self._engine.why(text)

    async def drain(self, reason: str) -> None:
        await self._engine.drain(reason)

    async def undrain(self) -> None:
        await self._engine.undrain()

    def moves(self) -> Sequence[Move]:
        return self._engine.moves()

    def routes(self, peer: str | None) -> Sequence[RouteStatus]:
        return self._engine.routes(peer)

    async def reset_peer(self, name: str, soft: bool) -> bool:
        return await self._engine.reset_peer(name, soft)

    async def reload(self) -> None:
        """The settings and the state directories, read again and applied. Settings that are wrong or that need a
        restart stay as they are, and a Problem says so."""
        systemd.reloading()
        await self._engine.reload(self._new_settings())
        systemd.ready(self._engine.headline())

    def _new_settings(self) -> Settings:
        old = self._engine.settings
        try:
            new = self._load()
        except Exception as error:  # the text of a SettingsError is for the user
            self._reload_problems = (Problem(Severity.ERROR, "mlbd", "BadSettings", f"{error}; the old ones stay"),)
            return old
        changed = [name for name in FIXED if getattr(new, name) != getattr(old, name)]
        self._reload_problems = tuple(_needs_restart(FIXED[name]) for name in changed)
        return dataclasses.replace(new, **{name: getattr(old, name) for name in changed})

    async def _reload_on(self, requests: asyncio.Semaphore) -> None:
        while await requests.acquire():
            await self.reload()

    async def _supervise(self) -> None:
        """READY after the first apply; then the watchdog is fed only while the engine turns and the reflex answers, and
        the status line follows."""
        await self._engine.ready.wait()
        systemd.ready(self._engine.headline())
        while True:
            await asyncio.sleep(systemd.watchdog_interval() or 5.0)
            if self._engine.healthy(UNHEALTHY_SECONDS):
                systemd.feed_watchdog()
            systemd.status(self._engine.headline())

    def _problems(self) -> Iterator[Problem]:
        yield from self._control.status()
        yield from self._reload_problems
        if self._metrics and self._metrics.refusal:
            yield Problem(Severity.WARNING, "mlbd", "NoMetrics", self._metrics.refusal)


def _needs_restart(name: str) -> Problem:
    message = f"cannot change the setting `{name}` while running: systemctl restart mlbd"
    return Problem(Severity.WARNING, "mlbd", "NeedsRestart", message)


#: For `journalctl --priority`.
LEVELS = {None: logging.INFO, Severity.WARNING: logging.WARNING, Severity.ERROR: logging.ERROR}


def log_event(event: Event, severity: Severity | None) -> None:
    text = event.message if event.object == "mlbd" else f"{event.object}: {event.message}"
    about = fields(service=event.service, address=event.address, peer=event.peer)
    log.log(LEVELS[severity], "%s", text, extra=about)
