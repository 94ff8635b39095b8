"""The path attributes of a received UPDATE, with what is wrong with them (RFC 4271 6.3, RFC 7606 3 to 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .attribute_rules import EXTENDED_LENGTH, OPTIONAL, RULES, TRANSITIVE
from .messages import BgpError, Notification
from .negotiated import Negotiated
from .numbers import Attribute, ErrorCode, UpdateError
from .words import subcode_name

_SHOWN_OCTETS: Final = 16
_WITH_PREFIXES: Final = (Attribute.MP_REACH_NLRI, Attribute.MP_UNREACH_NLRI)


class PathAttribute(NamedTuple):
    """`octets` are the whole of it, the data of most errors."""

    kind: int
    flags: int
    value: bytes
    octets: bytes


class Flaw(NamedTuple):
    """`discard`: only the attribute is lost; else the routes count as withdrawn. `notification` is what was sent
    before RFC 7606, and still is when it cannot be told whose routes those are."""

    text: str
    notification: Notification
    discard: bool

    def error(self) -> BgpError:
        return BgpError(self.notification)

    def __str__(self) -> str:
        return f"{self.text}, {'ignored' if self.discard else 'its routes count as withdrawn'}"


@dataclass(slots=True)
class ReceivedAttributes:
    """The first of each kind. `truncated`: the last one cannot be read, so more may have been meant."""

    by_kind: dict[int, PathAttribute] = field(default_factory=dict)
    flaws: list[Flaw] = field(default_factory=list)
    truncated: bool = False


def receive_attributes(octets: bytes, negotiated: Negotiated) -> ReceivedAttributes:
    """Raises BgpError where the session cannot go on."""
    received = ReceivedAttributes()
    for attribute in _split(octets, received):
        if attribute.kind in received.by_kind:
            _check_again(attribute)
            continue
        received.by_kind[attribute.kind] = attribute
        if flaw := _find_flaw(attribute, negotiated):
            received.flaws.append(flaw)
    return received


def update_error(subcode: UpdateError, data: bytes = b"") -> BgpError:
    return BgpError(Notification(ErrorCode.UPDATE_MESSAGE, subcode, data))


def missing(kind: Attribute) -> Flaw:
    """RFC 7606 3 d; the type is the data (RFC 4271 6.3)."""
    return _flaw(UpdateError.MISSING_WELL_KNOWN_ATTRIBUTE, kind.name, bytes((kind,)))


def _flaw(subcode: UpdateError, what: str, data: bytes, discard: bool = False) -> Flaw:
    text = f"{subcode_name(ErrorCode.UPDATE_MESSAGE, subcode)}: {what}"
    return Flaw(text, Notification(ErrorCode.UPDATE_MESSAGE, subcode, data), discard)


def _split(octets: bytes, received: ReceivedAttributes) -> Iterator[PathAttribute]:
    """Where one ends behind the others, the prefixes can still be found by the length of them all (RFC 7606 4)."""
    at = 0
    while at < len(octets):
        flags = octets[at]
        start = at + (4 if flags & EXTENDED_LENGTH else 3)
        end = start + int.from_bytes(octets[at + 2 : start], "big")
        if start > len(octets) or end > len(octets):
            received.truncated = True
            received.flaws.append(_flaw(UpdateError.ATTRIBUTE_LENGTH_ERROR, "the last attribute", octets[at:]))
            return
        yield PathAttribute(octets[at + 1], flags, octets[start:end], octets[at:end])
        at = end


def _check_again(attribute: PathAttribute) -> None:
    """Of what comes more than once the first counts, but for the two that hold prefixes (RFC 7606 3 g)."""
    if attribute.kind in _WITH_PREFIXES:
        raise update_error(UpdateError.MALFORMED_ATTRIBUTE_LIST)


def _find_flaw(attribute: PathAttribute, negotiated: Negotiated) -> Flaw | None:
    if attribute.kind in _WITH_PREFIXES:
        _check_flags(attribute)
        return None
    rule = RULES.get(attribute.kind)
    if rule is None:
        if not attribute.flags & OPTIONAL:
            raise update_error(UpdateError.UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE, attribute.octets)
        return None
    if not rule.is_for(negotiated):
        return None
    if not _has_flags(attribute, rule.flags):
        return _describe(attribute, UpdateError.ATTRIBUTE_FLAGS_ERROR)
    error = rule.check(attribute.value, negotiated)
    return _describe(attribute, error, rule.discard) if error else None


def _check_flags(attribute: PathAttribute) -> None:
    """What holds prefixes and has other flags cannot be trusted with them (RFC 7606 5.3, RFC 4760 7)."""
    if not _has_flags(attribute, OPTIONAL):
        raise update_error(UpdateError.OPTIONAL_ATTRIBUTE_ERROR, attribute.octets)


def _has_flags(attribute: PathAttribute, flags: int) -> bool:
    return attribute.flags & (OPTIONAL | TRANSITIVE) == flags


def _describe(attribute: PathAttribute, subcode: UpdateError, discard: bool = False) -> Flaw:
    more = "..." if len(attribute.octets) > _SHOWN_OCTETS else ""
    what = f"{Attribute(attribute.kind).name} {attribute.octets[:_SHOWN_OCTETS].hex()}{more}"
    return _flaw(subcode, what, b"" if subcode is UpdateError.MALFORMED_AS_PATH else attribute.octets, discard)
