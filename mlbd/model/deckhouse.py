"""The kinds of network.deckhouse.io/v1alpha1, all without a namespace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .address import AddressRange, IPAddress, IPNetwork
from .metallb import PLAIN, PeerExtras
from .reference import Key

#: How many addresses (a family) a Service wants; default 1.
COUNT = "network.deckhouse.io/l2-load-balancer-external-ips-count"
#: Comma list; the i-th address is for slot i.
IPS = "network.deckhouse.io/load-balancer-ips"
#: Services with equal keys may share an address.
SHARED_IP_KEY = "network.deckhouse.io/load-balancer-shared-ip-key"
#: The class, for Services whose spec.loadBalancerClass can no longer be set.
CLASS = "network.deckhouse.io/metal-load-balancer-class"
#: The condition whose message names the class that a Service is bound to.
CLASS_CONDITION = "network.deckhouse.io/load-balancer-class"
#: A MetalLoadBalancerPool (BGP), before metallb.io/address-pool.
POOL = "network.deckhouse.io/load-balancer-pool"

#: A Secret without this label, whatever its value, is not read for a peer.
PASSWORD_LABEL = "network.deckhouse.io/metallb-bgp-password"

#: As Reference.kind names the class below.
CLASS_KIND = "MetalLoadBalancerClass"


@dataclass(frozen=True, slots=True)
class MetalLoadBalancerClass:
    """Layer 2 with several addresses a Service: which nodes, addresses and links (none named: all of them)."""

    key: Key
    addresses: tuple[AddressRange, ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    interfaces: tuple[str, ...] = ()
    is_default: bool = False
    created: str = ""


@dataclass(frozen=True, slots=True)
class MetalLoadBalancerPool:
    key: Key
    addresses: tuple[AddressRange, ...]
    auto_assign: bool = True
    avoid_buggy_ips: bool = False
    created: str = ""


@dataclass(frozen=True, slots=True)
class MetalLoadBalancerBGPPeer:
    """Exactly one of `address` and `network` (whoever connects from it). Hold time in seconds; `source_addresses` by
    node name; `bfd` intervals in milliseconds."""

    key: Key
    my_asn: int
    asn: int
    address: IPAddress | None = None
    network: IPNetwork | None = None
    port: int = 179
    router_id: IPAddress | None = None
    hold_time: float | None = None
    password_secret: Key | None = None
    source_addresses: Mapping[str, IPAddress] = field(default_factory=dict)
    bfd: Mapping[str, int | bool] | None = None
    extras: PeerExtras = PLAIN


@dataclass(frozen=True, slots=True)
class PoolAdvertisement:
    """One of a configuration's `advertisements`."""

    pools: tuple[str, ...]
    communities: tuple[str, ...] = ()
    local_pref: int | None = None
    aggregation_length: int | None = None


@dataclass(frozen=True, slots=True)
class MetalLoadBalancerConfiguration:
    key: Key
    node_selector: Mapping[str, str] = field(default_factory=dict)
    peers: tuple[str, ...] = ()
    advertisements: tuple[PoolAdvertisement, ...] = ()
