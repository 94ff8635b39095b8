"""BGP communities as texts: `a:b` (RFC 1997), `large:a:b:c` (RFC 8092), `rt:a:b` and `soo:a:b` (RFC 4360)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from .wording import shown

_NUMBER = re.compile(r"[0-9]{1,10}")


class Extended(StrEnum):
    """What an extended community is: a route target, or the site of origin (RFC 4360 4, 5)."""

    ROUTE_TARGET = "rt"
    SITE_OF_ORIGIN = "soo"


class NotCommunity(ValueError):
    """The text has neither form: it may be the alias of a Community object."""


@dataclass(frozen=True, slots=True)
class CommunityValue:
    """`numbers` are two of 16 bits, or three of 32 bits for a large community. Of an `extended` one they are an ASN and
    a number, which together have 48 bits: the number has 32 where the ASN has 16 (RFC 4360 3.1), else 16 (RFC 5668)."""

    numbers: tuple[int, ...]
    extended: Extended | None = None

    def __lt__(self, other: CommunityValue) -> bool:
        return self._order() < other._order()

    def _order(self) -> tuple[str, tuple[int, ...]]:
        """MetalLB's order: a:b counts as the large community (a * 2^16 + b):0:0. Extended ones, which it does not know,
        come last."""
        if self.extended is None and len(self.numbers) == 2:
            upper, lower = self.numbers
            return "", (upper << 16 | lower, 0, 0)
        return self.extended or "", self.numbers

    def __str__(self) -> str:
        kind = self.extended or ("large" if len(self.numbers) == 3 else "")
        return ":".join([*([kind] if kind else []), *map(str, self.numbers)])


#: The names of RFC 1997, which every object may use beside numbers.
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
            return _extended(text, Extended(kind), numbers)
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


def _extended(text: str, kind: Extended, numbers: list[str]) -> CommunityValue:
    asn, number = _numbers(text, numbers, 32)
    if asn >> 16 and number >> 16:
        raise ValueError(f"{shown(text)} has two parts beyond 65535, and room for one: write {kind}:65000:1")
    return CommunityValue((asn, number), kind)
