"""A drain: an operator takes the addresses off a node, until the operator gives them back."""

from __future__ import annotations

from dataclasses import dataclass

#: A reason is told to people, and to routers in a Shutdown Communication (RFC 9003), which has little room.
REASON_CHARACTERS = 128


@dataclass(frozen=True, slots=True)
class Drain:
    """`since` in seconds since the epoch; `reason` as it was given, "" for none."""

    since: float
    reason: str


def flaw(reason: str) -> str:
    """Why a reason cannot be taken, with what to do; "" when it can."""
    if len(reason) > REASON_CHARACTERS:
        return f"it has {len(reason)} characters: give at most {REASON_CHARACTERS}"
    if not reason.isprintable():
        return "it has characters that cannot be printed: give one line of text"
    return ""
