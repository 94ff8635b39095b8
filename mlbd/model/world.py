"""All that is known: the objects read from the state directories, each kind by its key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .core import EndpointSlice, Namespace, Node, Secret, Service
from .deckhouse import (
    MetalLoadBalancerBGPPeer,
    MetalLoadBalancerClass,
    MetalLoadBalancerConfiguration,
    MetalLoadBalancerPool,
)
from .metallb import BFDProfile, BGPAdvertisement, BGPPeer, Community, IPAddressPool, L2Advertisement
from .reference import Key, Reference


@dataclass(frozen=True, slots=True)
class World:
    """Immutable: a change is a new World that shares every kind that did not change with the one before, which is
    what lets the plan see at a glance what it need not think about again."""

    services: Mapping[Key, Service] = field(default_factory=dict)
    nodes: Mapping[Key, Node] = field(default_factory=dict)
    namespaces: Mapping[Key, Namespace] = field(default_factory=dict)
    secrets: Mapping[Key, Secret] = field(default_factory=dict)
    endpoint_slices: Mapping[Key, EndpointSlice] = field(default_factory=dict)
    address_pools: Mapping[Key, IPAddressPool] = field(default_factory=dict)
    l2_advertisements: Mapping[Key, L2Advertisement] = field(default_factory=dict)
    bgp_advertisements: Mapping[Key, BGPAdvertisement] = field(default_factory=dict)
    bgp_peers: Mapping[Key, BGPPeer] = field(default_factory=dict)
    bfd_profiles: Mapping[Key, BFDProfile] = field(default_factory=dict)
    communities: Mapping[Key, Community] = field(default_factory=dict)
    classes: Mapping[Key, MetalLoadBalancerClass] = field(default_factory=dict)
    load_balancer_pools: Mapping[Key, MetalLoadBalancerPool] = field(default_factory=dict)
    load_balancer_peers: Mapping[Key, MetalLoadBalancerBGPPeer] = field(default_factory=dict)
    load_balancer_configurations: Mapping[Key, MetalLoadBalancerConfiguration] = field(default_factory=dict)
    #: Objects that stand in a file but cannot be used, and of which there never was a good version: who asks for one
    #: of them does not ask for somebody else's.
    refused: frozenset[Reference] = frozenset()


#: Any object of a World.
Object = (
    Service
    | Node
    | Namespace
    | Secret
    | EndpointSlice
    | IPAddressPool
    | L2Advertisement
    | BGPAdvertisement
    | BGPPeer
    | BFDProfile
    | Community
    | MetalLoadBalancerClass
    | MetalLoadBalancerPool
    | MetalLoadBalancerBGPPeer
    | MetalLoadBalancerConfiguration
)
