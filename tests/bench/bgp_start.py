"""From the start of a process to its first SYN, as the router sees it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

from tests.lab import wait_for

from .bgp import LINK, RIVALS, Uplink, is_syn, uplink
from .bgp_daemon import daemon
from .report import Row, Section

STARTS = 3
LIMIT = 0.3


def measure() -> Section:
    with uplink(passive=True) as place:
        node = daemon(place.node, services=1)
        ours = statistics.median(_starts(place, node.start, node.stop))
    rows = [Row(f"mlbd, p50 of {STARTS}", "s", ours, LIMIT), *_rivals()]
    return Section("From the start of the process to the first SYN to its router", rows)


def _rivals() -> Iterator[Row]:
    for name, make in RIVALS.items():
        with uplink(passive=True) as place:
            announcer = make(place.node)
            announcer.stop()
            yield Row(
                f"{name}, p50 of {STARTS}", "s", statistics.median(_starts(place, announcer.start, announcer.stop))
            )


def _starts(place: Uplink, start: Callable[[], None], stop: Callable[[], object]) -> Iterator[float]:
    for _ in range(STARTS):
        wait_for(lambda: not place.table()[0], what="no session")
        with place.router.host.capture(LINK) as capture:
            began = time.time()
            start()
            yield capture.wait_for(lambda frame: not frame.sent and is_syn(frame), 30, "a SYN").time - began
        stop()
