"""The other end of a session: what a peer makes of UPDATEs, read as strictly as the RFCs allow, with nothing of mlbd's
own codec in it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from mlbd.proto.bgp.messages import Attributes, Prefix

ORIGIN, AS_PATH, NEXT_HOP, LOCAL_PREF, COMMUNITIES, MP_REACH, MP_UNREACH = 1, 2, 3, 5, 8, 14, 15
EXTENDED_COMMUNITIES, AS4_PATH, LARGE_COMMUNITIES = 16, 17, 32


@dataclass(frozen=True, slots=True)
class Route:
    attributes: Attributes
    next_hop: bytes
    as_path: bytes
    as4_path: bytes = b""


class Receiver:
    """`ends` are the families of the End-of-RIB markers that came, as (AFI, SAFI)."""

    def __init__(self, longest: int = 4096) -> None:
        self.table: dict[Prefix, Route] = {}
        self.ends: list[tuple[int, int]] = []
        self._longest = longest

    def receive(self, messages: Iterable[bytes]) -> None:
        for message in messages:
            length, kind = struct.unpack_from("!HB", message, 16)
            assert message[:16] == b"\xff" * 16 and kind == 2 and length == len(message) <= self._longest
            self._update(message[19:])

    def _update(self, body: bytes) -> None:
        withdrawn, rest = _counted(body)
        octets, nlri = _counted(rest)
        attributes = dict(_attributes(octets))
        reach, unreach = attributes.pop(MP_REACH, b""), attributes.pop(MP_UNREACH, b"")
        if not (withdrawn or nlri or reach or len(unreach) > 3):
            self.ends.append(struct.unpack("!HB", unreach) if unreach else (1, 1))
            return
        # RFC 7606 5.1: one of them only.
        assert sum(map(bool, (withdrawn, nlri, reach, unreach))) == 1
        for prefix in [*_prefixes(withdrawn, 1), *_unreachable(unreach)]:
            del self.table[prefix]  # never one that was not there
        if nlri:
            self._learn(_prefixes(nlri, 1), attributes.pop(NEXT_HOP), attributes)
        if reach:
            afi, safi, size = struct.unpack_from("!HBB", reach)
            assert safi == 1 and reach[4 + size] == 0
            self._learn(_prefixes(reach[5 + size :], afi), reach[4 : 4 + size], attributes)

    def _learn(self, prefixes: Iterable[Prefix], next_hop: bytes, attributes: dict[int, bytes]) -> None:
        route = _route(next_hop, dict(attributes))
        for prefix in prefixes:
            assert self.table.get(prefix) != route, "what the peer has already"
            self.table[prefix] = route


def _route(next_hop: bytes, attributes: dict[int, bytes]) -> Route:
    assert attributes.pop(ORIGIN) == b"\0"
    local_pref = attributes.pop(LOCAL_PREF, None)
    large = list(struct.iter_unpack("!III", attributes.pop(LARGE_COMMUNITIES, b"")))
    said = Attributes(
        local_pref=None if local_pref is None else int.from_bytes(local_pref),
        communities=tuple(number for (number,) in struct.iter_unpack("!I", attributes.pop(COMMUNITIES, b""))),
        large_communities=tuple(large),
        extended_communities=tuple(n for (n,) in struct.iter_unpack("!Q", attributes.pop(EXTENDED_COMMUNITIES, b""))),
    )
    route = Route(said, next_hop, attributes.pop(AS_PATH), attributes.pop(AS4_PATH, b""))
    assert not attributes
    return route


def _counted(octets: bytes) -> tuple[bytes, bytes]:
    end = 2 + int.from_bytes(octets[:2])
    assert end <= len(octets)
    return octets[2:end], octets[end:]


def _attributes(octets: bytes) -> Iterator[tuple[int, bytes]]:
    seen = set()
    while octets:
        flags, kind = octets[:2]
        start = 4 if flags & 0x10 else 3
        end = start + int.from_bytes(octets[2:start])
        assert kind not in seen and end <= len(octets)
        seen.add(kind)
        yield kind, octets[start:end]
        octets = octets[end:]


def _unreachable(value: bytes) -> Iterator[Prefix]:
    if value:
        afi, safi = struct.unpack_from("!HB", value)
        assert safi == 1
        yield from _prefixes(value[3:], afi)


def _prefixes(octets: bytes, afi: int) -> Iterator[Prefix]:
    kind, size = (IPv4Network, 4) if afi == 1 else (IPv6Network, 16)
    while octets:
        end = 1 + (octets[0] + 7) // 8
        assert octets[0] <= size * 8 and end <= len(octets)
        yield kind((octets[1:end].ljust(size, b"\0"), octets[0]))
        octets = octets[end:]
