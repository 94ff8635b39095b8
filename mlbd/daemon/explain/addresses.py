"""Why an address is where it is, and what this node does with it now."""

from __future__ import annotations

from collections.abc import Iterator

from mlbd.model.address import IPAddress, parse_address
from mlbd.model.core import Service
from mlbd.model.deckhouse import IPS
from mlbd.model.desired import Slot, Vip
from mlbd.model.explanation import Section
from mlbd.model.reference import Reference
from mlbd.model.status import AddressStatus, VipState
from mlbd.plan.requests import LOAD_BALANCER_IPS, annotation

from .scene import Question, Scene, listed, sentence


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
        yield address_section(scene, scene.world.services[plan.key], slot)
    if not found:
        yield Section(str(address), tuple(_unused(scene, address)))


def address_section(scene: Scene, service: Service, slot: Slot) -> Section:
    title = str(slot.address) if slot.address is not None else f"Slot {slot.index} (IPv{slot.family})"
    return Section(title, tuple(_of_slot(scene, service, slot)))


def _of_slot(scene: Scene, service: Service, slot: Slot) -> Iterator[str]:
    if slot.address is None:
        yield f"It is to be an address of Service {service.key}, and has none."
    else:
        yield f"It is the address of slot {slot.index} of Service {service.key}, {_why_this(service, slot)}."
    if slot.refusal is not None:
        yield sentence(slot.refusal.message)
    if slot.address is not None and (vip := scene.desired.vips.get(slot.address)) is not None:
        yield from _of_vip(scene, vip, _status(scene, service, slot))


def _why_this(service: Service, slot: Slot) -> str:
    if slot.pinned:
        places = [name for name in (IPS, LOAD_BALANCER_IPS) if annotation(service, name)]
        return f"pinned by {places[0] if places else 'spec.loadBalancerIP'}"
    if str(slot.address) in service.ingress:
        return "kept because its status.loadBalancer has it"
    return "found by a hash of the Service's name and the slot, which every node reckons alike"


def _status(scene: Scene, service: Service, slot: Slot) -> AddressStatus | None:
    for known in scene.status.services:
        if (known.namespace, known.name) == service.key:
            return next((address for address in known.addresses if address.address == str(slot.address)), None)
    return None


def _of_vip(scene: Scene, vip: Vip, status: AddressStatus | None) -> Iterator[str]:
    if len(vip.services) > 1:
        yield f"It is shared by {listed(f'Service {key}' for key in vip.services)}."
    if not vip.order:
        yield "No node may hold it, so nobody answers for it."
        return
    first, *others = vip.order
    if others:
        after = f"should it die, the next that lives takes over: {listed(others)}"
        yield f"{first} stands first in its order and holds it; {after}."
    else:
        yield f"{first} is the only node that may hold it; should it die, nobody answers."
    if status is not None:
        yield _here(scene, vip, status)


def _here(scene: Scene, vip: Vip, status: AddressStatus) -> str:
    me, told = scene.status.node, f": {sentence(status.message)}" if status.message else "."
    match status.state:
        case VipState.HOLDING:
            asked = "ARP" if vip.address.version == 4 else "neighbor solicitations"
            where = listed(_with_mac(scene, link) for link in status.links) or "no link"
            return f"This node, {me}, holds it now: it answers {asked} on {where}{told}"
        case VipState.PROBING:
            return f"This node, {me}, asks whether somebody else has it, before it takes it{told}"
        case VipState.CONFLICT:
            return f"This node, {me}, keeps silent, because somebody else's host has it{told}"
        case VipState.STANDBY:
            return f"This node, {me}, stands by and answers when it is its turn{told}"
        case VipState.SILENT:
            return f"This node, {me}, may hold it, but has no link to answer on now{told}"
        case VipState.NONE:
            return f"This node, {me}, does nothing with it, because {_why_none(me, vip)}{told}"


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
        *((Reference("MetalLoadBalancerClass", key), pool.addresses) for key, pool in world.classes.items()),
        *((Reference("IPAddressPool", key), pool.addresses) for key, pool in world.address_pools.items()),
        *((Reference("MetalLoadBalancerPool", key), pool.addresses) for key, pool in world.load_balancer_pools.items()),
    )
    holders = [str(reference) for reference, ranges in pools if any(address in entry for entry in ranges)]
    yield f"It is among the addresses of {listed(holders)}." if holders else "It is in no class and no pool."
