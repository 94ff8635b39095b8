"""BGP as one node should speak it: the sessions to keep and what to announce in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .address import IPAddress, IPNetwork
from .community import CommunityValue
from .metallb import DynamicASN
from .reference import Reference


@dataclass(frozen=True, slots=True)
class PeerBfd:
    """A BFD session beside one of BGP (BFDProfile; spec.bfd of a MetalLoadBalancerBGPPeer). Intervals in
    milliseconds."""

    receive_interval: int = 300
    transmit_interval: int = 300
    detect_multiplier: int = 3
    passive: bool = False
    minimum_ttl: int = 254


@dataclass(frozen=True, slots=True)
class Peer:
    """One BGPPeer or MetalLoadBalancerBGPPeer, as this node is to speak with it.

    `name` is unique on the node. Exactly one of `address`, `network` (whoever connects from it, dynamic) and
    `interface` (unnumbered) is there. `local_asn` is what the peer sees (spec.localASN, else spec.myASN). Times in
    seconds; `keepalive_time` None is a third of the hold time, `connect_time` None is the speaker's own back-off.
    `router_id` None: the speaker finds one. `families` are 4 and 6. `ttl_security` is the number of hops of GTSM
    (RFC 5082), 0 without. `role` is a word of RFC 9234, "" for none."""

    name: str
    object: Reference
    local_asn: int
    remote_asn: int | DynamicASN
    address: IPAddress | None = None
    network: IPNetwork | None = None
    interface: str = ""
    port: int = 179
    source: IPAddress | None = None
    vrf: str = ""
    hold_time: int = 90
    keepalive_time: float | None = None
    connect_time: float | None = None
    router_id: IPAddress | None = None
    password: str = field(default="", repr=False)
    families: frozenset[int] = frozenset({4})
    passive: bool = False
    multi_hop: bool = False
    ttl_security: int = 0
    graceful_restart: bool = False
    role: str = ""
    bfd: PeerBfd | None = None


@dataclass(frozen=True, slots=True)
class Announcement:
    """What is said of a prefix; `local_pref` None is nothing said. `communities` of all kinds, sorted."""

    local_pref: int | None = None
    communities: tuple[CommunityValue, ...] = ()


#: What one peer is to hear.
Routes = Mapping[IPNetwork, Announcement]
