"""The kinds of metallb.io, from manifests: each field and each rule that concerns one object alone. What several
objects must agree on (overlapping pools, names that refer to nothing) is for the plan to decide."""

from __future__ import annotations

import re
from dataclasses import replace

from .community import NotCommunity, parse_community
from .fields import UINT32_MAX, Fields, Invalid
from .metallb import (
    BFDProfile,
    BGPAdvertisement,
    BGPPeer,
    Community,
    DynamicASN,
    IPAddressPool,
    L2Advertisement,
    PeerExtras,
    PreferredNodes,
    Role,
    ServiceAllocation,
)
from .parse_core import created, parse_key
from .reference import Key
from .selector import LabelSelector, parse_selector, parse_selectors
from .wording import listed, shown, shown_key

_INT32 = (-(1 << 31), (1 << 31) - 1)
_HOPS = re.compile(r"[0-9]{1,3}")


def parse_address_pool(manifest: Fields) -> IPAddressPool:
    metadata, spec = manifest.metadata(), manifest.child("spec")
    key = parse_key(metadata, namespaced=True)
    spec.require("addresses")
    return IPAddressPool(
        key=key,
        addresses=spec.ranges("addresses"),
        auto_assign=spec.boolean("autoAssign", True),
        avoid_buggy_ips=spec.boolean("avoidBuggyIPs", False),
        allocation=_allocation(spec.child("serviceAllocation")) if spec.has("serviceAllocation") else None,
        labels=metadata.mapping("labels"),
        created=created(metadata),
    )


def _allocation(fields: Fields) -> ServiceAllocation:
    """A block without any criterion pins the pool for every Service: one selector that matches everything."""
    allocation = ServiceAllocation(
        priority=fields.integer("priority", *_INT32, 0),
        namespaces=frozenset(fields.unique_texts("namespaces")),
        namespace_selectors=parse_selectors(fields, "namespaceSelectors"),
        service_selectors=parse_selectors(fields, "serviceSelectors"),
    )
    if allocation.namespaces or allocation.namespace_selectors or allocation.service_selectors:
        return allocation
    return replace(allocation, service_selectors=(LabelSelector(),))


def parse_l2_advertisement(manifest: Fields) -> L2Advertisement:
    spec = manifest.child("spec")
    return L2Advertisement(
        key=parse_key(manifest.metadata(), namespaced=True),
        pools=spec.unique_texts("ipAddressPools"),
        pool_selectors=parse_selectors(spec, "ipAddressPoolSelectors"),
        node_selectors=parse_selectors(spec, "nodeSelectors"),
        interfaces=spec.texts("interfaces"),
        service_selectors=parse_selectors(spec, "serviceSelectors"),
        preferred_nodes=tuple(_preferred(entry) for entry in spec.children("preferredNodeSelectors")),
    )


def _preferred(fields: Fields) -> PreferredNodes:
    fields.require("weight", "preference")
    return PreferredNodes(fields.integer("weight", 1, 100, 1), parse_selector(fields.child("preference")))


def parse_bgp_advertisement(manifest: Fields) -> BGPAdvertisement:
    spec = manifest.child("spec")
    advertisement = BGPAdvertisement(
        key=parse_key(manifest.metadata(), namespaced=True),
        pools=spec.unique_texts("ipAddressPools"),
        pool_selectors=parse_selectors(spec, "ipAddressPoolSelectors"),
        node_selectors=parse_selectors(spec, "nodeSelectors"),
        service_selectors=parse_selectors(spec, "serviceSelectors"),
        peers=spec.unique_texts("peers"),
        communities=_communities(spec),
        aggregation_length=spec.integer("aggregationLength", 1, 32, 32),
        aggregation_length_v6=spec.integer("aggregationLengthV6", 0, 128, 128),
        local_pref=spec.integer("localPref", 0, UINT32_MAX, 0),
    )
    if advertisement.service_selectors:
        _refuse_aggregation(spec, "aggregationLength", advertisement.aggregation_length, 32)
        _refuse_aggregation(spec, "aggregationLengthV6", advertisement.aggregation_length_v6, 128)
    return advertisement


def _refuse_aggregation(spec: Fields, name: str, length: int, whole: int) -> None:
    """An aggregate holds addresses of Services that the selectors leave out."""
    if length != whole:
        problem = f"is {length}: serviceSelectors and {name} are mutually exclusive, take one of them out"
        raise spec.invalid(name, problem)


def _communities(spec: Fields) -> tuple[str, ...]:
    communities = spec.unique_texts("communities")
    for index, text in enumerate(communities):
        try:
            parse_community(text)
        except NotCommunity:
            pass  # an alias, perhaps of a Community that is yet to come
        except ValueError as problem:
            raise spec.invalid(f"communities[{index}]", str(problem)) from None
    return communities


def parse_bgp_peer(manifest: Fields) -> BGPPeer:
    """BGPPeer v1beta2."""
    spec = manifest.child("spec")
    spec.require_one("peerASN", "dynamicASN")
    spec.require_one("peerAddress", "interface")
    dynamic = spec.choice("dynamicASN", DynamicASN.INTERNAL) if spec.has("dynamicASN") else None
    return replace(
        _common_peer(manifest, spec, lowest_port=1, dynamic=dynamic),
        dynamic_asn=dynamic,
        local_asn=spec.integer("localASN", 1, UINT32_MAX, None),
        interface=spec.text("interface"),
        connect_time=_connect_time(spec),
        password_secret=_password_secret(manifest, spec),
        graceful_restart=spec.boolean("enableGracefulRestart", False),
        vrf=spec.text("vrf"),
        disable_mp=spec.boolean("disableMP", False),
        dual_stack_address_family=spec.boolean("dualStackAddressFamily", False),
    )


def parse_bgp_peer_v1beta1(manifest: Fields) -> BGPPeer:
    spec = manifest.child("spec")
    spec.require("peerASN", "peerAddress")
    return _common_peer(manifest, spec, lowest_port=0)


def _common_peer(manifest: Fields, spec: Fields, lowest_port: int, dynamic: DynamicASN | None = None) -> BGPPeer:
    """The fields that both versions have. In v1beta1 port 0 stands for the default one."""
    spec.require("myASN")
    metadata = manifest.metadata()
    hold, keepalive = _timers(spec)
    address, network = spec.address_or_network("peerAddress")
    my_asn, asn = spec.integer("myASN", 1, UINT32_MAX, 0), spec.integer("peerASN", 1, UINT32_MAX, None)
    peer = BGPPeer(
        key=parse_key(metadata, namespaced=True),
        my_asn=my_asn,
        asn=asn,
        address=address,
        network=network,
        source_address=spec.address("sourceAddress"),
        port=spec.integer("peerPort", lowest_port, 16384, 179) or 179,
        hold_time=hold,
        keepalive_time=keepalive,
        router_id=spec.router_id("routerID"),
        node_selectors=parse_selectors(spec, "nodeSelectors"),
        password=spec.secret("password"),
        bfd_profile=spec.text("bfdProfile"),
        ebgp_multi_hop=spec.boolean("ebgpMultiHop", False),
        extras=parse_extras(metadata, external=asn != my_asn and dynamic is not DynamicASN.INTERNAL),
    )
    if peer.ebgp_multi_hop and peer.asn == peer.my_asn:
        raise spec.invalid("ebgpMultiHop", f"is true, but {peer.asn} is our own ASN: write false for an iBGP peer")
    if peer.ebgp_multi_hop and peer.extras.ttl_security:
        problem = f"is true, and {_TTL_SECURITY} says over how many hops: write false"
        raise spec.invalid("ebgpMultiHop", problem)
    return peer


_TTL_SECURITY = "mlbd.io/ttl-security"
_EXTRAS = ("mlbd.io/passive", _TTL_SECURITY, "mlbd.io/role")


def parse_extras(metadata: Fields, external: bool) -> PeerExtras:
    """Raises Invalid also for an annotation of ours that there is not: a slip would leave a session unprotected."""
    notes = metadata.mapping("annotations")
    for name in notes:
        if name.startswith("mlbd.io/") and name not in _EXTRAS:
            problem = f"there is no such annotation: write {listed(_EXTRAS, 'or')}"
            raise metadata.invalid(f"annotations[{shown_key(name)}]", problem)
    passive, hops, role = (_Note(metadata, name, notes.get(name)) for name in _EXTRAS)
    if role.text is not None and not external:
        raise role.invalid("is given for an iBGP peer: roles are between autonomous systems, take it out")
    return PeerExtras(passive.boolean(), hops.hops(), role.role())


class _Note:
    """One of the annotations; `text` None when it is not there."""

    def __init__(self, metadata: Fields, name: str, text: str | None) -> None:
        self._metadata = metadata
        self._name = name
        self.text = text

    def invalid(self, problem: str) -> Invalid:
        return self._metadata.invalid(f"annotations[{self._name}]", problem)

    def boolean(self) -> bool:
        if self.text not in (None, "true", "false"):
            raise self.invalid(f'is {shown(self.text)}: write "true" or "false"')
        return self.text == "true"

    def hops(self) -> int:
        """RFC 5082 counts them: 1 is a neighbor on the same link."""
        if self.text is None:
            return 0
        if not _HOPS.fullmatch(self.text) or not 1 <= int(self.text) <= 254:
            raise self.invalid(f'is {shown(self.text)}: write a number of hops from "1" to "254"')
        return int(self.text)

    def role(self) -> Role | None:
        if self.text is None:
            return None
        try:
            return Role(self.text)
        except ValueError:
            raise self.invalid(f"is {shown(self.text)}: write {listed(Role, 'or')}") from None


def _timers(spec: Fields) -> tuple[float | None, float | None]:
    """Hold time and keepalive time in seconds; one that is absent follows from the other (RFC 4271 section 10)."""
    hold, keepalive = hold_time(spec), spec.duration("keepaliveTime")
    if hold is None and keepalive is None:
        return None, None
    if keepalive is None:
        return hold, (hold or 0.0) / 3
    if hold is None:
        return checked_hold_time(spec, "keepaliveTime", keepalive * 3), keepalive
    if keepalive > hold:
        problem = f"is longer than holdTime ({hold:g}s): write at most a third of it"
        raise spec.invalid("keepaliveTime", problem)
    return hold, keepalive


def hold_time(spec: Fields) -> float | None:
    seconds = spec.duration("holdTime")
    return None if seconds is None else checked_hold_time(spec, "holdTime", seconds)


def checked_hold_time(spec: Fields, name: str, seconds: float) -> float:
    """RFC 4271 section 4.2: 0 or at least 3 s, in 16 bits. Fractions of a second cannot be sent and are cut off."""
    whole = int(seconds)
    if whole not in range(3, 65536) and seconds != 0:
        raise spec.invalid(name, f"makes a hold time of {seconds:g}s: it must be 0s, or 3s to 65535s")
    return float(whole)


def _connect_time(spec: Fields) -> float | None:
    seconds = spec.duration("connectTime")
    if seconds is not None and (seconds != int(seconds) or not 1 <= seconds <= 65535):
        raise spec.invalid("connectTime", f"is {seconds:g}s: write whole seconds, 1s to 65535s")
    return seconds


def _password_secret(manifest: Fields, spec: Fields) -> Key | None:
    """An empty reference is none, as MetalLB's own conversion writes it."""
    secret = spec.child("passwordSecret")
    name, namespace = secret.text("name"), secret.text("namespace")
    if not name:
        if namespace:
            raise secret.invalid("name", "is missing: name the Secret")
        return None
    if spec.secret("password"):
        raise spec.invalid("passwordSecret", "is given besides password: take one of them out")
    return Key(namespace or parse_key(manifest.metadata(), namespaced=True).namespace, name)


def parse_bfd_profile(manifest: Fields) -> BFDProfile:
    spec = manifest.child("spec")
    return BFDProfile(
        key=parse_key(manifest.metadata(), namespaced=True),
        receive_interval=spec.integer("receiveInterval", 10, 60000, None),
        transmit_interval=spec.integer("transmitInterval", 10, 60000, None),
        detect_multiplier=spec.integer("detectMultiplier", 2, 255, None),
        echo_interval=spec.integer("echoInterval", 10, 60000, None),
        echo_mode=spec.boolean("echoMode", False),
        passive_mode=spec.boolean("passiveMode", False),
        minimum_ttl=spec.integer("minimumTtl", 1, 254, None),
    )


def parse_community_aliases(manifest: Fields) -> Community:
    spec = manifest.child("spec")
    entries = spec.children("communities")
    spec.unique("communities", tuple(entry.text("name") for entry in entries))
    return Community(
        key=parse_key(manifest.metadata(), namespaced=True),
        aliases=tuple(_alias(entry) for entry in entries),
    )


def _alias(fields: Fields) -> tuple[str, str]:
    fields.require("name", "value")
    value = fields.text("value")
    try:
        parse_community(value)
    except ValueError as problem:
        raise fields.invalid("value", str(problem)) from None
    return fields.text("name"), value
