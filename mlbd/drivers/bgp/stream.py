"""One TCP connection: octets in, octets out, and an end that the other side has a chance to hear."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from .reactor import Reactor
from .sockets import reset

#: How long the other end has to read what was sent last, and to close.
LINGER: Final = 1.0

# Some 700 messages of the shortest kind: a peer that floods leaves the loop to others every few milliseconds.
_AT_ONCE: Final = 16 << 10


class Stream:
    """`on_data` is called with what came, `on_sent` when the kernel took of what had to wait, `on_end` once, with why
    in words, when the connection ended without close()."""

    def __init__(
        self,
        reactor: Reactor,
        endpoint: socket.socket,
        on_data: Callable[[bytes], None],
        on_sent: Callable[[], None],
        on_end: Callable[[str], None],
    ) -> None:
        self._reactor, self._socket = reactor, endpoint
        self._on_data, self._on_sent, self._on_end = on_data, on_sent, on_end
        self._waiting = bytearray()
        self._broken = ""
        self._limit: asyncio.TimerHandle | None = None
        reactor.when_readable(endpoint, self.read)

    @property
    def pending(self) -> int:
        """Octets that the kernel has not taken yet."""
        return len(self._waiting)

    def send(self, data: bytes) -> bool:
        """Whether the kernel took any of it at once."""
        first = not self._waiting
        self._waiting += data
        if first:
            self._write()
        return first and self.pending < len(data)

    def close(self) -> None:
        """No callback comes any more. What was sent is still delivered, as far as the peer reads it within LINGER."""
        # With octets unread close() would send a reset, which overtakes what was sent last (RFC 9293 3.6.1).
        self._on_data, self._on_sent, self._on_end = _ignore, _ignore, _ignore
        self._limit = self._reactor.at(self._reactor.now() + LINGER, self._end)
        if not self._waiting:
            self._say_no_more()

    def read(self) -> None:
        """What is there, if anything is."""
        try:
            data = self._socket.recv(_AT_ONCE)
        except BlockingIOError:
            return
        except OSError as error:
            self._broken = self._broken or str(error.strerror)
            data = b""
        if data:
            self._on_data(data)
            return
        self._end()
        self._on_end(self._broken or "the peer closed it")

    def _write(self) -> None:
        try:
            while self._waiting:
                taken = self._socket.send(self._waiting)
                del self._waiting[:taken]
        except BlockingIOError:
            pass
        except OSError as error:
            # The end itself is read: the peer may have said why before.
            self._broken = str(error.strerror)
            self._waiting.clear()
        self._reactor.when_writable(self._socket, self._continue if self._waiting else None)

    def _continue(self) -> None:
        self._write()
        if self._limit and not self._waiting:
            self._say_no_more()
        self._on_sent()

    def _say_no_more(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._end()  # the other end is gone already

    def _end(self) -> None:
        if self._limit:
            self._limit.cancel()
        if self._waiting:
            reset(self._socket)
        self._reactor.close(self._socket)


def _ignore(*_: object) -> None:
    pass
