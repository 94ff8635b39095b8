"""RFC 4861 7.1 demand by demand; scapy is the second decoder and encoder."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    Raw,
)
from scapy.layers.l2 import Ether

from mlbd.proto.neighbor import ndp
from mlbd.proto.neighbor.frame import DropReason
from mlbd.proto.neighbor.ndp import Advertisement, Solicitation

OURS = bytes.fromhex("020000000001")
THEIRS = bytes.fromhex("020000000002")
VIP = IPv6Address("2001:db8::10:a0b0").packed
ASKER = IPv6Address("2001:db8::2").packed
GROUP = "ff02::1:ff10:a0b0"


def text(address: bytes) -> str:
    return str(IPv6Address(address))


def question(**changes: object) -> bytes:
    """A solicitation as scapy writes it; `changes` replace fields of the IPv6 header or the message."""
    ip = IPv6(src=text(ASKER), dst=GROUP, hlim=255)
    message = ICMPv6ND_NS(tgt=text(VIP))
    for name, value in changes.items():
        setattr(message if name in ("code", "tgt", "cksum") else ip, name, value)
    option = ICMPv6NDOptSrcLLAddr(lladdr=THEIRS.hex(":"))
    return bytes(Ether(dst="33:33:ff:10:a0:b0", src=THEIRS.hex(":")) / ip / message / option)


def with_options(options: bytes) -> bytes:
    ip = IPv6(src=text(ASKER), dst=GROUP, hlim=255)
    return bytes(Ether(dst="33:33:ff:10:a0:b0", src=THEIRS.hex(":")) / ip / ICMPv6ND_NS(tgt=text(VIP)) / Raw(options))


def test_solicited_node_group_and_its_mac() -> None:
    assert text(ndp.solicited_node(VIP)) == GROUP
    assert ndp.multicast_mac(ndp.solicited_node(VIP)) == bytes.fromhex("3333ff10a0b0")


def test_solicitation_of_scapy_is_read() -> None:
    assert ndp.decode(question()) == Solicitation(
        ethernet_destination=bytes.fromhex("3333ff10a0b0"),
        ethernet_source=THEIRS,
        source=ASKER,
        destination=ndp.solicited_node(VIP),
        target=VIP,
        link_layer=THEIRS,
    )


def test_answer_to_a_solicitation() -> None:
    solicitation = ndp.decode(question())
    assert isinstance(solicitation, Solicitation)
    frame = Ether(ndp.reply(solicitation, OURS))
    assert (frame.dst, frame.src) == (THEIRS.hex(":"), OURS.hex(":"))
    assert (frame[IPv6].dst, frame[IPv6].hlim) == (text(ASKER), 255)
    assert (frame[ICMPv6ND_NA].S, frame[ICMPv6ND_NA].O, frame[ICMPv6ND_NA].R) == (1, 1, 0)
    assert frame[ICMPv6ND_NA].tgt == text(VIP)
    assert frame[ICMPv6NDOptDstLLAddr].lladdr == OURS.hex(":")
    checksum = frame[ICMPv6ND_NA].cksum
    del frame[ICMPv6ND_NA].cksum
    assert Ether(bytes(frame))[ICMPv6ND_NA].cksum == checksum


def test_unicast_probe_without_link_layer_option_is_answered_to_its_ethernet_source() -> None:
    solicitation = Solicitation(OURS, THEIRS, ASKER, VIP, VIP, None)
    assert ndp.decode(ndp.encode(solicitation)) == solicitation
    assert Ether(ndp.reply(solicitation, OURS)).dst == THEIRS.hex(":")


def test_link_layer_option_is_preferred_to_the_ethernet_source() -> None:
    other = bytes.fromhex("020000000009")
    assert ndp.reply(Solicitation(OURS, THEIRS, ASKER, VIP, VIP, other), OURS)[:6] == other


def test_duplicate_address_detection_is_answered_to_all_nodes() -> None:
    frame = Ether(ndp.reply(Solicitation(OURS, THEIRS, bytes(16), VIP, VIP, None), OURS))
    assert (frame.dst, frame[IPv6].dst) == ("33:33:00:00:00:01", "ff02::1")
    assert (frame[ICMPv6ND_NA].S, frame[ICMPv6ND_NA].O) == (0, 1)


def test_announcement() -> None:
    frame = Ether(ndp.announcement(OURS, VIP))
    assert (frame.dst, frame[IPv6].dst, frame[IPv6].hlim) == ("33:33:00:00:00:01", "ff02::1", 255)
    assert (frame[ICMPv6ND_NA].S, frame[ICMPv6ND_NA].O, frame[ICMPv6ND_NA].R) == (0, 1, 0)
    assert frame[ICMPv6NDOptDstLLAddr].lladdr == OURS.hex(":")


def test_probe() -> None:
    frame = Ether(ndp.probe(OURS, VIP))
    assert (frame.dst, frame[IPv6].src, frame[IPv6].dst) == ("33:33:ff:10:a0:b0", "::", GROUP)
    assert frame[ICMPv6ND_NS].tgt == text(VIP)
    assert ICMPv6NDOptSrcLLAddr not in frame


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (question(hlim=254), DropReason.HOP_LIMIT),
        (question(cksum=0x1234), DropReason.CHECKSUM),
        (question(code=1), DropReason.MALFORMED),
        (question(nh=17), DropReason.MALFORMED),
        (question(tgt="ff02::1"), DropReason.MALFORMED),
        (question(src="ff02::1"), DropReason.MALFORMED),
        (question(src="::"), DropReason.MALFORMED),  # with a source link-layer option
        (question(plen=4000), DropReason.MALFORMED),
        (question(plen=20), DropReason.MALFORMED),
        (question(version=4), DropReason.MALFORMED),
        (with_options(b"\x01\x00" + THEIRS), DropReason.MALFORMED),  # length 0
        (with_options(b"\x0e\x00" + THEIRS), DropReason.MALFORMED),
        (with_options(b"\x01\x02" + THEIRS), DropReason.MALFORMED),  # beyond the end
        (with_options(b"\x01"), DropReason.MALFORMED),
        (with_options(b"\x01\x01\xff" + THEIRS[1:]), DropReason.MALFORMED),  # a group as sender
        (with_options(b"\x01\x02" + THEIRS + bytes(8)), DropReason.MALFORMED),  # not Ethernet
    ],
)
def test_refused(frame: bytes, reason: DropReason) -> None:
    assert ndp.decode(frame) is reason


def test_from_unspecified_to_anything_but_a_solicited_node_group_is_refused() -> None:
    frame = ndp.encode(Solicitation(OURS, THEIRS, bytes(16), VIP, VIP, None))
    assert ndp.decode(frame) is DropReason.MALFORMED


def test_advertisement_to_a_group_must_not_be_solicited() -> None:
    announced = ndp.decode(ndp.announcement(THEIRS, VIP))
    assert isinstance(announced, Advertisement)
    assert ndp.decode(ndp.encode(replace(announced, flags=ndp.SOLICITED))) is DropReason.MALFORMED


def test_unknown_options_are_passed_over() -> None:
    nonce = b"\x0e\x01" + bytes(6)
    solicitation = ndp.decode(with_options(nonce + b"\x01\x01" + THEIRS + nonce))
    assert isinstance(solicitation, Solicitation)
    assert solicitation.link_layer == THEIRS


macs = st.binary(min_size=6, max_size=6).map(lambda mac: bytes([mac[0] & 0xFE]) + mac[1:])
unicast = st.binary(min_size=15, max_size=15).map(lambda rest: b"\x20" + rest)


@given(macs, macs, unicast, unicast, unicast, st.one_of(st.none(), macs))
def test_solicitations_survive_the_wire(
    to: bytes, by: bytes, source: bytes, destination: bytes, target: bytes, link_layer: bytes | None
) -> None:
    message = Solicitation(to, by, source, destination, target, link_layer)
    assert ndp.decode(ndp.encode(message)) == message


@given(macs, macs, unicast, unicast, unicast, st.sampled_from([0x20, 0x60, 0xE0, 0]), st.one_of(st.none(), macs))
def test_advertisements_survive_the_wire(
    to: bytes, by: bytes, source: bytes, destination: bytes, target: bytes, flags: int, link_layer: bytes | None
) -> None:
    message = Advertisement(to, by, source, destination, target, flags, link_layer)
    assert ndp.decode(ndp.encode(message)) == message


@given(st.binary(max_size=200))
def test_any_octets_are_a_message_or_a_reason(octets: bytes) -> None:
    assert isinstance(ndp.decode(octets), Solicitation | Advertisement | DropReason)


options = st.builds(
    lambda kind, length, body: bytes([kind, length]) + body,
    st.sampled_from([1, 2, 14]),
    st.integers(0, 3),
    st.binary(max_size=14),
)


@given(st.lists(options, max_size=5).map(b"".join) | st.binary(max_size=120))
def test_any_options_under_a_right_checksum(options: bytes) -> None:
    assert isinstance(ndp.decode(with_options(options)), Solicitation | DropReason)


@given(st.integers(14, 85), st.integers(1, 255))
def test_every_changed_octet_of_header_or_message_is_noticed(position: int, change: int) -> None:
    octets = bytearray(question())
    octets[position] ^= change
    seen = ndp.decode(bytes(octets))
    # Traffic class and flow label carry no meaning here and are outside the checksum.
    assert isinstance(seen, DropReason) or (position in (14, 15, 16, 17) and octets[14] >> 4 == 6)
