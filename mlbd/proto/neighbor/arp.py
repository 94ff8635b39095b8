"""ARP for IPv4 over Ethernet: RFC 826 packets, and the announcements and probes of RFC 5227."""

import struct
from dataclasses import dataclass
from typing import Final

from mlbd.proto.neighbor.frame import BROADCAST, ETH_P_ARP, DropReason, is_group

REQUEST: Final = 1
REPLY: Final = 2
UNSPECIFIED: Final = bytes(4)

# Ethernet header, then htype 1 (Ethernet), ptype 0x0800 (IPv4), hlen 6, plen 4, op and the four addresses.
_LAYOUT: Final = struct.Struct("!6s6sHIHH6s4s6s4s")
_ETHERNET_IPV4: Final = 0x0001_0800
_LENGTHS: Final = 0x0604


@dataclass(frozen=True, slots=True)
class ArpPacket:
    """One ARP packet and the Ethernet addresses of the frame it came in; MACs of 6 octets, IPs of 4."""

    destination: bytes
    source: bytes
    operation: int
    sender_mac: bytes
    sender_ip: bytes
    target_mac: bytes
    target_ip: bytes


def decode(frame: bytes) -> ArpPacket | DropReason:
    """Reads an Ethernet frame; never raises. What follows the packet is padding and ignored."""
    if len(frame) < _LAYOUT.size:
        return DropReason.MALFORMED
    (destination, source, ethertype, kind, lengths, operation, sender_mac, sender_ip, target_mac, target_ip) = (
        _LAYOUT.unpack_from(frame)
    )
    if ethertype != ETH_P_ARP or kind != _ETHERNET_IPV4 or lengths != _LENGTHS:
        return DropReason.MALFORMED
    if operation not in (REQUEST, REPLY) or is_group(sender_mac):
        return DropReason.MALFORMED
    return ArpPacket(destination, source, operation, sender_mac, sender_ip, target_mac, target_ip)


def encode(packet: ArpPacket) -> bytes:
    """The frame without padding: 42 octets, drivers pad it to Ethernet's minimum."""
    return _LAYOUT.pack(
        packet.destination,
        packet.source,
        ETH_P_ARP,
        _ETHERNET_IPV4,
        _LENGTHS,
        packet.operation,
        packet.sender_mac,
        packet.sender_ip,
        packet.target_mac,
        packet.target_ip,
    )


def reply(request: ArpPacket, mac: bytes) -> bytes:
    """The unicast answer: RFC 826 swaps the two sides and puts `mac` where the question was."""
    return encode(
        ArpPacket(
            destination=request.sender_mac,
            source=mac,
            operation=REPLY,
            sender_mac=mac,
            sender_ip=request.target_ip,
            target_mac=request.sender_mac,
            target_ip=request.sender_ip,
        )
    )


def announcements(mac: bytes, ip: bytes) -> tuple[bytes, bytes]:
    """A gratuitous request and a gratuitous reply, both broadcast.

    RFC 5227 3 recommends the request; some switches and routers learn only from replies.
    """
    return (
        encode(ArpPacket(BROADCAST, mac, REQUEST, mac, ip, BROADCAST, ip)),
        encode(ArpPacket(BROADCAST, mac, REPLY, mac, ip, BROADCAST, ip)),
    )


def probe(mac: bytes, ip: bytes) -> bytes:
    """RFC 5227 2.1.1: the sender address is all zero so that nobody's cache is touched."""
    return encode(ArpPacket(BROADCAST, mac, REQUEST, mac, UNSPECIFIED, bytes(6), ip))
