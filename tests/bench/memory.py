"""What mlbd and its reflex take together, as they are after a while in use."""

from __future__ import annotations

from pathlib import Path

from . import state
from .report import Row, Section
from .site import Site, site
from .state import Fleet

ONE_NODE = Fleet(1_000, nodes=1)
CASES = (
    ("1,000 VIPs, all held here", ONE_NODE, 90),
    ("10,000 Services, 100 nodes", state.TEN_THOUSAND, 200),
)
CHANGES = 5


def measure() -> Section:
    return Section("Memory of mlbd and reflex together", [row for case in CASES for row in _case(*case)])


def _case(what: str, fleet: Fleet, limit: int) -> list[Row]:
    with site(fleet) as place:
        _use(place)
        return [
            Row(f"{what}, RSS", "MB", megabytes(place, "Rss"), limit),
            Row(f"{what}, PSS", "MB", megabytes(place, "Pss")),
        ]


def _use(place: Site) -> None:
    """A daemon that was only started has not yet shown what it takes: files change and somebody asks for everything."""
    place.start()
    place.wait_until_announced()
    for number in range(CHANGES):
        state.put(place.state, "new", state.service("new", "class-0", addresses=1 + number % 2))
        place.wait_until_announced()
        place.node.get("status")


def megabytes(place: Site, key: str) -> float:
    """RSS counts a page that both share twice, PSS once."""
    return sum(_kilobytes(pid, key) for pid in place.processes()) * 1024 / 1e6


def _kilobytes(pid: int, key: str) -> int:
    lines = Path("/proc", str(pid), "smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))
