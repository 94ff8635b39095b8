"""Whole messages as octets, header included (RFC 4271 4.1)."""

from __future__ import annotations

import struct
from typing import Final

from .messages import Keepalive, Notification, Open, RouteRefresh
from .numbers import HEADER_OCTETS, LONGEST, Family, MessageType
from .open_message import encode_open

MARKER: Final = b"\xff" * 16

_LENGTH_AND_TYPE: Final = struct.Struct("!HB")
_REFRESH: Final = struct.Struct("!HBB")
_LONGEST_DATA: Final = LONGEST - HEADER_OCTETS - 2


def encode(message: Open | Notification | Keepalive | RouteRefresh) -> bytes:
    """The data of a NOTIFICATION is cut where a message of 4096 octets ends. A RouteRefresh must name its family."""
    match message:
        case Open():
            return frame(MessageType.OPEN, encode_open(message))
        case Notification(code, subcode, data):
            return frame(MessageType.NOTIFICATION, bytes((code, subcode)) + data[:_LONGEST_DATA])
        case Keepalive():
            return frame(MessageType.KEEPALIVE, b"")
        case RouteRefresh(Family(value=(afi, safi)), subtype):
            return frame(MessageType.ROUTE_REFRESH, _REFRESH.pack(afi, subtype, safi))
        case RouteRefresh():
            raise ValueError("cannot encode a ROUTE-REFRESH without a family")


def frame(kind: MessageType, body: bytes) -> bytes:
    return MARKER + _LENGTH_AND_TYPE.pack(HEADER_OCTETS + len(body), kind) + body
