"""The few instructions of classic BPF that the filters need (linux/filter.h, bpf_common.h)."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MAX_INSTRUCTIONS: Final = 4096  # BPF_MAXINSNS
MAX_SKIP: Final = 255  # conditional jumps have eight bits, unconditional ones thirty-two
PACKET_TYPE: Final = 0xFFFF_F004  # SKF_AD_OFF + SKF_AD_PKTTYPE: load this offset for sll_pkttype

_WHOLE_FRAME: Final = 0x0004_0000


class Code(IntEnum):
    LOAD_WORD = 0x20
    LOAD_HALF = 0x28
    LOAD_BYTE = 0x30
    JUMP = 0x05
    JUMP_EQUAL = 0x15
    JUMP_GREATER = 0x25
    JUMP_GREATER_EQUAL = 0x35
    MULTIPLY = 0x24
    ADD_X = 0x0C
    TO_X = 0x07
    RETURN = 0x06


@dataclass(frozen=True, slots=True)
class Instruction:
    """`then` and `otherwise` are how many instructions a conditional jump skips."""

    code: Code
    k: int = 0
    then: int = 0
    otherwise: int = 0


Program = list[Instruction]

ACCEPT: Final = Instruction(Code.RETURN, _WHOLE_FRAME)
REJECT: Final = Instruction(Code.RETURN, 0)


def require(code: Code, offset: int, value: int) -> Program:
    """Rejects the frame unless what `code` loads at `offset` equals `value`."""
    return [Instruction(code, offset), Instruction(Code.JUMP_EQUAL, value, then=1), REJECT]


def assemble(program: Program) -> bytes:
    """An array of struct sock_filter, in the host's byte order."""
    return b"".join(struct.pack("HBBI", i.code, i.then, i.otherwise, i.k) for i in program)
