"""BGP communities as texts: `a:b` (RFC 1997) and `large:a:b:c` (RFC 8092)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .wording import shown

_NUMBER = re.compile(r"[0-9]{1,10}")

#: Names that MetalLoadBalancerConfiguration takes beside numbers; `none` adds no community.
WELL_KNOWN = ("no-export", "no-advertise", "local-as", "none")


class NotCommunity(ValueError):
    """The text has neither form: it may be the alias of a Community object."""


@dataclass(frozen=True, slots=True)
class CommunityValue:
    """`numbers` are two of 16 bits, or three of 32 bits for a large community."""

    numbers: tuple[int, ...]

    def __lt__(self, other: CommunityValue) -> bool:
        return self._order() < other._order()

    def _order(self) -> tuple[int, ...]:
        """MetalLB's order: a:b counts as the large community (a * 2^16 + b):0:0."""
        if len(self.numbers) == 2:
            upper, lower = self.numbers
            return (upper << 16 | lower, 0, 0)
        return self.numbers

    def __str__(self) -> str:
        text = ":".join(map(str, self.numbers))
        return text if len(self.numbers) == 2 else f"large:{text}"


def parse_community(text: str) -> CommunityValue:
    """Raises NotCommunity for a text of neither form, ValueError for one whose numbers are wrong."""
    match text.split(":"):
        case [_, _] as numbers:
            return CommunityValue(_numbers(text, numbers, 16))
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
