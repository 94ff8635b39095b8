"""Words for values that are not what they should be: what was found, and what to write instead."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

#: No message quotes more of a value than this, in characters: one may be as long as its file.
LONGEST = 80

_short = reprlib.Repr()
_short.maxstring = _short.maxother = LONGEST

# What a name ends at when the value slipped into it, as in `password=hunter2`.
_SLIP = re.compile(r"[=:\s]")


def shown(value: Any) -> str:
    """A value as messages quote it, cut when long."""
    if isinstance(value, int) and value.bit_length() > 256:
        return "a huge number"
    return _short.repr(value)


def shown_key(key: Any) -> str:
    """A name as messages show it. What follows a `=`, a `:` or a blank is left out: it may be a secret."""
    if not isinstance(key, str):
        return shown(key)
    name, *slipped = _SLIP.split(key, maxsplit=1)
    return shown(name).strip("'") + ("..." if slipped else "")


def kind_of(value: Any) -> str:
    """What a value of the wrong type is, in the words of YAML, and nothing of the value: it may be a secret."""
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return "empty"


def described(value: Any) -> str:
    """What a value of the wrong type is and, of a scalar, the value."""
    match value:
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {shown(value)}"
        case str():
            return f"the text {shown(value)}"
        case _:
            return kind_of(value)


def how_to_write_text(value: Any) -> str:
    match value:
        case bool():
            return "YAML reads on, off, yes, no, true and false that way, write the text in quotes"
        case int() | float():
            return f'write "{shown(value)}" in quotes'
        case _:
            return "write a text"


def closest(name: str, known: Iterable[str]) -> str:
    """The known name that another one was probably meant to be, "" when none is like it. It takes tens of
    microseconds: not to be asked for each of very many."""
    return next(iter(difflib.get_close_matches(name[:LONGEST], known, n=1)), "")


def listed(values: Iterable[str], conjunction: str = "and", most: int | None = None) -> str:
    """a, b and c; of more than `most` values the first so many and the number of the others; of none ""."""
    known: Sequence[str] = list(values)
    if most is not None and len(known) > most:
        return f"{', '.join(known[:most])} {conjunction} {len(known) - most} more"
    *others, last = known or ("",)
    return f"{', '.join(others)} {conjunction} {last}" if others else last


def displayed(path: PurePath) -> str:
    """A path in a message: file names are octets, messages are UTF-8."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
