"""How long a client waits for an ARP or NDP answer, for a VIP and, the rival, for the kernel's own address.

The questions alternate, so that whatever else the machine does meets both alike.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from . import state
from .questions import Asker, asker
from .report import Row, Section, percentile
from .site import Site, busy_cores, site

TRIALS = 2000
#: Between two questions, seconds; nobody asks in a tight loop, and a processor that was not idle answers sooner.
PAUSE = 0.001
RATIO_LIMIT = 6
DUAL_STACK = "dual-stack"


@dataclass(frozen=True, slots=True)
class Duel:
    """Seconds to each answer."""

    ours: list[float] = field(default_factory=list)
    kernel: list[float] = field(default_factory=list)


def measure() -> Section:
    rows: list[Row] = []
    with site(state.THOUSAND) as place:
        # One Service that asks for as many addresses as there are nodes: each node holds one of each family.
        wish = state.service(DUAL_STACK, "class-0", state.THOUSAND.nodes, dual_stack=True)
        state.put(place.state, DUAL_STACK, wish)
        place.start()
        place.wait_until_announced()
        for busy, load in ((False, "idle"), (True, "both cores busy")):
            with busy_cores() if busy else contextlib.nullcontext():
                rows += _rows(f"ARP, {load}", duel(place, 4), RATIO_LIMIT)
                rows += _rows(f"NDP, {load}", duel(place, 6))
    return Section("An answer seen by another namespace, 1,000 Services; rival: the kernel's own", rows)


def duel(place: Site, version: int, trials: int = TRIALS) -> Duel:
    vip = place.held(version)[0]
    result = Duel()
    with asker(place.client, version) as asking:
        for _ in range(trials):
            _ask(asking, place.station.address(version), result.kernel)
            _ask(asking, vip, result.ours)
    return result


def _ask(asking: Asker, address: str, samples: list[float]) -> None:
    time.sleep(PAUSE)
    samples.append(asking.ask(address))


def _rows(what: str, samples: Duel, ratio_limit: float | None = None) -> Sequence[Row]:
    return [
        Row(
            f"{what}, p{percent}",
            "us",
            percentile(samples.ours, percent) * 1e6,
            rival=percentile(samples.kernel, percent) * 1e6,
            ratio_limit=ratio_limit,
        )
        for percent in (50, 99)
    ]
