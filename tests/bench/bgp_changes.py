"""From a changed file to the UPDATE on the wire, as the router sees it."""

from __future__ import annotations

from pathlib import Path

from tests.bgp.raw import MARKER, Kind
from tests.lab import Frame

from . import state
from .bgp import LINK, Uplink, uplink
from .bgp_daemon import daemon, service
from .report import Section, p50_and_p95

TRIALS = 60
SERVICES = 1_000
LIMIT = 50
_TCP = 34  # behind an Ethernet and an IPv4 header without options


def measure() -> Section:
    with uplink() as place:
        node = daemon(place.node, SERVICES)
        node.run()
        place.when(True, SERVICES)
        times = [_trial(place, node.state, number) for number in range(TRIALS)]
    rows = p50_and_p95("file to UPDATE", "ms", times, LIMIT)
    return Section(f"A new Service file, with {SERVICES:,} Services announced by BGP", rows)


def _trial(place: Uplink, directory: Path, number: int) -> float:
    """Milliseconds; the Service is gone again afterwards."""
    name = f"new-{number}"
    with place.router.host.capture(LINK) as capture:
        then = state.put(directory, name, service(name))
        arrived = capture.wait_for(_holds_update, what=f"an UPDATE for {name}").time
    place.when(True, SERVICES + 1)
    (directory / f"{name}.yaml").unlink()
    place.when(True, SERVICES)
    return 1000 * (arrived - then)


def _holds_update(frame: Frame) -> bool:
    """A segment that begins with one, of the node."""
    octets = frame.octets
    if frame.sent or octets[12:14] != b"\x08\x00":
        return False
    payload = octets[_TCP + (octets[_TCP + 12] >> 4) * 4 :]
    return payload.startswith(MARKER) and payload[18] == Kind.UPDATE
