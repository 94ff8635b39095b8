"""ARP for IPv4 over Ethernet: RFC 826 packets, and the announcements and probes of RFC 5227."""

import struct
from typing import Final, NamedTuple

from mlbd.proto.neighbor.frame import BROADCAST, ETH_P_ARP, DropReason, is_group

REQUEST: Final = 1
REPLY: Final = 2
UNSPECIFIED: Final = bytes(4)

# htype 1 (Ethernet), ptype 0x0800 (IPv4), hlen 6, plen 4, behind the EtherType.
_ETHERNET_IPV4: Final = ETH_P_ARP.to_bytes(2) + b"\x00\x01\x08\x00\x06\x04"
_LAYOUT: Final = struct.Struct("!6s6s8sH6s4s6s4s")


class ArpPacket(NamedTuple):
    """One ARP packet and the Ethernet addresses of the frame it came in; MACs of 6 octets, IPs of 4.

    A tuple, in the order of the wire: it is made for every question of a flood, and a dataclass takes three
    times as long.
    """

    destination: bytes
    source: bytes
    kind: bytes
    operation: int
    sender_mac: bytes
    sender_ip: bytes
    target_mac: bytes
    target_ip: bytes


def decode(frame: bytes) -> ArpPacket | DropReason:
    """Reads an Ethernet frame; never raises. What follows the packet is padding and ignored."""
    if len(frame) < _LAYOUT.size:
        return DropReason.MALFORMED
    packet = ArpPacket._make(_LAYOUT.unpack_from(frame))
    if packet.kind != _ETHERNET_IPV4 or packet.operation not in (REQUEST, REPLY) or is_group(packet.sender_mac):
        return DropReason.MALFORMED
    return packet


def encode(
    destination: bytes, operation: int, mac: bytes, sender_ip: bytes, target_mac: bytes, target_ip: bytes
) -> bytes:
    """A frame from `mac`, without padding: 42 octets, drivers pad it to Ethernet's minimum."""
    return _LAYOUT.pack(destination, mac, _ETHERNET_IPV4, operation, mac, sender_ip, target_mac, target_ip)


def reply(request: ArpPacket, mac: bytes) -> bytes:
    """The unicast answer: RFC 826 swaps the two sides and puts `mac` where the question was."""
    asker = request.sender_mac
    return encode(asker, REPLY, mac, request.target_ip, asker, request.sender_ip)


def announcements(mac: bytes, ip: bytes) -> tuple[bytes, bytes]:
    """A gratuitous request and a gratuitous reply, both broadcast.

    RFC 5227 3 recommends the request; some switches and routers learn only from replies.
    """
    return (
        encode(BROADCAST, REQUEST, mac, ip, BROADCAST, ip),
        encode(BROADCAST, REPLY, mac, ip, BROADCAST, ip),
    )


def probe(mac: bytes, ip: bytes) -> bytes:
    """RFC 5227 2.1.1: the sender address is all zero so that nobody's cache is touched."""
    return encode(BROADCAST, REQUEST, mac, UNSPECIFIED, bytes(6), ip)
