"""Errors as people call them: the names of IANA's registry "BGP Error (Notification) Codes"."""

from __future__ import annotations

from typing import Final

from .messages import Notification
from .notification import communication
from .numbers import Cease, ErrorCode

_CODES: Final = {
    1: "Message Header Error",
    2: "OPEN Message Error",
    3: "UPDATE Message Error",
    4: "Hold Timer Expired",
    5: "Finite State Machine Error",
    6: "Cease",
    7: "ROUTE-REFRESH Message Error",
    8: "Send Hold Timer Expired",
}
_SUBCODES: Final = {
    (1, 1): "Connection Not Synchronized",
    (1, 2): "Bad Message Length",
    (1, 3): "Bad Message Type",
    (2, 1): "Unsupported Version Number",
    (2, 2): "Bad Peer AS",
    (2, 3): "Bad BGP Identifier",
    (2, 4): "Unsupported Optional Parameter",
    (2, 5): "Authentication Failure",
    (2, 6): "Unacceptable Hold Time",
    (2, 7): "Unsupported Capability",
    (2, 11): "Role Mismatch",
    (3, 1): "Malformed Attribute List",
    (3, 2): "Unrecognized Well-known Attribute",
    (3, 3): "Missing Well-known Attribute",
    (3, 4): "Attribute Flags Error",
    (3, 5): "Attribute Length Error",
    (3, 6): "Invalid ORIGIN Attribute",
    (3, 7): "AS Routing Loop",
    (3, 8): "Invalid NEXT_HOP Attribute",
    (3, 9): "Optional Attribute Error",
    (3, 10): "Invalid Network Field",
    (3, 11): "Malformed AS_PATH",
    (5, 1): "Receive Unexpected Message in OpenSent State",
    (5, 2): "Receive Unexpected Message in OpenConfirm State",
    (5, 3): "Receive Unexpected Message in Established State",
    (6, 1): "Maximum Number of Prefixes Reached",
    (6, 2): "Administrative Shutdown",
    (6, 3): "Peer De-configured",
    (6, 4): "Administrative Reset",
    (6, 5): "Connection Rejected",
    (6, 6): "Other Configuration Change",
    (6, 7): "Connection Collision Resolution",
    (6, 8): "Out of Resources",
    (6, 9): "Hard Reset",
    (6, 10): "BFD Down",
    (7, 1): "Invalid Message Length",
}
_SHOWN_OCTETS: Final = 16


def describe(notification: Notification) -> str:
    """ "Cease: Administrative Shutdown, saying 'memory'". What IANA has no name for is shown by its number, data that
    has no words as hexadecimal digits."""
    code, subcode, data = notification.code, notification.subcode, notification.data
    if (code, subcode) == (ErrorCode.CEASE, Cease.HARD_RESET) and len(data) >= 2:
        return f"{_name(code, subcode)} ({_describe(Notification(data[0], data[1], data[2:]))})"
    return _describe(notification)


def _describe(notification: Notification) -> str:
    text = _name(notification.code, notification.subcode)
    if said := communication(notification):
        return f"{text}, saying {said!r}"
    if data := notification.data:
        more = "..." if len(data) > _SHOWN_OCTETS else ""
        return f"{text} (data {data[:_SHOWN_OCTETS].hex()}{more})"
    return text


def _name(code: int, subcode: int) -> str:
    text = _CODES.get(code, f"Error {code}")
    return f"{text}: {subcode_name(code, subcode)}" if subcode else text


def subcode_name(code: int, subcode: int) -> str:
    return _SUBCODES.get((code, subcode), f"Subcode {subcode}")
