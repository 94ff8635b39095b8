"""The plan of Services that draw from the same sources, and so may get in each other's way."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import is_
from typing import TypeVar

from mlbd.model.address import IPAddress
from mlbd.model.desired import Claim, ServicePlan, Vip
from mlbd.model.reference import Key, Reference
from mlbd.model.status import Problem

from .announced import Announced, Announcer
from .decision import Decision, Member, decide
from .ground import Ground
from .ipam import allot
from .routes import Table, changed, table
from .usage import Used, used

Name = TypeVar("Name")
Thing = TypeVar("Thing")

_SILENCE = Table()


@dataclass(frozen=True, slots=True)
class Group:
    """`decisions` in the order of age, `announced` by seed."""

    ground: Ground
    members: Sequence[Member] = ()
    decisions: Sequence[Decision] = ()
    announced: Mapping[str, Announced] = field(default_factory=dict)
    services: Mapping[Key, ServicePlan] = field(default_factory=dict)
    vips: Mapping[IPAddress, Vip] = field(default_factory=dict)
    claims: Mapping[IPAddress, Claim] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    used: Mapping[Reference, Used] = field(default_factory=dict)
    table: Table = _SILENCE


def work_out(name: str, members: Sequence[Member], ground: Ground, before: Group | None) -> Group:
    """`name` is the class, "" the pools. What has the same inputs in `before` stays the same object."""
    known = before or Group(ground)
    on_same_ground = known.ground is ground
    if before and on_same_ground and before.members == members:
        return before
    decisions = list(_decide(name, members, ground, known.decisions if on_same_ground else ()))
    come, gone = set(decisions).difference(known.decisions), set(known.decisions).difference(decisions)
    announced = _announce(decisions, come | gone, ground.node, known.announced)
    spoken = _table(come, gone, ground, known)
    now, then = list(announced.values()), list(known.announced.values())
    return Group(
        ground,
        members,
        decisions,
        announced,
        {each.plan.key: each.plan for each in decisions},
        joined([each.vips for each in now], [each.vips for each in then], known.vips),
        joined([each.claims for each in now], [each.claims for each in then], known.claims),
        (*chain.from_iterable(each.problems for each in decisions), *spoken.contested.values()),
        used(each.allotment for each in decisions),
        spoken,
    )


def _decide(name: str, members: Sequence[Member], ground: Ground, before: Sequence[Decision]) -> Iterator[Decision]:
    book = ground.catalog
    sources = book.pools if not name else {name: book.classes[name]} if name in book.classes else {}
    by_key = {member.request.service.key: member for member in members}
    current = set(map(id, members))
    known = {id(each.allotment): each for each in before}  # an allotment that did not change is the same object
    for allotment in allot((member.request for member in members), sources, [each.allotment for each in before]):
        was = known.get(id(allotment))
        if was is not None and id(was.member) in current:
            yield was
        else:
            yield decide(by_key[allotment.key], allotment, ground)


def _table(come: Collection[Decision], gone: Collection[Decision], ground: Ground, before: Group) -> Table:
    if not ground.bgp.peers:
        return _SILENCE
    if before.ground is not ground or before.table is _SILENCE:
        return table(ground.bgp.audiences.values(), (each.said for each in come), before.table)
    return changed(before.table, (each.said for each in gone), (each.said for each in come))


def _announce(
    decisions: Sequence[Decision], touched: Iterable[Decision], node: str, before: Mapping[str, Announced]
) -> dict[str, Announced]:
    """Anew of the seeds of `touched`, decisions that came or went; the others stay in their places."""
    by_seed: dict[str, list[Decision]] = {each.request.seed: [] for each in touched}
    for each in decisions:
        if (mine := by_seed.get(each.member.request.seed)) is not None:
            mine.append(each)
    announcer, announced = Announcer(node), dict(before)
    for seed, mine in by_seed.items():
        if mine:
            announced[seed] = announcer.announce(mine, before.get(seed))
        else:
            del announced[seed]
    return announced


def joined(
    parts: Sequence[Mapping[Name, Thing]], before: Sequence[Mapping[Name, Thing]], known: Mapping[Name, Thing]
) -> Mapping[Name, Thing]:
    """All parts in one; `known`, what `before` was joined to, when the parts are the very same."""
    if len(parts) == len(before) and all(map(is_, parts, before)):
        return known
    whole: dict[Name, Thing] = {}
    for part in parts:
        whole.update(part)
    return whole
