"""config-*.json and bgppeer-conversion.json: parsers and the plan's checks between objects.

An invalid configuration is met as: the object at fault is refused, and the refusal says what the case wants said.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlbd.model.fields import Invalid
from mlbd.model.metallb import BFDProfile, BGPPeer, IPAddressPool
from mlbd.model.selector import LabelSelector
from mlbd.model.world import World
from mlbd.plan.announcements import attach, selects_pool
from mlbd.plan.bgp_objects import selected_nodes
from mlbd.plan.ground import Ground, survey

from .vocabulary import manifest, selectors

Case = Mapping[str, Any]

#: By group of resources: their kind and where a World keeps them. Objects without a name get one, but for pools.
GROUPS = {
    "namespaces": ("Namespace", "namespaces"),
    "nodes": ("Node", "nodes"),
    "pools": ("IPAddressPool", "address_pools"),
    "communities": ("Community", "communities"),
    "bfdProfiles": ("BFDProfile", "bfd_profiles"),
    "l2Advertisements": ("L2Advertisement", "l2_advertisements"),
    "bgpAdvertisements": ("BGPAdvertisement", "bgp_advertisements"),
    "peers": ("BGPPeer", "bgp_peers"),
}
UNNAMED = "unnamed-"


@dataclass
class Read:
    """What came of the resources: the objects that could be read, and what was said of the others."""

    objects: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def world(self) -> World:
        return World(**self.objects)


def read(resources: Case) -> Read:
    found = Read()
    for group, (kind, place) in GROUPS.items():
        held = found.objects.setdefault(place, {})
        for number, resource in enumerate(resources.get(group) or ()):
            try:
                each = manifest(kind, resource, None if kind == "IPAddressPool" else f"{UNNAMED}{number}")
            except Invalid as invalid:
                found.errors.append(f"{kind}: {invalid}")
                continue
            if each.key in held:
                found.errors.append(f"{kind} {each.key}: there are two of this name")
            held[each.key] = each
    found.objects["secrets"] = {}
    for name, resource in (resources.get("passwordSecrets") or {}).items():
        data = {entry: base64.b64encode(text.encode()).decode() for entry, text in (resource.get("data") or {}).items()}
        secret = manifest("Secret", {**resource, "data": data}, name)
        found.objects["secrets"][secret.key] = secret
    return found


def parse(case: Case, _: Case) -> None:
    found = read(case["resources"])
    ground = survey(found.world(), "")
    refusals = found.errors + [f"{about}: {refusal.message}" for about, refusal in ground.refused.items()]
    if case["expect"] == "valid":
        assert not refusals
        _check_config(case["expectConfig"], ground)
        return
    assert refusals
    if about := case.get("errorAbout"):
        assert any(_mentions(refusal, about) for refusal in refusals), refusals


def _mentions(refusal: str, about: str) -> bool:
    """Every word of it, in any order: the sentence is ours."""
    return all(word.lower() in refusal.lower() for word in about.split())


def _check_config(expected: Case, ground: Ground) -> None:
    world = ground.world
    peers = {each.key.name: each for each in world.bgp_peers.values()}
    assert len(peers) == len(expected["peers"])
    for name, wanted in expected["peers"].items():
        _check_peer(wanted, peers.get(name) or peers[f"{UNNAMED}0"])
    profiles = {each.key.name: each for each in world.bfd_profiles.values()}
    assert profiles.keys() == expected["bfdProfiles"].keys()
    for name, wanted in expected["bfdProfiles"].items():
        _check_profile(wanted, profiles[name])
    pools = {each.key.name: each for each in world.address_pools.values()}
    assert pools.keys() == expected["pools"].keys()
    for name, wanted in expected["pools"].items():
        _check_pool(wanted, pools[name], ground)
    _check_indexes(expected, ground)


def _check_peer(wanted: Case, peer: BGPPeer) -> None:
    found = {
        "name": "" if peer.key.name.startswith(UNNAMED) else peer.key.name,
        "myASN": peer.my_asn,
        "asn": peer.asn or 0,
        "dynamicASN": peer.dynamic_asn.value if peer.dynamic_asn else "",
        "localASN": peer.local_asn or 0,
        "addr": str(peer.address) if peer.address else None,
        "iface": peer.interface,
        "srcAddr": str(peer.source_address) if peer.source_address else None,
        "port": peer.port,
        "holdTime": _seconds(peer.hold_time),
        "keepaliveTime": _seconds(peer.keepalive_time),
        "connectTime": _seconds(peer.connect_time),
        "routerID": str(peer.router_id) if peer.router_id else None,
        "password": peer.password,
        "passwordRef": peer.password_secret
        and {"name": peer.password_secret.name, "namespace": peer.password_secret[0]},
        "bfdProfile": peer.bfd_profile,
        "enableGracefulRestart": peer.graceful_restart,
        "ebgpMultiHop": peer.ebgp_multi_hop,
        "vrf": peer.vrf,
        "disableMP": peer.disable_mp,
        "dualStackAddressFamily": peer.dual_stack_address_family,
    }
    aliases = {"gracefulRestart": "enableGracefulRestart", "sourceAddress": "srcAddr", "interface": "iface"}
    for name, value in wanted.items():
        if name == "nodeSelectors":
            assert set(selectors(value)) == set(peer.node_selectors or (LabelSelector(),))
        elif name != "secretPassword":  # read when the session opens; that it can be is checked between objects
            assert found[aliases.get(name, name)] == value, name


def _seconds(time: float | None) -> str | None:
    return None if time is None else f"{time:g}s"


def _check_profile(wanted: Case, profile: BFDProfile) -> None:
    found = {
        "name": profile.key.name,
        "receiveInterval": profile.receive_interval,
        "transmitInterval": profile.transmit_interval,
        "detectMultiplier": profile.detect_multiplier,
        "echoInterval": profile.echo_interval,
        "echoMode": profile.echo_mode,
        "passiveMode": profile.passive_mode,
        "minimumTTL": profile.minimum_ttl,
        "minimumTtl": profile.minimum_ttl,
    }
    for name, value in wanted.items():
        assert found[name] == value, name


def _check_pool(wanted: Case, pool: IPAddressPool, ground: Ground) -> None:
    assert [str(network) for entry in pool.addresses for network in entry.networks()] == wanted["cidrs"]
    assert pool.auto_assign is wanted["autoAssign"]
    assert pool.avoid_buggy_ips is wanted["avoidBuggyIPs"]
    scope = ground.catalog.pools[pool.key.name].scope
    assert (scope is None) == ("serviceAllocation" not in wanted)
    if scope is not None:
        allocation = wanted["serviceAllocation"]
        assert scope.priority == allocation["priority"]
        assert sorted(scope.namespaces or ()) == sorted(allocation["namespaces"])
        assert set(scope.selectors) == set(selectors(allocation["serviceSelectors"]))
    _check_l2(wanted.get("l2Advertisements", []), pool, ground.world)
    _check_bgp(wanted.get("bgpAdvertisements", []), pool, ground.world)


def _check_l2(wanted: Iterable[Case], pool: IPAddressPool, world: World) -> None:
    ads = [each for each in world.l2_advertisements.values() if selects_pool(each, pool.key.name, pool.labels)]
    found = {
        (
            attached.nodes,
            not each.interfaces,
            frozenset(each.interfaces),
            frozenset(each.service_selectors),
            frozenset(attached.preferred.items()),
        )
        for each in ads
        for attached in [attach(each, world.nodes.values())]
    }
    assert found == {
        (
            frozenset(each["nodes"]),
            each["allInterfaces"],
            frozenset(each["interfaces"]),
            frozenset(selectors(each.get("serviceSelectors"))),
            frozenset((each.get("preferredNodes") or {}).items()),
        )
        for each in wanted
    }


def _check_bgp(wanted: Iterable[Case], pool: IPAddressPool, world: World) -> None:
    values = {name: value for each in world.communities.values() for name, value in each.aliases}
    ads = [each for each in world.bgp_advertisements.values() if selects_pool(each, pool.key.name, pool.labels)]
    found = {
        (
            "" if each.key.name.startswith(UNNAMED) else each.key.name,
            each.aggregation_length,
            each.aggregation_length_v6,
            each.local_pref,
            frozenset(values.get(text, text) for text in each.communities),
            selected_nodes(each.node_selectors, world.nodes.values()),
            frozenset(each.peers),
            frozenset(each.service_selectors),
        )
        for each in ads
    }
    assert found == {
        (
            each["name"],
            each["aggregationLength"],
            each["aggregationLengthV6"],
            each["localPref"],
            frozenset(each["communities"]),
            frozenset(each["nodes"]),
            frozenset(each["peers"]),
            frozenset(selectors(each.get("serviceSelectors"))),
        )
        for each in wanted
    }


def _check_indexes(expected: Case, ground: Ground) -> None:
    by_namespace: dict[str, list[str]] = {}
    by_selector = []
    for name, pool in sorted(ground.catalog.pools.items()):
        if pool.scope is not None:
            for namespace in sorted(pool.scope.namespaces or ()):
                by_namespace.setdefault(namespace, []).append(name)
            if pool.scope.selectors:
                by_selector.append(name)
    assert by_namespace == {name: sorted(pools) for name, pools in expected["poolsByNamespace"].items()}
    assert by_selector == sorted(expected["poolsByServiceSelector"])


def mode(case: Case, _: Case) -> None:
    """Only the check between objects is meant: what the resources lack to be read is filled in."""
    resources = copy.deepcopy(dict(case["resources"]))
    for number, peer in enumerate(resources.get("peers") or ()):
        _complete_peer(peer.setdefault("spec", {}))
        _drop_missing_profile(peer["spec"], resources)
        peer.setdefault("metadata", {})["name"] = f"peer-{number}"
    for number, pool in enumerate(resources.get("pools") or ()):
        pool.setdefault("metadata", {}).setdefault("name", f"pool-{number}")
    for number, ad in enumerate(resources.get("bgpAdvertisements") or ()):
        ad.setdefault("metadata", {})["name"] = f"ad-{number}"
    found = read(resources)
    refusals = [*found.errors, *survey(found.world(), "").refused.values()]
    assert bool(refusals) == (case["expect"] == "invalid"), refusals


def _complete_peer(spec: dict[str, Any]) -> None:
    spec.setdefault("myASN", 64512)
    if "dynamicASN" not in spec:
        spec.setdefault("peerASN", 64513)
    if "interface" not in spec:
        spec.setdefault("peerAddress", "192.0.2.1")


def _drop_missing_profile(spec: dict[str, Any], resources: Case) -> None:
    names = [profile["metadata"]["name"] for profile in resources.get("bfdProfiles") or ()]
    if spec.get("bfdProfile") not in names:
        spec.pop("bfdProfile", None)


def preferred_nodes(case: Case, _: Case) -> None:
    nodes = [manifest("Node", each) for each in case["nodes"]]
    if "l2Advertisement" in case:
        ad = manifest("L2Advertisement", case["l2Advertisement"])
        attached = attach(ad, nodes)
        assert sorted(attached.nodes) == sorted(case["expectNodes"])
        assert attached.preferred == case["expectPreferred"]
        assert set(ad.service_selectors) == set(selectors(case.get("expectServiceSelectors")))
    elif "l2Advertisements" in case:
        (pool,) = (manifest("IPAddressPool", each) for each in case["pools"])
        ads = [manifest("L2Advertisement", each) for each in case["l2Advertisements"]]
        on_pool = [attach(each, nodes) for each in ads if selects_pool(each, pool.key.name, pool.labels)]
        expected = case["expectPreferredPerAttachedAd"]
        assert sorted(map(_sorted, (each.preferred for each in on_pool))) == sorted(map(_sorted, expected))
    else:
        _check_scores(case, [each for each in nodes if each.key.name in case["eligible"]])


def _sorted(weights: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(weights.items())


def _check_scores(case: Case, eligible: list[Any]) -> None:
    resource = {"metadata": {"name": "ad"}, "spec": {"preferredNodeSelectors": case["preferred"]}}
    try:
        ad = manifest("L2Advertisement", resource)
    except Invalid:
        assert case["expect"] != "ok"
        return
    assert case["expect"] == "ok"
    assert attach(ad, eligible).preferred == case["expectPreferred"]


def conversion(case: Case, _: Case) -> None:
    """mlbd reads both versions into one shape: what a conversion gives must read as what it was made from, but for
    the fields that v1beta1 does not have."""
    source, _, target = case["direction"].partition("->")
    given, wanted = (_peer(resource, version) for resource, version in ((case["in"], source), (case["expect"], target)))
    if target == "v1beta1":
        given = _as_v1beta1(given)
    assert given == wanted


def _peer(resource: Case, version: str) -> BGPPeer:
    resource = copy.deepcopy(dict(resource))
    for entry in resource["spec"].get("nodeSelectors", ()):
        for expression in entry.get("matchExpressions", ()):
            expression.setdefault("key", "role")  # the case leaves it out; no API server would let that in
    peer = manifest("BGPPeer", resource, version=f"metallb.io/{version}")
    assert isinstance(peer, BGPPeer)
    return peer


def _as_v1beta1(peer: BGPPeer) -> BGPPeer:
    return replace(
        peer,
        dynamic_asn=None,
        local_asn=None,
        interface="",
        connect_time=None,
        password_secret=None,
        graceful_restart=False,
        vrf="",
        disable_mp=False,
        dual_stack_address_family=False,
    )
