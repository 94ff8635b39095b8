"""The filters run here in an interpreter of classic BPF, and in tests/reflex in the kernel."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbd.proto.neighbor import arp, ndp
from mlbd.proto.neighbor.bpf import MAX_INSTRUCTIONS, Program, assemble
from mlbd.proto.neighbor.filter import arp_filter, mixed, ndp_filter
from mlbd.proto.neighbor.ndp import Advertisement, Solicitation

MAC = bytes.fromhex("020000000002")
OTHER, OTHER6 = bytes([203, 0, 113, 1]), IPv6Address("2001:db8:ffff::1").packed
PACKET_HOST, PACKET_OTHERHOST = 0, 3

Filter = Callable[[Iterable[bytes], int], Program]


def accepts(program: Program, frame: bytes, packet_type: int = PACKET_HOST) -> bool:
    """Runs the assembled octets as the kernel would; a load beyond the frame rejects it."""
    code = list(struct.iter_unpack("HBBI", assemble(program)))
    assert len(code) <= MAX_INSTRUCTIONS
    a = x = at = 0
    while True:
        operation, then, otherwise, k = code[at]
        at += 1
        match operation:
            case 0x20 if k == 0xFFFFF004:
                a = packet_type
            case 0x20 | 0x28 | 0x30:
                size = {0x20: 4, 0x28: 2, 0x30: 1}[operation]
                if k + size > len(frame):
                    return False
                a = int.from_bytes(frame[k : k + size])
            case 0x05:
                at += k
            case 0x15:
                at += then if a == k else otherwise
            case 0x25:
                at += then if a > k else otherwise
            case 0x35:
                at += then if a >= k else otherwise
            case 0x24:
                a = a * k % 2**32
            case 0x0C:
                a = (a + x) % 2**32
            case 0x07:
                x = a
            case 0x06:
                return bool(k > 0)
            case _:
                raise AssertionError(f"unknown instruction {operation:#x}")


def asks(ip: bytes) -> bytes:
    return arp.encode(b"\xff" * 6, arp.REQUEST, MAC, OTHER, bytes(6), ip)


def claims(ip: bytes) -> bytes:
    return arp.encode(b"\xff" * 6, arp.REPLY, MAC, ip, MAC, OTHER)


def solicits(ip: bytes) -> bytes:
    return ndp.encode(Solicitation(b"\x33\x33\xff\0\0\0", MAC, OTHER6, ndp.solicited_node(ip), ip, MAC))


def advertises(ip: bytes) -> bytes:
    return ndp.encode(Advertisement(MAC, MAC, ip, OTHER6, ip, ndp.OVERRIDE, MAC))


scattered = st.sets(st.binary(min_size=4, max_size=4), max_size=300)
scattered6 = st.sets(st.binary(min_size=16, max_size=16), max_size=300)


@given(scattered, st.binary(min_size=4, max_size=4))
def test_arp_is_admitted_exactly(addresses: set[bytes], stranger: bytes) -> None:
    program = arp_filter(addresses)
    assert all(accepts(program, frame(ip)) for ip in addresses for frame in (asks, claims))
    if OTHER not in addresses:
        near = [(int.from_bytes(ip) + step) % 2**32 for ip in list(addresses)[:20] for step in (-1, 1)]
        for ip in {stranger, *(key.to_bytes(4) for key in near)}:
            assert accepts(program, asks(ip)) is (ip in addresses)
            assert accepts(program, claims(ip)) is (ip in addresses)


@given(scattered6, st.binary(min_size=16, max_size=16))
def test_ndp_is_admitted_exactly_but_for_collisions(addresses: set[bytes], stranger: bytes) -> None:
    program = ndp_filter(addresses)
    assert all(accepts(program, frame(ip)) for ip in addresses for frame in (solicits, advertises))
    assert accepts(program, solicits(stranger)) is (mixed(stranger) in map(mixed, addresses))


@pytest.mark.parametrize("count", [1, 8, 9, 1_000, 10_000])
@pytest.mark.parametrize("limit", [4096, 1024, 64])
def test_many_scattered_addresses_fit_and_none_is_missed(count: int, limit: int) -> None:
    keys = [i * 0x9E3779B1 % 2**32 for i in range(count)]
    v4 = [key.to_bytes(4) for key in keys]
    v6 = [b"\x20\x01\x0d\xb8" + key.to_bytes(4) * 3 for key in keys]
    by_arp, by_ndp = arp_filter(v4, limit), ndp_filter(v6, limit)
    assert max(len(by_arp), len(by_ndp)) <= limit
    step = max(1, count // 200)
    assert all(accepts(by_arp, asks(ip)) and accepts(by_arp, claims(ip)) for ip in v4[::step])
    assert all(accepts(by_ndp, solicits(ip)) for ip in v6[::step])


def first_stranger(program: Program, frame: Callable[[bytes], bytes], addresses: list[bytes]) -> bytes | None:
    """Of the addresses right after those asked for, the first one that comes through."""
    near = ((int.from_bytes(address) + 1).to_bytes(len(address)) for address in addresses)
    return next((ip for ip in near if accepts(program, frame(ip))), None)


def test_how_many_scattered_addresses_are_matched_exactly() -> None:
    """As the head of the module says."""
    keys = [(i * 0x9E3779B1 % 2**32).to_bytes(4) for i in range(1, 2_529)]
    v4, v6 = keys[:1_273], [b"\x20\x01\x0d\xb8" + key * 3 for key in keys]
    assert first_stranger(arp_filter(v4[:-1]), asks, v4) is None
    assert first_stranger(ndp_filter(v6[:-1]), solicits, v6) is None
    assert first_stranger(arp_filter(v4), asks, v4)
    assert first_stranger(ndp_filter(v6), solicits, v6)


def test_a_gap_of_one_stays_a_gap() -> None:
    program = arp_filter([bytes([192, 0, 2, 1]), bytes([192, 0, 2, 3])])
    assert not accepts(program, asks(bytes([192, 0, 2, 2])))


def test_the_closest_are_joined_first() -> None:
    near = [(IPv4Address(base) + 3 * i).packed for base in ("10.0.0.0", "172.16.0.0") for i in range(100)]
    program = arp_filter(near, limit=64)
    assert not accepts(program, asks(IPv4Address("100.0.0.0").packed))
    assert all(accepts(program, asks(ip)) for ip in near)


def test_jumps_reach_in_trees_of_every_size() -> None:
    for count in range(1, 400, 3):
        addresses = [(7 * i).to_bytes(4) for i in range(count)]
        program = arp_filter(addresses)
        assert all(accepts(program, asks(ip)) for ip in (addresses[0], addresses[count // 2], addresses[-1]))


def test_a_pool_is_a_handful_of_instructions() -> None:
    pool = [(IPv4Address("10.0.0.0") + i).packed for i in range(5_000)]
    pool6 = [(IPv6Address("2001:db8::") + i).packed for i in range(5_000)]
    assert len(arp_filter(pool)) < 32
    assert len(ndp_filter(pool6)) < 64


def test_nothing_held_nothing_admitted() -> None:
    assert not accepts(arp_filter([]), asks(OTHER))
    assert not accepts(ndp_filter([]), solicits(OTHER6))


def test_what_is_for_others_or_in_a_foreign_vlan_is_refused() -> None:
    assert not accepts(arp_filter([OTHER]), asks(OTHER), PACKET_OTHERHOST)
    assert not accepts(ndp_filter([OTHER6]), solicits(OTHER6), PACKET_OTHERHOST)


@given(st.binary(max_size=100))
def test_any_octets_run_to_an_end(octets: bytes) -> None:
    frame = b"\xff" * 12 + octets
    assert accepts(arp_filter([OTHER]), frame) in (True, False)
    assert accepts(ndp_filter([OTHER6]), frame) in (True, False)


@pytest.mark.parametrize(
    ("position", "value"), [(15, 6), (16, 0x86), (18, 8), (19, 16)], ids=["htype", "ptype", "hlen", "plen"]
)
def test_other_kinds_of_arp_are_refused(position: int, value: int) -> None:
    frame = bytearray(asks(OTHER))
    frame[position] = value
    assert not accepts(arp_filter([OTHER]), bytes(frame))


@pytest.mark.parametrize(
    ("position", "value"), [(20, 17), (21, 254), (54, 134)], ids=["next header", "hop limit", "type"]
)
def test_other_ipv6_is_refused(position: int, value: int) -> None:
    frame = bytearray(solicits(OTHER6))
    frame[position] = value
    assert not accepts(ndp_filter([OTHER6]), bytes(frame))
