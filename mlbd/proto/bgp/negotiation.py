"""What an OPEN offers, and whether the peer's can be taken (RFC 4271 6.2)."""

from __future__ import annotations

from typing import Final

from .failures import family_name
from .messages import Capabilities, GracefulRestart, Notification, Open
from .neighbor import Failure, Neighbor, Path, Remote
from .numbers import Capability, ErrorCode, Family, OpenError, Role

#: RFC 9234 4.2.
_COUNTERPARTS: Final = {
    Role.PROVIDER: Role.CUSTOMER,
    Role.CUSTOMER: Role.PROVIDER,
    Role.RS: Role.RS_CLIENT,
    Role.RS_CLIENT: Role.RS,
    Role.PEER: Role.PEER,
}


def offer(neighbor: Neighbor, path: Path, first: bool) -> Open:
    """`first`: no session was Established yet in this life of the speaker."""
    return Open(
        neighbor.local_as,
        neighbor.hold_time,
        neighbor.identifier,
        Capabilities(
            families=neighbor.families,
            asn=neighbor.local_as,
            route_refresh=True,
            enhanced_refresh=True,
            extended_messages=True,
            extended_next_hop=_extended_next_hop(neighbor, path),
            graceful_restart=_graceful_restart(neighbor, first) if neighbor.restart_time else None,
            role=_role(neighbor),
        ),
    )


def _role(neighbor: Neighbor) -> Role | None:
    """There are none within an AS (RFC 9234 4.1)."""
    is_internal = neighbor.remote_as in (Remote.INTERNAL, neighbor.local_as)
    return None if is_internal else neighbor.role


def _extended_next_hop(neighbor: Neighbor, path: Path) -> frozenset[Family]:
    """Where the peer is reached over IPv6, it can be a next hop for IPv4 (RFC 8950)."""
    return neighbor.families & {Family.IPV4} if path.local.version == 6 else frozenset()


def _graceful_restart(neighbor: Neighbor, first: bool) -> GracefulRestart:
    """It is the kernel that forwards: but for a beginning from nothing, the state was preserved."""
    preserved = neighbor.restarted or not first
    return GracefulRestart(
        neighbor.restart_time,
        restarted=neighbor.restarted and first,
        notification=True,
        families=dict.fromkeys(_sorted(neighbor.families), preserved),
    )


def refusal(neighbor: Neighbor, received: Open) -> Failure | None:
    """Why there can be no session with who sent this OPEN, which decoded."""
    if not _is_expected(received.asn, neighbor):
        return _refuse(
            OpenError.BAD_PEER_AS,
            f"the peer's AS is {received.asn}, and {_expected(neighbor)} is expected: correct what is expected here, "
            f"or the AS of the peer",
        )
    if received.identifier == neighbor.identifier:
        # RFC 6286 2.2 says so of internal peers. An external one would be told apart by its AS; but who has our
        # identifier is this node itself or has a copy of its configuration.
        return _refuse(
            OpenError.BAD_BGP_IDENTIFIER,
            f"the peer has this speaker's own identifier {neighbor.identifier}: give one of the two another",
        )
    ours, theirs = _role(neighbor), received.capabilities.role
    if ours is not None and theirs is not None and _COUNTERPARTS[ours] is not theirs:
        return _refuse(
            OpenError.ROLE_MISMATCH,
            f"the peer's role is {_name(theirs)}, and a {_name(ours)} talks to a {_name(_COUNTERPARTS[ours])}: correct "
            "the role on one of the two",
        )
    if not neighbor.families & received.capabilities.families:
        return _refuse(
            OpenError.UNSUPPORTED_CAPABILITY,
            f"no address family in common: this end has {_families(neighbor.families)}, the peer "
            f"{_families(received.capabilities.families)}: activate one on both",
            b"".join(_multiprotocol(family) for family in _sorted(neighbor.families)),
        )
    return None


def hold_time(sent: Open, received: Open) -> int:
    """0 is none (RFC 4271 4.2)."""
    return min(sent.hold_time, received.hold_time)


def keepalive_time(neighbor: Neighbor, hold: int) -> float:
    """A third of the hold time at most, and never more often than one a second (RFC 4271 4.4); 0 for none."""
    if not hold:
        return 0.0
    return max(1.0, min(neighbor.keepalive_time or hold, hold / 3))


def preserves_after_notification(sent: Open, received: Open) -> bool:
    """Whether a NOTIFICATION makes the peer keep our routes (RFC 8538 2)."""
    ours, theirs = sent.capabilities.graceful_restart, received.capabilities.graceful_restart
    return ours is not None and theirs is not None and ours.notification and theirs.notification


def _is_expected(asn: int, neighbor: Neighbor) -> bool:
    match neighbor.remote_as:
        case Remote.INTERNAL:
            return asn == neighbor.local_as
        case Remote.EXTERNAL:
            return asn != neighbor.local_as
        case number:
            return asn == number


def _expected(neighbor: Neighbor) -> str:
    match neighbor.remote_as:
        case Remote.INTERNAL:
            return f"{neighbor.local_as}, this speaker's own,"
        case Remote.EXTERNAL:
            return f"another than {neighbor.local_as}, this speaker's own,"
        case number:
            return str(number)


def _refuse(subcode: OpenError, text: str, data: bytes = b"") -> Failure:
    return Failure(f"cannot open the session: {text}", Notification(ErrorCode.OPEN_MESSAGE, subcode, data))


def _multiprotocol(family: Family) -> bytes:
    """The capability that the peer lacks, as RFC 5492 3 wants it told."""
    afi, safi = family.value
    return bytes((Capability.MULTIPROTOCOL, 4, *afi.to_bytes(2, "big"), 0, safi))


def _sorted(families: frozenset[Family]) -> list[Family]:
    return sorted(families, key=lambda family: family.value)


def _name(role: Role) -> str:
    return role.name.lower().replace("_", "-")


def _families(families: frozenset[Family]) -> str:
    return " and ".join(map(family_name, _sorted(families))) or "none that is known here"
