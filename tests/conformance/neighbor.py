"""l2-arp-responder.json: mlbd.proto.neighbor."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Any

from mlbd.proto.neighbor import arp
from mlbd.proto.neighbor.frame import DropReason, parse_mac
from mlbd.proto.neighbor.link import Link
from mlbd.proto.neighbor.responder import respond_arp

LINK = Link(7, "eth0", parse_mac("02:00:00:00:00:07"))
ASKER = parse_mac("02:00:00:00:00:01")


def arp_frame(case: Mapping[str, Any], _: Mapping[str, Any]) -> None:
    frame = case["frame"]
    destination = LINK.mac if frame["ethDst"] == "OWN" else parse_mac(frame["ethDst"])
    operation = {"request": arp.REQUEST, "reply": arp.REPLY}[frame["op"]]
    sender, target = (IPv4Address(frame[name]).packed for name in ("senderIP", "targetIP"))
    announced = case["announcedIPs"] if case["announcedIPs"] is not None else [frame["targetIP"]]
    held = {IPv4Address(text).packed: frozenset((LINK.index,)) for text in announced}
    _packet, answer = respond_arp(arp.encode(destination, operation, ASKER, sender, bytes(6), target), LINK, held)
    assert isinstance(answer, bytes) is case["expectReply"]
    assert (answer.value if isinstance(answer, DropReason) else "none") == case["expectReason"]
