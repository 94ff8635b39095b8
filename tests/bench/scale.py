"""A data centre's worth of files: how long until everything is planned, and until one change is."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from mlbd.drivers.manifests import Manifests
from mlbd.plan.plan import Plan, plan

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
                    f"{suffix.upper()}: start to first plan applied",
                    "s",
                    statistics.median(ready),
                    START_LIMIT,
                    rival=_parsing(place.state, PARSERS[suffix]),
                )
            )
            if suffix == "yaml":
                changes = [1000 * seconds for seconds in _changes(place)]
                rows += p50_and_p95("file changed to plan applied", "ms", changes, CHANGE_LIMIT)
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
    began = time.perf_counter()
    for path in directory.iterdir():
        parse(path.read_bytes())
    return time.perf_counter() - began


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
    return event["reason"] == "AddressAssigned" and event["service"] == f"bench/{name}"


def _plan_alone(directory: Path) -> list[Row]:
    """Without the process around it: reading, the first plan, and a plan after a plan."""
    manifests = Manifests([directory], lambda: None)
    times: list[float] = []
    _timed(manifests.scan, times)
    first = _timed(lambda: plan(manifests.current()[0], "node-1"), times)
    again: list[float] = []
    for number in range(10):
        name = f"new-{number}"
        state.put(directory, name, state.service(name, f"class-{number}"))
        manifests.scan()
        first = _timed(lambda before=first: plan(manifests.current()[0], "node-1", before), again)  # type: ignore[misc]
    read, planned = times
    return [
        Row("JSON: reading alone", "s", read),
        Row("first plan() alone", "s", planned),
        *p50_and_p95("plan() after a change, alone", "ms", [1000 * seconds for seconds in again]),
    ]


def _timed(action: Callable[[], Any], times: list[float]) -> Plan:
    began = time.perf_counter()
    result = action()
    times.append(time.perf_counter() - began)
    return result
