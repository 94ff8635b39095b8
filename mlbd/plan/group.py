"""The plan of Services that draw from the same sources, and so may get in each other's way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mlbd.model.address import IPAddress
from mlbd.model.core import Port
from mlbd.model.desired import Claim, Refusal, ServicePlan, Slot, Vip
from mlbd.model.reference import Key, Reference
from mlbd.model.status import Problem, Severity

from .eligibility import Coverage, Eligibility, Endpoints, eligibility
from .ground import Ground
from .ipam import Allotment, allot
from .placement import Candidates, orders
from .requests import Request
from .usage import Used, used


@dataclass(frozen=True, slots=True)
class Member:
    request: Request
    endpoints: Endpoints | None


Orders = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """The orders of one seed's slots, and what they were worked out from."""

    candidates: Candidates
    count: int
    eligible: frozenset[str]
    orders: Orders


@dataclass(frozen=True, slots=True)
class Group:
    members: list[Member] = field(default_factory=list)
    services: Mapping[Key, ServicePlan] = field(default_factory=dict)
    vips: Mapping[IPAddress, Vip] = field(default_factory=dict)
    claims: Mapping[IPAddress, Claim] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    used: Mapping[Reference, Used] = field(default_factory=dict)
    placed: Mapping[str, Placed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Decided:
    """One Service after allotment and eligibility; `refusal` is why nobody announces it."""

    request: Request
    allotment: Allotment
    cover: Coverage | None
    eligible: Eligibility
    refusal: Refusal | None

    def service_plan(self) -> ServicePlan:
        source = self.allotment.source
        return ServicePlan(
            self.request.service.key,
            source.reference if source else self.request.origin,
            self.allotment.slots,
            self.eligible.verdicts,
            self.refusal,
        )


def work_out(name: str, members: Sequence[Member], ground: Ground, before: Group | None) -> Group:
    """`name` is the class, "" the pools. Orders of `before` are taken over where their inputs are the same."""
    decided = list(_decide(name, members, ground))
    tenants: dict[IPAddress, list[tuple[_Decided, Slot]]] = {}
    for each in decided:
        for slot in each.allotment.slots:
            if slot.address is not None:
                tenants.setdefault(slot.address, []).append((each, slot))
    placement = _Placement(before.placed if before else {})
    vips, claims = {}, {}
    for address, sharers in tenants.items():
        leader, slot = next((pair for pair in sharers if pair[0].refusal is None), sharers[0])
        order = placement.orders(leader)[slot.index] if leader.refusal is None else ()
        vips[address] = _vip(address, order, [each.request for each, _ in sharers])
        if leader.refusal is None and ground.node in leader.eligible.nodes:
            claims[address] = Claim(address, order, _links((each for each, _ in sharers), ground.node))
    return Group(
        list(members),
        {each.request.service.key: each.service_plan() for each in decided},
        vips,
        claims,
        tuple(problem for each in decided for problem in _problems(each)),
        used(each.allotment for each in decided),
        placement.placed,
    )


def _decide(name: str, members: Iterable[Member], ground: Ground) -> Iterator[_Decided]:
    book = ground.catalog
    sources = book.pools if not name else {name: book.classes[name]} if name in book.classes else {}
    endpoints = {member.request.service.key: member.endpoints for member in members}
    for request, allotment in allot((member.request for member in members), sources):
        service = request.service
        cover = ground.cover(allotment.source, service) if allotment.source else None
        eligible = eligibility(service, endpoints[service.key], cover) if cover else Eligibility(frozenset(), {})
        yield _Decided(
            request, allotment, cover, eligible, request.refusal or _unassigned(allotment) or eligible.refusal
        )


def _unassigned(allotment: Allotment) -> Refusal | None:
    """Why it has no address at all."""
    if any(slot.address is not None for slot in allotment.slots):
        return None
    return next((slot.refusal for slot in allotment.slots if slot.refusal is not None), None)


class _Placement:
    """Orders by seed, worked out once for all the addresses and Services of it."""

    def __init__(self, known: Mapping[str, Placed]) -> None:
        self._known = known
        self._able: dict[tuple[int, frozenset[str]], tuple[int, ...]] = {}
        self.placed: dict[str, Placed] = {}

    def orders(self, decided: _Decided) -> Orders:
        assert decided.cover is not None, "a Service without a source is refused"
        request, candidates, nodes = decided.request, decided.cover.candidates, decided.eligible.nodes
        for placed in (self.placed.get(request.seed), self._known.get(request.seed)):
            if (
                placed
                and placed.count == request.count
                and placed.eligible == nodes
                and placed.candidates == candidates
            ):
                self.placed[request.seed] = placed
                return placed.orders
        found = orders(candidates, request.seed, request.count, self._able_of(candidates, nodes))
        self.placed[request.seed] = Placed(candidates, request.count, nodes, found)
        return found

    def _able_of(self, candidates: Candidates, eligible: frozenset[str]) -> tuple[int, ...]:
        place = id(candidates), eligible  # the candidates outlive this table: the ground holds them
        if place not in self._able:
            self._able[place] = candidates.able(eligible)
        return self._able[place]


def _vip(address: IPAddress, order: tuple[str, ...], requests: Sequence[Request]) -> Vip:
    ports: frozenset[Port] = requests[0].tenant.ports
    if len(requests) > 1:
        ports = ports.union(*(request.tenant.ports for request in requests))
    return Vip(address, tuple(request.service.key for request in requests), order, ports)


def _links(sharers: Iterable[_Decided], node: str) -> frozenset[str] | None:
    """The links of all Services of an address; one that wants every link decides."""
    links: frozenset[str] = frozenset()
    for each in sharers:
        if each.refusal is None and each.cover is not None and node in each.cover.interfaces:
            mine = each.cover.interfaces[node]
            if mine is None:
                return None
            links |= mine
    return links


def _problems(decided: _Decided) -> Iterator[Problem]:
    yield from decided.request.problems
    name = str(Reference("Service", decided.request.service.key))
    if decided.refusal is not None:
        yield Problem(Severity.ERROR, name, decided.refusal.reason, f"cannot announce it: {decided.refusal.message}")
    for refusal in dict.fromkeys(slot.refusal for slot in decided.allotment.slots if slot.refusal):
        if refusal != decided.refusal:
            yield Problem(Severity.ERROR, name, refusal.reason, refusal.message)
