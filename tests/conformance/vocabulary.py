"""The shared vocabulary of the cases, as objects of the model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mlbd.model.address import parse_range
from mlbd.model.core import EndpointSlice, IPFamilyPolicy, Node, Port, Service, TrafficPolicy
from mlbd.model.manifest import parse
from mlbd.model.metallb import IPAddressPool, L2Advertisement, PreferredNodes
from mlbd.model.reference import Key, Reference
from mlbd.model.selector import LabelSelector, Operator, Requirement
from mlbd.plan.announcements import Attachment, attach
from mlbd.plan.sources import Scope, Source

NAMESPACE = "metallb-system"
NODE_LABEL = "kubernetes.io/hostname"

API_VERSIONS = {
    "EndpointSlice": "discovery.k8s.io/v1",
    "Namespace": "v1",
    "Node": "v1",
    "Secret": "v1",
    "BGPPeer": "metallb.io/v1beta2",
}


def manifest(kind: str, resource: Mapping[str, Any], name: str | None = None, version: str = "") -> Any:
    """A resource of a case through the parser of its kind. Raises Invalid. `name` is for one that has none."""
    metadata = {"namespace": NAMESPACE, **resource.get("metadata", {})}
    if name is not None:
        metadata.setdefault("name", name)
    api_version = version or API_VERSIONS.get(kind, "metallb.io/v1beta1")
    return parse({**resource, "apiVersion": api_version, "kind": kind, "metadata": metadata})


def selector(text: str) -> LabelSelector:
    """`k=v`, `k in (a,b)`, `k notin (a)`, `k`, `!k`, joined by commas outside of parentheses."""
    return LabelSelector(frozenset(_requirement(term.strip()) for term in re.split(r",(?![^(]*\))", text) if term))


def _requirement(term: str) -> Requirement:
    if found := re.fullmatch(r"(\S+) (in|notin) \((.*)\)", term):
        operator = Operator.IN if found[2] == "in" else Operator.NOT_IN
        return Requirement(found[1], operator, frozenset(value.strip() for value in found[3].split(",")))
    if term.startswith("!"):
        return Requirement(term[1:], Operator.DOES_NOT_EXIST)
    name, equals, value = term.partition("=")
    return (
        Requirement(name, Operator.IN, frozenset((value.lstrip("="),)))
        if equals
        else Requirement(name, Operator.EXISTS)
    )


def selectors(texts: Iterable[str] | None) -> tuple[LabelSelector, ...]:
    return tuple(selector(text) for text in texts or ())


def source(pool: Mapping[str, Any]) -> Source:
    return Source(
        Reference("IPAddressPool", Key(NAMESPACE, pool["name"])),
        tuple(parse_range(cidr) for cidr in pool["cidrs"]),
        automatic=pool["autoAssign"],
        avoid_buggy=pool["avoidBuggyIPs"],
        scope=_scope(pool.get("serviceAllocation")),
    )


def _scope(allocation: Mapping[str, Any] | None) -> Scope | None:
    if allocation is None:
        return None
    wanted = selectors(allocation.get("serviceSelectors"))
    namespaces = frozenset(allocation.get("namespaces") or ())
    return Scope(allocation.get("priority") or 0, namespaces or (None if wanted else frozenset()), wanted)


def sources(pools: Iterable[Mapping[str, Any]]) -> dict[str, Source]:
    return {pool["name"]: source(pool) for pool in pools}


def pool_object(pool: Mapping[str, Any]) -> IPAddressPool:
    ranges = tuple(parse_range(cidr) for cidr in pool["cidrs"])
    return IPAddressPool(Key(NAMESPACE, pool["name"]), ranges, pool["autoAssign"], pool["avoidBuggyIPs"])


def advertisement(name: str, normalised: Mapping[str, Any]) -> L2Advertisement:
    """Nodes are named in the case and selected by labels in the object."""
    return L2Advertisement(
        Key(NAMESPACE, name),
        node_selectors=(named(*normalised["nodes"]),),
        interfaces=() if normalised["allInterfaces"] else tuple(normalised["interfaces"]),
        service_selectors=selectors(normalised.get("serviceSelectors")),
        preferred_nodes=tuple(
            PreferredNodes(weight, named(node)) for node, weight in (normalised.get("preferredNodes") or {}).items()
        ),
    )


def named(*nodes: str) -> LabelSelector:
    return LabelSelector(frozenset((Requirement(NODE_LABEL, Operator.IN, frozenset(nodes)),)))


def attachment(name: str, normalised: Mapping[str, Any]) -> Attachment:
    return attach(advertisement(name, normalised), [node(each) for each in normalised["nodes"]])


def node(name: str, known: Mapping[str, Any] | None = None) -> Node:
    known = known or {}
    unavailable = known.get("conditions", {}).get("NetworkUnavailable")
    return Node(
        Key("", name),
        {**known.get("labels", {}), NODE_LABEL: name},
        network_unavailable=unavailable in (True, "True"),
    )


def service(key: Key, wanted: Mapping[str, Any]) -> Service:
    """Its selector stands for the pods that every Service of a cluster has."""
    cluster_ips = wanted.get("clusterIPs") or ([wanted["clusterIP"]] if wanted.get("clusterIP") else [])
    return Service(
        Key(wanted.get("namespace") or key.namespace, wanted.get("name") or key.name),
        wanted.get("type", "LoadBalancer"),
        wanted.get("labels") or {},
        wanted.get("annotations") or {},
        load_balancer_ip=wanted.get("loadBalancerIP") or None,
        cluster_ips=tuple(cluster_ips),
        ip_families=families(wanted.get("ipFamilies")),
        ip_family_policy=IPFamilyPolicy(wanted.get("ipFamilyPolicy") or "SingleStack"),
        external_traffic_policy=TrafficPolicy(wanted.get("externalTrafficPolicy") or "Cluster"),
        ports=tuple(ports(wanted.get("ports"))),
        selector=wanted.get("selector") or {"app": "served"},
        ingress=tuple(wanted.get("statusIPs") or ()),
    )


def families(texts: Iterable[str] | None) -> tuple[int, ...]:
    return tuple(6 if "6" in text else 4 for text in texts or ())


def ports(entries: Iterable[Mapping[str, Any]] | None) -> Iterable[Port]:
    return (Port(entry["protocol"].upper(), entry["port"]) for entry in entries or ())


def endpoint_slices(slices: Iterable[Iterable[Mapping[str, Any]]] | None, of: Key) -> list[EndpointSlice]:
    return [
        manifest(
            "EndpointSlice",
            {
                "metadata": {
                    "name": f"slice-{number}",
                    "namespace": of.namespace or "default",
                    "labels": {"kubernetes.io/service-name": of.name},
                },
                "endpoints": [_endpoint(endpoint) for endpoint in endpoints],
            },
        )
        for number, endpoints in enumerate(slices or ())
    ]


def _endpoint(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    conditions = {name: endpoint[name] for name in ("ready", "serving") if endpoint.get(name) is not None}
    placed = {"nodeName": endpoint["node"]} if endpoint.get("node") else {}
    return {"addresses": endpoint.get("addresses", ["192.0.2.1"]), "conditions": conditions, **placed}
