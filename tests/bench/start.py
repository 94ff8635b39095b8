"""From the start of the process to READY with the example state, the way most hosts will see it."""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path

from tests.lab import Lab

from .report import Row, Section
from .site import Site
from .state import Fleet

EXAMPLE = Path(__file__).parents[2] / "etc/state.d"
STARTS = 5


def measure() -> Section:
    with Lab() as lab:
        place = Site(lab, Fleet(0, classes=0, nodes=0))
        shutil.copytree(EXAMPLE, place.state, dirs_exist_ok=True)
        times = []
        for _ in range(STARTS):
            times.append(1000 * place.start())
            place.node.stop()
    return Section("The example state", [Row(f"start to READY, p50 of {STARTS}", "ms", statistics.median(times))])
