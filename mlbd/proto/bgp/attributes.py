"""What a speaker says of the prefixes that it originates, as path attributes (RFC 4271 4.3).

MP_REACH_NLRI and MP_UNREACH_NLRI come before all others (RFC 7606 5.1), these in the order of their types.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Final

from .messages import Attributes
from .negotiated import Negotiated
from .numbers import AS_TRANS, Attribute, Family, Role, Segment

DEFAULT_LOCAL_PREF: Final = 100

_IGP: Final = 0  # routers put only routes of one ORIGIN into a multipath set
_LARGEST_SHORT_AS: Final = 0xFFFF

#: Roles whose peers must not pass a route on to their own providers and peers (RFC 9234 5).
_NOT_UPWARDS: Final = (Role.PROVIDER, Role.PEER, Role.RS)

_OPTIONAL: Final = 0x80
_TRANSITIVE: Final = 0x40
_EXTENDED_LENGTH: Final = 0x10

_FLAGS: Final = {
    Attribute.ORIGIN: _TRANSITIVE,
    Attribute.AS_PATH: _TRANSITIVE,
    Attribute.NEXT_HOP: _TRANSITIVE,
    Attribute.LOCAL_PREF: _TRANSITIVE,
    Attribute.COMMUNITIES: _OPTIONAL | _TRANSITIVE,
    Attribute.EXTENDED_COMMUNITIES: _OPTIONAL | _TRANSITIVE,
    Attribute.AS4_PATH: _OPTIONAL | _TRANSITIVE,
    Attribute.LARGE_COMMUNITIES: _OPTIONAL | _TRANSITIVE,
    Attribute.ONLY_TO_CUSTOMER: _OPTIONAL | _TRANSITIVE,
}


def encode_attributes(attributes: Attributes, negotiated: Negotiated, next_hop: IPv4Address | None = None) -> bytes:
    """All but MP_REACH_NLRI; `next_hop` is for IPv4 prefixes outside of it."""
    return b"".join(_encode(kind, value) for kind, value in _values(attributes, negotiated, next_hop))


def _values(
    attributes: Attributes, negotiated: Negotiated, next_hop: IPv4Address | None
) -> Iterator[tuple[Attribute, bytes]]:
    yield Attribute.ORIGIN, bytes((_IGP,))
    yield Attribute.AS_PATH, _as_path(negotiated)
    if next_hop is not None:
        yield Attribute.NEXT_HOP, next_hop.packed
    if negotiated.internal:
        local_pref = DEFAULT_LOCAL_PREF if attributes.local_pref is None else attributes.local_pref
        yield Attribute.LOCAL_PREF, local_pref.to_bytes(4, "big")
    if communities := attributes.communities:
        yield Attribute.COMMUNITIES, struct.pack(f"!{len(communities)}I", *communities)
    if extended := attributes.extended_communities:
        yield Attribute.EXTENDED_COMMUNITIES, struct.pack(f"!{len(extended)}Q", *extended)
    if not (negotiated.internal or negotiated.four_octet_as) and negotiated.local_as > _LARGEST_SHORT_AS:
        yield Attribute.AS4_PATH, _sequence(negotiated.local_as, 4)
    if large := attributes.large_communities:
        yield Attribute.LARGE_COMMUNITIES, b"".join(struct.pack("!III", *community) for community in large)
    if negotiated.role in _NOT_UPWARDS:
        yield Attribute.ONLY_TO_CUSTOMER, negotiated.local_as.to_bytes(4, "big")


def _as_path(negotiated: Negotiated) -> bytes:
    """Ours for external peers, empty for internal ones (RFC 4271 5.1.2); to whom knows two octets only, AS_TRANS stands
    for a number that needs four (RFC 6793 4.2.2)."""
    if negotiated.internal:
        return b""
    if negotiated.four_octet_as:
        return _sequence(negotiated.local_as, 4)
    return _sequence(negotiated.local_as if negotiated.local_as <= _LARGEST_SHORT_AS else AS_TRANS, 2)


def _sequence(asn: int, octets: int) -> bytes:
    return bytes((Segment.AS_SEQUENCE, 1)) + asn.to_bytes(octets, "big")


def _encode(kind: Attribute, value: bytes) -> bytes:
    if len(value) > 255:
        return struct.pack("!BBH", _FLAGS[kind] | _EXTENDED_LENGTH, kind, len(value)) + value
    return bytes((_FLAGS[kind], kind, len(value))) + value


def encode_mp_reach(family: Family, next_hop: bytes, nlri: bytes) -> bytes:
    """`next_hop` has 4, 16 or 32 octets: an address, or an IPv6 one and a link-local one (RFC 2545 3)."""
    head = struct.pack("!HBB", *family.value, len(next_hop))
    return _multiprotocol(Attribute.MP_REACH_NLRI, head + next_hop + b"\0" + nlri)


def encode_mp_unreach(family: Family, nlri: bytes) -> bytes:
    return _multiprotocol(Attribute.MP_UNREACH_NLRI, struct.pack("!HB", *family.value) + nlri)


def _multiprotocol(kind: Attribute, value: bytes) -> bytes:
    """Always with the length in two octets: so the room that it leaves for prefixes does not depend on them."""
    return struct.pack("!BBH", _OPTIONAL | _EXTENDED_LENGTH, kind, len(value)) + value
