"""Addresses and ranges of them. A range is two numbers: an IPv6 /32 costs what an IPv4 /32 costs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
    summarize_address_range,
)

from .wording import shown

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

_LENGTH = re.compile("[0-9]{1,3}")


@dataclass(frozen=True, slots=True)
class AddressRange:
    """The addresses `first` to `last` of one family (4 or 6), as an object wrote them.

    `prefix_length` is set when it was written as a CIDR: then, for IPv4 shorter than /31, its network and broadcast
    addresses are never given out of a class (objects.md); a range written as first-last is taken as written.
    """

    family: int
    first: int
    last: int
    prefix_length: int | None = None

    @property
    def size(self) -> int:
        """How many addresses; not len(), which cannot count an IPv6 /32."""
        return self.last - self.first + 1

    def __contains__(self, address: IPAddress) -> bool:
        return address.version == self.family and self.first <= int(address) <= self.last

    def overlaps(self, other: AddressRange) -> bool:
        return self.family == other.family and self.first <= other.last and other.first <= self.last

    def networks(self) -> Iterator[IPNetwork]:
        """The fewest CIDRs that make up the range."""
        return summarize_address_range(self.address(self.first), self.address(self.last))

    def address(self, number: int) -> IPAddress:
        return IPv4Address(number) if self.family == 4 else IPv6Address(number)

    def __str__(self) -> str:
        first = self.address(self.first)
        if self.prefix_length is not None:
            return f"{first}/{self.prefix_length}"
        return f"{first}-{self.address(self.last)}"


def parse_range(text: str) -> AddressRange:
    """One entry of a pool: a CIDR (host bits are masked away) or `first-last`, blanks around the dash allowed.

    Raises ValueError, whose text says what is wrong with it, for anything else; a bare address needs its /32 or /128.
    """
    first, dash, last = text.partition("-")
    return _span(first.strip(), last.strip()) if dash else _cidr(text.strip())


def _cidr(text: str) -> AddressRange:
    address, slash, length = text.partition("/")
    first = parse_address(address)
    if not slash:
        raise ValueError(f"{first} is neither a CIDR nor a range: write {first}/{first.max_prefixlen} for one address")
    if not (_LENGTH.fullmatch(length) and int(length) <= first.max_prefixlen):
        raise ValueError(f"the prefix length of {shown(text)} is not a number from 0 to {first.max_prefixlen}")
    host_bits = first.max_prefixlen - int(length)
    network = int(first) >> host_bits << host_bits
    return AddressRange(first.version, network, network | (1 << host_bits) - 1, int(length))


def _span(first_text: str, last_text: str) -> AddressRange:
    first, last = parse_address(first_text), parse_address(last_text)
    if first.version != last.version:
        raise ValueError(f"{first_text}-{last_text} mixes IPv4 and IPv6")
    if int(first) > int(last):
        raise ValueError(f"{first_text}-{last_text} is reversed: its first address comes after its last")
    return AddressRange(first.version, int(first), int(last))


def parse_address(text: str) -> IPAddress:
    """An IPv4 or IPv6 address without a zone. Raises ValueError that quotes the text, cut when long."""
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is not an IP address") from None
    if isinstance(address, IPv6Address) and address.scope_id:
        raise ValueError(f"{shown(text)} has a zone, which means nothing on another host")
    return address


def parse_network(text: str) -> IPNetwork:
    """`address/length`. Raises ValueError that quotes the text, cut when long, also when bits beyond the length are
    set: they say that an address was meant."""
    try:
        return ip_network(text)
    except ValueError as problem:
        why = "has host bits set" if "host bits" in str(problem) else "is not a network"
        raise ValueError(f"{shown(text)} {why}") from None


def covering(address: IPAddress, length: int) -> IPNetwork:
    """The network of this prefix length that the address is in."""
    mask = -1 << (address.max_prefixlen - length)
    if isinstance(address, IPv4Address):
        return IPv4Network((int(address) & mask, length))
    return IPv6Network((int(address) & mask, length))
