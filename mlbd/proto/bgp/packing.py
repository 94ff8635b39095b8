"""UPDATE messages, each with as many prefixes as it has room for (RFC 4271 4.3, RFC 4760)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from .attributes import encode_mp_reach, encode_mp_unreach
from .encoding import frame
from .messages import Nlri
from .numbers import HEADER_OCTETS, Family, MessageType

_LENGTHS: Final = 4  # of the withdrawn routes and of the path attributes


def announce(attributes: bytes, nlri: Iterable[Nlri], longest: int) -> list[bytes]:
    """IPv4 prefixes with a NEXT_HOP among the `attributes`. `longest` is in octets of a message.

    Raises ValueError when the attributes leave no room for a prefix, as all of these functions do.
    """
    return [_update(b"", attributes, field) for field in _fields(nlri, longest, len(attributes))]


def announce_multiprotocol(
    family: Family, next_hop: bytes, attributes: bytes, nlri: Iterable[Nlri], longest: int
) -> list[bytes]:
    """Prefixes of any family; `next_hop` as in encode_mp_reach()."""
    used = len(encode_mp_reach(family, next_hop, b"")) + len(attributes)
    return [
        _update(b"", encode_mp_reach(family, next_hop, field) + attributes, b"")
        for field in _fields(nlri, longest, used)
    ]


def withdraw(nlri: Iterable[Nlri], longest: int) -> list[bytes]:
    """IPv4 prefixes that were announced by announce()."""
    return [_update(field, b"", b"") for field in _fields(nlri, longest, 0)]


def withdraw_multiprotocol(family: Family, nlri: Iterable[Nlri], longest: int) -> list[bytes]:
    used = len(encode_mp_unreach(family, b""))
    return [_update(b"", encode_mp_unreach(family, field), b"") for field in _fields(nlri, longest, used)]


def end_of_rib(family: Family) -> bytes:
    """RFC 4724 2."""
    return _update(b"", b"" if family is Family.IPV4 else encode_mp_unreach(family, b""), b"")


def _update(withdrawn: bytes, attributes: bytes, nlri: bytes) -> bytes:
    lengths = len(withdrawn).to_bytes(2, "big"), len(attributes).to_bytes(2, "big")
    return frame(MessageType.UPDATE, lengths[0] + withdrawn + lengths[1] + attributes + nlri)


def _fields(nlri: Iterable[Nlri], longest: int, used: int) -> Iterator[bytes]:
    """The prefixes joined, cut where a message is full that has `used` octets of other things."""
    room = longest - HEADER_OCTETS - _LENGTHS - used
    field: list[Nlri] = []
    octets = 0
    for prefix in nlri:
        octets += len(prefix)
        if octets > room:
            if not field:
                raise ValueError(f"cannot announce a prefix with {used} octets of path attributes: a message is full")
            yield b"".join(field)
            field, octets = [], len(prefix)
        field.append(prefix)
    if field:
        yield b"".join(field)
