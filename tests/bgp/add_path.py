"""The octets of gRPC's AddPathStream, GoBGP's way to be told routes: no library is needed for so little.

Of protocol buffers: a field is its number and wire type, then a varint (0) or a length and octets (2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_network
from typing import Final

_A_THOUSAND: Final = 1_000


def stream(paths: Iterable[bytes]) -> Iterator[bytes]:
    """gRPC messages, each with its five octets in front."""
    fields = [_field(3, path) for path in paths]
    for first in range(0, len(fields), _A_THOUSAND):
        message = b"".join(fields[first : first + _A_THOUSAND])
        yield b"\0" + len(message).to_bytes(4, "big") + message


def path_of(network: str, next_hop: str) -> bytes:
    """An apipb.Path of IPv4 unicast with ORIGIN IGP."""
    prefix = ip_network(network)
    nlri = _any("IPAddressPrefix", _number(1, prefix.prefixlen) + _field(2, str(prefix.network_address).encode()))
    origin = _any("OriginAttribute", _number(1, 0))
    hop = _any("NextHopAttribute", _field(1, next_hop.encode()))
    family = _number(1, 1) + _number(2, 1)
    return _field(1, nlri) + _field(2, origin) + _field(2, hop) + _field(9, family)


def _any(kind: str, value: bytes) -> bytes:
    return _field(1, f"type.googleapis.com/apipb.{kind}".encode()) + _field(2, value)


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _field(number: int, octets: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(octets)) + octets


def _varint(value: int) -> bytes:
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*octets, value))


WITHDRAWN: Final = _number(5, 1)
