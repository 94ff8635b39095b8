"""Objects of Kubernetes itself, reduced to what mlbd reads of them.

Sources: core/v1 Service, Node, Namespace, Secret; discovery.k8s.io/v1 EndpointSlice. Fields that are not listed here
are somebody else's business (kube-proxy's, the kubelet's) and are passed over in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from .address import IPAddress
from .reference import Key

#: A node with this label, whatever its value, takes no part in load balancing.
EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"


class Port(NamedTuple):
    """One of `spec.ports`: the protocol ("TCP", "UDP", "SCTP") and the port that clients use."""

    protocol: str
    port: int


class TrafficPolicy(StrEnum):
    """`spec.externalTrafficPolicy`: with LOCAL only nodes with a usable endpoint may take traffic."""

    CLUSTER = "Cluster"
    LOCAL = "Local"


class IPFamilyPolicy(StrEnum):
    SINGLE_STACK = "SingleStack"
    PREFER_DUAL_STACK = "PreferDualStack"
    REQUIRE_DUAL_STACK = "RequireDualStack"


@dataclass(frozen=True, slots=True)
class Condition:
    """One of `status.conditions`."""

    status: str
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """v1 Service. `ip_families` are 4 and 6 in its order. Texts are kept as written where a user may err, so that
    the plan can refuse them with a reason instead of the object being lost."""

    key: Key
    type: str = "LoadBalancer"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    load_balancer_class: str | None = None
    load_balancer_ip: str | None = None
    cluster_ips: tuple[str, ...] = ()
    ip_families: tuple[int, ...] = ()
    ip_family_policy: IPFamilyPolicy = IPFamilyPolicy.SINGLE_STACK
    external_traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    ports: tuple[Port, ...] = ()
    selector: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    ingress: tuple[str, ...] = ()  # status.loadBalancer.ingress[].ip
    conditions: Mapping[str, Condition] = field(default_factory=dict)  # by type


@dataclass(frozen=True, slots=True)
class Node:
    """v1 Node. `addresses` are its InternalIPs; `network_unavailable` is the condition of that name."""

    key: Key
    labels: Mapping[str, str] = field(default_factory=dict)
    addresses: tuple[IPAddress, ...] = ()
    network_unavailable: bool = False
    created: str = ""


@dataclass(frozen=True, slots=True)
class Namespace:
    key: Key
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Secret:
    """v1 Secret: only BGP passwords are ever read, and `data` never enters a message."""

    key: Key
    type: str = ""
    data: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """discovery.k8s.io/v1 EndpointSlice, reduced to which nodes have a usable endpoint of `service`.

    Usable: `ready` is true or unknown, or `serving` is true (a terminating endpoint that still answers counts).
    `nodes` are the nodes named by usable endpoints; `usable` says whether there is one at all, named node or not.
    """

    key: Key
    service: Key
    nodes: frozenset[str] = frozenset()
    usable: bool = False
