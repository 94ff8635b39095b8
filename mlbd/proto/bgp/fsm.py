"""The state machine of a connection (RFC 4271 8.2.2), as a table that can be laid beside the RFC.

Rules:
1. There is one machine for the peer, which connects or waits for the peer to do so (Idle, Connect, Active), and one
   for each connection that the peer opens: that one starts in Active (8.2.1). A machine that has got its connection
   goes on from OpenSent with that one alone. What a second connection means is settled where both are known (6.8),
   and comes here as OPEN_COLLISION_DUMP.
2. An event of which a state's row says nothing is the RFC's "any other event": OTHERWISE. A start is ignored by whoever
   has started.
3. DelayOpen is off, so events 12 and 20 do not exist; 14 and 15 neither: who may connect is known before there is a
   connection. The idle hold timer (13) comes as 6 or 7, the starts with DampPeerOscillations; 3 and 5 are without.
4. Whatever ends in Idle is followed by an idle hold that doubles each time (DampPeerOscillations), but for MANUAL_STOP.

Where it is not the RFC's own table:
* A NOTIFICATION in OpenSent closes the connection. The RFC would answer it with a Finite State Machine Error; it is
  how a peer says that it refuses our OPEN.
* A header that cannot be read is told as such in Established too (6.1 "all errors"), not as an error of the machine.
* A second OPEN on one connection is an unexpected message in OpenConfirm and Established (RFC 6608); event 19 of the
  RFC's rows is the one that comes on the other connection.
* SEND_HOLD_TIMER_EXPIRES is event 29 of RFC 9687. ROUTE_REFRESH and its error have no event in any RFC: they are as an
  UPDATE and its error.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Final

from .neighbor import State


class Event(IntEnum):
    """By the numbers of RFC 4271 8.1."""

    MANUAL_START = 1
    MANUAL_STOP = 2
    MANUAL_START_PASSIVE = 4
    AUTOMATIC_START_DAMPED = 6
    AUTOMATIC_START_DAMPED_PASSIVE = 7
    AUTOMATIC_STOP = 8
    CONNECT_RETRY_TIMER_EXPIRES = 9
    HOLD_TIMER_EXPIRES = 10
    KEEPALIVE_TIMER_EXPIRES = 11
    TCP_CR_ACKED = 16
    TCP_CONNECTION_CONFIRMED = 17
    TCP_CONNECTION_FAILS = 18
    BGP_OPEN = 19
    BGP_HEADER_ERROR = 21
    BGP_OPEN_ERROR = 22
    OPEN_COLLISION_DUMP = 23
    NOTIFICATION_VERSION_ERROR = 24
    NOTIFICATION = 25
    KEEPALIVE = 26
    UPDATE = 27
    UPDATE_ERROR = 28
    SEND_HOLD_TIMER_EXPIRES = 29
    ROUTE_REFRESH = 100
    ROUTE_REFRESH_ERROR = 101


class Do(Enum):
    """What a machine does on its way to the next state."""

    NOTHING = "nothing"
    CONNECT = "open a TCP connection, giving up an attempt that is under way"
    LISTEN = "wait for the peer to connect"
    SEND_OPEN = "send OPEN, and wait four minutes for the peer's"
    CONFIRM = "send KEEPALIVE, and keep the times that were agreed"
    ESTABLISH = "exchange routes"
    SEND_KEEPALIVE = "send KEEPALIVE"
    HEAR = "start the hold timer anew"
    TAKE = "start the hold timer anew, and take what the message says"
    DROP = "close the connection, or give up the attempt at one"
    NOTIFY = "send the NOTIFICATION that the event stands for, and close"
    FSM_ERROR = "send the NOTIFICATION of an unexpected message in this state (RFC 6608), and close"


Row = dict[Event, tuple[Do, State]]

_STARTS: Final = (
    Event.MANUAL_START,
    Event.MANUAL_START_PASSIVE,
    Event.AUTOMATIC_START_DAMPED,
    Event.AUTOMATIC_START_DAMPED_PASSIVE,
)
_ANOTHER_CONNECTION: Final = (Event.TCP_CR_ACKED, Event.TCP_CONNECTION_CONFIRMED)

TRANSITIONS: Final[dict[State, Row]] = {
    State.IDLE: {
        Event.MANUAL_START: (Do.CONNECT, State.CONNECT),
        Event.MANUAL_START_PASSIVE: (Do.LISTEN, State.ACTIVE),
        Event.AUTOMATIC_START_DAMPED: (Do.CONNECT, State.CONNECT),
        Event.AUTOMATIC_START_DAMPED_PASSIVE: (Do.LISTEN, State.ACTIVE),
    },
    State.CONNECT: {
        **dict.fromkeys(_STARTS, (Do.NOTHING, State.CONNECT)),
        Event.CONNECT_RETRY_TIMER_EXPIRES: (Do.CONNECT, State.CONNECT),
        Event.TCP_CR_ACKED: (Do.SEND_OPEN, State.OPEN_SENT),
        Event.TCP_CONNECTION_CONFIRMED: (Do.SEND_OPEN, State.OPEN_SENT),
    },
    State.ACTIVE: {
        **dict.fromkeys(_STARTS, (Do.NOTHING, State.ACTIVE)),
        Event.CONNECT_RETRY_TIMER_EXPIRES: (Do.CONNECT, State.CONNECT),
        Event.TCP_CR_ACKED: (Do.SEND_OPEN, State.OPEN_SENT),
        Event.TCP_CONNECTION_CONFIRMED: (Do.SEND_OPEN, State.OPEN_SENT),
    },
    State.OPEN_SENT: {
        **dict.fromkeys(_STARTS, (Do.NOTHING, State.OPEN_SENT)),
        **dict.fromkeys(_ANOTHER_CONNECTION, (Do.NOTHING, State.OPEN_SENT)),
        Event.MANUAL_STOP: (Do.NOTIFY, State.IDLE),
        Event.AUTOMATIC_STOP: (Do.NOTIFY, State.IDLE),
        Event.HOLD_TIMER_EXPIRES: (Do.NOTIFY, State.IDLE),
        Event.TCP_CONNECTION_FAILS: (Do.DROP, State.ACTIVE),
        Event.BGP_OPEN: (Do.CONFIRM, State.OPEN_CONFIRM),
        Event.BGP_HEADER_ERROR: (Do.NOTIFY, State.IDLE),
        Event.BGP_OPEN_ERROR: (Do.NOTIFY, State.IDLE),
        Event.OPEN_COLLISION_DUMP: (Do.NOTIFY, State.IDLE),
        Event.NOTIFICATION_VERSION_ERROR: (Do.DROP, State.IDLE),
        Event.NOTIFICATION: (Do.DROP, State.IDLE),
    },
    State.OPEN_CONFIRM: {
        **dict.fromkeys(_STARTS, (Do.NOTHING, State.OPEN_CONFIRM)),
        **dict.fromkeys(_ANOTHER_CONNECTION, (Do.NOTHING, State.OPEN_CONFIRM)),
        Event.MANUAL_STOP: (Do.NOTIFY, State.IDLE),
        Event.AUTOMATIC_STOP: (Do.NOTIFY, State.IDLE),
        Event.HOLD_TIMER_EXPIRES: (Do.NOTIFY, State.IDLE),
        Event.KEEPALIVE_TIMER_EXPIRES: (Do.SEND_KEEPALIVE, State.OPEN_CONFIRM),
        Event.TCP_CONNECTION_FAILS: (Do.DROP, State.IDLE),
        Event.BGP_HEADER_ERROR: (Do.NOTIFY, State.IDLE),
        Event.BGP_OPEN_ERROR: (Do.NOTIFY, State.IDLE),
        Event.OPEN_COLLISION_DUMP: (Do.NOTIFY, State.IDLE),
        Event.NOTIFICATION_VERSION_ERROR: (Do.DROP, State.IDLE),
        Event.NOTIFICATION: (Do.DROP, State.IDLE),
        Event.KEEPALIVE: (Do.ESTABLISH, State.ESTABLISHED),
    },
    State.ESTABLISHED: {
        **dict.fromkeys(_STARTS, (Do.NOTHING, State.ESTABLISHED)),
        **dict.fromkeys(_ANOTHER_CONNECTION, (Do.NOTHING, State.ESTABLISHED)),
        Event.MANUAL_STOP: (Do.NOTIFY, State.IDLE),
        Event.AUTOMATIC_STOP: (Do.NOTIFY, State.IDLE),
        Event.HOLD_TIMER_EXPIRES: (Do.NOTIFY, State.IDLE),
        Event.SEND_HOLD_TIMER_EXPIRES: (Do.NOTIFY, State.IDLE),
        Event.KEEPALIVE_TIMER_EXPIRES: (Do.SEND_KEEPALIVE, State.ESTABLISHED),
        Event.TCP_CONNECTION_FAILS: (Do.DROP, State.IDLE),
        Event.BGP_HEADER_ERROR: (Do.NOTIFY, State.IDLE),
        Event.OPEN_COLLISION_DUMP: (Do.NOTIFY, State.IDLE),
        Event.NOTIFICATION_VERSION_ERROR: (Do.DROP, State.IDLE),
        Event.NOTIFICATION: (Do.DROP, State.IDLE),
        Event.KEEPALIVE: (Do.HEAR, State.ESTABLISHED),
        Event.UPDATE: (Do.TAKE, State.ESTABLISHED),
        Event.UPDATE_ERROR: (Do.NOTIFY, State.IDLE),
        Event.ROUTE_REFRESH: (Do.TAKE, State.ESTABLISHED),
        Event.ROUTE_REFRESH_ERROR: (Do.NOTIFY, State.IDLE),
    },
}
OTHERWISE: Final[dict[State, tuple[Do, State]]] = {
    State.IDLE: (Do.NOTHING, State.IDLE),
    State.CONNECT: (Do.DROP, State.IDLE),
    State.ACTIVE: (Do.DROP, State.IDLE),
    State.OPEN_SENT: (Do.FSM_ERROR, State.IDLE),
    State.OPEN_CONFIRM: (Do.FSM_ERROR, State.IDLE),
    State.ESTABLISHED: (Do.FSM_ERROR, State.IDLE),
}


def transition(state: State, event: Event) -> tuple[Do, State]:
    return TRANSITIONS[state].get(event, OTHERWISE[state])
