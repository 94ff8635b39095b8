"""One Service: what it gets, who may hold it, what is said of it over BGP, and what its user should know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mlbd.model.address import IPNetwork
from mlbd.model.desired import OverBgp, Refusal, ServicePlan, Slot
from mlbd.model.reference import Reference
from mlbd.model.status import Problem, Severity

from .bgp_coverage import BgpCoverage, prefix
from .eligibility import Coverage, Eligibility, Endpoints, eligibility
from .ground import Ground
from .ipam import Allotment
from .requests import Request
from .routes import Contribution

_NOBODY = Eligibility(frozenset(), {})
_NOTHING = Contribution()


@dataclass(frozen=True, slots=True)
class Member:
    request: Request
    endpoints: Endpoints | None


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """Follows from the member, its allotment and the ground: it is compared by identity, for when these are the same
    it is not made again. `cover` says who may hold its addresses at layer 2, None where nobody is asked to; `eligible`
    are those nodes. `said` is what it adds to what this node says over BGP."""

    member: Member
    allotment: Allotment
    cover: Coverage | None
    eligible: frozenset[str]
    plan: ServicePlan
    problems: tuple[Problem, ...]
    said: Contribution = _NOTHING

    @property
    def request(self) -> Request:
        return self.member.request


def decide(member: Member, allotment: Allotment, ground: Ground) -> Decision:
    request, source = member.request, allotment.source
    unfit = request.refusal or _unassigned(allotment)
    cover = ground.cover(source, request.service) if source else None
    over_bgp = ground.bgp_cover(source, request.service, allotment.addresses) if source else None
    held = _eligibility(member, cover)
    told = _eligibility(member, over_bgp.cover if over_bgp else None)
    said, heard = _NOTHING, dict[str, tuple[IPNetwork, ...]]()
    if over_bgp is not None and ground.node in told.nodes:
        said, heard = _said(allotment, over_bgp)
    layer2 = cover is not None or over_bgp is None
    plan = ServicePlan(
        request.service.key,
        source.reference if source else request.origin,
        allotment.slots if layer2 or over_bgp is None else tuple(_slots(allotment, over_bgp)),
        (held if layer2 else told).verdicts,
        unfit or _unannounced(*([held] if layer2 else []), *([told] if over_bgp else [])),
        OverBgp(told.verdicts, heard, told.refusal) if over_bgp else None,
        layer2,
    )
    return Decision(member, allotment, cover, held.nodes, plan, tuple(_problems(request, plan, held.refusal)), said)


def _unassigned(allotment: Allotment) -> Refusal | None:
    """Why it has no address at all."""
    if allotment.addresses:
        return None
    return next((slot.refusal for slot in allotment.slots if slot.refusal is not None), None)


def _eligibility(member: Member, cover: Coverage | None) -> Eligibility:
    return eligibility(member.request.service, member.endpoints, cover) if cover else _NOBODY


def _unannounced(*ways: Eligibility) -> Refusal | None:
    """Why it is announced in none of the ways."""
    refusals = [way.refusal for way in ways]
    return refusals[0] if all(refusals) else None


def _said(allotment: Allotment, over_bgp: BgpCoverage) -> tuple[Contribution, dict[str, tuple[IPNetwork, ...]]]:
    """What this node says of it, and what each of its peers hears."""
    said, addresses = [], []
    heard: dict[str, dict[IPNetwork, None]] = {}
    for slot in allotment.slots:
        address, peers = slot.address, over_bgp.heard.get(slot.family)
        if address is None or not peers:
            continue
        networks = {each: prefix(address, each) for mine in peers.values() for each in mine}
        said += [(network, each) for each, network in networks.items()]
        addresses.append(address)
        for peer, mine in peers.items():
            heard.setdefault(peer, {}).update(dict.fromkeys(networks[each] for each in mine))
    return Contribution(tuple(said), tuple(addresses)), {peer: tuple(found) for peer, found in heard.items()}


def _slots(allotment: Allotment, over_bgp: BgpCoverage) -> Iterator[Slot]:
    """Of a Service that BGP alone announces."""
    for slot in allotment.slots:
        silent = slot.address is not None and slot.refusal is None and slot.family not in (over_bgp.carried or (4, 6))
        yield replace(slot, refusal=_not_carried(slot)) if silent else slot


def _not_carried(slot: Slot) -> Refusal:
    told = f"cannot announce {slot.address}, no BGP session carries IPv{slot.family}: set dualStackAddressFamily on one"
    return Refusal("FamilyNotCarried", told)


def _problems(request: Request, plan: ServicePlan, layer2: Refusal | None) -> Iterator[Problem]:
    yield from request.problems
    name = str(Reference("Service", plan.key))
    if plan.refusal is not None:
        why = plan.refusal.message
        told = why if why.startswith("cannot ") else f"cannot announce it: {why}"
        yield Problem(Severity.ERROR, name, plan.refusal.reason, told)
    elif layer2 is not None:
        told = f"cannot announce it at layer 2, only over BGP: {layer2.message}"
        yield Problem(Severity.WARNING, name, layer2.reason, told)
    elif plan.bgp is not None and plan.bgp.refusal is not None:
        told = f"cannot announce it over BGP, only at layer 2: {plan.bgp.refusal.message}"
        yield Problem(Severity.WARNING, name, plan.bgp.refusal.reason, told)
    for refusal in dict.fromkeys(slot.refusal for slot in plan.slots if slot.refusal):
        if refusal != plan.refusal:
            yield Problem(Severity.ERROR, name, refusal.reason, refusal.message)
