"""The kinds of metallb.io, field by field as MetalLB documents them (v1beta1; BGPPeer v1beta1 and v1beta2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .address import AddressRange, IPAddress, IPNetwork
from .reference import Key
from .selector import LabelSelector


@dataclass(frozen=True, slots=True)
class ServiceAllocation:
    """Pins a pool to Services. `priority`: lower first, 0 last. Both `namespaces`-like and `service_selectors` given:
    a Service must satisfy both."""

    priority: int = 0
    namespaces: frozenset[str] = frozenset()
    namespace_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()


@dataclass(frozen=True, slots=True)
class IPAddressPool:
    """`addresses`: one range an entry of spec.addresses, in its order."""

    key: Key
    addresses: tuple[AddressRange, ...]
    auto_assign: bool = True
    avoid_buggy_ips: bool = False
    allocation: ServiceAllocation | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    created: str = ""


@dataclass(frozen=True, slots=True)
class PreferredNodes:
    """Soft preference: nodes that match gain `weight` (1 to 100)."""

    weight: int
    preference: LabelSelector


@dataclass(frozen=True, slots=True)
class L2Advertisement:
    """Neither `pools` nor `pool_selectors`: all pools. Empty `interfaces`: all links. Other selectors, empty: all."""

    key: Key
    pools: tuple[str, ...] = ()
    pool_selectors: tuple[LabelSelector, ...] = ()
    node_selectors: tuple[LabelSelector, ...] = ()
    interfaces: tuple[str, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()
    preferred_nodes: tuple[PreferredNodes, ...] = ()


@dataclass(frozen=True, slots=True)
class BGPAdvertisement:
    """`communities` are texts: `a:b`, `large:a:b:c` or an alias of a Community object; `local_pref` 0 is unset."""

    key: Key
    pools: tuple[str, ...] = ()
    pool_selectors: tuple[LabelSelector, ...] = ()
    node_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()
    peers: tuple[str, ...] = ()
    communities: tuple[str, ...] = ()
    aggregation_length: int = 32
    aggregation_length_v6: int = 128
    local_pref: int = 0


class DynamicASN(StrEnum):
    INTERNAL = "internal"
    EXTERNAL = "external"


class Role(StrEnum):
    """What this node is to the peer (RFC 9234)."""

    CUSTOMER = "customer"
    PROVIDER = "provider"
    PEER = "peer"
    RS = "rs"
    RS_CLIENT = "rs-client"


@dataclass(frozen=True, slots=True)
class PeerExtras:
    """What annotations `mlbd.io/...` say of a peer, for which neither MetalLB nor Deckhouse has a field. `ttl_security`
    counts hops, 0 is none (RFC 5082)."""

    passive: bool = False
    ttl_security: int = 0
    role: Role | None = None


PLAIN = PeerExtras()


@dataclass(frozen=True, slots=True)
class BGPPeer:
    """Times in seconds, None where unset. Exactly one of `asn` and `dynamic_asn`, of `address`, `network` (whoever
    connects from it) and `interface`."""

    key: Key
    my_asn: int
    asn: int | None = None
    dynamic_asn: DynamicASN | None = None
    local_asn: int | None = None
    address: IPAddress | None = None
    network: IPNetwork | None = None
    interface: str = ""
    source_address: IPAddress | None = None
    port: int = 179
    hold_time: float | None = None
    keepalive_time: float | None = None
    connect_time: float | None = None
    router_id: IPAddress | None = None
    node_selectors: tuple[LabelSelector, ...] = ()
    password: str = field(default="", repr=False)
    password_secret: Key | None = None
    bfd_profile: str = ""
    graceful_restart: bool = False
    ebgp_multi_hop: bool = False
    vrf: str = ""
    disable_mp: bool = False
    dual_stack_address_family: bool = False
    extras: PeerExtras = PLAIN


@dataclass(frozen=True, slots=True)
class BFDProfile:
    """Intervals in milliseconds, None where the object leaves the default."""

    key: Key
    receive_interval: int | None = None
    transmit_interval: int | None = None
    detect_multiplier: int | None = None
    echo_interval: int | None = None
    echo_mode: bool = False
    passive_mode: bool = False
    minimum_ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Community:
    """Names for community values; a value is `a:b` or `large:a:b:c`."""

    key: Key
    aliases: tuple[tuple[str, str], ...] = ()
