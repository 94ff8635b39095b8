"""Where peers connect to: the listening socket of one version of IP and one VRF."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Mapping
from typing import Final

from mlbd.proto.bgp.messages import Prefix

from .ends import End, end
from .reactor import Reactor
from .sockets import sign, to_listen

PORT: Final = 179

_BACKLOG: Final = 64
_AT_ONCE: Final = 16
_PAUSE: Final = 1.0  # seconds without accept() when this process may open no more
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

OnAccept = Callable[[socket.socket, End], None]


class Listener:
    """`on_accept` owns the socket that it is called with. `refused` are the keys that the kernel did not take. Raises
    OSError as `to_listen` does."""

    def __init__(self, reactor: Reactor, version: int, vrf: str, on_accept: OnAccept) -> None:
        self.refused: dict[Prefix | None, OSError] = {}
        self._reactor, self._on_accept = reactor, on_accept
        self._socket = to_listen(version, PORT, vrf)
        self._keys: dict[Prefix, str] = {}
        self._listening = False
        self._pause: asyncio.TimerHandle | None = None

    def apply(self, keys: Mapping[Prefix, str]) -> None:
        """Whoever is in `keys` must know the key. Raises OSError when another process has begun to listen."""
        for remote in self._keys.keys() - keys.keys():
            sign(self._socket, remote, "")
            del self._keys[remote]
        self.refused.clear()
        for remote, key in keys.items():
            if self._keys.get(remote) != key:
                self._sign(remote, key)
        # Only now: nobody gets in without the key.
        if not self._listening:
            self._socket.listen(_BACKLOG)
            self._listening = True
            self._resume()

    def close(self) -> None:
        if self._pause:
            self._pause.cancel()
        self._reactor.close(self._socket)

    def _sign(self, remote: Prefix, key: str) -> None:
        try:
            sign(self._socket, remote, key)
            self._keys[remote] = key
        except OSError as error:
            self.refused[remote] = error

    def _resume(self) -> None:
        self._pause = None
        self._reactor.when_readable(self._socket, self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, name = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    continue  # it was reset while it waited
                self._reactor.forget(self._socket)
                self._pause = self._reactor.at(self._reactor.now() + _PAUSE, self._resume)
                return
            accepted.setblocking(False)
            self._on_accept(accepted, end(name))
