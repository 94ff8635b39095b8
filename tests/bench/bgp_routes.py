"""Ten thousand routes into a router's table: when a session begins, and into one that is there.

Each announcer is handed its routes as its users do it: GoBGP by gRPC, BIRD by its configuration, ExaBGP and mlbd's
speaker, which runs alone here, by a pipe. The clock of the second figure starts when they are told, in whatever form
they want it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.bgp.raw import Kind
from tests.lab import Host

from .bgp import LINK, MANY, NODE, NODE_AS, RIVALS, ROUTER, ROUTER_AS, Announcer, Uplink, first_of, prefixes, uplink
from .bgp_speaker import Alone
from .report import Row, Section

TRIALS = 3


@dataclass(frozen=True, slots=True)
class Times:
    """Medians, in milliseconds."""

    opening: float
    live: float


def measure() -> Section:
    ours = _times(lambda host: Alone(host, NODE, NODE_AS, ROUTER, ROUTER_AS))
    theirs = {name: _times(make) for name, make in RIVALS.items()}
    best = theirs["GoBGP"]
    rows = [
        Row("Established to all", "ms", ours.opening, rival=best.opening, ratio_limit=1),
        *(Row(f"  {name}", "ms", times.opening) for name, times in theirs.items()),
        Row("all added live", "ms", ours.live, rival=best.live, ratio_limit=0.25),
        *(Row(f"  {name}", "ms", times.live) for name, times in theirs.items()),
    ]
    return Section(f"{MANY:,} routes into FRR's table, p50 of {TRIALS}. Rival: GoBGP", rows)


def _times(make: Callable[[Host], Announcer]) -> Times:
    with uplink() as place:
        place.hold_back()
        announcer = make(place.node)
        announcer.announce(prefixes(MANY))
        opening = [_open(place) for _ in range(TRIALS)]
        place.let_in()
        place.when(True, MANY)
        live = [_add(place, announcer) for _ in range(TRIALS)]
    return Times(*(1000 * statistics.median(times) for times in (opening, live)))


def _open(place: Uplink) -> float:
    """Seconds from Established, which is the node's first KEEPALIVE, until all are there; afterwards there is no
    session."""
    with place.router.host.capture(LINK) as capture:
        place.let_in()
        there = place.when(True, MANY)
        seconds = there - first_of(Kind.KEEPALIVE, capture)
    place.hold_back()
    place.when(False, 0)
    return seconds


def _add(place: Uplink, announcer: Announcer) -> float:
    announcer.withdraw(prefixes(MANY))
    place.when(True, 0)
    announce = announcer.prepared(prefixes(MANY))
    began = time.time()
    announce()
    return place.when(True, MANY) - began
