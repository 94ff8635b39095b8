"""Router Advertisements and Solicitations, RFC 4861 4.1 and 4.2: how routers on a link learn each other's addresses.

A message here is what an ICMPv6 socket carries: the kernel writes and checks the checksum, and tells the source and
the hop limit apart from it.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

from mlbd.proto.neighbor.frame import DropReason

ROUTER_SOLICITATION: Final = 133
ROUTER_ADVERTISEMENT: Final = 134
ALL_NODES: Final = IPv6Address("ff02::1")
ALL_ROUTERS: Final = IPv6Address("ff02::2")
HOP_LIMIT: Final = 255
UNSPECIFIED: Final = IPv6Address("::")

# Type, code and checksum; four reserved octets.
_SOLICITATION: Final = struct.Struct("!BBH4x")
# Type, code and checksum; Cur Hop Limit, flags, Router Lifetime, Reachable Time, Retrans Timer.
_ADVERTISEMENT: Final = struct.Struct("!BBHBBHII")
_SOURCE_LINK_LAYER: Final = 1


@dataclass(frozen=True, slots=True)
class RouterSolicitation:
    """`link_layer` is the source link-layer address option, None when absent."""

    link_layer: bytes | None = None


@dataclass(frozen=True, slots=True)
class RouterAdvertisement:
    """`lifetime` is for how many seconds hosts may take the sender for a default router, 0 for not at all. What else an
    advertisement can say is left unspecified in ours, so that no host changes anything for it."""

    lifetime: int = 0
    link_layer: bytes | None = None


RouterMessage = RouterSolicitation | RouterAdvertisement


def decode(octets: bytes, source: IPv6Address, hop_limit: int) -> RouterMessage | DropReason:
    """Reads and validates as RFC 4861 6.1.1 and 6.1.2 demand; never raises. `source` and `hop_limit` are those of the
    IPv6 header."""
    if hop_limit != HOP_LIMIT:  # a router in between would have taken one off
        return DropReason.HOP_LIMIT
    match octets[:2]:
        case b"\x85\0" if len(octets) >= _SOLICITATION.size:
            return _solicitation(octets, source)
        case b"\x86\0" if len(octets) >= _ADVERTISEMENT.size and source.is_link_local:
            return _advertisement(octets)
    return DropReason.MALFORMED


def _solicitation(octets: bytes, source: IPv6Address) -> RouterSolicitation | DropReason:
    options = _options(octets[_SOLICITATION.size :])
    if options is None or (source == UNSPECIFIED and _SOURCE_LINK_LAYER in options):
        return DropReason.MALFORMED
    return RouterSolicitation(options.get(_SOURCE_LINK_LAYER))


def _advertisement(octets: bytes) -> RouterAdvertisement | DropReason:
    options = _options(octets[_ADVERTISEMENT.size :])
    if options is None:
        return DropReason.MALFORMED
    lifetime: int = _ADVERTISEMENT.unpack_from(octets)[5]
    return RouterAdvertisement(lifetime, options.get(_SOURCE_LINK_LAYER))


def _options(octets: bytes) -> dict[int, bytes] | None:
    """What the options hold by option type, of several the last; None when one is malformed.

    RFC 4861 4.6: lengths are in units of eight octets and zero is an error. Every step consumes at least eight octets,
    so this ends.
    """
    found: dict[int, bytes] = {}
    at = 0
    while at < len(octets):
        size = octets[at + 1] * 8 if at + 1 < len(octets) else 0
        if size == 0 or at + size > len(octets):
            return None
        found[octets[at]] = octets[at + 2 : at + size]
        at += size
    return found


def encode(message: RouterMessage) -> bytes:
    """`link_layer` is an Ethernet address, None on a link without them."""
    match message:
        case RouterSolicitation():
            head = _SOLICITATION.pack(ROUTER_SOLICITATION, 0, 0)
        case RouterAdvertisement():
            head = _ADVERTISEMENT.pack(ROUTER_ADVERTISEMENT, 0, 0, 0, 0, message.lifetime, 0, 0)
    option = b"" if message.link_layer is None else bytes((_SOURCE_LINK_LAYER, 1)) + message.link_layer
    return head + option


def destination(message: RouterMessage) -> IPv6Address:
    return ALL_ROUTERS if isinstance(message, RouterSolicitation) else ALL_NODES
