"""A data centre's worth of files: how long until everything is planned, and until one change is."""

from __future__ import annotations

import contextlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlbd.drivers.manifests import Manifests
from mlbd.plan.plan import plan

from . import state
from .report import Row, Section, p50_and_p95
from .site import Site, site

STARTS = 3
TRIALS = 30
#: Seconds; a turn is over before the next change.
PAUSE = 0.2
START_LIMIT, CHANGE_LIMIT = 3, 100
#: The rival of reading and planning: what others' parsers need for the same files, and no more.
PARSERS: dict[str, Callable[[bytes], Any]] = {
    "yaml": lambda octets: yaml.load(octets, yaml.CSafeLoader),
    "json": json.loads,
}


def measure() -> Section:
    rows: list[Row] = []
    for suffix in PARSERS:
        with site(state.TEN_THOUSAND, suffix) as place:
            ready = _starts(place)
            rows.append(
                Row(
                    f"{suffix.upper()}: start to plan applied",
                    "s",
                    statistics.median(ready),
                    START_LIMIT,
                    rival=_parsing(place.state, PARSERS[suffix]),
                )
            )
            if suffix == "yaml":
                changes = [1000 * seconds for seconds in _changes(place)]
                rows += p50_and_p95("change to plan applied", "ms", changes, CHANGE_LIMIT)
            else:
                rows += _plan_alone(place.state)
    return Section("10,000 Services, 50 classes, 100 nodes; rival: only parsing the same files", rows)


def _starts(place: Site) -> list[float]:
    """The last daemon is left running."""
    times = [place.start()]
    while len(times) < STARTS:
        place.node.stop()
        times.append(place.start())
    return times


def _parsing(directory: Path, parse: Callable[[bytes], Any]) -> float:
    with _timed() as parsing:
        for path in directory.iterdir():
            parse(path.read_bytes())
    return parsing.seconds


def _changes(place: Site) -> Iterator[float]:
    """A new Service in turn for each class; the daemon's own event, written when the turn is over, ends the time."""
    events = place.node.client.lines("events", follow=True)
    for number in range(TRIALS):
        name = f"new-{number}"
        then = state.put(place.state, name, state.service(name, f"class-{number % state.TEN_THOUSAND.classes}"))
        assigned = next(event for event in events if _is_assigned(event, name))
        yield assigned["time"] - then
        time.sleep(PAUSE)


def _is_assigned(event: Any, name: str) -> bool:
    return bool(event["reason"] == "AddressAssigned" and event["service"] == f"bench/{name}")


def _plan_alone(directory: Path) -> list[Row]:
    """Without the process around it: reading, the first plan, and a plan after a plan."""
    manifests = Manifests([directory], lambda: None)
    with _timed() as reading:
        manifests.scan()
    with _timed() as planning:
        planned = plan(manifests.current()[0], "node-1")
    again = []
    for number in range(10):
        name = f"new-{number}"
        state.put(directory, name, state.service(name, f"class-{number}"))
        manifests.scan()
        with _timed() as changing:
            planned = plan(manifests.current()[0], "node-1", planned)
        again.append(1000 * changing.seconds)
    return [
        Row("JSON: reading without planning", "s", reading.seconds),
        Row("first plan()", "s", planning.seconds),
        *p50_and_p95("plan() after a change", "ms", again),
    ]


@dataclass(slots=True)
class Stopwatch:
    seconds: float = 0.0


@contextlib.contextmanager
def _timed() -> Iterator[Stopwatch]:
    watch, began = Stopwatch(), time.perf_counter()
    yield watch
    watch.seconds = time.perf_counter() - began
