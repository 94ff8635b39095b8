"""The control socket of one daemon: taken before anything else is touched, answered when there is something to say.

aiohttp is imported only then. That takes longer than to read the state, to plan and to call the routers.
"""

from __future__ import annotations

import asyncio
import grp
import importlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from mlbd.model.status import Problem, Severity

from .access import Policy
from .listener import Listener
from .routes import Source

if TYPE_CHECKING:
    from .server import Server

log = logging.getLogger(__name__)


class Control:
    """Members of `group` may read. Members of `admin_group` may change; the socket file opens for them only when they
    are in `group` too."""

    def __init__(self, path: Path, group: str, admin_group: str | None, source: Source) -> None:
        self._path = path
        self._group = group
        self._admin_group = admin_group
        self._source = source
        self._problems: list[Problem] = []

    def start(self) -> None:
        """Take the socket. Raises ControlError when another mlbd has it, or it cannot be made."""
        self._problems.clear()
        readers = self._gid(self._group, "only root may read")
        admins = self._gid(self._admin_group, "only root may change anything") if self._admin_group else None
        self._policy = Policy(_set(readers), _set(admins))
        self._listener = Listener(self._path, readers)

    async def run(self) -> None:
        """Until cancelled: answer whoever asks, also those who asked since start()."""
        server = await asyncio.to_thread(importlib.import_module, "mlbd.drivers.control.server")
        self._server: Server = server.Server(self._policy, self._group, self._admin_group, self._source)
        await self._server.run(self._listener.socket)

    def close(self) -> None:
        """After run() has ended."""
        self._listener.close()

    def status(self) -> tuple[Problem, ...]:
        return tuple(self._problems)

    def _gid(self, group: str, consequence: str) -> int | None:
        try:
            return grp.getgrnam(group).gr_gid
        except KeyError:
            message = f"cannot open the control socket to the group {group}: it does not exist, so {consequence}"
            message += f"; `groupadd --system {group}`, then restart mlbd"
            log.warning("%s", message)
            self._problems.append(Problem(Severity.WARNING, "mlbd", "NoSuchGroup", message))
            return None


def _set(gid: int | None) -> frozenset[int]:
    return frozenset() if gid is None else frozenset({gid})
