"""How long an address is dark when its node is lost, and what is lost when a node goes and comes in order.

A client sends a datagram a millisecond to every address (tests/traffic.py). keepalived meets the same on the same
hosts, before mlbd does.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from mlbd.drivers.memory import NAME as MEMORY
from tests.keepalived import Keepalived, ranks
from tests.lab import Lab
from tests.node import Node

from .acts import ANY, FAULTS, TOLD
from .contest import Contest, Program
from .group import Group, group
from .report import Row, Section, percentile

#: Of each fault; a number in the environment shortens the run.
TRIALS = int(os.environ.get("TRIALS", "20"))
#: For what is no goal.
FEW_TRIALS = max(1, TRIALS // 4)
HOSTS = 3
#: The default would make a run of hours.
HOLD_DOWN = "1s"
VIRTUAL = tuple(f"198.19.255.{number}" for number in range(HOSTS)) + tuple(
    f"2001:2::ffff:{number}" for number in range(HOSTS)
)


@dataclass(slots=True)
class Record:
    """For each fault and trial: `gaps`, the longest of an address of the lost node, in milliseconds; datagrams lost to
    `others` meanwhile, and `back`: to any address when the node came back. `told`: lost to any address."""

    gaps: dict[str, list[float]] = field(default_factory=dict)
    others: dict[str, list[int]] = field(default_factory=dict)
    back: dict[str, list[int]] = field(default_factory=dict)
    told: dict[str, list[int]] = field(default_factory=dict)


def measure() -> Section:
    with Lab() as lab:
        place = group(lab, HOSTS)
        with _keepalived(place, 1) as contest:
            usual = _record(contest, TRIALS, FAULTS, FEW_TRIALS, ANY)
        with _keepalived(place, 0.1) as contest:
            quick = _record(contest, TRIALS, FAULTS)
        with _keepalived(place, 0.01) as contest:
            quickest = _record(contest, FEW_TRIALS, ["power lost"])
        with _mlbd(place, "default", 0.1) as contest:
            default = _record(contest, TRIALS, FAULTS, TRIALS, TOLD)
        with _mlbd(place, "fast", 0.02) as contest:
            fast = _record(contest, TRIALS, FAULTS)
    rows = [
        *_gaps("default", default, usual, 400, 8),
        *_gaps("fast", fast, quick, 100, 3),
        Row(f"keepalived at 10 ms, p50 of {FEW_TRIALS}", "ms", percentile(quickest.gaps["power lost"], 50)),
        *_lost("{}, to the others", default.others, usual.others),
        *_lost("{}, to the others, fast", fast.others, quick.others),
        *_lost("back from: {}", default.back, usual.back),
        *_lost("back from: {}, fast", fast.back, quick.back),
        *_lost("{}", default.told, usual.told),
    ]
    return Section(
        "One of 3 nodes is lost: the longest gap of its addresses; datagrams lost, most in a trial. "
        "Rival: keepalived, at its default and, of the fast profile, at adverts of 0.1 s",
        rows,
    )


@contextlib.contextmanager
def _keepalived(place: Group, interval: float) -> Iterator[Contest]:
    programs = [
        Keepalived(host, ranks(VIRTUAL, position, HOSTS), interval) for position, host in enumerate(place.hosts)
    ]
    for program in programs:
        program.start()
    yield Contest(place.client, programs, VIRTUAL, interval)
    for program in programs:
        program.stop()


@contextlib.contextmanager
def _mlbd(place: Group, liveness: str, interval: float) -> Iterator[Contest]:
    place.start(liveness=liveness, holdDown=HOLD_DOWN)
    yield Contest(place.client, place.nodes, place.addresses(), interval)
    place.stop()


def _record(
    contest: Contest, trials: int, faults: Iterable[str], told_trials: int = 0, told: Collection[str] = ()
) -> Record:
    record = Record()
    for name in faults:
        for program in contest.turns(trials):
            _suffer(contest, program, name, record)
    for program in contest.turns(told_trials):
        for name in told:
            _tell(contest, program, name, record)
    return record


def _suffer(contest: Contest, program: Program, name: str, record: Record) -> None:
    strike, mend = FAULTS[name]
    host, theirs = program.host, contest.of(program.host)
    away = contest.observe(lambda: strike(host), lambda: contest.has_left(host))
    back = contest.observe(lambda: mend(program), contest.is_home)
    record.gaps.setdefault(name, []).append(1000 * max(away[address].longest_gap for address in theirs))
    record.others.setdefault(name, []).append(sum(away[address].lost for address in away.keys() - theirs))
    record.back.setdefault(name, []).append(sum(found.lost for found in back.values()))
    if isinstance(program, Node):
        _forgive(program)


def _forgive(node: Node) -> None:
    """Every fault is a node's first: the hold-down doubles with each."""
    node.stop()
    (node.directory / "data" / MEMORY).unlink()
    node.start()


def _tell(contest: Contest, program: Program, name: str, record: Record) -> None:
    act, home = TOLD[name]
    until = contest.is_home if home else partial(contest.has_left, program.host)
    report = contest.observe(lambda: act(program), until)
    record.told.setdefault(name, []).append(sum(found.lost for found in report.values()))


def _gaps(profile: str, ours: Record, theirs: Record, limit: float, share: int) -> Iterator[Row]:
    """The p95 is to be at most `limit` and at most the `share`th part of the rival's."""
    for name, gaps in ours.gaps.items():
        rivals = theirs.gaps[name]
        worst, rival = percentile(gaps, 95), percentile(rivals, 95)
        yield Row(f"{name}, {profile}, p50", "ms", percentile(gaps, 50), rival=percentile(rivals, 50))
        yield Row(f"{name}, {profile}, p95 of {len(gaps)}", "ms", worst, min(limit, rival / share), rival)


def _lost(what: str, ours: dict[str, list[int]], theirs: dict[str, list[int]]) -> Iterator[Row]:
    for name, lost in ours.items():
        yield Row(what.format(name), "", max(lost), limit=0, rival=max(theirs[name]) if name in theirs else None)
