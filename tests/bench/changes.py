"""From a changed file to the first frame on the wire, and to the announcement, as a client sees them."""

from __future__ import annotations

import time

from mlbd.proto.neighbor import arp
from mlbd.proto.neighbor.arp import ArpPacket
from mlbd.proto.neighbor.frame import parse_mac
from tests.lab import Capture, Frame

from . import state
from .report import Section, p50_and_p95
from .site import Site, site

TRIALS = 60
#: Seconds; the announcements of one trial are over before the next begins.
PAUSE = 0.1
FRAME_LIMIT, ANNOUNCED_LIMIT = 50, 200


def measure() -> Section:
    with site(state.THOUSAND) as place:
        place.start()
        place.wait_until_announced()
        mac = parse_mac(place.station.link.mac)
        with place.client.link.host.capture("eth0") as capture:
            trials = [_trial(place, capture, mac, number) for number in range(TRIALS)]
    first, announced = ([1000 * seconds for seconds in column] for column in zip(*trials, strict=True))
    rows = [
        *p50_and_p95("file to first frame", "ms", first, FRAME_LIMIT),
        *p50_and_p95("file to announced", "ms", announced, ANNOUNCED_LIMIT),
    ]
    return Section("A new Service file, with 1,000 Services loaded", rows)


def _trial(place: Site, capture: Capture, mac: bytes, number: int) -> tuple[float, float]:
    """A new Service with an address for every node, hence one for this one; seconds to its probe and to its
    announcement."""
    name = f"new-{number}"
    then = state.put(place.state, name, state.service(name, "class-0", state.THOUSAND.nodes))
    # Only a new address is probed; announcements may be of others that are held already.
    probe = capture.wait_for(lambda frame: frame.time > then and _is_probe(frame, mac), what="the probe")
    target = _arp(frame=probe).target_ip
    announcement = capture.wait_for(lambda frame: _announces(frame, mac, target), what="the announcement")
    (place.state / f"{name}.yaml").unlink()
    time.sleep(PAUSE)
    return probe.time - then, announcement.time - then


def _is_probe(frame: Frame, mac: bytes) -> bool:
    packet = arp.decode(frame.octets)
    return isinstance(packet, ArpPacket) and packet.sender_mac == mac and packet.sender_ip == arp.UNSPECIFIED


def _announces(frame: Frame, mac: bytes, address: bytes) -> bool:
    packet = arp.decode(frame.octets)
    return isinstance(packet, ArpPacket) and packet.sender_mac == mac and packet.sender_ip == address


def _arp(frame: Frame) -> ArpPacket:
    packet = arp.decode(frame.octets)
    assert isinstance(packet, ArpPacket)
    return packet
