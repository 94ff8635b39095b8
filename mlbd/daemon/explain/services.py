"""Why a Service has the addresses it has, and the nodes."""

from __future__ import annotations

from collections.abc import Iterator

from mlbd.model.core import Service, TrafficPolicy
from mlbd.model.deckhouse import CLASS, CLASS_CONDITION, CLASS_KIND, COUNT, POOL
from mlbd.model.desired import Refusal, ServicePlan, Slot
from mlbd.model.explanation import Section
from mlbd.model.reference import Reference
from mlbd.plan.requests import ADDRESS_POOL, annotation, count_wanted

from .addresses import slot_sections
from .over_bgp import of_service
from .scene import Question, Scene, abridged, clause, counted


def explain_service(scene: Scene, question: Question) -> Iterator[Section]:
    for key, service in sorted(scene.world.services.items()):
        if question.asks_for("Service", key):
            yield from _chain(scene, service)


def _chain(scene: Scene, service: Service) -> Iterator[Section]:
    reference = Reference("Service", service.key)
    plan = scene.desired.services.get(service.key)
    yield Section(str(reference), tuple(_of_service(scene, reference, service, plan)))
    if plan is not None:
        yield from slot_sections(scene, service, plan)


def _of_service(scene: Scene, reference: Reference, service: Service, plan: ServicePlan | None) -> Iterator[str]:
    yield from scene.file_of(reference)
    if service.type != "LoadBalancer":
        yield f"It is of type {service.type}, not LoadBalancer: it asks for no public address."
        return
    if plan is None:
        named = service.load_balancer_class
        yield f"spec.loadBalancerClass is {named}, which is another controller's: mlbd leaves it alone."
        return
    if plan.source is not None and (cause := _why_source(service, plan, plan.source)):
        come = "come" if any(slot.address is not None for slot in plan.slots) else "would come"
        yield f"Its addresses {come} from {plan.source}, because {cause}."
    if plan.slots:
        yield _counted(service, plan)
    yield from scene.problems_of(str(reference), set(_told_elsewhere(scene, service, plan)))
    if plan.refusal is not None:
        yield from _refused(scene, service, plan, plan.refusal)
    if any(slot.address is not None for slot in plan.slots):
        if plan.layer2:
            yield from _nodes(scene, service, plan)
        yield from of_service(scene, plan)


def _told_elsewhere(scene: Scene, service: Service, plan: ServicePlan) -> Iterator[str]:
    """Reasons of what keeps the Service or one of its addresses down."""
    if plan.refusal is not None:
        yield plan.refusal.reason
    yield from (slot.refusal.reason for slot in plan.slots if slot.refusal is not None)
    yield from (address.reason for address in scene.addresses_of(service.key))


def _why_source(service: Service, plan: ServicePlan, source: Reference) -> str:
    """In the order in which the plan asks (objects.md); "" when nothing was asked of the source."""
    if source.kind == CLASS_KIND:
        return _why_class(service, source.key.name)
    for name in (POOL, ADDRESS_POOL):
        if annotation(service, name) == source.key.name:
            return f"the annotation {name} names it"
    return _why_pool(service, plan)


def _why_class(service: Service, name: str) -> str:
    bound = service.conditions.get(CLASS_CONDITION)
    if service.load_balancer_class == name:
        return "spec.loadBalancerClass names it"
    if annotation(service, CLASS) == name:
        return f"the annotation {CLASS} names it"
    if bound is not None and bound.message == name:
        return f"the Service is bound to it (condition {CLASS_CONDITION})"
    return "it is the default class and the Service names none"


def _why_pool(service: Service, plan: ServicePlan) -> str:
    """Of a pool that the plan found by itself."""
    if any(slot.pinned and not _in_no_pool(slot) for slot in plan.slots):
        return "an address that the Service pins is in it"
    if any(str(slot.address) in service.ingress for slot in plan.slots):
        return "an address that the Service has is in it"
    chosen = [slot for slot in plan.slots if not slot.pinned]
    if any(slot.address is None for slot in chosen):
        return "the Service names none, and no other suits it better"
    return "the Service names none, and this one can give what it asks for" if chosen else ""


def _in_no_pool(slot: Slot) -> bool:
    """Whether what a user pinned for the slot tells nothing of where it is from."""
    return slot.refusal is not None and slot.refusal.reason in ("AddressOutsidePool", "InvalidAddress", "WrongFamily")


def _counted(service: Service, plan: ServicePlan) -> str:
    assigned = sum(slot.address is not None for slot in plan.slots)
    _, unreadable = count_wanted(service)
    cause = f"the annotation {COUNT}" if annotation(service, COUNT) and not unreadable else "the default"
    families = len({slot.family for slot in plan.slots})
    each = f", {len(plan.slots) // families} of each family" if families > 1 else ""
    has = assigned or "none"
    return f"It asks for {counted(len(plan.slots), 'address', 'addresses')}{each} ({cause}), and has {has}."


def _refused(scene: Scene, service: Service, plan: ServicePlan, refusal: Refusal) -> Iterator[str]:
    if any(scene.is_announced(slot) for slot in plan.slots):
        yield f"Its addresses are announced only for Services that share them: {clause(refusal.message)}"
    else:
        yield f"Nobody announces it: {clause(refusal.message)}"


def _has_slices(scene: Scene, service: Service) -> bool:
    return any(part.service == service.key for part in scene.world.endpoint_slices.values())


def _nodes(scene: Scene, service: Service, plan: ServicePlan) -> Iterator[str]:
    """Who may hold its addresses, or of a Service that is refused could."""
    local = service.external_traffic_policy is TrafficPolicy.LOCAL
    if local and plan.refusal is None and _has_slices(scene, service):
        yield "externalTrafficPolicy is Local: only nodes with a usable endpoint of it may hold its addresses."
    may: list[str] = []
    may_not: dict[Refusal, list[str]] = {}
    for node, refusal in sorted(plan.nodes.items()):
        (may if refusal is None else may_not.setdefault(refusal, [])).append(node)
    if may and plan.refusal is None:
        yield f"{abridged(may)} may hold its addresses."
    elif may:
        condition = ", given a usable endpoint there" if local else ""
        yield f"Then {abridged(may)} may hold its addresses{condition}."
    for refusal, nodes in may_not.items():
        yield f"{abridged(nodes)} may not{'' if may else ' hold its addresses'}: {clause(refusal.message)}"
