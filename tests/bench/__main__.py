"""`python -m tests.bench [NAME...]`: exit status 1 when something that is to be reached was missed."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable

from tests.lab import LabError

from . import (
    answers,
    bgp_changes,
    bgp_failure,
    bgp_memory,
    bgp_routes,
    bgp_start,
    changes,
    failover,
    fleet,
    flood,
    memory,
    scale,
    screen,
    soak,
    start,
)
from .report import Section, draw

SECTIONS: dict[str, Callable[[], Section]] = {
    "answers": answers.measure,
    "changes": changes.measure,
    "scale": scale.measure,
    "memory": memory.measure,
    "status": screen.measure,
    "flood": flood.measure,
    "start": start.measure,
    "failover": failover.measure,
    "fleet": fleet.measure,
    "soak": soak.measure,
    "bgp-start": bgp_start.measure,
    "bgp-routes": bgp_routes.measure,
    "bgp-changes": bgp_changes.measure,
    "bgp-failure": bgp_failure.measure,
    "bgp-memory": bgp_memory.measure,
}


def main() -> int:
    names = _arguments()
    if os.geteuid() != 0:
        sys.exit("cannot measure: network namespaces need root; run it as root")
    try:
        sections = _sections(names)
    except KeyboardInterrupt:
        print("\nInterrupted; everything is cleaned up.", file=sys.stderr)
        return 130
    print(draw(sections))
    return int(any(section.missed for section in sections))


def _sections(names: list[str]) -> list[Section]:
    sections = []
    for name in names:
        began = time.monotonic()
        print(f"{name} ...", end="", file=sys.stderr, flush=True)
        sections.append(_measure(name))
        print(f" {time.monotonic() - began:.0f} s", file=sys.stderr)
    return sections


def _measure(name: str) -> Section:
    """What cannot be measured is missed, and the rest is measured still."""
    try:
        return SECTIONS[name]()
    except (AssertionError, LabError) as error:
        return Section(f"cannot measure {name}: {error}", failed=True)


def _arguments() -> list[str]:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure, and compare with the goals.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(SECTIONS)}; default all")
    names: list[str] = parser.parse_args().names
    if unknown := set(names) - SECTIONS.keys():
        parser.error(f"cannot measure {', '.join(sorted(unknown))}: choose from {', '.join(SECTIONS)}")
    return names or list(SECTIONS)


if __name__ == "__main__":
    sys.exit(main())
