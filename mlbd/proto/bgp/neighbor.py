"""What a session is made from, and what it asks of its driver."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from ipaddress import IPv4Address, IPv6Address

from .messages import Address, Notification
from .numbers import Family, Role


class State(IntEnum):
    """RFC 4271 8.2.2. Of a session with two connections the further one's."""

    IDLE = 1
    CONNECT = 2
    ACTIVE = 3
    OPEN_SENT = 4
    OPEN_CONFIRM = 5
    ESTABLISHED = 6


class Remote(Enum):
    """Which AS the peer may have, where its number is not said."""

    INTERNAL = "internal"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class Neighbor:
    """`local_as` is what the peer sees. Times in seconds; `keepalive_time` None is a third of the negotiated hold time;
    `connect_retry_time` is the longest back-off between attempts. `passive`: it waits for the peer to connect.
    `restart_time` above 0 offers graceful restart (RFC 4724); `restarted`: this speaker was running before, and what it
    announced is still forwarded. `max_prefixes` is what the peer may announce (RFC 4486 4)."""

    local_as: int
    remote_as: int | Remote
    identifier: IPv4Address
    families: frozenset[Family] = frozenset({Family.IPV4})
    hold_time: int = 90
    keepalive_time: float | None = None
    connect_retry_time: float = 120.0
    passive: bool = False
    restart_time: int = 0
    restarted: bool = False
    role: Role | None = None
    max_prefixes: int = 50_000


@dataclass(frozen=True, slots=True)
class Path:
    """The two ends of a TCP connection, and what the link has that it runs over: an address of each family to be the
    next hop of routes, None where it has none, and the link-local one (RFC 2545 3)."""

    local: Address
    remote: Address
    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None
    link_local: IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a TCP connection; connected() or failed() tells how it went. An attempt that is under way is given up."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Abandon the attempt to connect that is under way, if one is."""


@dataclass(frozen=True, slots=True)
class Send:
    connection: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """After what was sent on it, as far as the peer still reads; closed() need not be called."""

    connection: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a session or an attempt at one ended. `text` is in words, for people; `notification` None: there was none;
    `received`: it is the peer's."""

    text: str
    notification: Notification | None = None
    received: bool = False


@dataclass(frozen=True, slots=True)
class StateChanged:
    """`failure` is why, where the state is less than it was."""

    state: State
    failure: Failure | None = None


Action = Connect | GiveUp | Send | Close | StateChanged
