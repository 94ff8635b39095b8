"""Kubernetes' own kinds, from manifests. Fields that mlbd does not read are passed over: they are for others."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from enum import StrEnum
from sys import intern

from .address import IPAddress
from .core import Condition, EndpointSlice, IPFamilyPolicy, Namespace, Node, Port, Secret, Service, TrafficPolicy
from .fields import NOTHING, Fields
from .reference import Key
from .wording import shown, shown_key

_SERVICE_NAME = "kubernetes.io/service-name"
_FAMILIES = {"IPv4": 4, "IPv6": 6}
_PROTOCOLS = ("TCP", "UDP", "SCTP")
#: Annotations of other groups (deployment tools leave long ones) are neither read nor kept.
_ANNOTATION_GROUPS = frozenset(("metallb.io", "metallb.universe.tf", "mlbd.io", "network.deckhouse.io"))
#: Where a manifest without a namespace belongs, as for kubectl.
DEFAULT_NAMESPACE = "default"


class ServiceType(StrEnum):
    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"
    EXTERNAL_NAME = "ExternalName"


def parse_key(metadata: Fields, namespaced: bool) -> Key:
    """The namespace and name in an object's metadata, of which messages are made: without blanks and slashes."""
    name = _name(metadata, "name", "")
    return Key(_name(metadata, "namespace", DEFAULT_NAMESPACE), name) if namespaced else Key("", name)


def _name(metadata: Fields, field: str, default: str) -> str:
    name = metadata.text(field) or default
    if not name:
        raise metadata.invalid(field, "is missing: give the object a name")
    if len(name) > 253 or "/" in name or not name.isprintable() or " " in name:
        found = "no name" if metadata.hides(field) else shown(name)
        raise metadata.invalid(field, f"is {found}: write at most 253 characters, without blanks and slashes")
    return intern(name)


def created(metadata: Fields) -> str:
    return metadata.text("creationTimestamp")


def parse_service(manifest: Fields) -> Service:
    metadata, spec, status = manifest.metadata(), manifest.child("spec"), manifest.child("status")
    return Service(
        key=parse_key(metadata, namespaced=True),
        type=intern(spec.choice("type", ServiceType.CLUSTER_IP).value),
        labels=metadata.mapping("labels"),
        annotations=_annotations(metadata),
        load_balancer_class=spec.text("loadBalancerClass") or None,
        load_balancer_ip=spec.text("loadBalancerIP") or None,
        cluster_ips=_cluster_ips(spec),
        ip_families=tuple(_family(spec, index, text) for index, text in enumerate(spec.texts("ipFamilies"))),
        ip_family_policy=spec.choice("ipFamilyPolicy", IPFamilyPolicy.SINGLE_STACK),
        external_traffic_policy=spec.choice("externalTrafficPolicy", TrafficPolicy.CLUSTER),
        ports=tuple(_port(port) for port in spec.children("ports")),
        selector=spec.mapping("selector"),
        created=created(metadata),
        ingress=_ingress(status),
        conditions=_conditions(status),
    )


def _annotations(metadata: Fields) -> Mapping[str, str]:
    annotations = metadata.mapping("annotations")
    ours = {key: value for key, value in annotations.items() if key.partition("/")[0] in _ANNOTATION_GROUPS}
    return ours or NOTHING


def _cluster_ips(spec: Fields) -> tuple[str, ...]:
    first = spec.text("clusterIP")
    return spec.texts("clusterIPs") or ((first,) if first else ())


def _family(spec: Fields, index: int, text: str) -> int:
    if text not in _FAMILIES:
        raise spec.invalid(f"ipFamilies[{index}]", f"is {shown(text)}: write IPv4 or IPv6")
    return _FAMILIES[text]


def _port(fields: Fields) -> Port:
    fields.require("port")
    protocol = fields.text("protocol", "TCP")
    if protocol not in _PROTOCOLS:
        raise fields.invalid("protocol", f"is {shown(protocol)}: write TCP, UDP or SCTP")
    return Port(intern(protocol), fields.integer("port", 1, 65535, 0))


def _ingress(status: Fields) -> tuple[str, ...]:
    """Addresses only: a host name is another controller's, and is dropped as MetalLB drops it."""
    if not status.has("loadBalancer"):
        return ()
    addresses = (ingress.text("ip") for ingress in status.child("loadBalancer").children("ingress"))
    return tuple(address for address in addresses if address)


def _conditions(status: Fields) -> Mapping[str, Condition]:
    return {condition.text("type"): _condition(condition) for condition in status.children("conditions")}


def _condition(fields: Fields) -> Condition:
    fields.require("type", "status")
    return Condition(fields.text("status"), fields.text("reason"), fields.text("message"))


def parse_node(manifest: Fields) -> Node:
    metadata, status = manifest.metadata(), manifest.child("status")
    unavailable = _conditions(status).get("NetworkUnavailable")
    return Node(
        key=parse_key(metadata, namespaced=False),
        labels=metadata.mapping("labels"),
        addresses=tuple(_internal_addresses(status)),
        network_unavailable=unavailable is not None and unavailable.status == "True",
        created=created(metadata),
    )


def _internal_addresses(status: Fields) -> list[IPAddress]:
    entries = [entry for entry in status.children("addresses") if entry.text("type") == "InternalIP"]
    return [address for entry in entries if (address := entry.address("address")) is not None]


def parse_namespace(manifest: Fields) -> Namespace:
    metadata = manifest.metadata()
    return Namespace(parse_key(metadata, namespaced=False), metadata.mapping("labels"))


def parse_secret(manifest: Fields) -> Secret:
    """`stringData` is laid over `data`, as the API server does."""
    metadata = manifest.metadata()
    plain = {name: text.encode() for name, text in _secrets(manifest.child("stringData"))}
    decoded = {name: _decoded(manifest, name, text) for name, text in _secrets(manifest.child("data"))}
    return Secret(
        key=parse_key(metadata, namespaced=True),
        type=manifest.text("type"),
        data=decoded | plain,
        labels=metadata.mapping("labels"),
    )


def _secrets(fields: Fields) -> list[tuple[str, str]]:
    return [(name, fields.secret(name)) for name in fields.names()]


def _decoded(manifest: Fields, name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        problem = "is not base64: encode the value, or write it as it is under stringData"
        raise manifest.invalid(f"data.{shown_key(name)}", problem) from None


def parse_endpoint_slice(manifest: Fields) -> EndpointSlice:
    metadata = manifest.metadata()
    key = parse_key(metadata, namespaced=True)
    service = metadata.mapping("labels").get(_SERVICE_NAME, "")
    if not service:
        raise metadata.invalid(f"labels[{_SERVICE_NAME}]", "is missing: name the Service that the endpoints are of")
    usable = [endpoint for endpoint in manifest.children("endpoints") if _usable(endpoint)]
    nodes = frozenset(intern(node) for endpoint in usable if (node := endpoint.text("nodeName")))
    return EndpointSlice(key, Key(key.namespace, service), nodes, bool(usable))


def _usable(endpoint: Fields) -> bool:
    conditions = endpoint.child("conditions")
    ready, serving = conditions.boolean("ready", True), conditions.boolean("serving", False)
    return bool(endpoint.texts("addresses")) and (ready or serving)
