"""What is, composed into one Status. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import mlbd
from mlbd.model.core import Node
from mlbd.model.desired import ServicePlan, Slot
from mlbd.model.link import Link
from mlbd.model.status import (
    AddressStatus,
    LinkStatus,
    NodeStatus,
    ReflexStatus,
    ServiceStatus,
    Status,
    VipState,
)
from mlbd.plan.eligibility import node_refusal

from .drain import drain_status
from .facts import Facts
from .peers import peer_statuses
from .problems import obstacle, problems


def compose(facts: Facts) -> Status:
    vips = facts.desired.vips.values()
    holders = Counter(holder for vip in vips if (holder := facts.holder(vip)) is not None)
    return Status(
        node=facts.settings.node,
        version=mlbd.__version__,
        pid=facts.pid,
        started=facts.started,
        ready=facts.ready,
        bind_addresses=facts.settings.bind_addresses,
        vips=len(vips),
        holding=sum(bool(facts.answering_links(address)) for address in facts.desired.vips),
        services=tuple(_service(facts, plan) for _, plan in sorted(facts.desired.services.items())),
        pools=facts.desired.pools,
        nodes=tuple(_node(facts, node, holders) for _, node in sorted(facts.world.nodes.items())),
        links=_links(facts),
        state=facts.directories,
        reflex=_reflex(facts),
        problems=tuple(problems(facts)),
        drain=drain_status(facts),
        peers=tuple(peer_statuses(facts)),
    )


def _service(facts: Facts, plan: ServicePlan) -> ServiceStatus:
    service = facts.world.services[plan.key]
    addresses = tuple(_address(facts, slot) for slot in plan.slots)
    reason, message = _why_not_announced(plan, addresses)
    return ServiceStatus(
        namespace=plan.key.namespace,
        name=plan.key.name,
        source=str(plan.source) if plan.source else "",
        policy=service.external_traffic_policy.value,
        ports=tuple(f"{port.port}/{port.protocol}" for port in service.ports),
        wanted=len(plan.slots),
        assigned=sum(slot.address is not None for slot in plan.slots),
        announced=bool(plan.slots) and not reason,
        addresses=addresses,
        reason=reason,
        message=message,
        peers=_hearers(facts, plan),
        refused_nodes={node: refusal.message for node, refusal in plan.nodes.items() if refusal is not None},
    )


def _hearers(facts: Facts, plan: ServicePlan) -> tuple[str, ...]:
    heard = plan.bgp.heard if plan.bgp else {}
    return tuple(sorted(name for name in heard if facts.established(name)))


def _address(facts: Facts, slot: Slot) -> AddressStatus:
    address = slot.address
    vip = facts.desired.vips.get(address) if address is not None else None
    claim = facts.desired.claims.get(address) if address is not None else None
    order = vip.order if vip else ()
    state = facts.vip_state(address) if address is not None else VipState.NONE
    refusal = slot.refusal or (obstacle(facts, claim) if claim else None)
    return AddressStatus(
        slot=slot.index,
        family=slot.family,
        address=None if address is None else str(address),
        pinned=slot.pinned,
        holder=facts.holder(vip) if vip and order else None,
        order=order,
        state=state,
        links=facts.answering_links(address) if address is not None else (),
        reason=refusal.reason if refusal else "",
        message=refusal.message if refusal else "",
    )


def _why_not_announced(plan: ServicePlan, addresses: Sequence[AddressStatus]) -> tuple[str, str]:
    """The first reason why an address that was asked for is not answered for, ("", "") when all of them are."""
    if plan.refusal:
        return plan.refusal.reason, plan.refusal.message
    for address in addresses:
        if address.reason:
            return address.reason, address.message
    return "", ""


def _node(facts: Facts, node: Node, holders: Mapping[str, int]) -> NodeStatus:
    name = node.key.name
    return NodeStatus(
        name=name,
        me=name == facts.settings.node,
        addresses=tuple(map(str, node.addresses)),
        classes=tuple(pool.name for pool in facts.desired.pools if name in pool.nodes),
        holds=holders.get(name, 0),
        message=refusal.message if (refusal := node_refusal(node)) else "",
        presence=facts.presence(name),
        sessions=tuple(session for session in facts.sessions if session.peer == name),
    )


def _links(facts: Facts) -> tuple[LinkStatus, ...]:
    held = Counter(name for address in facts.desired.vips for name in facts.answering_links(address))
    return tuple(_link(facts, link, held[link.name]) for link in facts.links)


def _link(facts: Facts, link: Link, holds: int) -> LinkStatus:
    """One that the reflex cannot open is as little use as one without a carrier."""
    why_not = facts.usability[link.name]
    message = why_not.message if why_not else facts.reflex.problems.get(link.name, "")
    addresses = tuple(map(str, link.addresses))
    return LinkStatus(link.name, link.index, link.mac.hex(":"), not message, holds, addresses, message)


def _reflex(facts: Facts) -> ReflexStatus:
    child = facts.reflex
    return ReflexStatus(child.pid, child.alive, child.realtime, child.restarts, child.counters, child.lateness)
