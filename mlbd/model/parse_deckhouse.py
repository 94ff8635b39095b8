"""The kinds of network.deckhouse.io/v1alpha1, from manifests."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from .address import IPAddress
from .community import NO_COMMUNITY, WELL_KNOWN, parse_community
from .deckhouse import (
    MetalLoadBalancerBGPPeer,
    MetalLoadBalancerClass,
    MetalLoadBalancerConfiguration,
    MetalLoadBalancerPool,
    PoolAdvertisement,
)
from .fields import UINT32_MAX, Fields
from .parse_core import created, parse_key
from .parse_metallb import hold_time, parse_extras
from .reference import Key
from .wording import shown


class ClassType(StrEnum):
    L2 = "L2"


class Mode(StrEnum):
    BGP = "BGP"


def parse_class(manifest: Fields) -> MetalLoadBalancerClass:
    """Every field may be absent: no node selector is every node, no addresses are none to give out."""
    metadata, spec = manifest.metadata(), manifest.child("spec")
    spec.choice("type", ClassType.L2)
    spec.items("tolerations")  # of the first versions; it placed their programs and means nothing here
    return MetalLoadBalancerClass(
        key=parse_key(metadata, namespaced=False),
        addresses=spec.ranges("addressPool"),
        node_selector=spec.mapping("nodeSelector"),
        interfaces=spec.child("l2").texts("interfaces"),
        is_default=spec.boolean("isDefault", False),
        created=created(metadata),
    )


def parse_pool(manifest: Fields) -> MetalLoadBalancerPool:
    metadata, spec = manifest.metadata(), manifest.child("spec")
    spec.require("addresses")
    return MetalLoadBalancerPool(
        key=parse_key(metadata, namespaced=False),
        addresses=spec.ranges("addresses"),
        auto_assign=spec.boolean("autoAssign", True),
        avoid_buggy_ips=spec.boolean("avoidBuggyIPs", False),
        created=created(metadata),
    )


def parse_peer(manifest: Fields) -> MetalLoadBalancerBGPPeer:
    metadata, spec = manifest.metadata(), manifest.child("spec")
    spec.require("peerAddress", "peerASN", "myASN")
    address, network = spec.address_or_network("peerAddress")
    my_asn, asn = spec.integer("myASN", 1, UINT32_MAX, 0), spec.integer("peerASN", 1, UINT32_MAX, 0)
    return MetalLoadBalancerBGPPeer(
        key=parse_key(metadata, namespaced=False),
        my_asn=my_asn,
        asn=asn,
        address=address,
        network=network,
        port=spec.integer("peerPort", 1, 65535, 179),
        router_id=spec.router_id("routerID"),
        hold_time=hold_time(spec),
        password_secret=_secret(spec),
        source_addresses=_source_addresses(spec),
        bfd=_bfd(spec),
        extras=parse_extras(metadata, external=asn != my_asn),
    )


def _secret(spec: Fields) -> Key | None:
    if not spec.has("passwordSecretRef"):
        return None
    secret = spec.child("passwordSecretRef")
    secret.require("name", "namespace")
    return Key(secret.text("namespace"), secret.text("name"))


def _source_addresses(spec: Fields) -> Mapping[str, IPAddress]:
    addresses: dict[str, IPAddress] = {}
    for source in spec.children("sourceAddresses"):
        source.require("nodeName", "address")
        node, address = source.text("nodeName"), source.address("address")
        if node in addresses:
            raise source.invalid("nodeName", f"repeats {shown(node)}: a node has one source address, take one out")
        if address is not None:
            addresses[node] = address
    return addresses


def _bfd(spec: Fields) -> Mapping[str, int | bool] | None:
    """The values that are given, by their field's name; the ranges are those of a BFDProfile (metallb.io)."""
    if not spec.has("bfd"):
        return None
    bfd = spec.child("bfd")
    values = {
        "receiveInterval": bfd.integer("receiveInterval", 10, 60000, None),
        "transmitInterval": bfd.integer("transmitInterval", 10, 60000, None),
        "detectMultiplier": bfd.integer("detectMultiplier", 2, 255, None),
        "echoInterval": bfd.integer("echoInterval", 10, 60000, None),
        "echoMode": bfd.boolean("echoMode", False),
        "passiveMode": bfd.boolean("passiveMode", False),
        "minimumTTL": bfd.integer("minimumTTL", 1, 254, None),
    }
    return {name: value for name, value in values.items() if value is not None}


def parse_configuration(manifest: Fields) -> MetalLoadBalancerConfiguration:
    spec = manifest.child("spec")
    spec.require("mode")
    spec.choice("mode", Mode.BGP)
    return MetalLoadBalancerConfiguration(
        key=parse_key(manifest.metadata(), namespaced=False),
        node_selector=spec.mapping("nodeSelector"),
        peers=spec.child("bgp").unique_texts("peerNames"),
        advertisements=tuple(_advertisement(child) for child in spec.children("advertisements")),
    )


def _advertisement(fields: Fields) -> PoolAdvertisement:
    fields.require("poolNames")
    bgp = fields.child("bgp")
    communities = bgp.unique_texts("communities")
    for index, text in enumerate(communities):
        _check_community(bgp, f"communities[{index}]", text)
    return PoolAdvertisement(
        pools=fields.unique_texts("poolNames"),
        communities=communities,
        local_pref=bgp.integer("localPref", 0, UINT32_MAX, None),
        aggregation_length=bgp.integer("aggregationLength", 0, 128, None),
    )


def _check_community(bgp: Fields, name: str, text: str) -> None:
    if text in WELL_KNOWN or text == NO_COMMUNITY:
        return
    try:
        parse_community(text)
    except ValueError as problem:
        raise bgp.invalid(name, f"{problem}, or one of {', '.join((*WELL_KNOWN, NO_COMMUNITY))}") from None
