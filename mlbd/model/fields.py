"""Reads a manifest field by field, and says of a wrong one where it stands and what to write instead.

A manifest is what YAML or JSON made of a file: mappings, lists, texts, numbers, booleans and None. None is absent, as
in Kubernetes. Every reader notes the name it was asked for, so that what nobody asked for can be refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from itertools import pairwise
from sys import intern
from typing import Any, TypeVar

from .address import AddressRange, IPAddress, IPNetwork, parse_address, parse_network, parse_range
from .wording import closest, described, how_to_write_text, kind_of, listed, shown, shown_key

Default = TypeVar("Default")
Choice = TypeVar("Choice", bound=StrEnum)

#: Thousands of objects have no labels; they share this.
NOTHING: Mapping[str, str] = {}

UINT32_MAX = (1 << 32) - 1


class Invalid(ValueError):
    """A field that cannot be used: its path (`spec.addresses[1]`), what is wrong with it and what to write instead.
    A problem that takes long to put in words is a function: only so many of a file's are ever told."""

    def __init__(self, field: str, problem: str | Callable[[], str]) -> None:
        super().__init__(field, problem)
        self.field = field
        self._problem = problem

    @property
    def problem(self) -> str:
        return self._problem if isinstance(self._problem, str) else self._problem()

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}" if self.field else self.problem


class Fields:
    """One mapping of a manifest and the path that led to it. Every reader raises Invalid for a value that it cannot
    use, and answers an absent one with the default that it was given. No message shows a value of a `secret` mapping or
    one that stands below a name with "password" in it."""

    __slots__ = ("_children", "_read", "_secret", "_values", "path")

    def __init__(self, values: Mapping[Any, Any], path: str = "", secret: bool = False) -> None:
        self.path = path
        self._secret = secret
        self._values = values
        self._read: set[str] = set()
        self._children: list[Fields] = []

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def invalid(self, name: str, problem: str) -> Invalid:
        return Invalid(self.at(name), problem)

    def wrong_type(self, name: str, value: Any, advice: str) -> Invalid:
        return self.invalid(name, f"is {kind_of(value) if self.hides(name) else described(value)}: {advice}")

    def no_text(self, name: str, value: Any) -> Invalid:
        return self.wrong_type(name, value, "write it in quotes" if self.hides(name) else how_to_write_text(value))

    def hides(self, name: str) -> bool:
        return self._secret or "password" in self.at(name).lower()

    def value(self, name: str) -> Any:
        """Whatever stands there, None when absent."""
        self._read.add(name)
        return self._values.get(name)

    def names(self) -> list[str]:
        return [name for name in self._values if isinstance(name, str)]

    def given(self, name: str) -> bool:
        """Whether it is written at all, be it as null."""
        return name in self._values

    def has(self, name: str) -> bool:
        return self.value(name) is not None

    def require(self, *names: str) -> None:
        for name in names:
            if self.value(name) in (None, "", []):
                raise self.invalid(name, "is missing: give it a value")

    def require_one(self, *names: str) -> None:
        given = [name for name in names if self.value(name) not in (None, "", {})]
        if len(given) != 1:
            state = " and ".join(given) + " are given" if given else "is missing"
            raise self.invalid(given[-1] if given else names[0], f"{state}: give exactly one of {', '.join(names)}")

    def text(self, name: str, default: str = "") -> str:
        value = self.value(name)
        if value is None:
            return default
        if type(value) is not str:
            raise self.no_text(name, value)
        return value

    def secret(self, name: str) -> str:
        """A text that no message may show."""
        value = self.value(name)
        if value is not None and type(value) is not str:
            raise self.invalid(shown_key(name), "is not a text: write it in quotes")
        return value or ""

    def boolean(self, name: str, default: bool) -> bool:
        value = self.value(name)
        if value is None:
            return default
        if type(value) is not bool:
            raise self.wrong_type(name, value, "write true or false, without quotes")
        return value

    def integer(self, name: str, low: int, high: int, default: Default) -> int | Default:
        value = self.value(name)
        if value is None:
            return default
        if type(value) is not int:
            raise self.wrong_type(name, value, f"write a whole number from {low} to {high}, without quotes")
        if not low <= value <= high:
            raise self.invalid(name, f"is {shown(value)}: write a number from {low} to {high}")
        return value

    def choice(self, name: str, default: Choice) -> Choice:
        kind = type(default)
        text = self.text(name, default)
        try:
            return kind(text)
        except ValueError:
            choices = listed((member.value for member in kind), "or")
            raise self.invalid(name, f"is {shown(text)}: write {choices}") from None

    def duration(self, name: str) -> float | None:
        """Seconds, of a text like `90s`, `1m30s` or `100ms`."""
        value = self.value(name)
        if value is None:
            return None
        seconds = parse_duration(value) if type(value) is str else None
        if seconds is None:
            raise self.wrong_type(name, value, "write a duration such as 100ms, 30s or 1m30s")
        return seconds

    def address(self, name: str) -> IPAddress | None:
        text = self.text(name)
        if not text:
            return None
        try:
            return parse_address(text)
        except ValueError as problem:
            raise self.invalid(name, f"{problem}: write one like 192.0.2.1 or 2001:db8::1") from None

    def address_or_network(self, name: str) -> tuple[IPAddress | None, IPNetwork | None]:
        """The one that is written, a network with its prefix length."""
        text = self.text(name)
        if "/" not in text:
            return self.address(name), None
        try:
            return None, parse_network(text)
        except ValueError as problem:
            raise self.invalid(name, f"{problem}: write a prefix like 192.0.2.0/24 or 2001:db8::/64") from None

    def router_id(self, name: str) -> IPAddress | None:
        """Four octets, written as an IPv4 address (RFC 4271 section 4.2)."""
        address = self.address(name)
        if address is not None and address.version != 4:
            raise self.invalid(name, f"is {address}: a router ID is four octets, write it like 192.0.2.1")
        return address

    def items(self, name: str) -> list[Any]:
        value = self.value(name)
        if value is None:
            return []
        if type(value) is not list:
            raise self.invalid(name, f"is {kind_of(value)}: write a list")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        values = self.items(name)
        for index, value in enumerate(values):
            if type(value) is not str:
                raise self.no_text(f"{name}[{index}]", value)
        return tuple(values)

    def unique_texts(self, name: str) -> tuple[str, ...]:
        return self.unique(name, self.texts(name))

    def unique(self, name: str, values: tuple[Default, ...]) -> tuple[Default, ...]:
        """The values of a list in which none may stand twice."""
        first: dict[Default, int] = {}
        for index, value in enumerate(values):
            if first.setdefault(value, index) != index:
                raise self.invalid(f"{name}[{index}]", f"repeats {name}[{first[value]}]: take one of them out")
        return values

    def ranges(self, name: str) -> tuple[AddressRange, ...]:
        """CIDRs and ranges of addresses, none of which may overlap another."""
        ranges = tuple(self._range(f"{name}[{index}]", text) for index, text in enumerate(self.texts(name)))
        order = sorted(range(len(ranges)), key=lambda index: (ranges[index].family, ranges[index].first, index))
        for before, after in pairwise(order):
            if ranges[before].overlaps(ranges[after]):
                later, earlier = max(before, after), min(before, after)
                problem = f"{ranges[later]} overlaps {ranges[earlier]} of {name}[{earlier}]: take one of them out"
                raise self.invalid(f"{name}[{later}]", problem)
        return ranges

    def _range(self, name: str, text: str) -> AddressRange:
        try:
            return parse_range(text)
        except ValueError as problem:
            forms = "a CIDR is written like 192.0.2.0/24, a range like 192.0.2.10-192.0.2.20"
            raise self.invalid(name, f"{problem} ({forms})") from None

    def mapping(self, name: str) -> Mapping[str, str]:
        """Names to texts, such as labels. The names and texts are interned: many objects have the same ones."""
        values = self._mapping(name)
        if not values:
            return NOTHING
        for key, value in values.items():
            if type(key) is not str:
                found = f"has the name {shown(key)}, which is {kind_of(key)}"
                raise self.invalid(name, f"{found}: {how_to_write_text(key)}")
            if type(value) is not str:
                raise self.no_text(f"{name}[{shown_key(key)}]", value)
        return {intern(key): intern(value) for key, value in values.items()}

    def metadata(self) -> Fields:
        """The object's metadata, in which anybody may leave what nobody here reads (meta/v1 ObjectMeta)."""
        return Fields(self._mapping("metadata"), "metadata", self._secret)

    def child(self, name: str) -> Fields:
        """The mapping of that name, an empty one when absent."""
        child = Fields(self._mapping(name), self.at(name), self._secret)
        self._children.append(child)
        return child

    def children(self, name: str) -> list[Fields]:
        """The mappings of a list."""
        children = []
        for index, value in enumerate(self.items(name)):
            if not isinstance(value, dict):
                raise self.invalid(f"{name}[{index}]", f"is {kind_of(value)}: write a mapping")
            children.append(Fields(value, f"{self.at(name)}[{index}]", self._secret))
        self._children += children
        return children

    def _mapping(self, name: str) -> Mapping[Any, Any]:
        value = self.value(name)
        if value is None:
            return NOTHING
        if not isinstance(value, dict):
            raise self.invalid(name, f"is {kind_of(value)}: write a mapping")
        return value

    def refuse_unread(self) -> None:
        """Raises Invalid for a name, here or further down, that no reader was asked for."""
        for name in self._values:
            if name not in self._read:
                raise Invalid(self.at(shown_key(name)), partial(_no_such_field, shown_key(name), self._read))
        for child in self._children:
            child.refuse_unread()


def _no_such_field(name: str, known: set[str]) -> str:
    close = closest(name, known)
    return f"there is no such field: {f'did you mean {close}?' if close else 'take it out'}"


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)(ns|us|µs|ms|s|m|h)")


def parse_duration(text: str) -> float | None:
    """Seconds, of a text as Go's time.ParseDuration takes it (`100ms`, `1m30s`, `0`), None for any other text."""
    if text == "0":
        return 0.0
    parts = list(_DURATION_PART.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text:
        return None
    # Added in nanoseconds, whole ones: 0.1 has no exact float, and equal texts must stay equal after arithmetic.
    return sum(round(float(part[1]) * _UNITS[part[2]] * 1e9) for part in parts) / 1e9
