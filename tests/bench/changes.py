"""From a changed file to the first frame on the wire, and to the announcement, as a client sees them."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import ip_address

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
_TARGET_IP = slice(38, 42)  # RFC 826, behind an Ethernet header
FRAME_LIMIT, ANNOUNCED_LIMIT = 50, 200


def measure() -> Section:
    with site(state.THOUSAND) as place:
        place.start()
        place.wait_until_announced()
        known = {ip_address(address).packed for address in place.held(4)}
        trials = [_trial(place, known, number) for number in range(TRIALS)]
    first, announced = ([1000 * seconds for seconds in column] for column in zip(*trials, strict=True))
    rows = [
        *p50_and_p95("file to first frame", "ms", first, FRAME_LIMIT),
        *p50_and_p95("file to announced", "ms", announced, ANNOUNCED_LIMIT),
    ]
    return Section("A new Service file, with 1,000 Services loaded", rows)


def _trial(place: Site, known: set[bytes], number: int) -> tuple[float, float]:
    """A new Service with an address for every node, hence one for this one, that is not `known` yet; seconds to the
    first frame about it, which is a probe unless another node had the address, and to its announcement."""
    name, mac = f"new-{number}", parse_mac(place.station.link.mac)
    with place.client.link.host.capture("eth0") as capture:
        then = state.put(place.state, name, state.service(name, "class-0", state.THOUSAND.nodes))
        first = _await(capture, mac, lambda packet: _speaks_of_itself(packet, known), f"a first frame for {name}")
        address = first.octets[_TARGET_IP]
        announced = _await(capture, mac, lambda packet: packet.sender_ip == address, f"an announcement of {name}")
    known.add(address)
    (place.state / f"{name}.yaml").unlink()
    time.sleep(PAUSE)
    return first.time - then, announced.time - then


def _speaks_of_itself(packet: ArpPacket, known: set[bytes]) -> bool:
    """A probe or an announcement of a new address, and no question of the kernel for a host."""
    return packet.sender_ip in (arp.UNSPECIFIED, packet.target_ip) and packet.target_ip not in known


def _await(capture: Capture, mac: bytes, wanted: Callable[[ArpPacket], bool], what: str) -> Frame:
    """The first such ARP frame from that MAC."""

    def matches(frame: Frame) -> bool:
        packet = arp.decode(frame.octets)
        return isinstance(packet, ArpPacket) and packet.sender_mac == mac and wanted(packet)

    return capture.wait_for(matches, what=what)
