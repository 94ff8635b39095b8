"""The state machine of a session (RFC 5880 6.2, 6.8.4, 6.8.6, 6.8.16).

Rules:
1. A session comes up by a three-way handshake: who hears Down says Init, who hears Init (or, in Init, Up) is Up. So
   Up means that both sides have heard each other.
2. In Init and Up, silence for the Detection Time means Down. In Down it means nothing: there is nothing to lose.
3. In Init and Up, AdminDown of the other side means Down; in Up its Down does too. The diagnostic of both is the
   same, and the other side's state, kept beside it, tells a planned stop from a failure.
4. AdminDown is left only by our own will, whatever is received.
5. What is not in the table changes nothing.
"""

from enum import IntEnum
from typing import Final

from mlbd.proto.bfd.packet import Diagnostic, State


class Event(IntEnum):
    RECEIVED_ADMIN_DOWN = 0
    RECEIVED_DOWN = 1
    RECEIVED_INIT = 2
    RECEIVED_UP = 3
    DETECTION_TIME_EXPIRED = 4
    DISABLE = 5
    ENABLE = 6


RECEIVED: Final = (Event.RECEIVED_ADMIN_DOWN, Event.RECEIVED_DOWN, Event.RECEIVED_INIT, Event.RECEIVED_UP)
"""By the State in the packet."""

_EXPIRED: Final = Diagnostic.CONTROL_DETECTION_TIME_EXPIRED
_SIGNALED: Final = Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN
_BY_WILL: Final = Diagnostic.ADMINISTRATIVELY_DOWN

# The diagnostic None keeps the one there is: who comes up still says why it was down.
TRANSITIONS: Final[dict[tuple[State, Event], tuple[State, Diagnostic | None]]] = {
    (State.DOWN, Event.RECEIVED_DOWN): (State.INIT, None),
    (State.DOWN, Event.RECEIVED_INIT): (State.UP, Diagnostic.NONE),
    (State.DOWN, Event.DISABLE): (State.ADMIN_DOWN, _BY_WILL),
    (State.INIT, Event.RECEIVED_INIT): (State.UP, Diagnostic.NONE),
    (State.INIT, Event.RECEIVED_UP): (State.UP, Diagnostic.NONE),
    (State.INIT, Event.RECEIVED_ADMIN_DOWN): (State.DOWN, _SIGNALED),
    (State.INIT, Event.DETECTION_TIME_EXPIRED): (State.DOWN, _EXPIRED),
    (State.INIT, Event.DISABLE): (State.ADMIN_DOWN, _BY_WILL),
    (State.UP, Event.RECEIVED_DOWN): (State.DOWN, _SIGNALED),
    (State.UP, Event.RECEIVED_ADMIN_DOWN): (State.DOWN, _SIGNALED),
    (State.UP, Event.DETECTION_TIME_EXPIRED): (State.DOWN, _EXPIRED),
    (State.UP, Event.DISABLE): (State.ADMIN_DOWN, _BY_WILL),
    (State.ADMIN_DOWN, Event.ENABLE): (State.DOWN, Diagnostic.NONE),
}
