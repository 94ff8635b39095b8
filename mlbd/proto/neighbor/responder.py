"""Whether a question gets an answer, and which (RFC 826, RFC 4861 7.2.3 and 7.2.4)."""

from collections.abc import Mapping

from mlbd.proto.neighbor import arp, ndp
from mlbd.proto.neighbor.arp import ArpPacket
from mlbd.proto.neighbor.frame import BROADCAST, DropReason, is_group
from mlbd.proto.neighbor.link import Link
from mlbd.proto.neighbor.ndp import Advertisement, Solicitation

Packet = ArpPacket | Solicitation | Advertisement

Held = Mapping[bytes, frozenset[int]]
"""Packed address to the ifindexes where it is answered for."""


Response = tuple[Packet | None, bytes | DropReason]
"""What the frame says, None when it cannot be read, and the frame to send back or why there is none."""


def respond_arp(frame: bytes, link: Link, held: Held) -> Response:
    """Probes (sender 0.0.0.0) are answered like any question: so their sender learns of the conflict. An announcement
    has the form of a question (RFC 5227 3) and is none: what it deserves, the announcer decides."""
    packet = arp.decode(frame)
    if isinstance(packet, DropReason):
        return None, packet
    if packet.operation != arp.REQUEST:
        return packet, DropReason.ARP_REPLY
    if packet.sender_ip == packet.target_ip:
        return packet, DropReason.ANNOUNCEMENT
    if packet.destination not in (BROADCAST, link.mac):
        return packet, DropReason.ETHERNET_DESTINATION
    return packet, _refusal(packet.target_ip, link, held) or arp.reply(packet, link.mac)


def respond_ndp(frame: bytes, link: Link, held: Held) -> Response:
    message = ndp.decode(frame)
    if isinstance(message, DropReason):
        return None, message
    if isinstance(message, Advertisement):
        return message, DropReason.NEIGHBOR_ADVERTISEMENT
    if message.ethernet_destination != link.mac and not is_group(message.ethernet_destination):
        return message, DropReason.ETHERNET_DESTINATION
    return message, _refusal(message.target, link, held) or ndp.reply(message, link.mac)


def _refusal(address: bytes, link: Link, held: Held) -> DropReason | None:
    links = held.get(address)
    if links is None:
        return DropReason.NOT_ANNOUNCED
    return None if link.index in links else DropReason.NOT_MATCH_INTERFACE
