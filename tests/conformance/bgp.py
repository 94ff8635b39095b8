"""bgp-speaker-decisions.json and bgp-speaker-sequences.json: the plan, asked what each peer hears."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from mlbd.model.address import parse_address, parse_range
from mlbd.model.core import EndpointSlice, Node, Secret, Service
from mlbd.model.metallb import BGPAdvertisement, BGPPeer, IPAddressPool
from mlbd.model.peering import Announcement
from mlbd.model.reference import Key
from mlbd.model.world import World
from mlbd.plan.bgp_conflicts import Attached, conflict
from mlbd.plan.bgp_coverage import for_service
from mlbd.plan.eligibility import endpoints_by_service
from mlbd.plan.passwords import BASIC_AUTH
from mlbd.plan.plan import Plan, plan
from mlbd.plan.requests import ALLOW_SHARED_IP

from .vocabulary import NAMESPACE, endpoint_slices, named, node, pool_object, selectors, service

Case = Mapping[str, Any]

#: MetalLB's words for ours.
REASONS = {
    "NodeNotSelected": "notOwner",
    "NoMatchingAdvertisement": "noMatchingAdvertisement",
    "ConflictingLocalPref": "conflictingAdvertisements",
    "NodeNetworkUnavailable": "nodeNetworkUnavailable",
    "NodeExcluded": "nodeLabeledExcludeBalancers",
    "NoLocalEndpoint": "noLocalEndpoints",
}
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
WEB = Key("default", "web")
#: Where a case names neither.
POOL = {"name": "default", "cidrs": ["10.20.30.0/24"], "autoAssign": False, "avoidBuggyIPs": False}
ADDRESS = "10.20.30.1"


def decision(case: Case, _: Case) -> None:
    match case["op"]:
        case "decide":
            _decide(case)
        case "decide-selectors":
            ready = [[{"addresses": ["10.0.0.1"], "node": case["myNode"], "ready": True}]]
            planned = _planned(case["ads"], case["service"], case.get("endpointSlices", ready), [node(case["myNode"])])
            assert _reason(planned[case["myNode"]], case["myNode"], case["service"]) == case["expectReason"]
        case "adsForService":
            found = for_service(map(_attached, case["ads"]), case["serviceLabels"])
            names = [each.advertisement.key.name for each in found if case["node"] in each.nodes]
            assert sorted(names) == sorted(case["expectAds"])
        case "conflict":
            families = {parse_range(cidr).family for cidr in case["poolAddresses"]}
            contradiction = conflict([_attached(ad) for ad in case["ads"]], families)
            assert (contradiction is None) == (case["expect"] == "ok")
        case "hasHealthyEndpoint":
            endpoints = endpoints_by_service(endpoint_slices(case["endpointSlices"], WEB)).get(WEB)
            assert (endpoints is not None and endpoints.usable) is case["expect"]
        case "password":
            assert _password(case["peer"]) == case["expectPassword"]
        case op:
            raise AssertionError(f"unknown op {op}")


def _decide(case: Case) -> None:
    excluded = case.get("excludedNodes") or ()
    names = sorted({*case["adNodes"], *excluded, *case["expectReason"]})
    known = [node(name, {"labels": {EXCLUDE: ""} if name in excluded else {}}) for name in names]
    wanted = {"statusIPs": [ADDRESS], "externalTrafficPolicy": case["externalTrafficPolicy"]}
    ads = [{"name": "ad", "nodes": case["adNodes"], "peers": []}]
    planned = _planned(ads, wanted, case["endpointSlices"], known)
    for name, reason in case["expectReason"].items():
        assert _reason(planned[name], name, wanted) == reason, name


def _planned(ads: Iterable[Case], wanted: Case, slices: Any, nodes: Iterable[Node]) -> dict[str, Plan]:
    """By node; one peer hears all of them."""
    known = list(nodes)
    each = _announced(WEB, wanted)
    world = World(
        services={WEB: replace(each, key=WEB)},
        nodes={one.key: one for one in known},
        endpoint_slices={one.key: one for one in endpoint_slices(slices, WEB)},
        bgp_peers={one.key: one for one in [_peer("peer", {"address": "192.0.2.1"})]},
        address_pools={one.key: one for one in [pool_object(POOL)]},
        bgp_advertisements={one.key: one for one in _advertisements([{**POOL, "bgpAdvertisements": list(ads)}])},
    )
    return {one.key.name: plan(world, one.key.name) for one in known}


def _announced(key: Key, wanted: Case) -> Service:
    """As the speaker sees it: with the addresses of its status, which it may have in common with others."""
    each = service(key, wanted)
    shared = {**each.annotations, ALLOW_SHARED_IP: "the speaker does not ask"}
    return replace(each, annotations=shared, cluster_ips=each.cluster_ips or each.ingress)


def _reason(planned: Plan, name: str, wanted: Case) -> str:
    """ "" when the node announces."""
    over_bgp = planned.services[WEB].bgp
    assert over_bgp is not None
    refusal = over_bgp.nodes[name]
    if refusal is not None:
        return REASONS[refusal.reason]
    if over_bgp.refusal is not None and over_bgp.refusal.reason == "NoReadyEndpoint":
        return "noLocalEndpoints" if wanted["externalTrafficPolicy"] == "Local" else "noEndpoints"
    assert planned.routes["peer"], "it says that it announces, and does not"
    return ""


def _attached(ad: Case) -> Attached:
    advertisement = _advertisement(ad["name"], ad)
    return Attached(advertisement, frozenset(ad["nodes"]), Announcement(), ad["name"])


def _advertisement(name: str, ad: Case, pools: tuple[str, ...] = ()) -> BGPAdvertisement:
    return BGPAdvertisement(
        Key(NAMESPACE, name),
        pools=pools,
        node_selectors=(named(*ad["nodes"]),),
        service_selectors=selectors(ad.get("serviceSelectors")),
        peers=tuple(ad["peers"]),
        communities=tuple(ad.get("communities", ())),
        aggregation_length=ad.get("aggregationLength", 32),
        aggregation_length_v6=ad.get("aggregationLengthV6", 128),
        local_pref=ad.get("localPref", 0),
    )


def _advertisements(pools: Iterable[Case]) -> Iterator[BGPAdvertisement]:
    """Each with a name of its own: in the cases some have none."""
    for pool in pools:
        for number, ad in enumerate(pool.get("bgpAdvertisements") or ()):
            yield _advertisement(f"{pool['name']}-{number}", ad, (pool["name"],))


def _peer(name: str, peer: Case) -> BGPPeer:
    secret = peer.get("passwordRef")
    return BGPPeer(
        Key(NAMESPACE, peer.get("name") or name),
        64512,
        asn=64513,
        address=parse_address(peer.get("address", "192.0.2.1")),
        node_selectors=selectors(peer.get("nodeSelectors")),
        password=peer.get("password", ""),
        password_secret=Key(secret["namespace"], secret["name"]) if secret else None,
    )


def _password(peer: Case) -> str:
    each = _peer("peer", peer)
    secrets = {}
    if key := each.password_secret:
        secrets[key] = Secret(key, BASIC_AUTH, {"password": peer["secretPassword"].encode()})
    world = World(nodes={one.key: one for one in [node("me")]}, bgp_peers={each.key: each}, secrets=secrets)
    return plan(world, "me").peers["peer"].password


def sequence(case: Case, _: Case) -> None:
    """Each step starts from the plan of the one before, as the daemon does."""
    me = case["myNode"]
    world = World(nodes={one.key: one for one in [node(me)]})
    known: Plan | None = None
    for step in case["steps"]:
        world = _after(world, step, me)
        known = plan(world, me, known)
        assert _sessions(known) == _expected(step["expectAdsByPeerAddress"]), step["name"]


def _after(world: World, step: Case, me: str) -> World:
    if step.get("node") is not None:
        world = replace(world, nodes={one.key: one for one in [node(me, step["node"])]})
    if config := step.get("config"):
        world = _configured(world, config)
    # Without a configuration a speaker forgets what it is told; in the cases nobody tells it again.
    return _served(world, step["service"]) if "service" in step and world.address_pools else world


def _configured(world: World, config: Case) -> World:
    pools: list[IPAddressPool] = [pool_object(pool) for pool in config.get("pools") or ()]
    peers = [_peer(name, peer) for name, peer in (config.get("peers") or {}).items()]
    return replace(
        world,
        address_pools={one.key: one for one in pools},
        bgp_peers={one.key: one for one in peers},
        bgp_advertisements={one.key: one for one in _advertisements(config.get("pools") or ())},
    )


def _served(world: World, event: Case) -> World:
    """What has no address yet is nothing to a speaker."""
    key = Key("default", event["key"])
    services = {name: one for name, one in world.services.items() if name != key}
    slices: dict[Key, EndpointSlice] = {name: one for name, one in world.endpoint_slices.items() if one.service != key}
    wanted = event["object"]
    if wanted is not None and wanted["statusIPs"]:
        services[key] = replace(_announced(key, wanted), key=key)
    for number, one in enumerate(endpoint_slices(event.get("endpointSlices"), key)):
        slices[Key("default", f"{key.name}-{number}")] = replace(one, key=Key("default", f"{key.name}-{number}"))
    return replace(world, services=services, endpoint_slices=slices)


Heard = Mapping[str, tuple[int, tuple[str, ...]]]


def _sessions(planned: Plan) -> dict[str, Heard]:
    """By the peer's address, what it hears of each prefix."""
    return {
        str(planned.peers[name].address): {
            str(prefix): (said.local_pref or 0, tuple(sorted(map(str, said.communities))))
            for prefix, said in told.items()
        }
        for name, told in planned.routes.items()
    }


def _expected(sessions: Mapping[str, Iterable[Case] | None]) -> dict[str, Heard]:
    """A prefix that two Services have stands twice in the case, and once in a table of routes."""
    return {
        address: {ad["prefix"]: (ad["localPref"], tuple(sorted(ad["communities"]))) for ad in ads or ()}
        for address, ads in sessions.items()
    }
