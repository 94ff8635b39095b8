"""Values as people say them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
# C0 and C1 controls, and the marks that turn the direction of writing.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ANNOTATION = re.compile(r"metadata\.annotations\[(.*)]")
#: From here on a number of addresses is said as a power of two.
_COUNTABLE = 1_000_000
#: mlbd tells no larger number: there are so many or more.
_MOST = 2**63 - 1


def printable(text: str) -> str:
    """Without control characters: what stands in a manifest must not command a terminal."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def duration(seconds: float) -> str:
    """In its two largest units: 42s, 3m 12s, 5h 2m, 12d 4h."""
    rest = max(0, int(seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join(part for part in parts[:2] if part[0] != "0") or "0s"


def ago(time: float, now: float) -> str:
    """How long ago a time was, "" for 0, which is none."""
    return duration(now - time) if time else ""


def lasting(state: str, since: float, now: float) -> str:
    """A state, and for how long if that is known."""
    return f"{state} for {ago(since, now)}" if since else state


def compact(text: str) -> str:
    """One word, for awk."""
    return text.replace(" ", "")


def clock(time: float) -> str:
    """Local time as journalctl writes it, so that one can be laid beside the other."""
    return datetime.fromtimestamp(time).strftime("%b %d %H:%M:%S")


def since(time: float, reason: str) -> str:
    """When something was ordered, and why if that is known."""
    return f"since {clock(time)}" + (f" ({reason})" if reason else "")


def interval(seconds: float) -> str:
    """A short one: 100 ms, 1.5 s."""
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def counted(number: int, noun: str) -> str:
    """1 node, 2 nodes, no nodes; 2 addresses."""
    plural = "es" if noun.endswith("s") else "s"
    return f"{number or 'no'} {noun}{'' if number == 1 else plural}"


def addresses(total: int) -> str:
    """How many addresses there are, large numbers roughly."""
    if total >= _MOST:
        return "2^63+"
    return str(total) if total < _COUNTABLE else f"2^{total.bit_length() - 1}"


def subject(about: str, message: str) -> str:
    """The object that a message is about, unless it is mlbd, or named before the message says why."""
    return "" if about == "mlbd" or about in re.split("[,;:] ", message)[0] else about


def told(problem: Any, file: str = "") -> str:
    """The message of a problem, its object before it, and its field and `file` behind it unless it names them."""
    message, about = str(problem["message"]), subject(problem["object"], problem["message"])
    annotation = _ANNOTATION.fullmatch(problem["field"])
    field = f"annotation {annotation[1]}" if annotation else problem["field"]
    where = " in ".join(place for place in (field, file) if place not in message)
    return (f"{about}: " if about else "") + message + (f" ({where})" if where else "")
