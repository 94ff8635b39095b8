"""Neighbor Discovery, RFC 4861: solicitations and advertisements in IPv6 in Ethernet.

Extension headers before ICMPv6 are not followed: no host puts them there, RFC 6980 forbids the fragment
header, and the kernel filter passes only packets whose next header is ICMPv6.
"""

import struct
from dataclasses import dataclass
from typing import Final

from mlbd.proto.neighbor.frame import ETH_P_IPV6, DropReason, is_group

NEIGHBOR_SOLICITATION: Final = 135
NEIGHBOR_ADVERTISEMENT: Final = 136
UNSPECIFIED: Final = bytes(16)
ALL_NODES: Final = bytes.fromhex("ff02" + "00" * 13 + "01")

SOLICITED: Final = 0x40
OVERRIDE: Final = 0x20

# Ethernet header; IPv6 version word, payload length, next header, hop limit, addresses; then the ICMPv6
# type, code, checksum, flags (reserved in a solicitation) and target.
_LAYOUT: Final = struct.Struct("!6s6sHIHBB16s16sBBHB3x16s")
_ICMP_START: Final = 54
_ICMP_MINIMUM: Final = 24
_ICMPV6: Final = 58
_HOP_LIMIT: Final = 255
_SOURCE_LINK_LAYER: Final = 1
_TARGET_LINK_LAYER: Final = 2
_SOLICITED_NODE_PREFIX: Final = bytes.fromhex("ff02" + "00" * 9 + "01ff")


@dataclass(frozen=True, slots=True)
class Solicitation:
    """`link_layer` is the source link-layer option, None when absent (unicast probes may leave it out)."""

    ethernet_destination: bytes
    ethernet_source: bytes
    source: bytes
    destination: bytes
    target: bytes
    link_layer: bytes | None


@dataclass(frozen=True, slots=True)
class Advertisement:
    """`link_layer` is the target link-layer option; `flags` are SOLICITED and OVERRIDE, and the R flag of routers."""

    ethernet_destination: bytes
    ethernet_source: bytes
    source: bytes
    destination: bytes
    target: bytes
    flags: int
    link_layer: bytes | None


def solicited_node(address: bytes) -> bytes:
    """The multicast group where solicitations for `address` are sent (RFC 4291 2.7.1)."""
    return _SOLICITED_NODE_PREFIX + address[13:]


def multicast_mac(group: bytes) -> bytes:
    """RFC 2464 7."""
    return b"\x33\x33" + group[12:]


def decode(frame: bytes) -> Solicitation | Advertisement | DropReason:
    """Reads and validates as RFC 4861 7.1.1 and 7.1.2 demand; never raises."""
    if len(frame) < _LAYOUT.size:
        return DropReason.MALFORMED
    (to, by, ethertype, version, length, next_header, hop_limit, source, destination, kind, code, _, flags, target) = (
        _LAYOUT.unpack_from(frame)
    )
    message = frame[_ICMP_START : _ICMP_START + length]
    if ethertype != ETH_P_IPV6 or version >> 28 != 6 or next_header != _ICMPV6 or code != 0:
        return DropReason.MALFORMED
    if length < _ICMP_MINIMUM or len(message) < length:
        return DropReason.MALFORMED
    if hop_limit != _HOP_LIMIT:
        return DropReason.HOP_LIMIT
    if _checksum(source, destination, message) != 0:
        return DropReason.CHECKSUM
    options = _options(message[_ICMP_MINIMUM:])
    if options is None or target[0] == 0xFF or source[0] == 0xFF or is_group(by):
        return DropReason.MALFORMED
    if kind == NEIGHBOR_SOLICITATION:
        solicitation = Solicitation(to, by, source, destination, target, options.get(_SOURCE_LINK_LAYER))
        return solicitation if _valid_solicitation(solicitation) else DropReason.MALFORMED
    # A multicast answer was asked for by nobody (RFC 4861 7.1.2).
    if kind == NEIGHBOR_ADVERTISEMENT and not (flags & SOLICITED and destination[0] == 0xFF):
        return Advertisement(to, by, source, destination, target, flags & 0xE0, options.get(_TARGET_LINK_LAYER))
    return DropReason.MALFORMED


def _valid_solicitation(solicitation: Solicitation) -> bool:
    """RFC 4861 7.1.1: what comes from :: asks a solicited-node group and has no link-layer address."""
    if solicitation.source != UNSPECIFIED:
        return True
    return solicitation.destination.startswith(_SOLICITED_NODE_PREFIX) and solicitation.link_layer is None


def _options(octets: bytes) -> dict[int, bytes] | None:
    """The Ethernet addresses among the options by option type; None when an option is malformed.

    RFC 4861 4.6: lengths are in units of eight octets and zero is an error. Every step consumes at least
    eight octets, so this ends.
    """
    found: dict[int, bytes] = {}
    while octets:
        if len(octets) < 8 or octets[1] == 0 or len(octets) < octets[1] * 8:
            return None
        if octets[0] in (_SOURCE_LINK_LAYER, _TARGET_LINK_LAYER):
            if octets[1] != 1 or is_group(octets[2:8]):
                return None
            found[octets[0]] = octets[2:8]
        octets = octets[octets[1] * 8 :]
    return found


def _checksum(source: bytes, destination: bytes, message: bytes) -> int:
    """RFC 8200 8.1; 0 over a message that carries a right checksum.

    A one's complement sum of 16-bit words is the whole read as one number modulo 65535.
    """
    padded = message + b"\0" * (len(message) % 2)
    pseudo_header = source + destination + struct.pack("!II", len(message), _ICMPV6)
    return 0xFFFF - (int.from_bytes(pseudo_header + padded) % 0xFFFF or 0xFFFF)


def encode(message: Solicitation | Advertisement) -> bytes:
    match message:
        case Solicitation():
            kind, flags, option = NEIGHBOR_SOLICITATION, 0, _SOURCE_LINK_LAYER
        case Advertisement():
            kind, flags, option = NEIGHBOR_ADVERTISEMENT, message.flags, _TARGET_LINK_LAYER
    options = b"" if message.link_layer is None else bytes((option, 1)) + message.link_layer
    body = struct.pack("!BBHB3x16s", kind, 0, 0, flags, message.target) + options
    checksum = _checksum(message.source, message.destination, body)
    head = _LAYOUT.pack(
        message.ethernet_destination,
        message.ethernet_source,
        ETH_P_IPV6,
        6 << 28,
        len(body),
        _ICMPV6,
        _HOP_LIMIT,
        message.source,
        message.destination,
        kind,
        0,
        checksum,
        flags,
        message.target,
    )
    return head + options


def reply(solicitation: Solicitation, mac: bytes) -> bytes:
    """RFC 4861 7.2.4: unicast to who asked; to all nodes and not Solicited when asked from ::.

    The address itself is the source: it is the one address that is certainly ours on this link.
    """
    if solicitation.source == UNSPECIFIED:
        return announcement(mac, solicitation.target)
    return encode(
        Advertisement(
            ethernet_destination=solicitation.link_layer or solicitation.ethernet_source,
            ethernet_source=mac,
            source=solicitation.target,
            destination=solicitation.source,
            target=solicitation.target,
            flags=SOLICITED | OVERRIDE,
            link_layer=mac,
        )
    )


def announcement(mac: bytes, address: bytes) -> bytes:
    """An unsolicited advertisement (RFC 4861 7.2.6) that overrides what caches hold."""
    to = multicast_mac(ALL_NODES)
    return encode(Advertisement(to, mac, address, ALL_NODES, address, OVERRIDE, mac))


def probe(mac: bytes, address: bytes) -> bytes:
    """Duplicate address detection, RFC 4862 5.4.2: asked from :: and without our link-layer address."""
    group = solicited_node(address)
    return encode(Solicitation(multicast_mac(group), mac, UNSPECIFIED, group, address, None))
