"""What goes with a NOTIFICATION: the words of an operator (RFC 9003), another one (RFC 8538)."""

from __future__ import annotations

from typing import Final

from .messages import Notification
from .numbers import Cease, ErrorCode

LONGEST_COMMUNICATION: Final = 255


def cease(subcode: Cease, communication: str = "") -> Notification:
    """Only Administrative Shutdown and Reset have a communication; it is cut at 255 octets of UTF-8."""
    text = communication.encode(errors="replace")[:LONGEST_COMMUNICATION].decode(errors="ignore").encode()
    return Notification(ErrorCode.CEASE, subcode, bytes((len(text),)) + text if text else b"")


def hard_reset(reason: Notification) -> Notification:
    """The same, so that graceful restart does not hold the routes (RFC 8538 3)."""
    return Notification(ErrorCode.CEASE, Cease.HARD_RESET, bytes((reason.code, reason.subcode)) + reason.data)


def communication(notification: Notification) -> str:
    """What the peer's operator wrote, "" for nothing. Octets that are no UTF-8, and characters that would command a
    terminal, are replaced: the text goes to logs and screens (RFC 9003 5)."""
    said = (Cease.ADMINISTRATIVE_SHUTDOWN, Cease.ADMINISTRATIVE_RESET)
    if notification.code != ErrorCode.CEASE or notification.subcode not in said or not notification.data:
        return ""
    text = notification.data[1 : 1 + notification.data[0]].decode(errors="replace")
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
