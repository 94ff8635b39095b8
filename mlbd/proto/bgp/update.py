"""A received UPDATE (RFC 4271 4.3, RFC 4760), with the three outcomes of RFC 7606: the session ends (BgpError), the
routes count as withdrawn, or an attribute is ignored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from .messages import BgpError, Nlri, Update
from .negotiated import Negotiated
from .nlri import decode_nlri
from .numbers import FAMILIES, Attribute, Family, UpdateError
from .received_attributes import Flaw, PathAttribute, ReceivedAttributes, missing, receive_attributes, update_error

_END_OF_RIB: Final = bytes(4)
_REACH_HEAD: Final = 4  # AFI, SAFI, length of the next hop
_UNREACH_HEAD: Final = 3
_IPV6_NEXT_HOPS: Final = (16, 32)  # with a link-local one, or without (RFC 2545 3)


class Field(NamedTuple):
    """The prefixes of one place in an UPDATE. Those of a family that was not agreed are not read: `family` is None."""

    family: Family | None
    prefixes: tuple[Nlri, ...]


def _has_routes(field: Field) -> bool:
    return field.family is None or bool(field.prefixes)


def decode_update(body: bytes, negotiated: Negotiated) -> Update:
    """Of at least 4 octets. Raises BgpError."""
    if body == _END_OF_RIB:
        return Update(end_of_rib=Family.IPV4 if Family.IPV4 in negotiated.families else None)
    withdrawn_octets, rest = _take(body)
    attribute_octets, announced_octets = _take(rest)
    received = receive_attributes(attribute_octets, negotiated)
    withdrawn = [_classic(withdrawn_octets), *_unreach(received, negotiated)]
    announced = [_classic(announced_octets), *_reach(received, negotiated)]
    flaws = [*received.flaws, *_missing(received, announced, negotiated)]
    if not flaws and _is_end_of_rib(received, withdrawn + announced):
        return Update(end_of_rib=withdrawn[-1].family)
    if not all(flaw.discard for flaw in flaws):
        _require_routes(received, announced, flaws)
        withdrawn, announced = withdrawn + announced, []
    return Update(
        _by_family(announced, negotiated),
        _by_family(withdrawn, negotiated),
        flaws=tuple(dict.fromkeys(str(flaw) for flaw in flaws)),
    )


def _take(octets: bytes) -> tuple[bytes, bytes]:
    """A field behind its length, and the rest."""
    end = 2 + int.from_bytes(octets[:2], "big")
    if len(octets) < 2 or end > len(octets):
        raise update_error(UpdateError.MALFORMED_ATTRIBUTE_LIST)
    return octets[2:end], octets[end:]


def _classic(octets: bytes) -> Field:
    try:
        return Field(Family.IPV4, decode_nlri(octets, Family.IPV4))
    except ValueError:
        raise update_error(UpdateError.INVALID_NETWORK_FIELD) from None


def _unreach(received: ReceivedAttributes, negotiated: Negotiated) -> Iterator[Field]:
    if attribute := received.by_kind.get(Attribute.MP_UNREACH_NLRI):
        if len(attribute.value) < _UNREACH_HEAD:
            raise _unreadable(attribute)
        yield _multiprotocol(attribute, _UNREACH_HEAD, negotiated)


def _reach(received: ReceivedAttributes, negotiated: Negotiated) -> Iterator[Field]:
    """A next hop of another length than the family's leaves open where the prefixes begin (RFC 7606 7.11)."""
    if attribute := received.by_kind.get(Attribute.MP_REACH_NLRI):
        value = attribute.value
        if len(value) <= _REACH_HEAD:
            raise _unreadable(attribute)
        start = _REACH_HEAD + value[3] + 1  # behind a reserved octet
        family = _family(value, negotiated)
        if start > len(value) or (family and value[3] not in _next_hop_lengths(family, negotiated)):
            raise _unreadable(attribute)
        yield _multiprotocol(attribute, start, negotiated)


def _next_hop_lengths(family: Family, negotiated: Negotiated) -> tuple[int, ...]:
    if family is Family.IPV6:
        return _IPV6_NEXT_HOPS
    return (4, *_IPV6_NEXT_HOPS) if family in negotiated.extended_next_hop else (4,)


def _multiprotocol(attribute: PathAttribute, start: int, negotiated: Negotiated) -> Field:
    if not (family := _family(attribute.value, negotiated)):
        return Field(None, ())
    try:
        return Field(family, decode_nlri(attribute.value[start:], family))
    except ValueError:
        raise _unreadable(attribute) from None


def _family(value: bytes, negotiated: Negotiated) -> Family | None:
    family = FAMILIES.get((int.from_bytes(value[:2], "big"), value[2]))
    return family if family in negotiated.families else None


def _unreadable(attribute: PathAttribute) -> BgpError:
    """RFC 4760 7."""
    return update_error(UpdateError.OPTIONAL_ATTRIBUTE_ERROR, attribute.octets)


def _missing(received: ReceivedAttributes, announced: list[Field], negotiated: Negotiated) -> list[Flaw]:
    """Of the attributes that every announced route has; NEXT_HOP is for those outside of MP_REACH_NLRI."""
    if not any(map(_has_routes, announced)):
        return []
    needed = [Attribute.ORIGIN, Attribute.AS_PATH]
    if announced[0].prefixes:
        needed.append(Attribute.NEXT_HOP)
    if negotiated.internal:
        needed.append(Attribute.LOCAL_PREF)
    return [missing(kind) for kind in needed if kind not in received.by_kind]


def _is_end_of_rib(received: ReceivedAttributes, fields: list[Field]) -> bool:
    """An MP_UNREACH_NLRI without prefixes and nothing else (RFC 4724 2)."""
    return received.by_kind.keys() == {Attribute.MP_UNREACH_NLRI} and not any(map(_has_routes, fields))


def _require_routes(received: ReceivedAttributes, announced: list[Field], flaws: list[Flaw]) -> None:
    """Attributes, one of them malformed, and nothing that they belong to: the prefixes may be what was misread
    (RFC 7606 5.2)."""
    others = received.truncated or received.by_kind.keys() - {Attribute.MP_UNREACH_NLRI}
    if others and not any(map(_has_routes, announced)):
        raise next(flaw for flaw in flaws if not flaw.discard).error()


def _by_family(fields: Iterable[Field], negotiated: Negotiated) -> Mapping[Family, tuple[Nlri, ...]]:
    found: dict[Family, tuple[Nlri, ...]] = {}
    for family, prefixes in fields:
        if prefixes and family in negotiated.families:
            found[family] = found.get(family, ()) + prefixes
    return found
