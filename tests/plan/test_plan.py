from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbd.model.address import parse_address
from mlbd.model.core import EXCLUDE_LABEL, Condition, Namespace, Node, Port, Secret, TrafficPolicy
from mlbd.model.deckhouse import CLASS, CLASS_CONDITION
from mlbd.model.desired import Desired
from mlbd.model.metallb import BFDProfile, BGPAdvertisement, BGPPeer, Community, PreferredNodes, ServiceAllocation
from mlbd.model.reference import Key, Reference
from mlbd.model.world import World
from mlbd.plan.eligibility import node_refusal
from mlbd.plan.plan import Plan, plan

from .builders import (
    added,
    addresses,
    advertisement,
    endpoints,
    labelled,
    node,
    nodes,
    pool,
    pool_class,
    problems,
    reason,
    refusals,
    service,
    without,
    world,
)

DEFAULT = pool_class(is_default=True)


def same(one: Desired, other: Desired) -> bool:
    return all(
        getattr(one, name) == getattr(other, name)
        for name in ("services", "vips", "claims", "pools", "problems", "foreign", "peers", "routes", "advertised")
    )


CHANGES = st.lists(
    st.sampled_from(
        [
            lambda what: added(what, service("web", "3")),
            lambda what: added(what, service("web", "2", share="k")),
            lambda what: added(what, service("api", pins="192.0.2.5")),
            lambda what: added(what, service("other", load_balancer_class="second")),
            lambda what: added(what, service("foreign", load_balancer_class="theirs")),
            lambda what: added(what, service("pods", selector={"app": "pods"})),
            lambda what: added(
                what, service("local", external_traffic_policy=TrafficPolicy.LOCAL, selector={"a": "b"})
            ),
            lambda what: added(what, endpoints(service("local"), "node-1", "node-3")),
            lambda what: added(what, endpoints(service("pods"), "node-2")),
            lambda what: added(what, endpoints(service("pods"))),
            lambda what: added(what, service("plain", notes={"metallb.io/address-pool": "pool"})),
            lambda what: added(what, node("node-4")),
            lambda what: added(what, Node(Key("", "node-1"), {EXCLUDE_LABEL: ""})),
            lambda what: added(what, Node(Key("", "node-2"), addresses=(parse_address("192.0.2.5"),))),
            lambda what: added(what, pool_class("second", "198.51.100.0/28", interfaces=("eth1",))),
            lambda what: added(what, pool_class("public", "192.0.2.0/29", is_default=True)),
            lambda what: added(what, pool("pool", "203.0.113.0/28")),
            lambda what: added(what, advertisement(interfaces=("eth0",))),
            lambda what: added(what, replace(endpoints(service("pods"), "node-1"), service=service("local").key)),
            lambda what: without(what, endpoints(service("pods"))),
            lambda what: without(what, service("web")),
            lambda what: without(what, node("node-1")),
            lambda what: without(what, pool_class("second")),
            lambda what: without(what, advertisement()),
        ]
    ),
    min_size=1,
    max_size=8,
)


@given(CHANGES)
@settings(max_examples=150, deadline=None)
def test_an_earlier_plan_saves_work_and_changes_nothing(changes: list[Callable[[World], World]]) -> None:
    what = world(*nodes(3), DEFAULT, service("web", "2"), service("api"))
    known: Plan | None = None
    for change in changes:
        what = change(what)
        known = plan(what, "node-1", known)
        assert same(known, plan(what, "node-1"))


def test_a_change_of_any_kind_is_noticed() -> None:
    """One that `before` hid would stay hidden until a restart."""
    kept = ServiceAllocation(namespace_selectors=(labelled(team="shop"),))
    pooled = service("pooled", notes={"metallb.io/address-pool": "pool"})
    what = world(*nodes(2), DEFAULT, replace(POOL, allocation=kept), pooled, service("web"))
    known = plan(what, "node-1")
    bgp = BGPAdvertisement(Key("metallb-system", "bgp"), communities=("fast",))
    peer = BGPPeer(Key("metallb-system", "peer"), 1, asn=2, bfd_profile="fast", password_secret=Key("", "secret"))
    changes: list[Callable[[World], World]] = [
        lambda what: added(what, Namespace(Key("", "shop"), {"team": "shop"})),
        lambda what: added(what, advertisement()),
        lambda what: replace(what, bgp_advertisements={bgp.key: bgp}),
        lambda what: replace(what, communities={bgp.key: Community(bgp.key, (("fast", "1:2"),))}),
        lambda what: replace(what, bgp_peers={peer.key: peer}),
        lambda what: replace(what, secrets={Key("", "secret"): Secret(Key("", "secret"))}),
        lambda what: replace(what, bgp_peers={peer.key: replace(peer, password_secret=None)}),
        lambda what: replace(what, bfd_profiles={Key("", "fast"): BFDProfile(Key("", "fast"))}),
        lambda what: added(what, node("node-3")),
        lambda what: added(what, pool_class("public", "192.0.2.0/28", is_default=True)),
        lambda what: added(what, replace(POOL, avoid_buggy_ips=True)),
    ]
    for number, change in enumerate(changes):
        what = change(what)
        fresh = plan(what, "node-1")
        assert not same(fresh, known), f"change {number} shows nowhere"
        known = plan(what, "node-1", known)
        assert same(known, fresh), f"change {number} was not noticed"


def test_an_ineligible_node_that_joins_is_noticed_by_known_orders() -> None:
    """It may become the baseline of some slot, although nobody's eligibility changes."""
    what = world(*nodes(4), DEFAULT, *(service(f"web-{number}", "3") for number in range(100)))
    more = added(what, Node(Key("", "node-9"), {EXCLUDE_LABEL: ""}))
    assert plan(more, "node-1").vips != plan(what, "node-1").vips
    assert same(plan(more, "node-1", plan(what, "node-1")), plan(more, "node-1"))


def test_what_did_not_change_is_the_very_same_object() -> None:
    """The daemon sees by it what is not to be done."""
    many = [service(f"web-{number}", "3") for number in range(40)]
    wide = pool_class("public", "10.0.0.0/16", is_default=True)
    other = service("other", load_balancer_class="second")
    slices = [endpoints(each, "node-1") for each in many]
    what = world(*nodes(3), wide, pool_class("second", "198.51.100.0/28"), *many, other, *slices)
    before = plan(what, "node-1")
    for changed in (
        added(what, service("new", "2")),
        added(what, replace(many[0], ports=(Port("UDP", 53),))),
        added(what, replace(many[0], created="2020-01-01T00:00:00Z")),
        added(what, endpoints(many[0], "node-2")),
        without(what, many[0]),
    ):
        after = plan(changed, "node-1", before)
        assert same(after, plan(changed, "node-1"))
        for each in (*many[1:], other):
            assert after.services[each.key] is before.services[each.key]
            for slot in after.services[each.key].slots:
                assert slot.address is not None
                assert after.vips[slot.address] is before.vips[slot.address]
                assert after.claims[slot.address] is before.claims[slot.address]


def test_a_change_that_concerns_no_address_leaves_them_all_as_they_were() -> None:
    web, api = service("web", "3"), service("api", selector={"app": "api"})
    what = world(*nodes(3), DEFAULT, web, api, endpoints(api, "node-1"))
    before = plan(what, "node-1")
    for changed in (
        added(what, replace(web, labels={"app": "web"})),
        added(what, endpoints(api, "node-2")),
        added(what, service("foreign", load_balancer_class="theirs")),
        added(what, service("inside", type="ClusterIP")),
    ):
        after = plan(changed, "node-1", before)
        assert after.vips is before.vips and after.claims is before.claims
    assert plan(what, "node-1", before) is before
    assert plan(replace(what), "node-1", before).services is before.services


def test_the_plan_of_another_node_is_no_help_but_no_harm() -> None:
    edge = pool_class(is_default=True, node_selector={"role": "edge"})
    what = world(node("node-1", role="edge"), node("node-2"), edge, service(count="3"))
    assert plan(what, "node-1").claims and not plan(what, "node-2").claims
    assert same(plan(what, "node-2", plan(what, "node-1")), plan(what, "node-2"))


def test_an_empty_world_has_an_empty_plan() -> None:
    planned = plan(World(), "node-1")
    assert (planned.services, planned.vips, planned.claims, planned.pools) == ({}, {}, {}, ())
    assert problems(planned) == {("Node node-1", "NodeUnknown")}


def test_three_addresses_stand_on_three_nodes_and_each_node_claims_all() -> None:
    web = service(count="3")
    what = world(*nodes(3), pool_class(is_default=True, interfaces=("eth0", "eth1")), web)
    for name in ("node-1", "node-2", "node-3"):
        planned = plan(what, name)
        assert {vip.order[0] for vip in planned.vips.values()} == {"node-1", "node-2", "node-3"}
        assert planned.claims.keys() == planned.vips.keys()
        for address, claim in planned.claims.items():
            assert claim.order == planned.vips[address].order
            assert claim.interfaces == frozenset({"eth0", "eth1"})
    assert not plan(what, "node-1").problems


def test_a_node_outside_of_the_class_claims_nothing() -> None:
    inside, outside = node("node-1", role="edge"), node("node-2")
    web = service()
    what = world(inside, outside, pool_class(is_default=True, node_selector={"role": "edge"}), web)
    assert plan(what, "node-1").claims and not plan(what, "node-2").claims
    verdicts = plan(what, "node-2").services[web.key].nodes
    refusal = verdicts["node-2"]
    assert verdicts["node-1"] is None and refusal is not None and refusal.reason == "NodeNotInClass"


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (Node(Key("", "node-1"), {EXCLUDE_LABEL: "anything"}), "NodeExcluded"),
        (Node(Key("", "node-1"), network_unavailable=True), "NodeNetworkUnavailable"),
    ],
)
def test_a_node_that_may_not_hold_anything_says_why(bad: Node, word: str) -> None:
    web = service()
    planned = plan(world(bad, node("node-2"), DEFAULT, web), "node-1")
    refusal = planned.services[web.key].nodes["node-1"]
    assert refusal is not None and refusal.reason == word
    assert node_refusal(bad) == refusal and node_refusal(node("node-2")) is None
    assert [vip.order for vip in planned.vips.values()] == [("node-2",)]
    assert reason(plan(world(bad, DEFAULT, web), "node-1"), web) == "NoEligibleNode"


SELECTED: dict[str, Any] = {"selector": {"app": "web"}}
LOCAL: dict[str, Any] = {**SELECTED, "external_traffic_policy": TrafficPolicy.LOCAL}


def test_endpoints_decide_whether_and_with_local_where() -> None:
    def holders(fields: dict[str, Any], *where: str, slices: bool = True) -> tuple[set[str], str]:
        web = service(**fields)
        what = world(*nodes(3), DEFAULT, web, *([endpoints(web, *where)] if slices else []))
        planned = plan(what, "node-1")
        (vip,) = planned.vips.values()
        return set(vip.order), reason(planned, web)

    everywhere = {"node-1", "node-2", "node-3"}
    assert holders({}, slices=False) == (everywhere, "")
    assert holders({"external_traffic_policy": TrafficPolicy.LOCAL}, slices=False) == (everywhere, "")
    assert holders(SELECTED, slices=False) == (set(), "NoReadyEndpoint")
    assert holders({}) == (set(), "NoReadyEndpoint")
    assert holders(SELECTED, "elsewhere") == (everywhere, "")
    assert holders(LOCAL, "node-2", "node-3", "elsewhere") == ({"node-2", "node-3"}, "")
    assert holders(LOCAL, "elsewhere") == (set(), "NoLocalEndpointOnSelectedNodes")
    assert holders(LOCAL) == (set(), "NoReadyEndpoint")


def test_the_verdict_of_a_node_without_a_local_endpoint() -> None:
    web = service(**LOCAL)
    planned = plan(world(*nodes(2), DEFAULT, web, endpoints(web, "node-2")), "node-1")
    verdicts = planned.services[web.key].nodes
    assert dict(verdicts) == {"node-1": verdicts["node-1"], "node-2": None} and len(verdicts) == 2
    assert verdicts["node-1"] is not None and verdicts["node-1"].reason == "NoLocalEndpoint"


def test_losing_endpoints_moves_no_address_and_drops_the_claim() -> None:
    web = service(count="2", **SELECTED)
    what = world(*nodes(3), DEFAULT, web, endpoints(web, "node-1"))
    before, after = plan(what, "node-1"), plan(added(what, endpoints(web)), "node-1")
    assert addresses(after, web) == addresses(before, web)
    assert before.claims and not after.claims


def test_the_class_is_chosen_by_field_annotation_binding_and_default() -> None:
    classes = [pool_class(name, f"10.{number}.0.0/24") for number, name in enumerate(("field", "note", "bound"))]
    what = world(*nodes(1), DEFAULT, *classes)
    bound = {CLASS_CONDITION: Condition("True", "LoadBalancerClassBound", "bound")}

    def chosen(**fields: Any) -> str:
        web = service(**fields)
        source = plan(added(what, web), "node-1").services[web.key].source
        return source.key.name if source else ""

    assert chosen(load_balancer_class="field", notes={CLASS: "note"}, conditions=bound) == "field"
    assert chosen(notes={CLASS: "note"}, conditions=bound) == "note"
    assert chosen(conditions=bound) == "bound"
    assert chosen() == "public"
    assert chosen(notes={CLASS: "typo"}) == "public"


def test_a_pool_that_is_named_goes_before_the_default_class() -> None:
    def source_of(name: str) -> str:
        web = service(notes={"metallb.io/address-pool": name})
        source = plan(world(*nodes(1), DEFAULT, POOL, advertisement(), web), "node-1").services[web.key].source
        return str(source)

    assert source_of("pool") == "IPAddressPool metallb-system/pool"
    assert source_of("not-there") == "MetalLoadBalancerClass public"


def test_a_foreign_class_is_left_alone() -> None:
    web = service(load_balancer_class="example.com/theirs")
    planned = plan(world(*nodes(1), DEFAULT, web), "node-1")
    assert not planned.services and not planned.vips
    assert planned.foreign[web.key].reason == "ForeignClass"


def test_a_class_whose_file_is_broken_is_not_taken_for_somebody_elses() -> None:
    web = service(load_balancer_class="public")
    broken = replace(world(*nodes(1), web), refused=frozenset({Reference("MetalLoadBalancerClass", Key("", "public"))}))
    planned = plan(broken, "node-1")
    assert not planned.foreign
    assert reason(planned, web) == "InvalidObject" and addresses(planned, web) == [None]
    mended = plan(world(*nodes(1), replace(DEFAULT, key=Key("", "public")), web), "node-1", planned)
    assert addresses(mended, web) != [None]


def test_a_class_that_is_gone_is_not_replaced_by_the_default() -> None:
    web = service(conditions={CLASS_CONDITION: Condition("True", message="gone")})
    planned = plan(world(*nodes(1), DEFAULT, web), "node-1")
    assert reason(planned, web) == "ClassNotFound" and addresses(planned, web) == [None]


def test_services_that_are_not_load_balancers_are_not_planned() -> None:
    assert not plan(world(*nodes(1), DEFAULT, service(type="NodePort")), "node-1").services


def test_nothing_to_draw_from() -> None:
    web = service()
    assert reason(plan(world(*nodes(1), web), "node-1"), web) == "NoClass"


def test_the_oldest_default_class_wins_and_the_others_are_told() -> None:
    old = pool_class("zeta", "10.1.0.0/24", is_default=True, created="2020-01-01T00:00:00Z")
    young = pool_class("alpha", "10.2.0.0/24", is_default=True, created="2021-01-01T00:00:00Z")
    web = service()
    planned = plan(world(*nodes(1), young, old, web), "node-1")
    source = planned.services[web.key].source
    assert source is not None and source.key.name == "zeta"
    assert ("MetalLoadBalancerClass alpha", "SeveralDefaultClasses") in problems(planned)


def test_of_two_overlapping_the_younger_is_refused_and_nothing_else() -> None:
    old = pool_class("old", "10.0.0.0/24", created="2020-01-01T00:00:00Z")
    young = pool_class("a-young", "10.0.0.128-10.0.1.5", created="2021-01-01T00:00:00Z")
    third = pool("third", "10.0.1.0/24", created="2022-01-01T00:00:00Z")
    services = [service(name, load_balancer_class=name) for name in ("old", "a-young")]
    planned = plan(world(*nodes(1), old, young, third, *services), "node-1")
    assert reason(planned, services[0]) == ""
    assert reason(planned, services[1]) == "OverlappingAddresses"
    assert {each.name for each in planned.pools} == {"old", "third"}
    assert ("MetalLoadBalancerClass a-young", "OverlappingAddresses") in problems(planned)


@pytest.mark.parametrize(
    ("text", "overlaps"),
    [
        ("10.0.0.0/8", True),
        ("10.0.5.3/32", True),
        ("10.0.4.0-10.0.5.0", True),
        ("10.0.5.255-10.0.6.0", True),
        ("10.0.4.0/24", False),
        ("10.0.6.0/24", False),
        ("2001:db8::/32", False),
    ],
)
def test_overlaps_of_every_shape_are_seen(text: str, overlaps: bool) -> None:
    old = pool_class("old", "10.0.5.0/24", created="2020-01-01T00:00:00Z")
    planned = plan(world(*nodes(1), old, pool_class("new", text)), "node-1")
    assert {each.name for each in planned.pools} == ({"old"} if overlaps else {"old", "new"})


def test_an_object_that_overlaps_itself_is_refused() -> None:
    planned = plan(world(*nodes(1), pool_class("twice", "10.0.0.0/24", "10.0.0.7/32")), "node-1")
    assert problems(planned) == {("MetalLoadBalancerClass twice", "OverlappingAddresses")}


def test_a_class_without_addresses_or_nodes_harms_its_own_services_only() -> None:
    empty = replace(pool_class("empty"), addresses=())
    lonely = pool_class("lonely", "10.2.0.0/24", node_selector={"role": "none"})
    services = [service(name, load_balancer_class=name) for name in ("empty", "lonely", "public")]
    planned = plan(world(*nodes(1), DEFAULT, empty, lonely, *services), "node-1")
    assert [reason(planned, each) for each in services] == ["NoAddresses", "NoNodeMatchesSelector", ""]
    assert addresses(planned, services[1]) != [None]


POOL = pool("pool", "203.0.113.0/28", labels={"tier": "gold"})


def test_advertisements_say_who_announces_a_pool_and_on_which_links() -> None:
    edge = [node("node-1", role="edge"), node("node-2", role="edge"), node("node-3")]
    web = service(labels={"app": "web"})
    ads = [
        advertisement("one", node_selectors=(labelled(role="edge"),), interfaces=("eth0",), pools=("pool",)),
        advertisement("two", interfaces=("eth1",), service_selectors=(labelled(app="web"),)),
        advertisement("three", service_selectors=(labelled(app="other"),)),
        advertisement("four", pool_selectors=(labelled(tier="silver"),)),
    ]
    what = world(*edge, POOL, *ads, web)
    (claim,) = plan(what, "node-1").claims.values()
    assert set(claim.order) == {"node-1", "node-2", "node-3"} and claim.interfaces == frozenset({"eth0", "eth1"})
    (claim,) = plan(what, "node-3").claims.values()
    assert claim.interfaces == frozenset({"eth1"})
    (claim,) = plan(added(what, advertisement("two")), "node-1").claims.values()
    assert claim.interfaces is None


def test_the_links_of_a_shared_address_are_those_of_the_services_that_are_announced() -> None:
    ads = [
        advertisement(name, interfaces=(link,), service_selectors=(labelled(app=name),))
        for name, link in (("web", "eth0"), ("api", "eth1"))
    ]
    web, api = (
        service(name, share="k", labels={"app": name}, ports=(Port("TCP", port),), selector={"app": name})
        for name, port in (("web", 443), ("api", 8080))
    )
    what = world(*nodes(1), POOL, *ads, web, api, endpoints(web, "node-1"))
    (claim,) = plan(what, "node-1").claims.values()
    assert claim.interfaces == frozenset({"eth0"})
    (claim,) = plan(added(what, endpoints(api, "node-1")), "node-1").claims.values()
    assert claim.interfaces == frozenset({"eth0", "eth1"})


def test_preferred_nodes_stand_first() -> None:
    preferred = (PreferredNodes(10, labelled(role="edge")), PreferredNodes(20, labelled(zone="a")))
    members = [
        node("node-1"),
        node("node-2", role="edge"),
        node("node-3", zone="a"),
        node("node-4", zone="a", role="edge"),
    ]
    what = world(*members, POOL, advertisement(preferred_nodes=preferred), service())
    (vip,) = plan(what, "node-1").vips.values()
    assert vip.order == ("node-4", "node-3", "node-2", "node-1")


def test_a_pool_that_nobody_announces_says_so() -> None:
    web = service()
    planned = plan(world(*nodes(2), POOL, web), "node-1")
    assert reason(planned, web) == "NoAdvertisement"
    assert addresses(planned, web) != [None] and not planned.claims


def test_advertisements_for_other_services_and_shared_addresses() -> None:
    picky = advertisement(service_selectors=(labelled(app="web"),))
    other = service(labels={"app": "other"})
    assert reason(plan(world(*nodes(2), POOL, picky, other), "node-1"), other) == "NoMatchingAdvertisement"
    shared = service(labels={"app": "web"}, notes={"metallb.io/allow-shared-ip": ""})
    assert reason(plan(world(*nodes(2), POOL, picky, shared), "node-1"), shared) == "SharedIPWithServiceSelector"


def test_an_advertisement_that_names_an_unknown_pool_is_told() -> None:
    planned = plan(world(*nodes(2), POOL, advertisement(pools=("pool", "typo"))), "node-1")
    assert problems(planned) == {("L2Advertisement metallb-system/all", "PoolNotFound")}


def test_pool_usage_counts_distinct_addresses() -> None:
    web = service(count="2", cluster_ips=("10.0.0.1", "fd00::1"))
    public = pool_class("public", "192.0.2.0/24", "2001:db8::/120", is_default=True, interfaces=("eth0",))
    sharers = [service(name, share="k", ports=(Port("TCP", port),)) for name, port in (("one", 80), ("two", 443))]
    (status,) = plan(world(*nodes(2), public, web, *sharers), "node-1").pools
    assert (status.total_ipv4, status.total_ipv6, status.used_ipv4, status.used_ipv6) == (254, 256, 3, 2)
    assert (status.services, status.nodes, status.interfaces) == (3, ("node-1", "node-2"), ("eth0",))


def test_the_prefix_of_old_metallb_annotations_is_read_too() -> None:
    web = service(notes={"metallb.universe.tf/loadBalancerIPs": "203.0.113.7"})
    planned = plan(world(*nodes(2), POOL, advertisement(), web), "node-1")
    assert addresses(planned, web) == ["203.0.113.7"] and refusals(planned, web) == [""]
