"""The decisions: what each node should do, from the objects alone.

Pure: the same World gives the same Desired on every node but for the claims, which are one node's own part. A plan
made before only saves work: Services are planned in groups that share their sources (a class, or all pools), and a
group in which nothing changed is taken over as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from mlbd.model.address import IPAddress
from mlbd.model.desired import Claim, Desired, Refusal, ServicePlan, Vip
from mlbd.model.reference import Key, Reference
from mlbd.model.world import World

from .eligibility import Endpoints, endpoints_by_service
from .ground import Ground, survey
from .group import Group, Member, work_out
from .usage import Used, pool_statuses


@dataclass(frozen=True, slots=True)
class Memo:
    """What the next plan need not think about again."""

    world: World
    ground: Ground
    endpoints: Mapping[Key, Endpoints]
    members: Mapping[Key, Member]
    groups: Mapping[str, Group]


@dataclass(frozen=True, slots=True)
class Plan(Desired):
    memo: Memo | None = field(default=None, repr=False, compare=False)


def plan(world: World, node: str, before: Plan | None = None) -> Plan:
    """What `node` should do about `world`; `before`, any earlier plan, changes how long it takes and nothing else."""
    memo = before.memo if before else None
    endpoints = _endpoints(world, memo)
    if memo is None or not memo.ground.holds_for(world, node):
        ground = survey(world, node)
        known: Mapping[Key, Member] = {}
    else:
        ground, known = memo.ground, memo.members
    members = _members(world, ground, endpoints, known)
    groups: dict[str, Group] = {}
    for name, group in _by_source(members.values()).items():
        was = memo.groups.get(name) if memo else None
        same = was is not None and known and was.members == group
        groups[name] = was if was is not None and same else work_out(name, group, ground, was)
    return _joined(Memo(world, ground, endpoints, members, groups))


def _endpoints(world: World, memo: Memo | None) -> Mapping[Key, Endpoints]:
    if memo and memo.world.endpoint_slices is world.endpoint_slices:
        return memo.endpoints
    return endpoints_by_service(world.endpoint_slices.values())


def _members(
    world: World, ground: Ground, endpoints: Mapping[Key, Endpoints], known: Mapping[Key, Member]
) -> dict[Key, Member]:
    """Every Service of type LoadBalancer with its wishes; the very same object where neither it nor its endpoints
    changed."""
    members = {}
    for key, service in world.services.items():
        if service.type == "LoadBalancer":
            was, its = known.get(key), endpoints.get(key)
            same = was is not None and was.request.service is service and was.endpoints == its
            members[key] = was if was is not None and same else Member(ground.request(service), its)
    return members


def _by_source(members: Iterable[Member]) -> dict[str, list[Member]]:
    groups: dict[str, list[Member]] = {}
    for member in members:
        request = member.request
        if not request.foreign:
            groups.setdefault(request.origin.key.name if request.origin else "", []).append(member)
    return groups


def _joined(memo: Memo) -> Plan:
    services: dict[Key, ServicePlan] = {}
    vips: dict[IPAddress, Vip] = {}
    claims: dict[IPAddress, Claim] = {}
    usage: dict[Reference, Used] = {}
    groups = [group for _, group in sorted(memo.groups.items())]
    for group in groups:
        services.update(group.services)
        vips.update(group.vips)
        claims.update(group.claims)
        usage.update(group.used)
    return Plan(
        services,
        vips,
        claims,
        pool_statuses(memo.ground, usage),
        (*memo.ground.problems, *chain.from_iterable(group.problems for group in groups)),
        _foreign(memo.members.values()),
        memo,
    )


def _foreign(members: Iterable[Member]) -> dict[Key, Refusal]:
    requests = (member.request for member in members)
    return {each.service.key: each.refusal for each in requests if each.foreign and each.refusal is not None}
