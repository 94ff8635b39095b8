"""Which event a message is for the machine, and which NOTIFICATION answers it."""

from __future__ import annotations

from typing import Final

from . import failures
from .fsm import Event
from .messages import Notification
from .neighbor import Failure, State
from .numbers import Cease, ErrorCode, FsmError, MessageType, OpenError

_ERRORS: Final = {
    ErrorCode.MESSAGE_HEADER: Event.BGP_HEADER_ERROR,
    ErrorCode.OPEN_MESSAGE: Event.BGP_OPEN_ERROR,
    ErrorCode.UPDATE_MESSAGE: Event.UPDATE_ERROR,
    ErrorCode.ROUTE_REFRESH_MESSAGE: Event.ROUTE_REFRESH_ERROR,
}
_VERSION_ERROR: Final = (ErrorCode.OPEN_MESSAGE, OpenError.UNSUPPORTED_VERSION_NUMBER)
_UNEXPECTED: Final = {
    State.OPEN_SENT: FsmError.UNEXPECTED_MESSAGE_IN_OPEN_SENT,
    State.OPEN_CONFIRM: FsmError.UNEXPECTED_MESSAGE_IN_OPEN_CONFIRM,
    State.ESTABLISHED: FsmError.UNEXPECTED_MESSAGE_IN_ESTABLISHED,
}
_TYPES: Final = {
    Event.BGP_OPEN: MessageType.OPEN,
    Event.BGP_OPEN_ERROR: MessageType.OPEN,
    Event.KEEPALIVE: MessageType.KEEPALIVE,
    Event.UPDATE: MessageType.UPDATE,
    Event.UPDATE_ERROR: MessageType.UPDATE,
    Event.ROUTE_REFRESH: MessageType.ROUTE_REFRESH,
    Event.ROUTE_REFRESH_ERROR: MessageType.ROUTE_REFRESH,
}
#: After these the routes must go, or the path is dead.
_HARD: Final = frozenset(
    {
        Cease.MAXIMUM_NUMBER_OF_PREFIXES_REACHED,
        Cease.ADMINISTRATIVE_SHUTDOWN,
        Cease.PEER_DE_CONFIGURED,
        Cease.OUT_OF_RESOURCES,
        Cease.BFD_DOWN,
    }
)


def error_event(answer: Notification) -> Event:
    """Of a message that cannot be read, and is answered so."""
    return _ERRORS[ErrorCode(answer.code)]


def notification_event(received: Notification) -> Event:
    is_version = (received.code, received.subcode) == _VERSION_ERROR
    return Event.NOTIFICATION_VERSION_ERROR if is_version else Event.NOTIFICATION


def unexpected(state: State, event: Event) -> Failure:
    """The data is the type of the message (RFC 6608 4)."""
    kind = _TYPES[event]
    return failures.unexpected(kind, Notification(ErrorCode.FSM, _UNEXPECTED[state], bytes((kind,))))


def must_be_hard(notification: Notification) -> bool:
    """Whether graceful restart must not keep the routes after it (RFC 8538 3)."""
    return notification.code == ErrorCode.CEASE and notification.subcode in _HARD
