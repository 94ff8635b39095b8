"""An attempt to connect to a peer."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from errno import EINPROGRESS, ETIMEDOUT
from typing import Final

from .ends import End, link_local
from .reactor import Reactor

#: Seconds; the kernel alone would go on for two minutes.
LIMIT: Final = 5.0


class Attempt:
    """`on_end` is called once, never before the constructor has returned, with None when it went well and else with
    the error; ETIMEDOUT is TimeoutError. The socket is the caller's again then."""

    def __init__(
        self, reactor: Reactor, endpoint: socket.socket, remote: End, on_end: Callable[[OSError | None], None]
    ) -> None:
        self._reactor, self._socket, self._on_end = reactor, endpoint, on_end
        name = (str(remote.address), remote.port)
        error = endpoint.connect_ex((*name, 0, remote.scope) if link_local(remote.address) else name)
        if error in (0, EINPROGRESS):
            self._limit = reactor.at(reactor.now() + LIMIT, self._time_out)
            reactor.when_writable(endpoint, self._finish)
        else:
            self._limit = reactor.at(reactor.now(), lambda: self._end(error))

    def give_up(self) -> None:
        self._limit.cancel()
        self._reactor.close(self._socket)

    def _time_out(self) -> None:
        self._end(ETIMEDOUT)

    def _finish(self) -> None:
        self._end(self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _end(self, error: int) -> None:
        self._limit.cancel()
        self._reactor.forget(self._socket)
        self._on_end(OSError(error, os.strerror(error)) if error else None)
