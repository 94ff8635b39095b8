"""The decisions of metallb's ARP responder, and the like for NDP."""

from __future__ import annotations

import pytest

from mlbd.proto.neighbor import arp, ndp
from mlbd.proto.neighbor.frame import BROADCAST, DropReason
from mlbd.proto.neighbor.link import Link
from mlbd.proto.neighbor.ndp import Solicitation
from mlbd.proto.neighbor.responder import respond_arp, respond_ndp

LINK = Link(2, "eth0", bytes.fromhex("020000000001"))
THEIRS = bytes.fromhex("020000000002")
VIP, ASKER, OTHER = bytes([192, 0, 2, 10]), bytes([192, 0, 2, 2]), bytes([192, 0, 2, 3])
VIP6, ASKER6 = b"\x20" + bytes(14) + b"\x10", b"\x20" + bytes(14) + b"\x02"
HELD = {VIP: frozenset([2]), VIP6: frozenset([2])}


def request(to: bytes = BROADCAST, operation: int = arp.REQUEST, sender: bytes = ASKER, target: bytes = VIP) -> bytes:
    return arp.encode(to, operation, THEIRS, sender, bytes(6), target)


@pytest.mark.parametrize("frame", [request(), request(to=LINK.mac), request(sender=bytes(4))])
def test_arp_is_answered(frame: bytes) -> None:
    packet, answer = respond_arp(frame, LINK, HELD)
    assert packet is not None
    assert answer == arp.encode(THEIRS, arp.REPLY, LINK.mac, VIP, THEIRS, frame[28:32])


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", DropReason.MALFORMED),
        (request(operation=arp.REPLY), DropReason.ARP_REPLY),
        (request(to=bytes.fromhex("020000000009")), DropReason.ETHERNET_DESTINATION),
        (request(to=bytes.fromhex("01005e000001")), DropReason.ETHERNET_DESTINATION),
        (request(sender=VIP), DropReason.ANNOUNCEMENT),
        (request(target=OTHER), DropReason.NOT_ANNOUNCED),
    ],
)
def test_arp_is_not_answered(frame: bytes, reason: DropReason) -> None:
    assert respond_arp(frame, LINK, HELD)[1] is reason


def solicitation(to: bytes = bytes.fromhex("3333ff000010"), target: bytes = VIP6) -> bytes:
    return ndp.encode(Solicitation(to, THEIRS, ASKER6, target, target, THEIRS))


@pytest.mark.parametrize("frame", [solicitation(), solicitation(to=LINK.mac)])
def test_ndp_is_answered(frame: bytes) -> None:
    message, answer = respond_ndp(frame, LINK, HELD)
    assert isinstance(message, Solicitation)
    assert answer == ndp.reply(message, LINK.mac)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", DropReason.MALFORMED),
        (ndp.announcement(THEIRS, VIP6), DropReason.NEIGHBOR_ADVERTISEMENT),
        (solicitation(to=bytes.fromhex("020000000009")), DropReason.ETHERNET_DESTINATION),
        (solicitation(target=ASKER6), DropReason.NOT_ANNOUNCED),
    ],
)
def test_ndp_is_not_answered(frame: bytes, reason: DropReason) -> None:
    assert respond_ndp(frame, LINK, HELD)[1] is reason


def test_only_the_chosen_link_answers() -> None:
    other = Link(3, "eth1", LINK.mac)
    assert respond_arp(request(), other, HELD)[1] is DropReason.NOT_MATCH_INTERFACE
    assert respond_ndp(solicitation(), other, HELD)[1] is DropReason.NOT_MATCH_INTERFACE
