"""From the octets of a file to plain documents: mappings, lists, texts, numbers, booleans and None.

YAML is read as Kubernetes reads it: `on` and `yes` are booleans, but 12:30 and 2026-01-01 are texts (YAML 1.1 would
make the community 64512:10 a number to the base of 60). The values are made from libyaml's events with a stack of our
own, for three reasons: a name that stands twice in a mapping is an error here, nesting and the growth of aliases have
bounds, and it takes less than half the time of yaml.load.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import yaml
from yaml._yaml import CParser

from .wording import shown_key

MAX_DEPTH = 64
#: In one file, where an alias counts as often as it is used: 20,000 Services, and less than the watchdog's patience.
MAX_VALUES = 1_000_000


class Unreadable(ValueError):
    """The octets are no documents; the text says what is wrong and, where known, in which line and column."""


class Document(NamedTuple):
    """`line` is where it starts, counted from 1."""

    value: Any
    line: int


def read_documents(data: bytes) -> list[Document]:
    """The documents of a YAML or JSON file, empty ones left out. Raises Unreadable, whatever the octets are."""
    text = _decode(data)
    if text.lstrip()[:1] in ("{", "[") and _most_values(text) <= MAX_VALUES:
        try:
            return [Document(_json(text), 1)]
        except json.JSONDecodeError:
            pass  # YAML's flow style starts alike, and a second document may follow
    try:
        return list(_Builder(text).documents())
    except yaml.YAMLError as error:
        raise Unreadable(_yaml_problem(error)) from None


def _most_values(text: str) -> int:
    """At least as many as the JSON text has values. JSON that may have too many is read as the YAML that it is too:
    that takes longer, but counts them one by one."""
    return 1 + sum(map(text.count, ",:[{"))


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"line {line} is not UTF-8 (octet {error.start}): save the file as UTF-8") from None


def _yaml_problem(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"broken YAML in line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return "broken YAML: a character that YAML does not allow, such as NUL, must be taken out"


def _json(text: str) -> Any:
    try:
        value = json.loads(text, object_pairs_hook=_unique_pairs, parse_constant=_refuse_constant)
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise Unreadable(_too_deep()) from None
    except UnicodeEncodeError:
        raise Unreadable("a text holds half of a surrogate pair (\\ud800 to \\udfff): write the whole") from None
    except ValueError as error:
        raise Unreadable(str(error)) from None
    return value


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Unreadable(_duplicate(twice))
    return mapping


def _refuse_constant(name: str) -> Any:
    raise Unreadable(f"{name} is no number that JSON knows: write a finite one")


def _duplicate(name: Any) -> str:
    return f"the name {shown_key(name)} stands twice in one mapping: take one of them out"


def _too_deep() -> str:
    return "mappings and lists are nested too deep: no object needs that, flatten them"


class _Builder:
    """Documents from events, an event at a time. `_count` is how many values there are so far, where an alias counts
    as much as all that it stands for."""

    def __init__(self, text: str) -> None:
        self._next: Callable[[], Any] = CParser(text).get_event
        self._count = 0
        self._anchors: dict[str, tuple[Any, int]] = {}

    def documents(self) -> Iterator[Document]:
        while (event := self._next()) is not None:
            if type(event) is yaml.DocumentStartEvent:
                self._anchors = {}
                first = self._next()
                value = self._value(first, 0)
                if value is not None:
                    yield Document(value, _line(first))

    def _value(self, event: Any, depth: int) -> Any:
        kind, before = type(event), self._count
        self._add(event, 1)
        value: Any
        if kind is yaml.ScalarEvent:
            value = _scalar(event)
        elif kind is yaml.AliasEvent:
            return self._alias(event)
        else:
            if depth == MAX_DEPTH:
                raise Unreadable(f"line {_line(event)}: {_too_deep()}")
            if event.tag not in _COLLECTION_TAGS:
                raise Unreadable(_tag(event))
            build = self._mapping if kind is yaml.MappingStartEvent else self._sequence
            value = build(depth + 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._count - before)
        return value

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            problem = "an alias (*name) stands before the end of its anchor (&name): quote the text if none is meant"
            raise Unreadable(f"line {_line(event)}: {problem}")
        value, size = self._anchors[event.anchor]
        self._add(event, size)
        return value

    def _add(self, event: Any, size: int) -> None:
        self._count += size
        if self._count > MAX_VALUES:
            problem = f"more than {MAX_VALUES} values, aliases counted as often as they are used: split the file"
            raise Unreadable(f"line {_line(event)}: {problem}")

    def _sequence(self, depth: int) -> list[Any]:
        values = []
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            values.append(self._value(event, depth))
        return values

    def _mapping(self, depth: int) -> dict[Any, Any]:
        values: dict[Any, Any] = {}
        merged: list[Any] = []
        while type(event := self._next()) is not yaml.MappingEndEvent:
            name = self._value(event, depth)
            value = self._value(self._next(), depth)
            if name == "<<" and event.implicit[0]:
                merged += value if type(value) is list else [value]
                continue
            if isinstance(name, dict | list):
                raise Unreadable(f"line {_line(event)}: a mapping or list cannot be a name: write a text")
            if name in values:
                raise Unreadable(f"line {_line(event)}: {_duplicate(name)}")
            values[name] = value
        return _merge(values, merged) if merged else values


def _merge(values: dict[Any, Any], merged: list[Any]) -> dict[Any, Any]:
    """YAML's merge key (`<<: *other`): what is written beats what is merged, what is merged first beats the rest."""
    for other in merged:
        if type(other) is not dict:
            raise Unreadable("the merge key << wants a mapping, or a list of them: quote it if the text is meant")
        for name, value in other.items():
            values.setdefault(name, value)
    return values


_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **{form: True for word in ("true", "yes", "on") for form in (word, word.title(), word.upper())},
    **{form: False for word in ("false", "no", "off") for form in (word, word.title(), word.upper())},
}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,99})")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_NUMBER_STARTS = frozenset("+-.0123456789")
_TEXT_TAGS = (None, "tag:yaml.org,2002:str")
_COLLECTION_TAGS = (None, "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


def _scalar(event: Any) -> str | int | float | bool | None:
    text: str = event.value
    if event.implicit[0]:
        if text in _WORDS:
            return _WORDS[text]
        return _number(text) if text[0] in _NUMBER_STARTS else text
    if event.tag not in _TEXT_TAGS:
        raise Unreadable(_tag(event))
    return text


def _number(text: str) -> str | int | float:
    """A number with leading zeros stays a text: YAML 1.1 and 1.2 do not agree on its value."""
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _tag(event: Any) -> str:
    return f"line {_line(event)}: a tag (!name) means nothing here: take it out, or quote the text if it is one"


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
