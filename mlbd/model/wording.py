"""Words for values that are not what they should be: what was found, and what to write instead."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from typing import Any

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80


def shown(value: Any) -> str:
    """A value as messages quote it, cut when long."""
    if isinstance(value, int) and value.bit_length() > 256:
        return "a huge number"
    return _short.repr(value)


def shown_key(key: Any) -> str:
    return shown(key).strip("'") if isinstance(key, str) else shown(key)


def kind_of(value: Any) -> str:
    """What a value of the wrong type is, in the words of YAML."""
    match value:
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {shown(value)}"
        case str():
            return f"the text {shown(value)}"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return "empty"


def how_to_write_text(value: Any) -> str:
    match value:
        case bool():
            return "YAML reads on, off, yes, no, true and false that way, write the text in quotes"
        case int() | float():
            return f'write "{shown(value)}" in quotes'
        case _:
            return "write a text"


def alternatives(values: Iterable[str]) -> str:
    *others, last = values
    return f"{', '.join(others)} or {last}" if others else last
