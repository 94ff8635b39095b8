"""Manifests for the tests, as small as they can be. The network they speak of is 192.0.2.0/24 and 2001:db8::/64."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]

PREFIX = "network.deckhouse.io"
COUNT = f"{PREFIX}/l2-load-balancer-external-ips-count"
IPS = f"{PREFIX}/load-balancer-ips"
SHARED = f"{PREFIX}/load-balancer-shared-ip-key"
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
OLDEST, LATER = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
LABELS = {"lb": "yes"}


def node(name: str, number: int, **labels: str) -> Manifest:
    """`number` is the last part of its addresses."""
    addresses = [f"192.0.2.{number}", f"2001:db8::{number}"]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": LABELS | labels},
        "status": {"addresses": [{"type": "InternalIP", "address": address} for address in addresses]},
    }


def balancer_class(name: str, *pool: str, default: bool = False, **spec: Any) -> Manifest:
    spec = {"type": "L2", "isDefault": default, "nodeSelector": LABELS, "addressPool": list(pool)} | spec
    return {
        "apiVersion": f"{PREFIX}/v1alpha1",
        "kind": "MetalLoadBalancerClass",
        "metadata": {"name": name},
        "spec": spec,
    }


def service(
    name: str,
    ports: tuple[int, ...] = (80,),
    dual: bool = False,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> Manifest:
    """In the namespace `shop`, of IPv4 alone unless `dual`."""
    families = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]} if dual else {}
    wanted = {
        "type": "LoadBalancer",
        "ports": [{"name": f"p{port}", "port": port, "protocol": "TCP"} for port in ports],
    }
    metadata = {"namespace": "shop", "name": name, "creationTimestamp": LATER, "annotations": annotations or {}}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": wanted | families | spec,
    }


def endpoint_slice(service_name: str, **ready: bool) -> Manifest:
    """`ready` by the name of a node, with _ for -: whether its one endpoint can take traffic."""
    endpoints = [
        {
            "addresses": ["10.0.0.1"],
            "nodeName": name.replace("_", "-"),
            "conditions": {"ready": value, "serving": value},
        }
        for name, value in ready.items()
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": "shop",
            "name": f"{service_name}-1",
            "labels": {"kubernetes.io/service-name": service_name},
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [],
    }


def metallb(kind: str, name: str, **spec: Any) -> Manifest:
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": kind,
        "metadata": {"namespace": "metallb-system", "name": name},
        "spec": spec,
    }
