"""What the routers of the lab are told of a neighbor, and what they are asked about it, whichever daemon it is."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.lab import Host, command


@dataclass(frozen=True, slots=True)
class Peer:
    """One neighbor. `address` with `interface` is a link-local one, `interface` alone an unnumbered one, `network`
    alone is whoever connects from it. `families` are 4 and 6; `ttl_security` and `multi_hop` are numbers of hops, 0
    without; `bfd` is 3 x 50 ms. `hold` and `restart_time` in seconds, no graceful restart of its own at 0. `role` is
    the router's own, a word of RFC 9234. `lines` are in the words of the daemon's configuration, for this neighbor."""

    asn: int
    address: str = ""
    interface: str = ""
    network: str = ""
    families: tuple[int, ...] = (4,)
    password: str = ""
    ttl_security: int = 0
    multi_hop: int = 0
    bfd: bool = False
    hold: int = 9
    passive: bool = False
    source: str = ""
    extended_next_hop: bool = False
    restart_time: int = 0
    role: str = ""
    lines: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.address or self.interface or self.network


@dataclass(frozen=True, slots=True)
class Session:
    """`established` and what the daemon says of the end of the one before: `error` in its own words, `shutdown` the
    communication of RFC 9003. `bfd` is "up", "down", or "" without; `hold` the negotiated seconds."""

    established: bool
    state: str
    error: str = ""
    shutdown: str = ""
    bfd: str = ""
    hold: int = 0


@dataclass(frozen=True, slots=True)
class Path:
    """One way to a prefix. Communities as the field writes them: 65000:1, 64512:0:7, rt:64512:7."""

    next_hops: frozenset[str]
    as_path: tuple[int, ...] = ()
    origin: str = ""
    local_pref: int | None = None
    communities: frozenset[str] = frozenset()
    stale: bool = False


def fib(host: Host, version: int = 4) -> dict[str, frozenset[str]]:
    """What the kernel forwards by routes that a daemon put there: next hops by prefix."""
    listed = json.loads(command(*host.inside("ip", "-json", f"-{version}", "route", "show", "proto", "bgp")) or "[]")
    listed += json.loads(command(*host.inside("ip", "-json", f"-{version}", "route", "show", "proto", "bird")) or "[]")
    return {_prefix(entry["dst"], version): frozenset(_next_hops(entry)) for entry in listed}


def _prefix(text: str, version: int) -> str:
    """ip(8) leaves out the length of a host's route."""
    return text if "/" in text else f"{text}/{32 if version == 4 else 128}"


def _next_hops(entry: dict[str, object]) -> list[str]:
    """A next hop of the other family is a `via` of its own (RFC 8950)."""
    ways = entry.get("nexthops", [entry])
    assert isinstance(ways, list)
    return [way["gateway"] if "gateway" in way else way["via"]["host"] for way in ways]
