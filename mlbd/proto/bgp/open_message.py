"""The OPEN message (RFC 4271 4.2), its optional parameters in the short and the extended form (RFC 9072)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Final

from .capabilities import decode_capabilities, encode_capabilities, malformed
from .messages import BgpError, Notification, Open
from .numbers import AS_TRANS, ErrorCode, OpenError

VERSION: Final = 4
FIXED_OCTETS: Final = 10

_FIXED: Final = struct.Struct("!BHH4sB")
_SHORT: Final = struct.Struct("!BB")
_EXTENDED: Final = struct.Struct("!BH")
_EXTENDED_LENGTH: Final = 255  # in the place of a parameter's type (RFC 9072 2)
_CAPABILITIES: Final = 2
_LARGEST_SHORT_AS: Final = 0xFFFF


def encode_open(message: Open) -> bytes:
    """The body. All capabilities are in one parameter (RFC 5492 4), and mlbd's fit in it."""
    capabilities = encode_capabilities(message.capabilities)
    parameters = _SHORT.pack(_CAPABILITIES, len(capabilities)) + capabilities if capabilities else b""
    asn = message.asn if message.asn <= _LARGEST_SHORT_AS else AS_TRANS
    return _FIXED.pack(VERSION, asn, message.hold_time, message.identifier.packed, len(parameters)) + parameters


def decode_open(body: bytes) -> Open:
    """Of at least 10 octets. Raises BgpError; whether the AS is the right one is left to the session."""
    version, asn, hold_time, identifier, length = _FIXED.unpack_from(body)
    if version != VERSION:
        raise _error(OpenError.UNSUPPORTED_VERSION_NUMBER, VERSION.to_bytes(2, "big"))
    if asn == 0:
        raise _error(OpenError.BAD_PEER_AS)  # RFC 7607 2
    if hold_time in (1, 2):
        raise _error(OpenError.UNACCEPTABLE_HOLD_TIME)
    if not any(identifier):
        raise _error(OpenError.BAD_BGP_IDENTIFIER)  # RFC 6286 2.2
    parameters = b"".join(_parameters(length, body[FIXED_OCTETS:]))
    capabilities = decode_capabilities(parameters)
    asn = asn if capabilities.asn is None else capabilities.asn
    return Open(asn, hold_time, IPv4Address(identifier), capabilities)


def _parameters(length: int, rest: bytes) -> Iterator[bytes]:
    """The values of all parameters: each is capabilities, there is no other kind any more."""
    layout = _SHORT
    if length and rest[:1] == bytes((_EXTENDED_LENGTH,)):
        if len(rest) < _EXTENDED.size:
            raise malformed()
        layout = _EXTENDED
        (_, length), rest = _EXTENDED.unpack_from(rest), rest[_EXTENDED.size :]
    if length != len(rest):
        raise malformed()
    return _split(rest, layout)


def _split(rest: bytes, layout: struct.Struct) -> Iterator[bytes]:
    at = 0
    while at < len(rest):
        start = at + layout.size
        if start > len(rest):
            raise malformed()
        kind, length = layout.unpack_from(rest, at)
        at = start + length
        if at > len(rest):
            raise malformed()
        if kind != _CAPABILITIES:
            raise _error(OpenError.UNSUPPORTED_OPTIONAL_PARAMETER)
        yield rest[start:at]


def _error(subcode: OpenError, data: bytes = b"") -> BgpError:
    return BgpError(Notification(ErrorCode.OPEN_MESSAGE, subcode, data))
