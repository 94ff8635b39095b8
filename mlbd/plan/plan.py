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
from mlbd.model.core import Service
from mlbd.model.desired import Claim, Desired, ServicePlan, Vip
from mlbd.model.reference import Key
from mlbd.model.world import World

from .eligibility import Endpoints, endpoints_by_service
from .ground import Ground, survey
from .group import Group, Member, work_out
from .usage import usage


@dataclass(frozen=True, slots=True)
class Plan(Desired):
    """A Desired together with what the next plan need not think about again."""

    ground: Ground | None = field(default=None, repr=False, compare=False)
    members: Mapping[Key, Member] = field(default_factory=dict, repr=False, compare=False)
    groups: Mapping[str, Group] = field(default_factory=dict, repr=False, compare=False)


def plan(world: World, node: str, before: Plan | None = None) -> Plan:
    """What `node` should do about `world`; `before`, any earlier plan, changes how long it takes and nothing else."""
    earlier = before or Plan()
    ground = earlier.ground
    if ground is None or not ground.holds_for(world, node):
        ground = survey(world, node)
    same_ground = ground is earlier.ground
    members = _members(world, ground, earlier.members if same_ground else {})
    groups = {}
    for name, group in _by_source(members.values()).items():
        was = earlier.groups.get(name)
        unchanged = same_ground and was is not None and was.members == group
        groups[name] = was if unchanged and was is not None else work_out(name, group, ground, was)
    return _joined(ground, members, groups)


def _members(world: World, ground: Ground, known: Mapping[Key, Member]) -> dict[Key, Member]:
    """Every Service of type LoadBalancer with its wishes; the very same object where neither it nor its endpoints
    changed."""
    endpoints = endpoints_by_service(world.endpoint_slices.values())
    members = {}
    for key, service in world.services.items():
        if service.type == "LoadBalancer":
            was = known.get(key)
            its = endpoints.get(key)
            if was is not None and was.request.service is service and was.endpoints == its:
                members[key] = was
            else:
                members[key] = _member(service, its, ground)
    return members


def _member(service: Service, endpoints: Endpoints | None, ground: Ground) -> Member:
    return Member(ground.request(service), endpoints)


def _by_source(members: Iterable[Member]) -> dict[str, list[Member]]:
    groups: dict[str, list[Member]] = {}
    for member in members:
        request = member.request
        if not request.foreign:
            groups.setdefault(request.origin.key.name if request.origin else "", []).append(member)
    return groups


def _joined(ground: Ground, members: Mapping[Key, Member], groups: Mapping[str, Group]) -> Plan:
    services: dict[Key, ServicePlan] = {}
    vips: dict[IPAddress, Vip] = {}
    claims: dict[IPAddress, Claim] = {}
    for _, group in sorted(groups.items()):
        services.update(group.services)
        vips.update(group.vips)
        claims.update(group.claims)
    return Plan(
        services,
        vips,
        claims,
        usage(ground, groups.values()),
        (*ground.problems, *chain.from_iterable(group.problems for _, group in sorted(groups.items()))),
        {key: each.request.refusal for key, each in members.items() if each.request.foreign and each.request.refusal},
        ground,
        members,
        groups,
    )
