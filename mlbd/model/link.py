"""A network link of this host, and why one is not used to answer for addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Interface, IPv6Interface

from .wording import shown

ETHERNET_OCTETS = 6


@dataclass(frozen=True, slots=True)
class Link:
    """`mac` is its Ethernet address (empty: it has none); `kind` is rtnetlink's IFLA_INFO_KIND
    ("bridge", "bond", "vlan", "veth"), empty for hardware; `carrier` is a cable, or what the kind counts as one;
    `master` is the name of the bridge or bond it is a port of; `addresses` are in a stable order."""

    index: int
    name: str
    mac: bytes
    kind: str = ""
    up: bool = True
    carrier: bool = True
    master: str | None = None
    noarp: bool = False
    loopback: bool = False
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = ()


class Reason(StrEnum):
    LOOPBACK = "Loopback"
    EXCLUDED = "Excluded"
    ENSLAVED = "Enslaved"
    NO_ARP = "NoARP"
    NO_MAC = "NoMAC"
    DOWN = "Down"
    NO_CARRIER = "NoCarrier"


@dataclass(frozen=True, slots=True)
class Unusable:
    """A reason as a word for programs and a clause for people, to follow the link's name."""

    reason: Reason
    message: str


def unusable(link: Link, excluded: Iterable[re.Pattern[str]] = ()) -> Unusable | None:
    """Why no address is announced on the link, None when it may be; what lasts is named before what may pass."""
    pattern = next((pattern for pattern in excluded if pattern.search(link.name)), None)
    rules = (
        (link.loopback, Reason.LOOPBACK, "is a loopback"),
        (pattern, Reason.EXCLUDED, f"is excluded by {shown(pattern.pattern)} of excludeInterfaces" if pattern else ""),
        (link.master, Reason.ENSLAVED, f"is a port of {link.master}, which is used in its place"),
        (link.noarp, Reason.NO_ARP, "does not resolve addresses (NOARP)"),
        (len(link.mac) != ETHERNET_OCTETS, Reason.NO_MAC, "has no Ethernet address"),
        (not link.up, Reason.DOWN, f"is down: ip link set {link.name} up"),
        (not link.carrier, Reason.NO_CARRIER, "has no carrier: check its cable or its lower link"),
    )
    return next((Unusable(reason, message) for broken, reason, message in rules if broken), None)
