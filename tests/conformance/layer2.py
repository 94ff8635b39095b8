"""l2-decisions.json and l2-election-parts.json: the plan, asked who announces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from mlbd.model.address import parse_address
from mlbd.model.reference import Key
from mlbd.model.world import World
from mlbd.plan.announcements import for_service, interfaces_on, preferences
from mlbd.plan.eligibility import endpoints_by_service
from mlbd.plan.placement import Candidates, orders
from mlbd.plan.plan import Plan, plan

from .vocabulary import advertisement, attachment, endpoint_slices, node, pool_object, service

Case = Mapping[str, Any]

#: MetalLB's words for ours. Where it says only "not the owner" we say why.
REASONS = {
    "NoMatchingAdvertisement": "noMatchingAdvertisement",
    "SharedIPWithServiceSelector": "sharedIPWithServiceSelector",
}


def decision(case: Case, _: Case) -> None:
    addresses = list(case.get("expectWinnerByIP", {})) or case["service"]["statusIPs"][:1]
    for address in addresses:
        _decide(case, {**case["service"], "statusIPs": [address]} if len(addresses) > 1 else case["service"], address)


def _decide(case: Case, wanted: Case, address: str) -> None:
    world = _world(case, wanted)
    names = sorted({*case["speakers"], *case["nodes"], *case.get("expectReason", {})})
    plans = {name: plan(world, name) for name in names}
    key = next(iter(world.services))
    claims = {name: each.claims.get(parse_address(address)) for name, each in plans.items()}
    order = next((claim.order for claim in claims.values() if claim), ())
    equals = _equals(case, order)
    assert all(claim is None or claim.order == order for claim in claims.values()), "nodes disagree"
    if "expectReason" in case:
        _check_reasons(case["expectReason"], {name: _reason(plans[name], key, name, order) for name in names}, equals)
    if case.get("expectExactlyOneWinner"):
        assert order
    if "expectWinner" in case:
        assert (case["expectWinner"] or "") in (equals or [""])
    if "expectWinnerByIP" in case:
        assert order[:1] == (case["expectWinnerByIP"][address],)
    for name, links in case.get("expectInterfaces", {}).items():
        claim = claims[name]
        assert claim is not None and sorted(claim.interfaces or ()) == sorted(links or ())


def _world(case: Case, wanted: Case) -> World:
    asked = service(Key("default", "web"), wanted)
    if not asked.cluster_ips:
        asked = replace(asked, cluster_ips=asked.ingress)
    known = {name: node(name, each) for name, each in case["nodes"].items()}
    if not case["memberlistDisabled"]:
        known = {name: known.get(name) or node(name) for name in case["speakers"]}
    pool = case["pool"]
    ads = [advertisement(f"ad-{number}", ad) for number, ad in enumerate(pool.get("l2Advertisements", []))]
    slices = endpoint_slices(case["endpointSlices"], asked.key)
    return World(
        services={asked.key: asked},
        nodes={each.key: each for each in known.values()},
        endpoint_slices={each.key: each for each in slices},
        address_pools={each.key: each for each in [pool_object(pool)]},
        l2_advertisements={each.key: each for each in ads},
    )


def _equals(case: Case, order: Sequence[str]) -> list[str]:
    """The nodes at the head of the list that nothing but a hash tells apart."""
    ads = [attachment(f"ad-{number}", ad) for number, ad in enumerate(case["pool"].get("l2Advertisements", []))]
    weights = preferences(for_service(ads, case["service"].get("labels") or {}))
    return [name for name in order if weights.get(name, 0) == weights.get(order[0], 0)]


def _reason(planned: Plan, key: Key, name: str, order: Sequence[str]) -> str:
    """ "" when the node announces."""
    if order[:1] == (name,):
        return ""
    refusals = [planned.services[key].refusal, planned.services[key].nodes.get(name)]
    if refusals[0] and refusals[0].reason == "NoReadyEndpoint":  # comes before all that is said of nodes
        return "notOwner"
    words = [REASONS[refusal.reason] for refusal in refusals if refusal and refusal.reason in REASONS]
    return words[0] if words else "notOwner"


def _check_reasons(expected: Mapping[str, str], found: Mapping[str, str], equals: Sequence[str]) -> None:
    """Of several equal nodes exactly one announces, in MetalLB and here, but not necessarily the same."""
    winners = [name for name, reason in expected.items() if not reason]
    assert len(winners) == sum(not found[name] for name in expected)
    assert set(winners) <= set(equals)
    for name, reason in expected.items():
        if name not in equals:
            assert found[name] == reason, name


def election_part(case: Case, _: Case) -> None:
    match case["op"]:
        case "order":
            _check_order(case)
        case "scores":
            assert preferences(_attachments(case["ads"])) == case["expectScores"]
        case "nodesWithEndpoint":
            web = Key("default", "web")
            found = endpoints_by_service(endpoint_slices(case["endpointSlices"], web)).get(web)
            assert sorted(found.nodes & set(case["usableSpeakers"]) if found else ()) == sorted(case["expectNodes"])
        case "interfacesForAds":
            _check_interfaces(case)
        case "adsForService":
            matching = for_service(_attachments(case["ads"]), case["serviceLabels"])
            assert sorted(each.advertisement.key.name for each in matching) == sorted(case["expectAds"])
        case op:
            raise AssertionError(f"unknown op {op}")


def _attachments(ads: Any) -> list[Any]:
    listed = ads.items() if isinstance(ads, Mapping) else ((f"ad-{number}", ad) for number, ad in enumerate(ads))
    return [attachment(name, ad) for name, ad in listed]


def _check_order(case: Case) -> None:
    scores = case["scores"]
    names = case["candidates"]
    candidates = Candidates.of(names, scores)
    (order,) = orders(candidates, case["ip"], 1, candidates.able(names))
    assert sorted(order) == sorted(case["expectOrder"])
    weights = [scores.get(name, 0) for name in order]
    assert weights == [scores.get(name, 0) for name in case["expectOrder"]]
    assert len(list(groupby(weights))) == len(set(weights))


def _check_interfaces(case: Case) -> None:
    links = interfaces_on(_attachments(case["ads"]))
    name = case.get("node") or case.get("myNode") or next(iter(links), "")
    found = links.get(name, frozenset())
    expected = case.get("expect", case)
    if isinstance(expected, Mapping) and "allInterfaces" in expected:
        assert (found is None) is expected["allInterfaces"]
    elif "expectAllInterfaces" in case:
        assert (found is None) is case["expectAllInterfaces"]
    listed = expected.get("interfaces", case.get("expectInterfaces")) if isinstance(expected, Mapping) else expected
    assert listed is not None, "the case expects something that this does not know"
    assert found is None or sorted(found) == sorted(listed)
