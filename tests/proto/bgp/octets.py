"""Messages written by hand, right or wrong, without the code under test."""

from __future__ import annotations

import struct

OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE_REFRESH = range(1, 6)

OPTIONAL, TRANSITIVE, PARTIAL, EXTENDED = 0x80, 0x40, 0x20, 0x10
WELL_KNOWN = TRANSITIVE
BOTH = OPTIONAL | TRANSITIVE


def message(kind: int, body: bytes = b"", length: int | None = None) -> bytes:
    return b"\xff" * 16 + struct.pack("!HB", 19 + len(body) if length is None else length, kind) + body


def attribute(flags: int, kind: int, value: bytes = b"", length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    return struct.pack("!BBH" if flags & EXTENDED else "!BBB", flags, kind, size) + value


def update(attributes: bytes = b"", nlri: bytes = b"", withdrawn: bytes = b"") -> bytes:
    """The body."""
    return struct.pack("!H", len(withdrawn)) + withdrawn + struct.pack("!H", len(attributes)) + attributes + nlri


def capability(code: int, value: bytes = b"") -> bytes:
    return bytes((code, len(value))) + value


def parameter(value: bytes, kind: int = 2) -> bytes:
    return bytes((kind, len(value))) + value


def open_body(
    parameters: bytes = b"",
    *,
    version: int = 4,
    asn: int = 65001,
    hold_time: int = 90,
    identifier: bytes = b"\xc0\x00\x02\x01",
    length: int | None = None,
) -> bytes:
    size = len(parameters) if length is None else length
    return struct.pack("!BHH4sB", version, asn, hold_time, identifier, size) + parameters
