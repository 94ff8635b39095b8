"""Which flags and values each path attribute must have, and what becomes of an UPDATE in which one is malformed.

Lines of the table are the sections of RFC 7606 7, and of the RFCs that follow it. What a speaker that imports nothing
does not need, such as the loops that an ORIGINATOR_ID tells of, is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final, NamedTuple

from .negotiated import Negotiated
from .numbers import Attribute, Segment, UpdateError

OPTIONAL: Final = 0x80
TRANSITIVE: Final = 0x40
EXTENDED_LENGTH: Final = 0x10

#: What is wrong with a value, None for nothing.
Check = Callable[[bytes, Negotiated], UpdateError | None]


class From(Enum):
    """Whom an attribute is for; from all others it is discarded unseen."""

    ANYBODY = "anybody"
    INTERNAL = "an internal peer"
    TWO_OCTET_AS = "a peer without four-octet AS numbers"


class Rule(NamedTuple):
    """`discard`: a malformed value costs only the attribute; else the routes of the UPDATE count as withdrawn."""

    flags: int
    check: Check
    discard: bool = False
    source: From = From.ANYBODY

    def is_for(self, negotiated: Negotiated) -> bool:
        match self.source:
            case From.ANYBODY:
                return True
            case From.INTERNAL:
                return negotiated.internal
            case From.TWO_OCTET_AS:
                return not negotiated.four_octet_as


def _octets(length: int) -> Check:
    return lambda value, _: None if len(value) == length else UpdateError.ATTRIBUTE_LENGTH_ERROR


def _items(length: int) -> Check:
    """One at least."""
    return lambda value, _: UpdateError.ATTRIBUTE_LENGTH_ERROR if not value or len(value) % length else None


def _origin(value: bytes, _: Negotiated) -> UpdateError | None:
    if len(value) != 1:
        return UpdateError.ATTRIBUTE_LENGTH_ERROR
    return None if value[0] <= 2 else UpdateError.INVALID_ORIGIN_ATTRIBUTE


def _next_hop(value: bytes, _: Negotiated) -> UpdateError | None:
    """A host's address, which 0/8, 127/8 and what begins at 224.0.0.0 are not."""
    if len(value) != 4:
        return UpdateError.ATTRIBUTE_LENGTH_ERROR
    return UpdateError.INVALID_NEXT_HOP_ATTRIBUTE if value[0] in (0, 127) or value[0] >= 224 else None


def _as_path(value: bytes, negotiated: Negotiated) -> UpdateError | None:
    """Sets are no longer to be used (RFC 9774 3); confederations are not told to anybody outside (RFC 5065 4)."""
    allowed = (Segment.AS_SEQUENCE, Segment.AS_CONFED_SEQUENCE) if negotiated.internal else (Segment.AS_SEQUENCE,)
    octets = 4 if negotiated.four_octet_as else 2
    return None if _has_segments(value, octets, allowed) else UpdateError.MALFORMED_AS_PATH


def _as4_path(value: bytes, _: Negotiated) -> UpdateError | None:
    allowed = (Segment.AS_SET, Segment.AS_SEQUENCE)
    return None if value and _has_segments(value, 4, allowed) else UpdateError.OPTIONAL_ATTRIBUTE_ERROR


def _has_segments(path: bytes, octets: int, allowed: tuple[Segment, ...]) -> bool:
    """Whether the path is nothing but segments of these kinds, none empty, without AS number 0 (RFC 7607 2)."""
    at, zero = 0, bytes(octets)
    while at < len(path):
        start = at + 2
        if start > len(path) or path[at] not in allowed:
            return False
        at = start + path[at + 1] * octets
        if at == start or at > len(path) or any(path[n : n + octets] == zero for n in range(start, at, octets)):
            return False
    return True


def _aggregator(value: bytes, negotiated: Negotiated) -> UpdateError | None:
    return _as_and_address(value, 4 if negotiated.four_octet_as else 2)


def _as4_aggregator(value: bytes, _: Negotiated) -> UpdateError | None:
    return _as_and_address(value, 4)


def _as_and_address(value: bytes, octets: int) -> UpdateError | None:
    if len(value) != octets + 4:
        return UpdateError.ATTRIBUTE_LENGTH_ERROR
    return None if any(value[:octets]) else UpdateError.OPTIONAL_ATTRIBUTE_ERROR  # RFC 7607 2


#: By type. MP_REACH_NLRI and MP_UNREACH_NLRI are not here: without them it is not known where the prefixes are.
RULES: Final[Mapping[int, Rule]] = {
    Attribute.ORIGIN: Rule(TRANSITIVE, _origin),
    Attribute.AS_PATH: Rule(TRANSITIVE, _as_path),
    Attribute.NEXT_HOP: Rule(TRANSITIVE, _next_hop),
    Attribute.MULTI_EXIT_DISC: Rule(OPTIONAL, _octets(4)),
    Attribute.LOCAL_PREF: Rule(TRANSITIVE, _octets(4), source=From.INTERNAL),
    Attribute.ATOMIC_AGGREGATE: Rule(TRANSITIVE, _octets(0), discard=True),
    Attribute.AGGREGATOR: Rule(OPTIONAL | TRANSITIVE, _aggregator, discard=True),
    Attribute.COMMUNITIES: Rule(OPTIONAL | TRANSITIVE, _items(4)),
    Attribute.ORIGINATOR_ID: Rule(OPTIONAL, _octets(4), source=From.INTERNAL),
    Attribute.CLUSTER_LIST: Rule(OPTIONAL, _items(4), source=From.INTERNAL),
    Attribute.EXTENDED_COMMUNITIES: Rule(OPTIONAL | TRANSITIVE, _items(8)),
    Attribute.AS4_PATH: Rule(OPTIONAL | TRANSITIVE, _as4_path, discard=True, source=From.TWO_OCTET_AS),
    Attribute.AS4_AGGREGATOR: Rule(OPTIONAL | TRANSITIVE, _as4_aggregator, discard=True, source=From.TWO_OCTET_AS),
    Attribute.IPV6_EXTENDED_COMMUNITIES: Rule(OPTIONAL | TRANSITIVE, _items(20)),
    Attribute.LARGE_COMMUNITIES: Rule(OPTIONAL | TRANSITIVE, _items(12)),
    Attribute.ONLY_TO_CUSTOMER: Rule(OPTIONAL | TRANSITIVE, _octets(4)),
}
