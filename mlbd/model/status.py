"""All that is, in one description: the control socket's JSON, the tables of mlbctl and the metrics are drawn from
it, so they cannot disagree. Every value is plain (texts, numbers, lists, mappings).

Times are seconds since the epoch; addresses are their canonical text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """ERROR: something is not served that was asked for. WARNING: it is served, but not as written or not for long."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong now. `object` is a Reference's text, a file, a link or "mlbd"; `field` a path within it or "";
    `message` starts with what cannot be done and ends with what to do; `reason` is its word for programs."""

    severity: Severity
    object: str
    reason: str
    message: str
    field: str = ""
    file: str = ""
    line: int = 0  # where the document starts in the file; 0: of the file as a whole


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: `number` counts up from 1 since the start of the daemon, `object` as in Problem."""

    number: int
    time: float
    reason: str
    object: str
    message: str
    service: str = ""
    address: str = ""
    peer: str = ""


class VipState(StrEnum):
    """What this node does with an address: STANDBY when a node that is alive stands before it, WAITING when it is its
    turn but another node of ours holds the address and this one came back too recently to take it from there, LEAVING
    while it still answers for what it gives away, until another node has announced it, SILENT when it may hold it but
    has no usable link, CONFLICT when somebody else's host has the address. ADVERTISED: it announces it to BGP peers."""

    HOLDING = "holding"
    ADVERTISED = "advertised"
    PROBING = "probing"
    WAITING = "waiting"
    LEAVING = "leaving"
    CONFLICT = "conflict"
    STANDBY = "standby"
    SILENT = "silent"
    NONE = "none"  # this node may not hold it


@dataclass(frozen=True, slots=True)
class AddressStatus:
    """One slot of a Service. `holder` is the node that answers for it as far as this one knows: itself, or the first in
    `order` that is alive; `state` is this node's own part."""

    slot: int
    family: int
    address: str | None
    pinned: bool
    holder: str | None
    order: tuple[str, ...]
    state: VipState
    links: tuple[str, ...] = ()  # where this node announces it
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """`announced` when every address it has is held by some node; else `reason` and `message` say why not.
    `refused_nodes` may not hold its addresses, each with the sentence that says why. `peers` are the BGP peers that
    hear of it from this node."""

    namespace: str
    name: str
    source: str
    policy: str
    ports: tuple[str, ...]
    wanted: int
    assigned: int
    announced: bool
    addresses: tuple[AddressStatus, ...]
    reason: str = ""
    message: str = ""
    refused_nodes: Mapping[str, str] = field(default_factory=dict)
    peers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """A class or pool: `total` and `used` addresses by family; a total stops at 2^63 - 1."""

    kind: str
    name: str
    ranges: tuple[str, ...]
    total_ipv4: int
    total_ipv6: int
    used_ipv4: int
    used_ipv6: int
    services: int
    nodes: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()


class Presence(StrEnum):
    """What this node knows of another's life. DRAINED: it said so itself (BFD AdminDown), it is drained or was stopped.
    UNWATCHED: no address to watch it at is known, so it counts as alive. APART: it shares no class and no pool with
    this node, which need not know."""

    ALIVE = "alive"
    DOWN = "down"
    DRAINED = "drained"
    UNWATCHED = "unwatched"
    APART = "apart"


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """A BFD session (RFC 5880) to another node. `link` is "" for one over several hops (RFC 5883). `state` is one of
    admin-down, down, init, up, `remote_state` what the other end said last; the diagnostics are the RFC's words, "" for
    none. `interval` between packets sent and `detection` time are in seconds as negotiated. `since` is the last change
    of state in seconds since the epoch; `ups` and `downs` count how often it came and went since the start of the
    reflex."""

    peer: str
    link: str
    local: str
    remote: str
    state: str
    diagnostic: str = ""
    remote_state: str = ""
    remote_diagnostic: str = ""
    interval: float = 0.0
    detection: float = 0.0
    since: float = 0.0
    ups: int = 0
    downs: int = 0


class PeerState(StrEnum):
    """Of a BGP session (RFC 4271 8.2.2). LISTENING is none: a network is waited for, and whoever comes from it has a
    session of its own."""

    IDLE = "idle"
    CONNECT = "connect"
    ACTIVE = "active"
    OPEN_SENT = "open-sent"
    OPEN_CONFIRM = "open-confirm"
    ESTABLISHED = "established"
    LISTENING = "listening"


@dataclass(frozen=True, slots=True)
class BgpTimers:
    """In seconds: `hold` and `keepalive` as negotiated, 0 for none, before that as offered; `retry` is until the next
    attempt to connect, None when none is due."""

    hold: float
    keepalive: float
    retry: float | None = None


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """A BGP session. `name` is that of the Peer, and NAME/ADDRESS for one that came from a network; `object` is the
    Reference of what asked for it. `remote` is the peer's address, or its network or link as long as its address is not
    known; `remote_asn` is what the peer said, else what is asked of it (a number, "internal" or "external").

    `since` is the last change of `state` in seconds since the epoch; `lost_at` is when an established session ended
    last, None if none ever did, and `lost_why` in words why. `error` is why the last session or attempt at one ended,
    "" when nothing ever went wrong; `message` is what keeps it from being established, or a route from being announced
    in it, and what to do.

    `families` are those agreed on (`ipv4`, `ipv6`), before that those offered. `sent` and `received` count the prefixes
    that this end and the other announce now. `bfd` is "" without BFD, else a state of a SessionStatus.
    `capabilities_*` are in words; `counters` are since the start of the daemon: messages by name with `.sent` and
    `.received` (`update.sent`, `routeRefresh.received`), `established`, `lost`, `rejected` (connections) and `flaws`
    (what RFC 7606 tolerates)."""

    name: str
    object: str
    remote: str
    remote_asn: str
    local_asn: int
    state: PeerState
    since: float
    lost_at: float | None = None
    lost_why: str = ""
    families: tuple[str, ...] = ()
    sent: int = 0
    received: int = 0
    bfd: str = ""
    error: str = ""
    error_at: float | None = None
    message: str = ""
    port: int = 179
    local: str = ""
    identifier: str = ""
    remote_identifier: str = ""
    passive: bool = False
    unnumbered: bool = False
    timers: BgpTimers = BgpTimers(0.0, 0.0)
    capabilities_sent: tuple[str, ...] = ()
    capabilities_received: tuple[str, ...] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    bfd_session: SessionStatus | None = None


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """A prefix as one peer hears it from this node. `next_hop` is "" as long as the session is not established;
    `services` are those that it is announced for."""

    peer: str
    prefix: str
    next_hop: str
    local_pref: int | None
    communities: tuple[str, ...]
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """`holds` counts the addresses that it answers for as far as this node knows; `message` says why it may hold none,
    if so. `sessions` are the BFD sessions of this node to it."""

    name: str
    me: bool
    addresses: tuple[str, ...]
    classes: tuple[str, ...]
    holds: int
    message: str = ""
    presence: Presence = Presence.ALIVE
    sessions: tuple[SessionStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkStatus:
    name: str
    index: int
    mac: str
    usable: bool
    holds: int
    addresses: tuple[str, ...] = ()
    message: str = ""  # why it is not used


@dataclass(frozen=True, slots=True)
class DirectoryStatus:
    """A state directory: `files` read from it and `objects` found in them."""

    path: str
    present: bool
    files: int
    objects: int


@dataclass(frozen=True, slots=True)
class ReflexStatus:
    """The child process that answers; `counters` by name since its start. `realtime`: it runs under SCHED_FIFO.
    `lateness` is the worst delay of one of its timers within the last second, in microseconds."""

    pid: int | None
    alive: bool
    realtime: bool
    restarts: int
    counters: Mapping[str, int] = field(default_factory=dict)
    lateness: int = 0


@dataclass(frozen=True, slots=True)
class DrainStatus:
    """An operator took the addresses off this node at `since`; `reason` is what was said why, "" for nothing. `done`
    when it answers for none any more."""

    since: float
    reason: str
    done: bool


@dataclass(frozen=True, slots=True)
class Move:
    """An address that this node answers for or announces, and who would if this one did not: a node, or for one that
    only BGP announces all those that do so too; None is nobody."""

    address: str
    services: tuple[str, ...]
    to: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """`drain` is None on a node that is not drained."""

    node: str
    version: str
    pid: int
    started: float
    ready: bool
    bind_addresses: bool
    vips: int
    holding: int
    services: tuple[ServiceStatus, ...]
    pools: tuple[PoolStatus, ...]
    nodes: tuple[NodeStatus, ...]
    links: tuple[LinkStatus, ...]
    state: tuple[DirectoryStatus, ...]
    reflex: ReflexStatus
    problems: tuple[Problem, ...]
    drain: DrainStatus | None = None
    peers: tuple[PeerStatus, ...] = ()


def plain(value: Any) -> Any:
    """A status value as JSON takes it: dataclasses become mappings of their fields."""
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return asdict(value)
