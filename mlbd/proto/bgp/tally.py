"""How many messages of which kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from .messages import Keepalive, Message, Notification, Open, RouteRefresh, Update
from .numbers import HEADER_OCTETS, MessageType

_NAMES: Final = {
    MessageType.OPEN: "open",
    MessageType.UPDATE: "update",
    MessageType.NOTIFICATION: "notification",
    MessageType.KEEPALIVE: "keepalive",
    MessageType.ROUTE_REFRESH: "routeRefresh",
}
_TYPES: Final = {
    Open: MessageType.OPEN,
    Update: MessageType.UPDATE,
    Notification: MessageType.NOTIFICATION,
    Keepalive: MessageType.KEEPALIVE,
    RouteRefresh: MessageType.ROUTE_REFRESH,
}


def type_of(octets: bytes) -> MessageType:
    return MessageType(octets[HEADER_OCTETS - 1])


def count_sent(types: Iterable[MessageType], counters: Counter[str]) -> None:
    counters.update(f"{_NAMES[kind]}.sent" for kind in types)


def count_received(message: Message, counters: Counter[str]) -> None:
    counters[f"{_NAMES[_TYPES[type(message)]]}.received"] += 1
