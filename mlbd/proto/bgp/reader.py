"""The stream of octets of a connection, cut into messages (RFC 4271 4.1, 6.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .encoding import MARKER
from .messages import BgpError, Keepalive, Message, Notification, RouteRefresh, Update
from .negotiated import Negotiated
from .numbers import FAMILIES, HEADER_OCTETS, LONGEST, ErrorCode, HeaderError, MessageType, RefreshError
from .open_message import FIXED_OCTETS, decode_open
from .update import decode_update

_SHORTEST: Final[Mapping[int, int]] = {
    MessageType.OPEN: HEADER_OCTETS + FIXED_OCTETS,
    MessageType.UPDATE: HEADER_OCTETS + 4,
    MessageType.NOTIFICATION: HEADER_OCTETS + 2,
    MessageType.KEEPALIVE: HEADER_OCTETS,
    MessageType.ROUTE_REFRESH: HEADER_OCTETS,
}
_REFRESH_OCTETS: Final = 4


class Reader:
    """`negotiated` is None until the session is Established: until then an UPDATE is an error of the state machine
    whatever is in it, so it is not looked into.

    Who takes every message after each feed() makes it hold no more than one message beside what was fed.
    """

    __slots__ = ("_octets", "negotiated")

    def __init__(self) -> None:
        self.negotiated: Negotiated | None = None
        self._octets = bytearray()

    def feed(self, data: bytes) -> None:
        self._octets += data

    def next(self) -> Message | None:
        """None: more octets are needed. Raises BgpError; nothing that follows can be read then."""
        octets = self._octets
        if not MARKER.startswith(octets[: len(MARKER)]):
            raise _header_error(HeaderError.CONNECTION_NOT_SYNCHRONIZED)
        if len(octets) < HEADER_OCTETS:
            return None
        length = int.from_bytes(octets[16:18], "big")
        kind = self._check(length, octets[18])
        if len(octets) < length:
            return None
        message = bytes(octets[:length])
        del octets[:length]
        return self._decode(kind, message)

    def _check(self, length: int, octet: int) -> MessageType:
        """Errors are seen as soon as the header is there."""
        if not HEADER_OCTETS <= length <= self._longest(octet):
            raise _bad_length(length)
        if octet not in _SHORTEST:
            raise _header_error(HeaderError.BAD_MESSAGE_TYPE, bytes((octet,)))
        if length < _SHORTEST[octet]:
            raise _bad_length(length)
        return MessageType(octet)

    def _longest(self, kind: int) -> int:
        if kind == MessageType.KEEPALIVE:
            return HEADER_OCTETS
        if self.negotiated is None or kind == MessageType.OPEN:
            return LONGEST
        return self.negotiated.longest_received

    def _decode(self, kind: MessageType, message: bytes) -> Message:
        body = message[HEADER_OCTETS:]
        match kind:
            case MessageType.OPEN:
                return decode_open(body)
            case MessageType.UPDATE:
                return Update() if self.negotiated is None else decode_update(body, self.negotiated)
            case MessageType.NOTIFICATION:
                return Notification(body[0], body[1], body[2:])
            case MessageType.KEEPALIVE:
                return Keepalive()
            case MessageType.ROUTE_REFRESH:
                return _decode_refresh(message)


def _decode_refresh(message: bytes) -> RouteRefresh:
    """The whole message is the data of the error (RFC 7313 5)."""
    body = message[HEADER_OCTETS:]
    if len(body) != _REFRESH_OCTETS:
        raise BgpError(Notification(ErrorCode.ROUTE_REFRESH_MESSAGE, RefreshError.INVALID_MESSAGE_LENGTH, message))
    family = int.from_bytes(body[:2], "big"), body[3]
    return RouteRefresh(FAMILIES.get(family), body[2])


def _bad_length(length: int) -> BgpError:
    return _header_error(HeaderError.BAD_MESSAGE_LENGTH, length.to_bytes(2, "big"))


def _header_error(subcode: HeaderError, data: bytes = b"") -> BgpError:
    return BgpError(Notification(ErrorCode.MESSAGE_HEADER, subcode, data))
