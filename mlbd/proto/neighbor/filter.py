"""Kernel filters, so that only frames about our addresses ever wake the reflex.

A filter is a search tree over 32-bit keys: IPv4 addresses as they are, IPv6 addresses mixed. The kernel's 4096
instructions are enough for 1272 scattered IPv4 addresses and for 2527 IPv6 ones, where a run of consecutive
addresses counts as one or two. That is exact, but for the few addresses whose mixed keys collide. Of more,
close keys are joined, and what lies between them comes through as well; before Linux 6.6, which gave sockets
less memory for a filter, from about 500 and 1000 on. Never does less come through than was asked for, and the
responder compares exactly.

Frames for other hosts are refused. Among them are frames with a VLAN tag that no VLAN link took: the kernel
hands them to the untagged link as PACKET_OTHERHOST, and an answer there would leave on the wrong segment.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final

from mlbd.proto.neighbor.bpf import (
    ACCEPT,
    MAX_INSTRUCTIONS,
    MAX_SKIP,
    PACKET_TYPE,
    REJECT,
    Code,
    Instruction,
    Program,
    require,
)

Range = tuple[int, int]
"""Lowest and highest key, both included."""

_MULTIPLIER: Final = 0x9E37_79B1  # odd and without pattern: four words of an address rarely collide
_WORD: Final = 0xFFFF_FFFF
_LEAF: Final = 8  # keys tested one after the other; more make the tree shorter and the search longer
_MISS: Final = Instruction(Code.JUMP, _WORD)  # a placeholder, see _search
_PACKET_OTHERHOST: Final = 3

_NOT_FOR_OTHERS: Final = [
    Instruction(Code.LOAD_WORD, PACKET_TYPE),
    Instruction(Code.JUMP_EQUAL, _PACKET_OTHERHOST, otherwise=1),
    REJECT,
]
_ARP_HEAD: Final = [
    *_NOT_FOR_OTHERS,
    *require(Code.LOAD_WORD, 14, 0x0001_0800),
    *require(Code.LOAD_HALF, 18, 0x0604),
]
_ARP_TARGET: Final = [Instruction(Code.LOAD_WORD, 38)]
_ARP_SENDER: Final = [Instruction(Code.LOAD_WORD, 28)]
_NDP_HEAD: Final = [
    *require(Code.LOAD_BYTE, 20, 58),
    Instruction(Code.LOAD_BYTE, 54),
    Instruction(Code.JUMP_EQUAL, 135, then=2),
    Instruction(Code.JUMP_EQUAL, 136, then=1),
    REJECT,
    *require(Code.LOAD_BYTE, 21, 255),
    *_NOT_FOR_OTHERS,
]
_MIX: Final = [
    Instruction(Code.MULTIPLY, _MULTIPLIER),
    Instruction(Code.TO_X),
]
_NDP_TARGET: Final = [
    Instruction(Code.LOAD_WORD, 62),
    *_MIX,
    Instruction(Code.LOAD_WORD, 66),
    Instruction(Code.ADD_X),
    *_MIX,
    Instruction(Code.LOAD_WORD, 70),
    Instruction(Code.ADD_X),
    *_MIX,
    Instruction(Code.LOAD_WORD, 74),
    Instruction(Code.ADD_X),
]


def mixed(address: bytes) -> int:
    """An IPv6 address as the key that the program computes; neighbouring addresses are neighbouring keys."""
    key = 0
    for start in range(0, 16, 4):
        key = (key * _MULTIPLIER + int.from_bytes(address[start : start + 4])) & _WORD
    return key


def arp_filter(addresses: Iterable[bytes], limit: int = MAX_INSTRUCTIONS) -> Program:
    """Passes ARP packets whose target or sender is one of `addresses`, in at most `limit` instructions.

    The sender is looked at for the conflicts of RFC 5227 2.4.
    """

    def program(ranges: Sequence[Range]) -> Program:
        by_sender = [*_ARP_SENDER, *_search(ranges, [REJECT])]
        return [*_ARP_HEAD, *_ARP_TARGET, *_search(ranges, by_sender)]

    return _fit(program, (int.from_bytes(address) for address in addresses), limit)


def ndp_filter(addresses: Iterable[bytes], limit: int = MAX_INSTRUCTIONS) -> Program:
    """Passes solicitations and advertisements whose target is one of `addresses`."""

    def program(ranges: Sequence[Range]) -> Program:
        return [*_NDP_HEAD, *_NDP_TARGET, *_search(ranges, [REJECT])]

    return _fit(program, map(mixed, addresses), limit)


def _fit(program: Callable[[Sequence[Range]], Program], keys: Iterable[int], limit: int) -> Program:
    ranges = _runs(sorted(set(keys)))
    if not ranges:
        return [REJECT]
    while len(built := program(ranges)) > limit and len(ranges) > 1:
        ranges = _fewer(ranges, min(len(ranges) - 1, len(ranges) * limit // len(built)))
    return built


def _runs(keys: Sequence[int]) -> list[Range]:
    """Consecutive keys as one range: what a pool hands out is mostly consecutive."""
    runs: list[Range] = []
    for key in keys:
        if runs and runs[-1][1] + 1 == key:
            runs[-1] = (runs[-1][0], key)
        else:
            runs.append((key, key))
    return runs


def _fewer(ranges: Sequence[Range], count: int) -> list[Range]:
    """Joins the closest ranges until `count` are left, one at least."""
    gaps = [right[0] - left[1] for left, right in pairwise(ranges)]
    kept = set(heapq.nlargest(count - 1, range(len(gaps)), key=gaps.__getitem__))
    fewer = [ranges[0]]
    for position, (low, high) in enumerate(ranges[1:]):
        if position in kept:
            fewer.append((low, high))
        else:
            fewer[-1] = (fewer[-1][0], high)
    return fewer


def _search(ranges: Sequence[Range], missed: Program) -> Program:
    """Accepts when the accumulator lies in one of the sorted `ranges`, runs `missed` otherwise.

    Leaves end in a placeholder because only here the distance to `missed` is known.
    """
    tree = _tree(ranges)
    resolved = [
        Instruction(Code.JUMP, len(tree) - position - 1) if instruction is _MISS else instruction
        for position, instruction in enumerate(tree)
    ]
    return [*resolved, *missed]


def _tree(ranges: Sequence[Range]) -> Program:
    if len(ranges) <= _LEAF:
        return _leaf(ranges)
    half = len(ranges) // 2
    left, right = _tree(ranges[:half]), _tree(ranges[half:])
    pivot = ranges[half][0]
    if len(left) <= MAX_SKIP:
        return [Instruction(Code.JUMP_GREATER_EQUAL, pivot, then=len(left)), *left, *right]
    far = [
        Instruction(Code.JUMP_GREATER_EQUAL, pivot, otherwise=1),
        Instruction(Code.JUMP, len(left)),
    ]
    return [*far, *left, *right]


def _leaf(ranges: Sequence[Range]) -> Program:
    """Tests, then the miss, then the acceptance that every test jumps to; built backwards."""
    tests: Program = []
    for low, high in reversed(ranges):
        to_accept = len(tests) + 1
        if low == high:
            tests.insert(0, Instruction(Code.JUMP_EQUAL, low, then=to_accept))
        else:
            tests.insert(0, Instruction(Code.JUMP_GREATER, high, otherwise=to_accept))
            tests.insert(0, Instruction(Code.JUMP_GREATER_EQUAL, low, otherwise=1))
    return [*tests, _MISS, ACCEPT]
