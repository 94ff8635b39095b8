"""The event loop as the sockets of BGP use it: no tasks, only callbacks.

A callback that raises is a bug. asyncio would write it down and go on with half of what was to be done; here it ends
run(), and so the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

Act = Callable[[], None]


class Reactor:
    """Owns every socket that is watched."""

    def __init__(self) -> None:
        self._watched: set[socket.socket] = set()
        self._wake = asyncio.Event()
        self._error: BaseException | None = None

    async def run(self) -> None:
        """Until cancelled. Raises what a callback raised."""
        while self._error is None:
            self._wake.clear()
            await self._wake.wait()
        raise self._error

    async def empty(self, seconds: float) -> None:
        """Returns when no socket is watched any more, or so much later."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._watched and self._error is None:
                    self._wake.clear()
                    await self._wake.wait()

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def at(self, when: float, act: Act) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_at(when, self._guarded, act)

    def when_readable(self, endpoint: socket.socket, act: Act) -> None:
        self._watched.add(endpoint)
        asyncio.get_running_loop().add_reader(endpoint, self._guarded, act)

    def when_writable(self, endpoint: socket.socket, act: Act | None) -> None:
        self._watched.add(endpoint)
        loop = asyncio.get_running_loop()
        if act is None:
            loop.remove_writer(endpoint)
        else:
            loop.add_writer(endpoint, self._guarded, act)

    def close(self, endpoint: socket.socket) -> None:
        self.forget(endpoint)
        endpoint.close()

    def forget(self, endpoint: socket.socket) -> None:
        """It is somebody else's from now on."""
        if endpoint in self._watched:
            loop = asyncio.get_running_loop()
            loop.remove_reader(endpoint)
            loop.remove_writer(endpoint)
            self._watched.remove(endpoint)
            self._wake.set()

    def close_all(self) -> None:
        for endpoint in list(self._watched):
            self.close(endpoint)

    def _guarded(self, act: Act) -> None:
        try:
            act()
        except Exception as error:
            self._error = self._error or error
            self._wake.set()
