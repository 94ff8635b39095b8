"""How the routes of one address family are said in one session: by which next hop, and in which fields.

IPv4 prefixes with an IPv4 next hop have fields of their own in an UPDATE (RFC 4271 4.3), all others go into
MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from . import packing
from .attributes import encode_attributes, encode_mp_reach
from .messages import Address, Attributes, Prefix
from .negotiated import Negotiated
from .neighbor import Path
from .nlri import BITS, encode_nlri
from .numbers import HEADER_OCTETS, Family

_LENGTHS: Final = 4  # of an UPDATE's withdrawn routes and path attributes

NextHop = tuple[Address, ...]
"""One address, or an IPv6 one and the link-local one beside it (RFC 2545 3)."""


class FamilyEncoder:
    def __init__(self, family: Family, next_hop: NextHop, negotiated: Negotiated) -> None:
        self.family = family
        self.next_hop = next_hop
        self._negotiated = negotiated
        first = next_hop[0]
        #: None for prefixes that go into MP_REACH_NLRI.
        self._classic = first if family is Family.IPV4 and isinstance(first, IPv4Address) else None
        self._packed = b"".join(address.packed for address in next_hop)
        reach = 0 if self._classic else len(encode_mp_reach(family, self._packed, b""))
        longest_prefix = 1 + BITS[family] // 8
        self._room = negotiated.longest_sent - HEADER_OCTETS - _LENGTHS - reach - longest_prefix

    def encode(self, attributes: Attributes) -> bytes | None:
        """None when a message has no room for them and a prefix."""
        octets = encode_attributes(attributes, self._negotiated, self._classic)
        return octets if len(octets) <= self._room else None

    def announce(self, attributes: bytes, prefixes: Iterable[Prefix]) -> list[bytes]:
        """`attributes` is what encode() gave."""
        nlri, longest = encode_nlri(prefixes), self._negotiated.longest_sent
        if self._classic:
            return packing.announce(attributes, nlri, longest)
        return packing.announce_multiprotocol(self.family, self._packed, attributes, nlri, longest)

    def withdraw(self, prefixes: Iterable[Prefix]) -> list[bytes]:
        nlri, longest = encode_nlri(prefixes), self._negotiated.longest_sent
        if self._classic:
            return packing.withdraw(nlri, longest)
        return packing.withdraw_multiprotocol(self.family, nlri, longest)


def encoders(negotiated: Negotiated, path: Path) -> dict[Family, FamilyEncoder]:
    """Of the agreed families those that have a next hop."""
    found = {family: _next_hop(family, negotiated, path) for family in Family if family in negotiated.families}
    return {family: FamilyEncoder(family, hop, negotiated) for family, hop in found.items() if hop}


def _next_hop(family: Family, negotiated: Negotiated, path: Path) -> NextHop:
    """The session's own address where it can be, as for any other route of this speaker."""
    if family is Family.IPV6:
        return tuple(_ipv6_next_hop(path))
    if isinstance(path.local, IPv4Address):
        return (path.local,)
    if family in negotiated.extended_next_hop:  # RFC 8950
        return tuple(_ipv6_next_hop(path))
    return () if path.ipv4 is None else (path.ipv4,)


def _ipv6_next_hop(path: Path) -> Iterator[IPv6Address]:
    """Where there is no other address, the link-local one alone: what unnumbered peers send each other."""
    local = path.local if isinstance(path.local, IPv6Address) else None
    link_local = local if local and local.is_link_local else path.link_local
    if (other := path.ipv6 if local in (None, link_local) else local) is not None:
        yield other
    if link_local is not None:
        yield link_local
