"""A peer that says exactly what a test wants said, and keeps what it is told: no speaker, only TCP.

with listening(router, "192.0.2.1") as raw:
    raw.accept()
    raw.say(open_message(64500, "192.0.2.1"), KEEPALIVE)
    assert raw.wait_for(Kind.OPEN)
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address
from typing import Final

from tests.lab import Host, wait_for

BGP: Final = 179
MARKER: Final = b"\xff" * 16
_HEADER: Final = 19
_CAPABILITIES: Final = 2
_SECONDS: Final = 10
#: Small enough that a peer which goes on sending notices at once that nobody reads.
_TIGHT: Final = 4096


class Kind(IntEnum):
    """RFC 4271 4.1, RFC 2918."""

    OPEN = 1
    UPDATE = 2
    NOTIFICATION = 3
    KEEPALIVE = 4
    ROUTE_REFRESH = 5


@dataclass(frozen=True, slots=True)
class Message:
    kind: int
    body: bytes


def message(kind: int, body: bytes = b"", marker: bytes = MARKER) -> bytes:
    return marker + struct.pack("!HB", _HEADER + len(body), kind) + body


KEEPALIVE: Final = message(Kind.KEEPALIVE)


def capability(code: int, value: bytes = b"") -> bytes:
    return bytes((code, len(value))) + value


def four_octets(asn: int) -> bytes:
    """RFC 6793."""
    return capability(65, struct.pack("!I", asn))


#: RFC 4760.
IPV4, IPV6 = capability(1, b"\0\1\0\1"), capability(1, b"\0\2\0\1")


def open_message(
    asn: int, identifier: str, hold: int = 90, capabilities: bytes | None = None, version: int = 4
) -> bytes:
    """Offers IPv4 and four octets of AS number unless told what."""
    offered = IPV4 + four_octets(asn) if capabilities is None else capabilities
    parameters = bytes((_CAPABILITIES, len(offered))) + offered if offered else b""
    short = asn if asn < 1 << 16 else 23456
    head = struct.pack("!BHH4sB", version, short, hold, IPv4Address(identifier).packed, len(parameters))
    return message(Kind.OPEN, head + parameters)


def notification(code: int, subcode: int = 0, data: bytes = b"") -> bytes:
    return message(Kind.NOTIFICATION, bytes((code, subcode)) + data)


class Raw:
    """One connection after another; what comes is read only when it is asked for."""

    def __init__(self, listener: socket.socket | None = None) -> None:
        self._listener = listener
        self._socket: socket.socket | None = None
        self._octets = b""
        self.is_closed = False

    def accept(self, seconds: float = 20) -> None:
        """The next connection that comes takes the place of the last."""
        assert self._listener
        self._listener.settimeout(seconds)
        connection, _ = self._listener.accept()
        self.use(connection)

    def use(self, connection: socket.socket) -> None:
        self.hang_up()
        connection.settimeout(_SECONDS)
        self._socket, self._octets, self.is_closed = connection, b"", False

    def say(self, *octets: bytes) -> None:
        """BrokenPipeError or ConnectionResetError when the other end has closed."""
        assert self._socket
        self._socket.sendall(b"".join(octets))

    def hang_up(self) -> None:
        if self._socket:
            self._socket.close()

    def octets(self) -> bytes:
        """Everything that came on this connection so far."""
        assert self._socket
        self._socket.setblocking(False)
        try:
            while octets := self._socket.recv(1 << 16):
                self._octets += octets
            self.is_closed = True
        except BlockingIOError:
            pass
        except OSError:
            self.is_closed = True
        finally:
            self._socket.settimeout(_SECONDS)
        return self._octets

    def messages(self) -> list[Message]:
        """The whole ones that came so far."""
        octets, found = self.octets(), []
        while len(octets) >= _HEADER and len(octets) >= (length := int.from_bytes(octets[16:18], "big")) >= _HEADER:
            found.append(Message(octets[18], octets[_HEADER:length]))
            octets = octets[length:]
        return found

    def wait_for(self, kind: Kind, seconds: float = 20) -> Message:
        """The first of that kind on this connection."""
        found = wait_for(lambda: [m for m in self.messages() if m.kind == kind], seconds, f"a message {kind.name}")
        return found[0]

    def wait_for_notification(self, seconds: float = 20) -> tuple[int, int, bytes]:
        """Its code, subcode and data, with the end of the connection behind it."""
        body = self.wait_for(Kind.NOTIFICATION, seconds).body
        self.wait_until_closed(seconds)
        return body[0], body[1], body[2:]

    def wait_until_closed(self, seconds: float = 20) -> None:
        wait_for(lambda: self.octets() is not None and self.is_closed, seconds, "the end of the connection")

    def establish(self, asn: int, identifier: str, hold: int = 90, capabilities: bytes | None = None) -> None:
        """Opens as it should be done."""
        self.say(open_message(asn, identifier, hold, capabilities))
        self.wait_for(Kind.OPEN)
        self.say(KEEPALIVE)
        self.wait_for(Kind.KEEPALIVE)


@contextlib.contextmanager
def listening(host: Host, address: str, port: int = BGP, tight: bool = False) -> Iterator[Raw]:
    """Waits at that address; `tight`: it has room for no more than a few messages that are not read."""
    with host.enter():
        listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if tight:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _TIGHT)
        listener.bind((address, port))
        listener.listen()
        raw = Raw(listener)
        try:
            yield raw
        finally:
            raw.hang_up()


@contextlib.contextmanager
def connecting(host: Host, address: str, source: str = "", port: int = BGP, ttl: int = 0) -> Iterator[Raw]:
    """Connected to a speaker that listens there."""
    with host.enter():
        connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    connection.settimeout(_SECONDS)
    if source:
        connection.bind((source, 0))
    if ttl:
        connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    connection.connect((address, port))
    raw = Raw()
    raw.use(connection)
    try:
        yield raw
    finally:
        raw.hang_up()
