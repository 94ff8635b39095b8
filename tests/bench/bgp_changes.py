"""From a changed file to the UPDATE on the wire, as the router sees it."""

from __future__ import annotations

from pathlib import Path

from tests.bgp.raw import Kind

from . import state
from .bgp import LINK, Uplink, first_of, uplink
from .bgp_daemon import daemon, service
from .report import Section, p50_and_p95

TRIALS = 60
SERVICES = 1_000
LIMIT = 50


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
        arrived = first_of(Kind.UPDATE, capture)
    place.when(True, SERVICES + 1)
    (directory / f"{name}.yaml").unlink()
    place.when(True, SERVICES)
    return 1000 * (arrived - then)
