"""What two speakers say to each other (RFC 4271 4, RFC 2918)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from .numbers import Family, Role

Address = IPv4Address | IPv6Address
Prefix = IPv4Network | IPv6Network
#: A received prefix: its length in bits, then its octets (RFC 4271 4.3). Equal prefixes are equal octets.
Nlri = bytes


@dataclass(frozen=True, slots=True)
class GracefulRestart:
    """RFC 4724 3, RFC 8538 2. `families` with whether their forwarding state was preserved; `seconds` 0 to 4095."""

    seconds: int
    restarted: bool = False
    notification: bool = False
    families: Mapping[Family, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an OPEN offers (RFC 5492). Of a received one, what mlbd knows; `unknown` are the codes of the others.
    `asn` is None without four-octet AS numbers (RFC 6793). `extended_next_hop`: families whose routes may have an
    IPv6 next hop (RFC 8950). Without any multiprotocol capability `families` is IPv4 (RFC 4760 8)."""

    families: frozenset[Family] = frozenset()
    asn: int | None = None
    route_refresh: bool = False
    enhanced_refresh: bool = False
    extended_messages: bool = False
    extended_next_hop: frozenset[Family] = frozenset()
    graceful_restart: GracefulRestart | None = None
    role: Role | None = None
    unknown: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Open:
    """`asn` is the whole number: that of the capability where there is one. `hold_time` in seconds."""

    asn: int
    hold_time: int
    identifier: IPv4Address
    capabilities: Capabilities = Capabilities()


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is said of a prefix. A session adds ORIGIN IGP, its AS_PATH and its next hop. Communities are 32 bit
    numbers (RFC 1997), three of 32 bits (RFC 8092), 64 bit numbers (RFC 4360). `local_pref` is told to internal peers
    only; None is 100 there."""

    local_pref: int | None = None
    communities: tuple[int, ...] = ()
    large_communities: tuple[tuple[int, int, int], ...] = ()
    extended_communities: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """A received UPDATE, reduced to what a speaker that imports nothing needs of it: prefixes by agreed family. Of one
    that is in both, `announced` holds (RFC 4271 4.3). Those that RFC 7606 treats as withdrawn are in `withdrawn`.
    `end_of_rib` is the family of an End-of-RIB marker (RFC 4724 2). `flaws` says of each tolerated error what was
    wrong (RFC 7606)."""

    announced: Mapping[Family, tuple[Nlri, ...]] = field(default_factory=dict)
    withdrawn: Mapping[Family, tuple[Nlri, ...]] = field(default_factory=dict)
    end_of_rib: Family | None = None
    flaws: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notification:
    code: int
    subcode: int = 0
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Keepalive:
    pass


@dataclass(frozen=True, slots=True)
class RouteRefresh:
    """`subtype` 0 asks for the routes again, 1 and 2 are around them (RFC 7313). `family` is None for one that mlbd
    does not speak: it is ignored."""

    family: Family | None
    subtype: int = 0


Message = Open | Update | Notification | Keepalive | RouteRefresh


class BgpError(Exception):
    """What a peer did that ends the session: exactly the NOTIFICATION that answers it."""

    def __init__(self, notification: Notification) -> None:
        super().__init__(notification)
        self.notification = notification
