"""Does a node that is only busy count as lost? Five nodes, and other programs that want all of every core."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from mlbd.model.settings import PACES, Pace
from tests.lab import Lab, wait_for

from .group import Group, group
from .report import Row, Section
from .site import busy_cores

#: For each profile; a number in the environment shortens the run.
SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
NODES = 5
#: Not allowed to be more than an ordinary process, neither by a limit nor by a capability.
ORDINARY = ("setpriv", "--bounding-set=-sys_nice", "prlimit", "--rtprio=0", "--nice=0")


@dataclass(frozen=True, slots=True)
class Count:
    """Of all nodes since they started."""

    downs: int
    taken: int


def measure() -> Section:
    with Lab() as lab:
        place = group(lab, NODES)
        rows = [*_soak(place, Pace.DEFAULT, ORDINARY), *_soak(place, Pace.FAST)]
    return Section(f"{NODES} nodes, both cores busy with other work for {SECONDS / 60:g} minutes", rows)


def _soak(place: Group, pace: Pace, wrapper: tuple[str, ...] = ()) -> Iterator[Row]:
    place.start(*wrapper, liveness=pace.value)
    for node in place.nodes:
        if node.get("status")["reflex"]["realtime"] == bool(wrapper):
            raise AssertionError(f"cannot soak: the reflex of {node.host.name} has the wrong scheduling class")
    # The counters come once a second.
    wait_for(lambda: _count(place).taken >= 2 * NODES, what="every address counted")
    before = _count(place)
    with busy_cores():
        late = max(_lateness(place))
    after = _count(place)
    place.stop()
    what = f"{pace}, {'ordinary process' if wrapper else 'real time'}"
    yield Row(f"{what}: lost nodes", "", after.downs - before.downs, limit=0)
    yield Row(f"{what}: moves", "", after.taken - before.taken, limit=0)
    yield Row(f"{what}: latest timer", "ms", late, rival=1000 * PACES[pace].interval)


def _count(place: Group) -> Count:
    counters = [node.get("status")["reflex"]["counters"] for node in place.nodes]
    nodes = [other for node in place.nodes for other in node.get("nodes")]
    downs = [session["downs"] for node in nodes for session in node["sessions"]]
    return Count(sum(downs), sum(counted.get("taken", 0) for counted in counters))


def _lateness(place: Group) -> Iterator[float]:
    """Milliseconds, of every node again and again until the time is over."""
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        for node in place.nodes:
            yield node.get("status")["reflex"]["lateness"] / 1000
        time.sleep(1)
