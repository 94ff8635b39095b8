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
    """What this node does with an address: STANDBY when another node stands before it, SILENT when it may hold it but
    has no usable link, CONFLICT when somebody else's host has the address."""

    HOLDING = "holding"
    PROBING = "probing"
    CONFLICT = "conflict"
    STANDBY = "standby"
    SILENT = "silent"
    NONE = "none"  # this node may not hold it


@dataclass(frozen=True, slots=True)
class AddressStatus:
    """One slot of a Service. `holder` is the node that should answer for it; `state` is this node's own part."""

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
    `refused_nodes` may not hold its addresses, each with the sentence that says why."""

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


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """`holds` counts the addresses that the plan gives it; `message` says why it may hold none, if so."""

    name: str
    me: bool
    addresses: tuple[str, ...]
    classes: tuple[str, ...]
    holds: int
    message: str = ""


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
class Status:
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


def plain(value: Any) -> Any:
    """A status value as JSON takes it: dataclasses become mappings of their fields."""
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return asdict(value)
