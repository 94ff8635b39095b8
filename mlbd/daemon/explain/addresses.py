"""Why an address is where it is, and what this node does with it now."""

from __future__ import annotations

from collections.abc import Iterator

from mlbd.model.address import IPAddress, parse_address
from mlbd.model.core import Service
from mlbd.model.deckhouse import CLASS_KIND, IPS
from mlbd.model.desired import Refusal, ServicePlan, Slot, Vip
from mlbd.model.explanation import Section
from mlbd.model.reference import Key, Reference
from mlbd.model.status import AddressStatus, VipState
from mlbd.plan.requests import LOAD_BALANCER_IPS, annotation

from .holders import explain_holder
from .over_bgp import of_address
from .scene import Question, Scene, abridged, clause, drained, sentence


def explain_address(scene: Scene, question: Question) -> Iterator[Section]:
    """Every address can be explained, those that nobody has too."""
    if question.kind not in ("", "Address"):
        return
    try:
        address = parse_address(question.name)
    except ValueError:
        return
    vip = scene.desired.vips.get(address)
    owners = [scene.desired.services[key] for key in vip.services] if vip is not None else []
    found = [(plan, slot) for plan in owners for slot in plan.slots if slot.address == address]
    for plan, slot in found:
        service = scene.world.services[plan.key]
        sentences = (*_origin(scene, plan.key), *_of_address(scene, service, slot), *_nobody(scene, plan, slot))
        yield Section(str(address), sentences)
    if not found:
        yield Section(str(address), tuple(_unused(scene, address)))


def slot_sections(scene: Scene, service: Service, plan: ServicePlan) -> Iterator[Section]:
    """One for each address, and one for each reason why slots have none, unless it is told of the whole Service."""
    without: dict[Refusal, list[Slot]] = {}
    for slot in plan.slots:
        if slot.address is not None:
            yield Section(str(slot.address), tuple(_of_address(scene, service, slot)))
        elif slot.refusal is not None and slot.refusal != plan.refusal:
            without.setdefault(slot.refusal, []).append(slot)
    for refusal, slots in without.items():
        names = abridged(f"{slot.index} (IPv{slot.family})" for slot in slots)
        title, has = ("Slot", "It has") if len(slots) == 1 else ("Slots", "They have")
        yield Section(f"{title} {names}", (f"{has} no address: {clause(refusal.message)}",))


def _origin(scene: Scene, service: Key) -> Iterator[str]:
    if file := scene.origin(Reference("Service", service)):
        yield f"Service {service} comes from {file}."


def _nobody(scene: Scene, plan: ServicePlan, slot: Slot) -> Iterator[str]:
    """Where the chain of its Service does not say so."""
    if plan.refusal is not None and not scene.is_announced(slot):
        yield f"Nobody answers for it: {clause(plan.refusal.message)}"


def _of_address(scene: Scene, service: Service, slot: Slot) -> Iterator[str]:
    yield f"It is the address of slot {slot.index} of Service {service.key}, {_why_this(service, slot)}."
    if slot.refusal is not None:
        yield sentence(slot.refusal.message)
    if slot.address is not None and (vip := scene.desired.vips.get(slot.address)) is not None:
        addresses = scene.addresses_of(service.key)
        yield from _of_vip(scene, vip, next((each for each in addresses if each.address == str(vip.address)), None))


def _why_this(service: Service, slot: Slot) -> str:
    if slot.pinned:
        places = [name for name in (IPS, LOAD_BALANCER_IPS) if annotation(service, name)]
        return f"pinned by {places[0] if places else 'spec.loadBalancerIP'}"
    if str(slot.address) in service.ingress:
        return "kept because its status.loadBalancer has it"
    return "found by a hash of the Service's name and the slot, which every node reckons alike"


def _of_vip(scene: Scene, vip: Vip, status: AddressStatus | None) -> Iterator[str]:
    if len(vip.services) > 1:
        yield f"It is shared by {abridged(f'Service {key}' for key in vip.services)}."
    if vip.order and status is not None:
        yield from explain_holder(scene, vip, status)
        yield _here(scene, vip, status)
    yield from of_address(scene, vip.address, (scene.desired.services[key] for key in vip.services))


def _here(scene: Scene, vip: Vip, status: AddressStatus) -> str:
    me = f"This node, {scene.status.node},"
    if status.message:  # what it cannot do, though it should
        return f"{me} {clause(status.message)}"
    match status.state:
        case VipState.HOLDING:
            asked = "ARP" if vip.address.version == 4 else "neighbor solicitations"
            where = abridged(_with_mac(scene, link) for link in status.links) or "no link"
            return f"{me} holds it now: it answers {asked} on {where}."
        case VipState.ADVERTISED:
            return f"{me} announces it to its BGP peers."
        case VipState.PROBING:
            return f"{me} asks whether somebody else has it, before it takes it."
        case VipState.WAITING:
            return f"{me} takes it when it has been up for its hold-down, or when {status.holder} is lost."
        case VipState.LEAVING:
            return f"{me} gives it away, and answers until another node has announced it."
        case VipState.CONFLICT:
            return f"{me} keeps silent, because somebody else's host has it."
        case VipState.STANDBY if scene.status.drain is not None:
            return f"{me} is {drained(scene.status.drain)} and takes nothing."
        case VipState.STANDBY:
            return f"{me} stands by and answers when it is its turn."
        case VipState.SILENT:
            return f"{me} may hold it, but cannot announce it now."
        case VipState.NONE:
            return f"{me} does nothing with it, because {_why_none(scene.status.node, vip)}."


def _why_none(me: str, vip: Vip) -> str:
    return "it has only just been planned" if me in vip.order else "it is not among those that may hold it"


def _with_mac(scene: Scene, name: str) -> str:
    mac = next((link.mac for link in scene.status.links if link.name == name), "")
    return f"{name} with {mac}" if mac else name


def _unused(scene: Scene, address: IPAddress) -> Iterator[str]:
    yield "No Service has it."
    for key, node in scene.world.nodes.items():
        if address in node.addresses:
            yield f"It is {Reference('Node', key)}'s own, and is never given out."
    world = scene.world
    pools = (
        *((Reference(CLASS_KIND, key), pool.addresses) for key, pool in world.classes.items()),
        *((Reference("IPAddressPool", key), pool.addresses) for key, pool in world.address_pools.items()),
        *((Reference("MetalLoadBalancerPool", key), pool.addresses) for key, pool in world.load_balancer_pools.items()),
    )
    holders = [str(reference) for reference, ranges in pools if any(address in entry for entry in ranges)]
    yield f"It is among the addresses of {abridged(holders)}." if holders else "It is in no class and no pool."
