"""bgp-speaker-decisions.json, as far as the plan of BGP objects goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbd.model.address import parse_range
from mlbd.model.metallb import BGPAdvertisement
from mlbd.model.peering import Announcement
from mlbd.model.reference import Key
from mlbd.plan.bgp_conflicts import Attached, conflict
from mlbd.plan.eligibility import endpoints_by_service

from .vocabulary import NAMESPACE, endpoint_slices, selectors


def decision(case: Mapping[str, Any], _: Mapping[str, Any]) -> None:
    match case["op"]:
        case "conflict":
            families = {parse_range(cidr).family for cidr in case["poolAddresses"]}
            found = conflict([_attached(ad) for ad in case["ads"]], families)
            assert (found is None) == (case["expect"] == "ok")
        case "hasHealthyEndpoint":
            web = Key("default", "web")
            found_endpoints = endpoints_by_service(endpoint_slices(case["endpointSlices"], web)).get(web)
            assert (found_endpoints is not None and found_endpoints.usable) is case["expect"]
        case op:
            raise AssertionError(f"unknown op {op}")


def _attached(ad: Mapping[str, Any]) -> Attached:
    return Attached(
        BGPAdvertisement(
            Key(NAMESPACE, ad["name"]),
            service_selectors=selectors(ad.get("serviceSelectors")),
            peers=tuple(ad["peers"]),
            communities=tuple(ad["communities"]),
            aggregation_length=ad["aggregationLength"],
            aggregation_length_v6=ad["aggregationLengthV6"],
            local_pref=ad["localPref"],
        ),
        frozenset(ad["nodes"]),
        Announcement(),
        ad["name"],
    )
