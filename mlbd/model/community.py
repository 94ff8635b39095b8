"""BGP communities as texts: `a:b` (RFC 1997), `large:a:b:c` (RFC 8092), `rt:asn:n` and `soo:asn:n` (RFC 4360)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .wording import shown

_NUMBER = re.compile(r"[0-9]{1,10}")

#: Extended communities by the word before their numbers: route target and site of origin, with the sub-types of RFC
#: 4360 4 and 5. The type before it says how long the ASN is (RFC 4360 3.1, RFC 5668).
_SUBTYPES = {"rt": 0x02, "soo": 0x03}
_TWO_OCTET_AS, _FOUR_OCTET_AS = 0x00, 0x02


class NotCommunity(ValueError):
    """The text has neither form: it may be the alias of a Community object."""


@dataclass(frozen=True, slots=True)
class CommunityValue:
    """`numbers` are two of 16 bits, three of 32 bits for a large community, or one of 64 bits for an extended one."""

    numbers: tuple[int, ...]

    def __lt__(self, other: CommunityValue) -> bool:
        return self._order() < other._order()

    def _order(self) -> tuple[bool, tuple[int, ...]]:
        """MetalLB's order: a:b counts as the large community (a * 2^16 + b):0:0. Extended ones come last."""
        if len(self.numbers) == 2:
            upper, lower = self.numbers
            return False, (upper << 16 | lower, 0, 0)
        return len(self.numbers) == 1, self.numbers

    def __str__(self) -> str:
        if len(self.numbers) == 1:
            return _extended_text(self.numbers[0])
        text = ":".join(map(str, self.numbers))
        return text if len(self.numbers) == 2 else f"large:{text}"


#: The names of RFC 1997, which may stand for numbers.
WELL_KNOWN: Mapping[str, CommunityValue] = {
    "no-export": CommunityValue((0xFFFF, 0xFF01)),
    "no-advertise": CommunityValue((0xFFFF, 0xFF02)),
    "local-as": CommunityValue((0xFFFF, 0xFF03)),
}
#: Adds none.
NO_COMMUNITY = "none"


def parse_community(text: str) -> CommunityValue:
    """Raises NotCommunity for a text of no such form, ValueError for one whose numbers are wrong."""
    match text.split(":"):
        case [_, _] as numbers:
            return CommunityValue(_numbers(text, numbers, 16))
        case ["rt" | "soo" as kind, *numbers] if len(numbers) == 2:
            return _extended(text, kind, numbers)
        case ["large", *numbers] if len(numbers) == 3:
            return CommunityValue(_numbers(text, numbers, 32))
        case [_, _, _, _]:
            raise ValueError(f"{shown(text)} does not start with large: write large:1:2:3")
        case _:
            raise NotCommunity(f"{shown(text)} is not a community: write it like 65000:1 or large:65000:1:2")


def _numbers(text: str, numbers: list[str], bits: int) -> tuple[int, ...]:
    if any(not _NUMBER.fullmatch(number) or int(number) >> bits for number in numbers):
        raise ValueError(f"{shown(text)} has a part that is not a number from 0 to {(1 << bits) - 1}: write 65000:1")
    return tuple(map(int, numbers))


def _extended(text: str, kind: str, numbers: list[str]) -> CommunityValue:
    """48 bits for the ASN and the number together: one of them may need more than 16."""
    asn, number = _numbers(text, numbers, 32)
    subtype = _SUBTYPES[kind]
    if asn >> 16 and number >> 16:
        raise ValueError(f"{shown(text)} has two parts beyond 65535, and there is room for one: write {kind}:65000:1")
    if asn >> 16:
        return CommunityValue((_FOUR_OCTET_AS << 56 | subtype << 48 | asn << 16 | number,))
    return CommunityValue((_TWO_OCTET_AS << 56 | subtype << 48 | asn << 32 | number,))


def _extended_text(value: int) -> str:
    kind = next(name for name, subtype in _SUBTYPES.items() if subtype == value >> 48 & 0xFF)
    bits = 16 if value >> 56 == _FOUR_OCTET_AS else 32
    return f"{kind}:{(value & (1 << 48) - 1) >> bits}:{value & (1 << bits) - 1}"
