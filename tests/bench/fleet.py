"""What it costs a reflex to watch fifteen others."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

from tests.lab import Lab

from .group import Group, group
from .report import Row, Section

NODES = 16
SECONDS = 30
LIMIT = 5


def measure() -> Section:
    with Lab() as lab:
        place = group(lab, NODES)
        place.start()
        shares = _shares(place)
    rows = [
        Row("one reflex, p50 of them", "% core", statistics.median(shares)),
        Row("one reflex, the busiest", "% core", max(shares), LIMIT),
    ]
    return Section(f"Processor time on {NODES} nodes, default profile, over {SECONDS} s", rows)


def _shares(place: Group) -> list[float]:
    """Percent of a core, of each reflex."""
    reflexes = [node.reflex() for node in place.nodes]
    before, began = [_ticks(pid) for pid in reflexes], time.monotonic()
    time.sleep(SECONDS)
    spent = [_ticks(pid) - ticks for pid, ticks in zip(reflexes, before, strict=True)]
    seconds = time.monotonic() - began
    return [100 * ticks / os.sysconf("SC_CLK_TCK") / seconds for ticks in spent]


def _ticks(pid: int) -> int:
    """proc(5): utime and stime, behind the name in brackets, which may hold anything."""
    fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
