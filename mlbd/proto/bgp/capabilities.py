"""The capabilities of an OPEN (RFC 5492 4), each a code, a length and a value."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from .messages import BgpError, Capabilities, GracefulRestart, Notification
from .numbers import FAMILIES, Capability, ErrorCode, Family, OpenError, Role

_KNOWN: Final = frozenset(Capability)

_FAMILY: Final = struct.Struct("!HxB")
_NEXT_HOP: Final = struct.Struct("!HHH")  # here the subsequent identifier has two octets (RFC 8950 4)
_NEXT_HOP_IPV6: Final = 2
_RESTART: Final = struct.Struct("!H")
_RESTART_FAMILY: Final = struct.Struct("!HBB")
_RESTARTED: Final = 0x8000
_NOTIFICATION: Final = 0x4000  # RFC 8538 2
_SECONDS: Final = 0x0FFF
_FORWARDING: Final = 0x80
_ASN: Final = struct.Struct("!I")


def encode_capabilities(capabilities: Capabilities) -> bytes:
    return b"".join(bytes((code, len(value))) + value for code, value in _values(capabilities))


def _values(capabilities: Capabilities) -> Iterator[tuple[Capability, bytes]]:
    """In the order of their codes; equal capabilities are equal octets."""
    for family in _sorted(capabilities.families):
        yield Capability.MULTIPROTOCOL, _FAMILY.pack(*family.value)
    if capabilities.route_refresh:
        yield Capability.ROUTE_REFRESH, b""
    if capabilities.extended_next_hop:
        families = _sorted(capabilities.extended_next_hop)
        yield (
            Capability.EXTENDED_NEXT_HOP,
            b"".join(_NEXT_HOP.pack(*family.value, _NEXT_HOP_IPV6) for family in families),
        )
    if capabilities.extended_messages:
        yield Capability.EXTENDED_MESSAGE, b""
    if capabilities.role is not None:
        yield Capability.ROLE, bytes((capabilities.role,))
    if capabilities.graceful_restart is not None:
        yield Capability.GRACEFUL_RESTART, _encode_restart(capabilities.graceful_restart)
    if capabilities.asn is not None:
        yield Capability.FOUR_OCTET_AS, _ASN.pack(capabilities.asn)
    if capabilities.enhanced_refresh:
        yield Capability.ENHANCED_ROUTE_REFRESH, b""


def _sorted(families: frozenset[Family]) -> list[Family]:
    return sorted(families, key=lambda family: family.value)


def _encode_restart(restart: GracefulRestart) -> bytes:
    flags = restart.restarted * _RESTARTED | restart.notification * _NOTIFICATION
    return _RESTART.pack(flags | restart.seconds) + b"".join(
        _RESTART_FAMILY.pack(*family.value, preserved * _FORWARDING) for family, preserved in restart.families.items()
    )


def decode_capabilities(octets: bytes) -> Capabilities:
    """Raises BgpError: 2/0 for what cannot be read, 2/2 for AS number 0, 2/11 for roles that are none or many."""
    values: dict[int, list[bytes]] = {}
    for code, value in _split(octets):
        values.setdefault(code, []).append(value)
    return Capabilities(
        families=_families(values.get(Capability.MULTIPROTOCOL, [])),
        asn=_asn(values.get(Capability.FOUR_OCTET_AS, [])),
        route_refresh=_is_present(values, Capability.ROUTE_REFRESH),
        enhanced_refresh=_is_present(values, Capability.ENHANCED_ROUTE_REFRESH),
        extended_messages=_is_present(values, Capability.EXTENDED_MESSAGE),
        extended_next_hop=_extended_next_hop(values.get(Capability.EXTENDED_NEXT_HOP, [])),
        graceful_restart=_restart(values.get(Capability.GRACEFUL_RESTART, [])),
        role=_role(values.get(Capability.ROLE, [])),
        unknown=tuple(code for code in values if code not in _KNOWN),
    )


def _split(octets: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(octets):
        if at + 2 > len(octets) or (end := at + 2 + octets[at + 1]) > len(octets):
            raise malformed()
        yield octets[at], octets[at + 2 : end]
        at = end


def malformed() -> BgpError:
    """An OPEN that cannot be read any further (RFC 4271 6.2)."""
    return BgpError(Notification(ErrorCode.OPEN_MESSAGE, OpenError.UNSPECIFIC))


def _is_present(values: dict[int, list[bytes]], code: Capability) -> bool:
    if any(values.get(code, [])):
        raise malformed()  # it has no value
    return code in values


def _families(values: list[bytes]) -> frozenset[Family]:
    """Without any there is IPv4 (RFC 4760 8)."""
    if not values:
        return frozenset({Family.IPV4})
    offered = (_FAMILY.unpack(_exactly(_FAMILY.size, value)) for value in values)
    return frozenset(FAMILIES[family] for family in offered if family in FAMILIES)


def _asn(values: list[bytes]) -> int | None:
    if not values:
        return None
    asn = int.from_bytes(_exactly(_ASN.size, values[-1]), "big")
    if not asn:
        raise BgpError(Notification(ErrorCode.OPEN_MESSAGE, OpenError.BAD_PEER_AS))  # RFC 7607 2
    return asn


def _extended_next_hop(values: list[bytes]) -> frozenset[Family]:
    entries = b"".join(values)
    if len(entries) % _NEXT_HOP.size:
        raise malformed()
    return frozenset(
        FAMILIES[afi, safi]
        for afi, safi, next_hop in _NEXT_HOP.iter_unpack(entries)
        if next_hop == _NEXT_HOP_IPV6 and (afi, safi) in FAMILIES
    )


def _restart(values: list[bytes]) -> GracefulRestart | None:
    """All but the last are ignored (RFC 4724 3)."""
    if not values:
        return None
    head, entries = values[-1][: _RESTART.size], values[-1][_RESTART.size :]
    if len(head) < _RESTART.size or len(entries) % _RESTART_FAMILY.size:
        raise malformed()
    (flags,) = _RESTART.unpack(head)
    return GracefulRestart(
        flags & _SECONDS,
        restarted=bool(flags & _RESTARTED),
        notification=bool(flags & _NOTIFICATION),
        families={
            FAMILIES[afi, safi]: bool(flags & _FORWARDING)
            for afi, safi, flags in _RESTART_FAMILY.iter_unpack(entries)
            if (afi, safi) in FAMILIES
        },
    )


def _role(values: list[bytes]) -> Role | None:
    """Several that differ are an error, equal ones are one (RFC 9234 4.2)."""
    roles = {_exactly(1, value)[0] for value in values}
    if len(roles) > 1 or roles - set(Role):
        raise BgpError(Notification(ErrorCode.OPEN_MESSAGE, OpenError.ROLE_MISMATCH))
    return Role(roles.pop()) if roles else None


def _exactly(octets: int, value: bytes) -> bytes:
    if len(value) != octets:
        raise malformed()
    return value
