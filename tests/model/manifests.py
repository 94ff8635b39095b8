"""A full manifest of every kind, as users write them, and the object that it must become."""

from __future__ import annotations

import copy
import re
from ipaddress import ip_address
from typing import Any

from mlbd.model.address import parse_range
from mlbd.model.core import (
    Condition,
    EndpointSlice,
    IPFamilyPolicy,
    Namespace,
    Node,
    Port,
    Secret,
    Service,
    TrafficPolicy,
)
from mlbd.model.deckhouse import (
    MetalLoadBalancerBGPPeer,
    MetalLoadBalancerClass,
    MetalLoadBalancerConfiguration,
    MetalLoadBalancerPool,
    PoolAdvertisement,
)
from mlbd.model.metallb import (
    BFDProfile,
    BGPAdvertisement,
    BGPPeer,
    Community,
    IPAddressPool,
    L2Advertisement,
    PreferredNodes,
    ServiceAllocation,
)
from mlbd.model.reference import Key
from mlbd.model.selector import LabelSelector, Operator, Requirement

TEXT = """
Service:
  apiVersion: v1
  kind: Service
  metadata:
    name: web
    namespace: shop
    creationTimestamp: 2026-01-02T03:04:05Z
    labels: {app: web}
    annotations:
      network.deckhouse.io/l2-load-balancer-external-ips-count: "3"
      kubectl.kubernetes.io/last-applied-configuration: "{}"
  spec:
    type: LoadBalancer
    loadBalancerClass: ingress
    loadBalancerIP: 192.0.2.7
    clusterIP: 10.0.0.1
    clusterIPs: [10.0.0.1, "fd00::1"]
    ipFamilies: [IPv4, IPv6]
    ipFamilyPolicy: PreferDualStack
    externalTrafficPolicy: Local
    sessionAffinity: None
    selector: {app: web}
    ports:
      - {name: http, port: 80, targetPort: 8080}
      - {name: dns, port: 53, protocol: UDP}
  status:
    loadBalancer:
      ingress:
        - {ip: 192.0.2.7}
        - {hostname: web.example.org}
    conditions:
      - {type: AllPublicIPsAssigned, status: "True", reason: AllIPsAssigned, message: 1 of 1 public IPs were assigned}
Node:
  apiVersion: v1
  kind: Node
  metadata:
    name: node-1
    labels: {rack: a}
    creationTimestamp: "2026-01-02T03:04:05Z"
  status:
    addresses:
      - {type: InternalIP, address: 10.1.0.1}
      - {type: Hostname, address: node-1}
      - {type: InternalIP, address: "fd00:1::1"}
    conditions:
      - {type: Ready, status: "True"}
      - {type: NetworkUnavailable, status: "True"}
Namespace:
  apiVersion: v1
  kind: Namespace
  metadata: {name: shop, labels: {team: a}}
Secret:
  apiVersion: v1
  kind: Secret
  metadata: {name: bgp, namespace: metallb-system, labels: {network.deckhouse.io/metallb-bgp-password: "true"}}
  type: kubernetes.io/basic-auth
  data: {username: cm91dGVy, password: b2xk}
  stringData: {password: new}
EndpointSlice:
  apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
  addressType: IPv4
  endpoints:
    - {addresses: [10.2.0.1], nodeName: node-1, conditions: {ready: true}}
    - {addresses: [10.2.0.2], nodeName: node-2, conditions: {ready: false, serving: true, terminating: true}}
    - {addresses: [10.2.0.3], nodeName: node-3, conditions: {ready: false}}
    - {addresses: [], nodeName: node-4}
    - {addresses: [10.2.0.5], nodeName: node-5, conditions: {ready: null}}
    - {addresses: [10.2.0.6]}
IPAddressPool:
  apiVersion: metallb.io/v1beta1
  kind: IPAddressPool
  metadata: {name: public, namespace: metallb-system, labels: {zone: a}, creationTimestamp: "2026-01-02T03:04:05Z"}
  spec:
    addresses: [192.0.2.0/28, 198.51.100.10 - 198.51.100.20, "2001:db8::/64"]
    autoAssign: false
    avoidBuggyIPs: true
    serviceAllocation:
      priority: 50
      namespaces: [shop]
      namespaceSelectors: [{matchLabels: {team: a}}]
      serviceSelectors: [{matchExpressions: [{key: app, operator: In, values: [web, api]}]}]
  status: {assignedIPv4: 0, assignedIPv6: 0, availableIPv4: 27, availableIPv6: 0}
L2Advertisement:
  apiVersion: metallb.io/v1beta1
  kind: L2Advertisement
  metadata: {name: all, namespace: metallb-system}
  spec:
    ipAddressPools: [public]
    ipAddressPoolSelectors: [{matchLabels: {zone: a}}]
    nodeSelectors: [{matchExpressions: [{key: gpu, operator: DoesNotExist}]}]
    interfaces: [eth0, eth1]
    serviceSelectors: [{matchExpressions: [{key: app, operator: NotIn, values: [db]}]}]
    preferredNodeSelectors: [{weight: 10, preference: {matchExpressions: [{key: fast, operator: Exists}]}}]
BGPAdvertisement:
  apiVersion: metallb.io/v1beta1
  kind: BGPAdvertisement
  metadata: {name: all, namespace: metallb-system}
  spec:
    ipAddressPools: [public]
    ipAddressPoolSelectors: [{matchLabels: {zone: a}}]
    nodeSelectors: [{matchLabels: {rack: a}}]
    peers: [router]
    communities: [64512:10, "large:64512:1:2", vip]
    aggregationLength: 24
    aggregationLengthV6: 64
    localPref: 4294967295
BGPPeer:
  apiVersion: metallb.io/v1beta2
  kind: BGPPeer
  metadata: {name: router, namespace: metallb-system}
  spec:
    myASN: 64512
    peerASN: 4200000000
    localASN: 64513
    peerAddress: 192.0.2.254
    sourceAddress: 192.0.2.1
    peerPort: 1179
    holdTime: 1m30s
    keepaliveTime: 20s
    connectTime: 10s
    routerID: 10.0.0.1
    nodeSelectors: [{matchLabels: {rack: a}}]
    passwordSecret: {name: bgp, namespace: metallb-system}
    bfdProfile: fast
    enableGracefulRestart: true
    ebgpMultiHop: true
    vrf: red
    disableMP: false
    dualStackAddressFamily: true
BFDProfile:
  apiVersion: metallb.io/v1beta1
  kind: BFDProfile
  metadata: {name: fast, namespace: metallb-system}
  spec: {receiveInterval: 10, transmitInterval: 60000, detectMultiplier: 255, echoInterval: 50, echoMode: true,
         passiveMode: true, minimumTtl: 254}
Community:
  apiVersion: metallb.io/v1beta1
  kind: Community
  metadata: {name: names, namespace: metallb-system}
  spec: {communities: [{name: vip, value: "64512:1"}, {name: big, value: "large:64512:1:2"}]}
MetalLoadBalancerClass:
  apiVersion: network.deckhouse.io/v1alpha1
  kind: MetalLoadBalancerClass
  metadata: {name: ingress, creationTimestamp: "2026-01-02T03:04:05Z"}
  spec:
    type: L2
    isDefault: true
    addressPool: [192.0.2.100-192.0.2.150, 192.0.2.160/32]
    nodeSelector: {node-role.kubernetes.io/loadbalancer: ""}
    l2: {interfaces: [eth1]}
    tolerations: [{operator: Exists}]
MetalLoadBalancerPool:
  apiVersion: network.deckhouse.io/v1alpha1
  kind: MetalLoadBalancerPool
  metadata: {name: bgp}
  spec: {addresses: [203.0.113.0/24], autoAssign: false, avoidBuggyIPs: true}
MetalLoadBalancerBGPPeer:
  apiVersion: network.deckhouse.io/v1alpha1
  kind: MetalLoadBalancerBGPPeer
  metadata: {name: router}
  spec:
    peerAddress: 192.0.2.254
    peerPort: 1179
    peerASN: 64513
    myASN: 64512
    routerID: 10.0.0.1
    holdTime: 3s
    passwordSecretRef: {name: bgp, namespace: shop}
    sourceAddresses: [{nodeName: node-1, address: 192.0.2.1}]
    bfd: {receiveInterval: 100, transmitInterval: 200, detectMultiplier: 3, echoInterval: 50, echoMode: true,
          passiveMode: false, minimumTTL: 10}
MetalLoadBalancerConfiguration:
  apiVersion: network.deckhouse.io/v1alpha1
  kind: MetalLoadBalancerConfiguration
  metadata: {name: main}
  spec:
    mode: BGP
    nodeSelector: {rack: a}
    bgp: {peerNames: [router]}
    advertisements:
      - {poolNames: [bgp], bgp: {communities: [no-export, "64512:1"], localPref: 100, aggregationLength: 28}}
"""


def labels(**wanted: str) -> LabelSelector:
    return LabelSelector(frozenset(Requirement(key, Operator.IN, frozenset((text,))) for key, text in wanted.items()))


def expression(key: str, operator: Operator, *values: str) -> LabelSelector:
    return LabelSelector(frozenset((Requirement(key, operator, frozenset(values)),)))


CREATED = "2026-01-02T03:04:05Z"

OBJECTS = {
    "Service": Service(
        key=Key("shop", "web"),
        type="LoadBalancer",
        labels={"app": "web"},
        annotations={"network.deckhouse.io/l2-load-balancer-external-ips-count": "3"},
        load_balancer_class="ingress",
        load_balancer_ip="192.0.2.7",
        cluster_ips=("10.0.0.1", "fd00::1"),
        ip_families=(4, 6),
        ip_family_policy=IPFamilyPolicy.PREFER_DUAL_STACK,
        external_traffic_policy=TrafficPolicy.LOCAL,
        ports=(Port("TCP", 80), Port("UDP", 53)),
        selector={"app": "web"},
        created=CREATED,
        ingress=("192.0.2.7",),
        conditions={"AllPublicIPsAssigned": Condition("True", "AllIPsAssigned", "1 of 1 public IPs were assigned")},
    ),
    "Node": Node(
        key=Key("", "node-1"),
        labels={"rack": "a"},
        addresses=(ip_address("10.1.0.1"), ip_address("fd00:1::1")),
        network_unavailable=True,
        created=CREATED,
    ),
    "Namespace": Namespace(Key("", "shop"), {"team": "a"}),
    "Secret": Secret(
        key=Key("metallb-system", "bgp"),
        type="kubernetes.io/basic-auth",
        data={"username": b"router", "password": b"new"},
        labels={"network.deckhouse.io/metallb-bgp-password": "true"},
    ),
    "EndpointSlice": EndpointSlice(
        key=Key("shop", "web-1"),
        service=Key("shop", "web"),
        nodes=frozenset(("node-1", "node-2", "node-5")),
        usable=True,
    ),
    "IPAddressPool": IPAddressPool(
        key=Key("metallb-system", "public"),
        addresses=tuple(map(parse_range, ("192.0.2.0/28", "198.51.100.10-198.51.100.20", "2001:db8::/64"))),
        auto_assign=False,
        avoid_buggy_ips=True,
        allocation=ServiceAllocation(
            priority=50,
            namespaces=frozenset(("shop",)),
            namespace_selectors=(labels(team="a"),),
            service_selectors=(expression("app", Operator.IN, "web", "api"),),
        ),
        labels={"zone": "a"},
        created=CREATED,
    ),
    "L2Advertisement": L2Advertisement(
        key=Key("metallb-system", "all"),
        pools=("public",),
        pool_selectors=(labels(zone="a"),),
        node_selectors=(expression("gpu", Operator.DOES_NOT_EXIST),),
        interfaces=("eth0", "eth1"),
        service_selectors=(expression("app", Operator.NOT_IN, "db"),),
        preferred_nodes=(PreferredNodes(10, expression("fast", Operator.EXISTS)),),
    ),
    "BGPAdvertisement": BGPAdvertisement(
        key=Key("metallb-system", "all"),
        pools=("public",),
        pool_selectors=(labels(zone="a"),),
        node_selectors=(labels(rack="a"),),
        peers=("router",),
        communities=("64512:10", "large:64512:1:2", "vip"),
        aggregation_length=24,
        aggregation_length_v6=64,
        local_pref=4294967295,
    ),
    "BGPPeer": BGPPeer(
        key=Key("metallb-system", "router"),
        my_asn=64512,
        asn=4200000000,
        local_asn=64513,
        address=ip_address("192.0.2.254"),
        source_address=ip_address("192.0.2.1"),
        port=1179,
        hold_time=90,
        keepalive_time=20,
        connect_time=10,
        router_id=ip_address("10.0.0.1"),
        node_selectors=(labels(rack="a"),),
        password_secret=Key("metallb-system", "bgp"),
        bfd_profile="fast",
        graceful_restart=True,
        ebgp_multi_hop=True,
        vrf="red",
        dual_stack_address_family=True,
    ),
    "BFDProfile": BFDProfile(
        key=Key("metallb-system", "fast"),
        receive_interval=10,
        transmit_interval=60000,
        detect_multiplier=255,
        echo_interval=50,
        echo_mode=True,
        passive_mode=True,
        minimum_ttl=254,
    ),
    "Community": Community(
        key=Key("metallb-system", "names"), aliases=(("vip", "64512:1"), ("big", "large:64512:1:2"))
    ),
    "MetalLoadBalancerClass": MetalLoadBalancerClass(
        key=Key("", "ingress"),
        addresses=(parse_range("192.0.2.100-192.0.2.150"), parse_range("192.0.2.160/32")),
        node_selector={"node-role.kubernetes.io/loadbalancer": ""},
        interfaces=("eth1",),
        is_default=True,
        created=CREATED,
    ),
    "MetalLoadBalancerPool": MetalLoadBalancerPool(
        key=Key("", "bgp"), addresses=(parse_range("203.0.113.0/24"),), auto_assign=False, avoid_buggy_ips=True
    ),
    "MetalLoadBalancerBGPPeer": MetalLoadBalancerBGPPeer(
        key=Key("", "router"),
        my_asn=64512,
        asn=64513,
        address=ip_address("192.0.2.254"),
        port=1179,
        router_id=ip_address("10.0.0.1"),
        hold_time=3,
        password_secret=Key("shop", "bgp"),
        source_addresses={"node-1": ip_address("192.0.2.1")},
        bfd={
            "receiveInterval": 100,
            "transmitInterval": 200,
            "detectMultiplier": 3,
            "echoInterval": 50,
            "echoMode": True,
            "passiveMode": False,
            "minimumTTL": 10,
        },
    ),
    "MetalLoadBalancerConfiguration": MetalLoadBalancerConfiguration(
        key=Key("", "main"),
        node_selector={"rack": "a"},
        peers=("router",),
        advertisements=(PoolAdvertisement(("bgp",), ("no-export", "64512:1"), 100, 28),),
    ),
}


def text_of(kind: str) -> str:
    """The manifest of a kind, as a file of its own."""
    lines = re.search(rf"(?m)^{kind}:\n((?:  .*\n)+)", TEXT)
    assert lines is not None
    return re.sub(r"(?m)^  ", "", lines[1])


DELETED = object()


def changed(document: Any, path: str, value: Any) -> Any:
    """A copy in which the field at `path` (`spec.addresses[1]`, `metadata.labels[app]`) is another one, or not there
    when the value is DELETED."""
    copied = copy.deepcopy(document)
    parts = [inner or outer for inner, outer in re.findall(r"\[([^\]]+)\]|([^.\[\]]+)", path)]
    *way, last = [int(part) if part.isdigit() else part for part in parts]
    target = copied
    for part in way:
        target = target[part]
    if value is DELETED:
        del target[last]
    elif isinstance(target, list) and last == len(target):
        target.append(value)
    else:
        target[last] = value
    return copied
