"""What the OPENs of both sides make of a session."""

from __future__ import annotations

from dataclasses import dataclass

from .messages import Open
from .numbers import LONGEST, LONGEST_EXTENDED, Family, Role


@dataclass(frozen=True, slots=True)
class Negotiated:
    """`internal`: both are of one AS. `extended_next_hop` are the families whose routes may have an IPv6 next hop.
    `role` is this end's (RFC 9234).
    `longest_sent` and `longest_received` are octets of a message, which each side says for itself (RFC 8654 4)."""

    local_as: int
    internal: bool
    families: frozenset[Family] = frozenset({Family.IPV4})
    four_octet_as: bool = True
    extended_next_hop: frozenset[Family] = frozenset()
    route_refresh: bool = False
    enhanced_refresh: bool = False
    role: Role | None = None
    longest_sent: int = LONGEST
    longest_received: int = LONGEST


def negotiate(sent: Open, received: Open) -> Negotiated:
    ours, theirs = sent.capabilities, received.capabilities
    return Negotiated(
        local_as=sent.asn,
        internal=sent.asn == received.asn,
        families=ours.families & theirs.families,
        four_octet_as=ours.asn is not None and theirs.asn is not None,
        extended_next_hop=ours.extended_next_hop & theirs.extended_next_hop,
        route_refresh=ours.route_refresh and theirs.route_refresh,
        enhanced_refresh=ours.enhanced_refresh and theirs.enhanced_refresh,
        role=ours.role,
        longest_sent=LONGEST_EXTENDED if theirs.extended_messages else LONGEST,
        longest_received=LONGEST_EXTENDED if ours.extended_messages else LONGEST,
    )
