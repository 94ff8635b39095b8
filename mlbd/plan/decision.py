"""One Service: what it gets, who may hold it, and what its user should know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlbd.model.desired import Refusal, ServicePlan
from mlbd.model.reference import Reference
from mlbd.model.status import Problem, Severity

from .eligibility import Coverage, Eligibility, Endpoints, eligibility
from .ground import Ground
from .ipam import Allotment
from .requests import Request


@dataclass(frozen=True, slots=True)
class Member:
    request: Request
    endpoints: Endpoints | None


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """Follows from the member, its allotment and the ground: it is compared by identity, for when these are the same
    it is not made again. `cover` is None without a source."""

    member: Member
    allotment: Allotment
    cover: Coverage | None
    eligible: frozenset[str]
    plan: ServicePlan
    problems: tuple[Problem, ...]

    @property
    def request(self) -> Request:
        return self.member.request


def decide(member: Member, allotment: Allotment, ground: Ground) -> Decision:
    request, source = member.request, allotment.source
    cover = ground.cover(source, request.service) if source else None
    eligible = eligibility(request.service, member.endpoints, cover) if cover else Eligibility(frozenset(), {})
    refusal = request.refusal or _unassigned(allotment) or eligible.refusal
    plan = ServicePlan(
        request.service.key,
        source.reference if source else request.origin,
        allotment.slots,
        eligible.verdicts,
        refusal,
    )
    return Decision(member, allotment, cover, eligible.nodes, plan, tuple(_problems(request, plan)))


def _unassigned(allotment: Allotment) -> Refusal | None:
    """Why it has no address at all."""
    if allotment.addresses:
        return None
    return next((slot.refusal for slot in allotment.slots if slot.refusal is not None), None)


def _problems(request: Request, plan: ServicePlan) -> Iterator[Problem]:
    yield from request.problems
    name = str(Reference("Service", plan.key))
    if plan.refusal is not None:
        why = plan.refusal.message
        told = why if why.startswith("cannot ") else f"cannot announce it: {why}"
        yield Problem(Severity.ERROR, name, plan.refusal.reason, told)
    for refusal in dict.fromkeys(slot.refusal for slot in plan.slots if slot.refusal):
        if refusal != plan.refusal:
            yield Problem(Severity.ERROR, name, refusal.reason, refusal.message)
