"""Why a session ended, for whoever is woken by it: what happened, what was sent or received, and for the usual mistakes
what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .fsm import Event
from .messages import Notification
from .neighbor import Failure, State
from .numbers import Cease, ErrorCode, Family, MessageType, OpenError
from .timers import Timers
from .words import describe

_OPEN: Final = ErrorCode.OPEN_MESSAGE
_CEASE: Final = ErrorCode.CEASE

_RECEIVED: Final[Mapping[tuple[int, int], str]] = {
    (_OPEN, OpenError.UNSUPPORTED_VERSION_NUMBER): "it speaks another version of BGP than 4",
    (_OPEN, OpenError.BAD_PEER_AS): "it expects another AS of this end: correct the local AS here, or the AS that the "
    "peer expects",
    (_OPEN, OpenError.BAD_BGP_IDENTIFIER): "it does not take this speaker's identifier: two speakers may have the same "
    "one; give this one another",
    (_OPEN, OpenError.UNACCEPTABLE_HOLD_TIME): "it wants another hold time: ask for a longer one here",
    (_OPEN, OpenError.UNSUPPORTED_CAPABILITY): "it lacks, or insists on, something: compare the address families and "
    "capabilities of both ends",
    (_OPEN, OpenError.ROLE_MISMATCH): "its role does not go with the one here: correct one of the two",
    (ErrorCode.HOLD_TIMER_EXPIRED, 0): "it heard nothing from here for its hold time: something loses what this end "
    "sends, or this host stood still",
    # What BIRD says when BFD went down.
    (_CEASE, 0): "it does not say why: look at its log, and whether its BFD session to this end went down",
    (_CEASE, Cease.MAXIMUM_NUMBER_OF_PREFIXES_REACHED): "it takes fewer prefixes than it was told: raise its limit",
    (_CEASE, Cease.ADMINISTRATIVE_SHUTDOWN): "it was shut down by its operator",
    (_CEASE, Cease.PEER_DE_CONFIGURED): "its operator removed this end from its configuration",
    (_CEASE, Cease.CONNECTION_REJECTED): "it takes no connection from this address: look for it among its neighbors",
    (_CEASE, Cease.CONNECTION_COLLISION_RESOLUTION): "it still holds an earlier session with this end, until the hold "
    "time of that is over",
    (_CEASE, Cease.BFD_DOWN): "its BFD session to this end went down",
}
_REFUSED: Final[Mapping[tuple[int, int], str]] = {
    (_OPEN, OpenError.UNSUPPORTED_VERSION_NUMBER): "the peer must speak BGP version 4",
    (_OPEN, OpenError.UNACCEPTABLE_HOLD_TIME): "the peer asks for a hold time of 1 or 2 seconds: set 0 or 3 at least "
    "there",
    (_OPEN, OpenError.BAD_BGP_IDENTIFIER): "the peer's identifier is 0.0.0.0: set one there",
    (_OPEN, OpenError.BAD_PEER_AS): "the peer says that its AS is 0: set one there",
}


def received(notification: Notification) -> Failure:
    text = f"the peer ended the session: {describe(notification)}"
    return Failure(_with(text, _RECEIVED.get(_key(notification), "")), notification, received=True)


def refused(notification: Notification) -> Failure:
    """A message that could not be taken, and what it was answered with."""
    text = f"the peer's message was refused: {describe(notification)}"
    return Failure(_with(text, _REFUSED.get(_key(notification), "")), notification)


def ended(notification: Notification) -> Failure:
    """By this end, and not for something that the peer said."""
    return Failure(f"this end ended the session: {describe(notification)}", notification)


def unexpected(message: MessageType, notification: Notification) -> Failure:
    name = message.name.replace("_", "-")
    return Failure(f"the peer's message was refused: {describe(notification)}, of type {name}", notification)


def too_many(family: Family, limit: int) -> Failure:
    """RFC 4486 4."""
    data = family.afi.to_bytes(2, "big") + bytes((family.safi,)) + limit.to_bytes(4, "big")
    return Failure(
        f"the peer announces more than {limit} {family_name(family)} prefixes: none of them is used here, so let it "
        "announce nothing, or only a default route",
        Notification(_CEASE, Cease.MAXIMUM_NUMBER_OF_PREFIXES_REACHED, data),
    )


def expired(event: Event, state: State, timers: Timers) -> Failure | None:
    match event:
        case Event.HOLD_TIMER_EXPIRES if state is State.OPEN_SENT:
            text = (
                f"the peer took the connection, but sent no OPEN for {timers.hold_time:g} s: its BGP stands still, or "
                "only this end has TTL security"
            )
            return Failure(text, Notification(ErrorCode.HOLD_TIMER_EXPIRED))
        case Event.HOLD_TIMER_EXPIRES:
            text = f"nothing was heard from the peer for {timers.hold_time:g} s: look at the link, and whether it runs"
            return Failure(text, Notification(ErrorCode.HOLD_TIMER_EXPIRED))
        case Event.SEND_HOLD_TIMER_EXPIRES:
            text = f"the peer took nothing of what it was sent for {timers.send_hold_time:g} s: its BGP stands still"
            return Failure(text, Notification(ErrorCode.SEND_HOLD_TIMER_EXPIRED))
        case _:
            return None


def lost(state: State, why: str) -> Failure:
    """The TCP connection is no more."""
    if state is State.OPEN_SENT:
        return Failure(
            f"the peer closed the connection without a word ({why}): look whether it has this end's address among its "
            "neighbors, and TTL security as this end has it"
        )
    return Failure(f"the connection was lost: {why}")


def unreachable(why: str) -> Failure:
    return Failure(f"cannot connect: {why}")


def unanswered() -> Failure:
    return Failure(
        "cannot connect: no answer: check the peer's address, the firewalls on the way, and that both ends have the "
        "same password (TCP-MD5) and TTL security"
    )


def restarted() -> Failure:
    return Failure("the peer connected anew: it has restarted")


def family_name(family: Family) -> str:
    return family.name.replace("IPV", "IPv")


def _key(notification: Notification) -> tuple[int, int]:
    return notification.code, notification.subcode


def _with(text: str, advice: str) -> str:
    return f"{text}; {advice}" if advice else text
