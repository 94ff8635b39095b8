"""The decisions: what each node should do, from the objects alone.

Pure: the same World gives the same Desired on every node but for the claims, which are one node's own part. A plan
made before only saves work: Services are planned in groups that share their sources (a class, or all pools), and a
group in which nothing changed is taken over as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from mlbd.model.desired import Desired, Refusal
from mlbd.model.peering import Routes
from mlbd.model.reference import Key
from mlbd.model.world import World

from .decision import Member
from .eligibility import Endpoints, endpoints_by_service
from .ground import Ground, survey
from .group import Group, joined, work_out
from .routes import Table
from .usage import pool_statuses

#: What a peer hears of no Services.
_SILENCE: Routes = {}


@dataclass(frozen=True, slots=True)
class Memo:
    """What the next plan need not think about again. `groups` are in the order of their names."""

    world: World
    ground: Ground
    endpoints: Mapping[Key, Endpoints]
    members: Mapping[Key, Member]
    groups: Mapping[str, Group]


@dataclass(frozen=True, slots=True)
class Plan(Desired):
    memo: Memo | None = field(default=None, repr=False, compare=False)


def plan(world: World, node: str, before: Plan | None = None) -> Plan:
    """What `node` should do about `world`; `before`, any earlier plan, changes how long it takes and nothing else.

    What did not change is the very same object in both: each ServicePlan, Vip and Claim, `vips`, `claims` and `group`.
    """
    memo = before.memo if before else None
    if before and memo and memo.world is world and memo.ground.node == node:
        return before
    endpoints = _endpoints(world, memo)
    ground = memo.ground if memo and memo.ground.holds_for(world, node) else survey(world, node)
    members = _members(world, ground, endpoints, memo)
    known: Mapping[str, Group] = memo.groups if memo else {}
    groups = {
        name: work_out(name, group, ground, known.get(name)) for name, group in sorted(_by_source(members).items())
    }
    return _joined(Memo(world, ground, endpoints, members, groups), before or Plan(), known)


def _endpoints(world: World, memo: Memo | None) -> Mapping[Key, Endpoints]:
    if memo is None:
        return endpoints_by_service(world.endpoint_slices.values())
    before, after = memo.world.endpoint_slices, world.endpoint_slices
    changed = {every[key].service for key in _changed(before, after) for every in (before, after) if key in every}
    if not changed:
        return memo.endpoints
    others = {key: its for key, its in memo.endpoints.items() if key not in changed}
    return others | endpoints_by_service(each for each in after.values() if each.service in changed)


def _members(
    world: World, ground: Ground, endpoints: Mapping[Key, Endpoints], memo: Memo | None
) -> Mapping[Key, Member]:
    """Every Service of type LoadBalancer with its wishes; the very same object where neither it nor its endpoints
    changed."""
    if memo is None or memo.ground is not ground:
        everybody = world.services.items()
        return {
            key: Member(ground.request(service), endpoints.get(key))
            for key, service in everybody
            if service.type == "LoadBalancer"
        }
    members = dict(memo.members)
    for key in _changed(memo.world.services, world.services):
        members.pop(key, None)
        service = world.services.get(key)
        if service is not None and service.type == "LoadBalancer":
            members[key] = Member(ground.request(service), endpoints.get(key))
    for key in _changed(memo.endpoints, endpoints) & members.keys():
        members[key] = Member(members[key].request, endpoints.get(key))
    return members


def _changed(before: Mapping[Key, object], after: Mapping[Key, object]) -> set[Key]:
    """Of which there is another one now, or none, or one for the first time."""
    if before is after:
        return set()
    return {key for key, found in after.items() if before.get(key) is not found} | (before.keys() - after.keys())


def _by_source(members: Mapping[Key, Member]) -> dict[str, list[Member]]:
    groups: dict[str, list[Member]] = {}
    for member in members.values():
        request = member.request
        if not request.foreign:
            groups.setdefault(request.origin.key.name if request.origin else "", []).append(member)
    return groups


def _joined(memo: Memo, before: Plan, known: Mapping[str, Group]) -> Plan:
    now, then = list(memo.groups.values()), list(known.values())
    spoken = _table(memo)
    usage = {reference: used for group in now for reference, used in group.used.items()}
    return Plan(
        joined([group.services for group in now], [group.services for group in then], before.services),
        joined([group.vips for group in now], [group.vips for group in then], before.vips),
        joined([group.claims for group in now], [group.claims for group in then], before.claims),
        pool_statuses(memo.ground, usage),
        (*memo.ground.problems, *chain.from_iterable(group.problems for group in now)),
        _foreign(memo.members.values()),
        before.group if before.group == memo.ground.group else memo.ground.group,
        before.peers if before.peers == memo.ground.bgp.peers else memo.ground.bgp.peers,
        _routes(memo, before),
        spoken.advertised,
        memo=memo,
    )


def _table(memo: Memo) -> Table:
    """Only pools are advertised over BGP, and all their Services are in the group without a name."""
    return memo.groups[""].table if "" in memo.groups else Table()


def _routes(memo: Memo, before: Plan) -> Mapping[str, Routes]:
    heard = _table(memo).heard
    routes = {name: heard.get(audience, _SILENCE) for name, audience in memo.ground.bgp.audiences.items()}
    same = before.routes.keys() == routes.keys() and all(before.routes[name] is each for name, each in routes.items())
    return before.routes if same else routes


def _foreign(members: Iterable[Member]) -> dict[Key, Refusal]:
    requests = (member.request for member in members)
    return {each.service.key: each.refusal for each in requests if each.foreign and each.refusal is not None}
