"""The control socket: HTTP and JSON over a UNIX socket, so that `curl --unix-socket` is a debugging tool.

listener     the socket file and the lock that lets one daemon have it
access       who is at the other end, and what that allows
routes       the whole surface, one table
events       what happened lately, and waiting for more
connections  bounded in number, size and time
control      the whole of it, for the daemon
server       from a request to a handler, from its value to an answer
"""

from .control import Control
from .events import EventLog
from .listener import ControlError
from .routes import Source

__all__ = ["Control", "ControlError", "EventLog", "Source"]
