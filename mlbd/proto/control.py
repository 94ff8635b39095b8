"""What mlbd and its reflex say to each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from mlbd.proto.bfd.watch import Path, Watch
from mlbd.proto.neighbor.link import Claim, Link
from mlbd.proto.neighbor.vip import State

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Links:
    """All links to speak on; those not named any more are left."""

    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims that are new or different, and addresses that are no longer this node's business."""

    wanted: tuple[Claim, ...] = ()
    dropped: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Watches:
    """All BFD sessions to keep; `hold_down` in seconds. Nothing is held before the first of these came.

    `watches` are of nodes. `routers` are of BGP peers, each by the peer's name: they say nothing of who holds what.
    Where both name one path, its one session is the node's, whose timers and key all nodes share.
    """

    watches: tuple[Watch, ...]
    hold_down: float
    routers: tuple[Watch, ...] = ()


@dataclass(frozen=True, slots=True)
class Drain:
    """Whether this node is to hold nothing."""

    drained: bool


@dataclass(frozen=True, slots=True)
class Ping:
    number: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The reflex's first line. `realtime`: it runs under SCHED_FIFO."""

    realtime: bool


@dataclass(frozen=True, slots=True)
class Pong:
    """Answers Ping. `counters` count since the start of the reflex: `answered`, `announced`, `probed`,
    `unsent`, `unreadable`, `dropped.<DropReason>`; `lateness` is the worst delay of a timer in microseconds since the
    last pong."""

    number: int
    counters: Mapping[str, int]
    lateness: int


@dataclass(frozen=True, slots=True)
class VipChanged:
    """`link` is a link's name. `mac` is the other claimant's in CONFLICT, `node` the one that holds it in WAITING."""

    address: Address
    link: str
    state: State
    mac: str | None = None
    node: str | None = None


@dataclass(frozen=True, slots=True)
class ConflictSeen:
    """Another MAC claimed an address that is held here. `node` is whose it is, None for a stranger's. `disputed`: it
    is one of ours, and both go on insisting."""

    address: Address
    link: str
    mac: str
    node: str | None = None
    disputed: bool = False


@dataclass(frozen=True, slots=True)
class SessionReport:
    """A BFD session after a change; intervals in microseconds, `link` an ifindex. `router`: `peer` is a BGP peer's name
    and not a node's. `failed`: since the last report it went from Up to Down, which neither end wanted; another
    report without that follows."""

    peer: str
    link: int
    local: Address
    remote: Address
    state: str
    diagnostic: str
    remote_state: str
    remote_diagnostic: str
    interval: int
    detection: int
    ups: int
    downs: int
    router: bool = False
    failed: bool = False

    @property
    def path(self) -> Path:
        return self.remote, self.local, self.link


@dataclass(frozen=True, slots=True)
class Drained:
    """Nothing is answered for any more after a Drain."""


@dataclass(frozen=True, slots=True)
class ProblemChanged:
    """What keeps the reflex from using a link, or a socket for BFD; `problem` is None when all is well again."""

    subject: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    reason: str


Order = Links | Claims | Watches | Drain | Ping
"""What mlbd sends."""

Report = Ready | Pong | VipChanged | ConflictSeen | SessionReport | Drained | ProblemChanged
"""What the reflex sends."""
