"""Prefixes as NLRI: their length in bits, then as many octets as hold them (RFC 4271 4.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .messages import Nlri, Prefix
from .numbers import Family

BITS: Final = {Family.IPV4: 32, Family.IPV6: 128}

_OCTETS: Final = tuple((bits + 7) // 8 for bits in range(129))
_LENGTHS: Final = tuple(bytes((bits,)) for bits in range(129))


def family_of(prefix: Prefix) -> Family:
    return Family.IPV4 if prefix.version == 4 else Family.IPV6


def encode_nlri(prefixes: Iterable[Prefix]) -> list[Nlri]:
    """One entry for each prefix, in order."""
    lengths, octets = _LENGTHS, _OCTETS
    return [lengths[bits := prefix.prefixlen] + prefix.network_address.packed[: octets[bits]] for prefix in prefixes]


def decode_nlri(field: bytes, family: Family) -> tuple[Nlri, ...]:
    """Every prefix of the field, with the bits behind it cleared: they are irrelevant (RFC 4271 4.3).

    Raises ValueError for a prefix that is too long for the family or for the field (RFC 7606 5.3).
    """
    found = []
    start, end, most = 0, len(field), BITS[family]
    while start < end:
        bits = field[start]
        if bits > most:
            raise ValueError(f"a prefix of {bits} bits")
        stop = start + 1 + _OCTETS[bits]
        found.append(field[start:stop] if not bits % 8 else _clear_tail(field[start:stop], 8 - bits % 8))
        start = stop
    if start != end:
        raise ValueError("the last prefix ends behind the field")
    return tuple(found)


def _clear_tail(nlri: bytes, bits: int) -> Nlri:
    return nlri[:-1] + bytes((nlri[-1] >> bits << bits,))
