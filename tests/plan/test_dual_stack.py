"""Two families, one of which may be missing: MetalLB's rules for its pools, and what becomes of them for a class."""

from __future__ import annotations

from typing import Any

import pytest

from mlbd.model.core import IPFamilyPolicy, Service
from mlbd.model.metallb import IPAddressPool
from mlbd.model.world import Object
from mlbd.plan.plan import Plan, plan

from .builders import addresses, advertisement, nodes, pool, pool_class, reason, refusals, service, world

PREFER = IPFamilyPolicy.PREFER_DUAL_STACK
REQUIRE = IPFamilyPolicy.REQUIRE_DUAL_STACK
V4, V6 = pool("b-four", "192.0.2.0/30"), pool("a-six", "2001:db8::/126")
BOTH = pool("c-both", "198.51.100.0/32", "2001:db8:1::/128")
NAMED = {"metallb.io/address-pool": "a-six"}


def planned(*objects: Object) -> Plan:
    return plan(world(*nodes(1), advertisement(), *objects), "node-1")


def source(found: Plan, of: Service) -> str:
    reference = found.services[of.key].source
    return reference.key.name if reference else ""


def message(found: Plan, of: Service) -> str:
    refusal = found.services[of.key].refusal
    return refusal.message if refusal else ""


@pytest.mark.parametrize(
    ("families", "pools", "chosen"),
    [
        ((), (V4, V6), "b-four"),
        ((4, 6), (V4, V6), "b-four"),
        ((6, 4), (V4, V6), "a-six"),
        ((4, 6), (V6,), "a-six"),
        ((6, 4), (V4,), "b-four"),
        ((4, 6), (V4, V6, BOTH), "c-both"),
    ],
)
def test_who_prefers_two_families_gets_both_else_the_primary_one_else_the_other(
    families: tuple[int, ...], pools: tuple[IPAddressPool, ...], chosen: str
) -> None:
    web = service(ip_families=families, ip_family_policy=PREFER)
    found = planned(*pools, web)
    assert source(found, web) == chosen and reason(found, web) == "" and all(addresses(found, web))
    assert len(addresses(found, web)) == (2 if chosen == "c-both" else 1)


def test_of_many_wanted_both_families_go_before_more_of_one() -> None:
    web = service(count="3", ip_family_policy=PREFER)
    found = planned(V4, BOTH, web)
    assert source(found, web) == "c-both"
    assert [text for text in addresses(found, web) if text] == ["198.51.100.0", "2001:db8:1::"]


def test_who_requires_two_families_gets_nothing_from_pools_of_one() -> None:
    web = service(ip_family_policy=REQUIRE)
    found = planned(V4, V6, web)
    assert addresses(found, web) == [None, None] and refusals(found, web) == ["NotDualStack"] * 2
    assert message(found, web) == (
        "cannot give it any address, its ipFamilyPolicy is RequireDualStack and IPAddressPool metallb-system/b-four "
        "has no IPv6 addresses: add some there, or set PreferDualStack"
    )
    assert addresses(planned(V4, V6, BOTH, web), web) == ["198.51.100.0", "2001:db8:1::"]


@pytest.mark.parametrize(
    "fields",
    [
        {"notes": NAMED},
        {"pins": "2001:db8::1"},
        {"ingress": ("2001:db8::1",)},
        {"ingress": ("2001:db8::1",), "notes": NAMED},
    ],
)
def test_neither_a_name_nor_a_pin_nor_a_status_gets_it_one_family_alone(fields: dict[str, Any]) -> None:
    web = service(ip_family_policy=REQUIRE, **fields)
    found = planned(V6, web)
    assert addresses(found, web) == [None, None] and reason(found, web) == "NotDualStack"


def test_a_pool_that_is_out_of_one_family_gives_it_nothing() -> None:
    first = service("first", pins="198.51.100.0", created="2020-01-01T00:00:00Z")
    for web in (
        service(ip_family_policy=REQUIRE),
        service(pins="2001:db8:1::", ip_family_policy=REQUIRE),
        service(ingress=("2001:db8:1::",), ip_family_policy=REQUIRE),
    ):
        found = planned(BOTH, first, web)
        assert addresses(found, web) == [None, None] and reason(found, web) == "NotDualStack"
    taken = service(pins="198.51.100.0", notes={"metallb.io/address-pool": "c-both"}, ip_family_policy=REQUIRE)
    found = planned(BOTH, first, taken)
    assert refusals(found, taken) == ["AddressTaken", "NotDualStack"]


def test_an_address_of_the_status_stays_when_the_second_family_comes() -> None:
    web = service(ingress=("192.0.2.2",), ip_family_policy=REQUIRE)
    found = planned(pool("wide", "192.0.2.0/29", "2001:db8::/64"), web)
    assert addresses(found, web)[0] == "192.0.2.2" and all(addresses(found, web))


def test_a_class_without_one_family_gives_nothing_and_one_that_is_out_of_it_the_other() -> None:
    web = service(count="2", ip_family_policy=REQUIRE)
    lacks = planned(pool_class("public", "192.0.2.0/24", is_default=True), web)
    assert addresses(lacks, web) == [None] * 4 and reason(lacks, web) == "NotDualStack"
    short = planned(pool_class("public", "192.0.2.0/24", "2001:db8::/128", is_default=True), web)
    assert refusals(short, web) == ["", "", "", "PoolExhausted"] and reason(short, web) == ""


FIELD, NOTE = "192.0.2.1", "metallb.io/loadBalancerIPs"


@pytest.mark.parametrize(
    "name", [NOTE, "metallb.universe.tf/loadBalancerIPs", "network.deckhouse.io/load-balancer-ips"]
)
def test_a_field_and_an_annotation_that_differ_are_refused_by_both_names(name: str) -> None:
    web = service(load_balancer_ip=FIELD, notes={name: "192.0.2.2"})
    found = planned(V4, web)
    assert addresses(found, web) == [None] and reason(found, web) == "ContradictoryAddresses"
    assert f"spec.loadBalancerIP says {FIELD} and the annotation {name} says 192.0.2.2: take" in message(found, web)


def test_a_field_and_an_annotation_that_agree_are_one() -> None:
    web = service(load_balancer_ip=FIELD, notes={NOTE: f" {FIELD} "})
    assert addresses(planned(V4, web), web) == [FIELD]
    six = service(load_balancer_ip="2001:DB8::1", ip_families=(6,), notes={NOTE: "2001:db8::1"})
    assert addresses(planned(V6, six), six) == ["2001:db8::1"]
