"""All that can be said of a session at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from .family_encoder import NextHop
from .messages import Capabilities
from .neighbor import Failure, Path, State
from .numbers import Family


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Moments are those of the clock that the session is given, durations are seconds.

    `hold_time`, `keepalive_time` and `families` are as agreed, before that as offered; 0 is none. `retry` is until the
    next attempt to connect, None when none is due. `announced` counts the prefixes that the peer was told, `left_out`
    those that it cannot be told, by the reason in words; `heard` those that it announces. `counters` are since the
    beginning: messages by name with `.sent` and `.received`, `established`, `lost`, `rejected` (connections), `flaws`
    (RFC 7606), `endOfRib.received`.
    """

    state: State
    since: float
    hold_time: float
    keepalive_time: float
    families: frozenset[Family]
    retry: float | None = None
    announced: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    next_hops: Mapping[Family, NextHop] = field(default_factory=dict)
    heard: int = 0
    failure: Failure | None = None
    failed_at: float | None = None
    path: Path | None = None
    capabilities_sent: Capabilities | None = None
    capabilities_received: Capabilities | None = None
    remote_as: int | None = None
    remote_identifier: IPv4Address | None = None
    counters: Mapping[str, int] = field(default_factory=dict)
