"""Small worlds, in as few words as a test needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from mlbd.model.address import parse_address, parse_range
from mlbd.model.core import EndpointSlice, Namespace, Node, Port, Secret, Service
from mlbd.model.deckhouse import (
    COUNT,
    IPS,
    SHARED_IP_KEY,
    MetalLoadBalancerBGPPeer,
    MetalLoadBalancerClass,
    MetalLoadBalancerConfiguration,
    MetalLoadBalancerPool,
)
from mlbd.model.metallb import BFDProfile, BGPAdvertisement, BGPPeer, Community, IPAddressPool, L2Advertisement
from mlbd.model.reference import Key
from mlbd.model.selector import LabelSelector, Operator, Requirement
from mlbd.model.world import Object, World
from mlbd.plan.plan import Plan, plan

PLACES = {
    Service: "services",
    Node: "nodes",
    Namespace: "namespaces",
    EndpointSlice: "endpoint_slices",
    IPAddressPool: "address_pools",
    MetalLoadBalancerPool: "load_balancer_pools",
    L2Advertisement: "l2_advertisements",
    MetalLoadBalancerClass: "classes",
    Secret: "secrets",
    BGPPeer: "bgp_peers",
    BGPAdvertisement: "bgp_advertisements",
    BFDProfile: "bfd_profiles",
    Community: "communities",
    MetalLoadBalancerBGPPeer: "load_balancer_peers",
    MetalLoadBalancerConfiguration: "load_balancer_configurations",
}


def world(*objects: Object) -> World:
    return added(World(), *objects)


def added(before: World, *objects: Object) -> World:
    """As the facts do it: kinds that did not change are the very same mappings."""
    changed: dict[str, Any] = {}
    for each in objects:
        place = PLACES[type(each)]
        changed.setdefault(place, dict(getattr(before, place)))[each.key] = each
    return replace(before, **changed)


def without(before: World, *objects: Object) -> World:
    gone = {each.key for each in objects}
    place = PLACES[type(objects[0])]
    left: dict[str, Any] = {place: {key: each for key, each in getattr(before, place).items() if key not in gone}}
    return replace(before, **left)


def nodes(count: int, **labels: str) -> list[Node]:
    return [node(f"node-{number}", **labels) for number in range(1, count + 1)]


def node(name: str, **labels: str) -> Node:
    return Node(Key("", name), labels)


def pool_class(name: str = "public", *ranges: str, **fields: Any) -> MetalLoadBalancerClass:
    return MetalLoadBalancerClass(Key("", name), tuple(map(parse_range, ranges or ("192.0.2.0/24",))), **fields)


def pool(name: str, *ranges: str, **fields: Any) -> IPAddressPool:
    return IPAddressPool(Key("metallb-system", name), tuple(map(parse_range, ranges)), **fields)


def advertisement(name: str = "all", **fields: Any) -> L2Advertisement:
    return L2Advertisement(Key("metallb-system", name), **fields)


def peer(name: str = "peer", address: str = "10.0.0.1", **fields: Any) -> BGPPeer:
    """Without an address where it is ""."""
    where = parse_address(address) if address else None
    return BGPPeer(Key("metallb-system", name), 64512, **{"asn": 64513, "address": where, **fields})


def bgp(name: str = "bgp", **fields: Any) -> BGPAdvertisement:
    return BGPAdvertisement(Key("metallb-system", name), **fields)


def routes(planned: Plan, name: str = "peer") -> dict[str, str]:
    """What a peer hears: by prefix the local preference and the communities."""
    told = planned.routes[name].items()
    wanted = {prefix: [] if said.local_pref is None else [said.local_pref] for prefix, said in told}
    return {str(prefix): " ".join(map(str, (*wanted[prefix], *said.communities))) for prefix, said in told}


def service(
    name: str = "web",
    count: str = "",
    pins: str = "",
    share: str = "",
    notes: Mapping[str, str] | None = None,
    **fields: Any,
) -> Service:
    """Without a selector: programs on the nodes serve it, and it needs no endpoints."""
    given = {COUNT: count, IPS: pins, SHARED_IP_KEY: share}
    annotations = {key: value for key, value in given.items() if value} | dict(notes or {})
    return Service(Key("shop", name), annotations=annotations, **{"ports": (Port("TCP", 80),), **fields})


def endpoints(of: Service, *where: str) -> EndpointSlice:
    return EndpointSlice(Key("shop", f"{of.key.name}-1"), of.key, frozenset(where), bool(where))


def labelled(**labels: str) -> LabelSelector:
    return LabelSelector(frozenset(Requirement(key, Operator.IN, frozenset((value,))) for key, value in labels.items()))


def addresses(planned: Plan, of: Service) -> list[str | None]:
    slots = planned.services[of.key].slots
    return [None if slot.address is None else str(slot.address) for slot in slots]


def refusals(planned: Plan, of: Service) -> list[str]:
    return [slot.refusal.reason if slot.refusal else "" for slot in planned.services[of.key].slots]


def reason(planned: Plan, of: Service) -> str:
    refusal = planned.services[of.key].refusal
    return refusal.reason if refusal else ""


def problems(planned: Plan) -> set[tuple[str, str]]:
    return {(problem.object, problem.reason) for problem in planned.problems}


def plans(what: World, names: Iterable[str]) -> list[Plan]:
    return [plan(what, name) for name in names]
