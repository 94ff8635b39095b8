"""Golden octets are typed in from RFC 826 and RFC 5227; scapy is the second decoder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import ARP, Ether

from mlbd.proto.neighbor import arp
from mlbd.proto.neighbor.arp import ArpPacket
from mlbd.proto.neighbor.frame import BROADCAST, DropReason

OURS = bytes.fromhex("020000000001")
THEIRS = bytes.fromhex("020000000002")
VIP = bytes([192, 0, 2, 10])
ASKER = bytes([192, 0, 2, 2])

REQUEST = bytes.fromhex(
    "ffffffffffff 020000000002 0806 0001 0800 06 04 0001 020000000002 c0000202 000000000000 c000020a"
)
REPLY = bytes.fromhex("020000000002 020000000001 0806 0001 0800 06 04 0002 020000000001 c000020a 020000000002 c0000202")
PROBE = bytes.fromhex("ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 00000000 000000000000 c000020a")

macs = st.binary(min_size=6, max_size=6).map(lambda mac: bytes([mac[0] & 0xFE]) + mac[1:])
ips = st.binary(min_size=4, max_size=4)


def decoded(frame: bytes) -> ArpPacket:
    packet = arp.decode(frame)
    assert isinstance(packet, ArpPacket)
    return packet


def test_request_and_its_reply() -> None:
    request = decoded(REQUEST)
    assert (request.sender_mac, request.sender_ip, request.target_ip) == (THEIRS, ASKER, VIP)
    assert arp.reply(request, OURS) == REPLY


def test_probe_has_no_sender() -> None:
    assert arp.probe(OURS, VIP) == PROBE


def test_announcements_are_a_request_and_a_reply_to_all() -> None:
    frames = [Ether(frame) for frame in arp.announcements(OURS, VIP)]
    assert [frame[ARP].op for frame in frames] == [1, 2]
    for frame in frames:
        assert frame.dst == "ff:ff:ff:ff:ff:ff"
        assert (frame[ARP].psrc, frame[ARP].pdst) == ("192.0.2.10", "192.0.2.10")
        assert frame.src == frame[ARP].hwsrc == "02:00:00:00:00:01"


@given(macs, macs, ips, ips)
def test_scapy_reads_what_we_write(ours: bytes, theirs: bytes, ip: bytes, asker: bytes) -> None:
    request = bytes(
        Ether(dst=BROADCAST.hex(":"), src=theirs.hex(":"))
        / ARP(op=1, hwsrc=theirs.hex(":"), psrc=".".join(map(str, asker)), pdst=".".join(map(str, ip)))
    )
    frame = Ether(arp.reply(decoded(request), ours))
    assert (frame.src, frame.dst) == (ours.hex(":"), theirs.hex(":"))
    assert (frame[ARP].op, frame[ARP].hwsrc, frame[ARP].hwdst) == (2, ours.hex(":"), theirs.hex(":"))
    assert frame[ARP].psrc == ".".join(map(str, ip))
    assert frame[ARP].pdst == ".".join(map(str, asker))


@given(macs, macs, macs, ips, ips, st.sampled_from([arp.REQUEST, arp.REPLY]), st.binary(max_size=40))
def test_what_we_write_we_read_with_any_padding(
    to: bytes, mac: bytes, target_mac: bytes, ip: bytes, target_ip: bytes, operation: int, padding: bytes
) -> None:
    packet = decoded(arp.encode(to, operation, mac, ip, target_mac, target_ip) + padding)
    assert (packet.destination, packet.source, packet.operation) == (to, mac, operation)
    assert packet[4:] == (mac, ip, target_mac, target_ip)


@given(st.binary(max_size=80))
def test_any_octets_are_a_packet_or_a_reason(octets: bytes) -> None:
    assert isinstance(arp.decode(octets), ArpPacket | DropReason)


@given(st.integers(0, len(REQUEST) - 1), st.integers(0, 255))
def test_one_wrong_octet_never_raises(position: int, value: int) -> None:
    octets = bytearray(REQUEST)
    octets[position] = value
    assert isinstance(arp.decode(bytes(octets)), ArpPacket | DropReason)


@pytest.mark.parametrize("length", range(len(REQUEST)))
def test_truncated(length: int) -> None:
    assert arp.decode(REQUEST[:length]) is DropReason.MALFORMED


@pytest.mark.parametrize(
    ("position", "value", "what"),
    [
        (12, b"\x86\xdd", "EtherType"),
        (14, b"\x00\x06", "hardware type IEEE 802"),
        (16, b"\x86\xdd", "protocol type IPv6"),
        (18, b"\x08", "hardware length"),
        (19, b"\x10", "protocol length"),
        (20, b"\x00\x00", "operation 0"),
        (20, b"\x00\x03", "RARP"),
        (22, b"\xff", "a group as sender: the answer would go to all"),
    ],
)
def test_malformed(position: int, value: bytes, what: str) -> None:
    frame = REQUEST[:position] + value + REQUEST[position + len(value) :]
    assert arp.decode(frame) is DropReason.MALFORMED, what
