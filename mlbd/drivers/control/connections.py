"""Connections to the control socket: bounded in number, size and time, so that no client can hold up the daemon or
another client. One request a connection: then one deadline bounds all of it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

CONNECTIONS = 64
REQUEST_SECONDS = 10.0
_RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)
# What aiohttp says of a client that sends no HTTP is the client's problem, not the operator's.
_quiet = logging.getLogger(f"{__name__}.http")
_quiet.setLevel(logging.CRITICAL + 1)


class Connections(web.Server):
    """aiohttp's server of one request a connection, with limits. The handler answers with `force_close()` responses."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(handler, handler_cancellation=True, logger=_quiet, access_log=None, lingering_time=1)
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._deadlines: dict[Any, asyncio.TimerHandle] = {}

    async def accept(self, listener: socket.socket) -> None:
        """Take connections for ever; those beyond the limit wait in the socket's queue."""
        loop = asyncio.get_running_loop()
        while True:
            await self._free.acquire()
            try:
                connection, _ = await loop.sock_accept(listener)
                await loop.connect_accepted_socket(self, connection)
            except OSError as error:  # out of file descriptors, or the client has gone again
                log.warning("cannot accept a connection to the control socket: %s", error.strerror)
                self._free.release()
                await asyncio.sleep(_RETRY_SECONDS)

    def lift_deadline(self, request: web.BaseRequest) -> None:
        """For an answer without an end."""
        if deadline := self._deadlines.pop(request.protocol, None):
            deadline.cancel()

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        loop = asyncio.get_running_loop()
        self._deadlines[handler] = loop.call_later(REQUEST_SECONDS, transport.abort)

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        if deadline := self._deadlines.pop(handler, None):
            deadline.cancel()
        self._free.release()
