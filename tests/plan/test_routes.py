from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbd.model.address import parse_address, parse_range
from mlbd.model.community import parse_community
from mlbd.model.core import EXCLUDE_LABEL, Node, Port, TrafficPolicy
from mlbd.model.deckhouse import (
    MetalLoadBalancerBGPPeer,
    MetalLoadBalancerConfiguration,
    MetalLoadBalancerPool,
    PoolAdvertisement,
)
from mlbd.model.metallb import Community
from mlbd.model.reference import Key
from mlbd.model.world import World
from mlbd.plan.ground import survey
from mlbd.plan.plan import Plan, plan
from mlbd.plan.routes import Contribution, Table, changed

from .builders import (
    added,
    addresses,
    advertisement,
    bgp,
    endpoints,
    labelled,
    node,
    nodes,
    peer,
    pool,
    pool_class,
    problems,
    reason,
    refusals,
    routes,
    service,
    without,
    world,
)
from .test_plan import same

POOL = pool("pool", "192.0.2.0/24", "2001:db8::/64")
WEB = service(pins="192.0.2.7", labels={"app": "web"})


def speaking(*objects: Any) -> World:
    return world(*nodes(3), POOL, peer(), *objects)


def heard(*objects: Any, name: str = "peer") -> dict[str, str]:
    return routes(plan(speaking(*objects), "node-1"), name)


def verdict(planned: Plan, of: Any = WEB, name: str = "node-1") -> str:
    over_bgp = planned.services[of.key].bgp
    assert over_bgp is not None
    refusal = over_bgp.nodes[name]
    return refusal.reason if refusal else ""


def test_every_node_announces_every_address_to_its_peers() -> None:
    what = speaking(bgp(), WEB)
    for name in ("node-1", "node-2", "node-3"):
        planned = plan(what, name)
        assert routes(planned) == {"192.0.2.7/32": ""}
        assert {str(address) for address in planned.advertised} == {"192.0.2.7"}
        assert reason(planned, WEB) == "" and not planned.problems
        assert set(planned.services[WEB.key].nodes.values()) == {None}
    (vip,) = plan(what, "node-1").vips.values()
    assert vip.order == () and not plan(what, "node-1").claims


def test_a_pool_with_both_kinds_of_advertisement_is_announced_both_ways() -> None:
    planned = plan(speaking(bgp(), advertisement(), WEB), "node-1")
    assert routes(planned) == {"192.0.2.7/32": ""} and len(planned.claims) == 1
    classed = plan(speaking(bgp(), pool_class("public", "198.51.100.0/24", is_default=True), service()), "node-1")
    assert classed.claims and not routes(classed)


def test_what_is_said_of_a_prefix() -> None:
    names = Community(Key("metallb-system", "names"), (("fast", "64512:9"), ("no-export", "64512:1")))
    said = bgp(local_pref=200, communities=("fast", "64512:2", "large:1:2:3", "rt:64512:7", "no-advertise", "none"))
    text = "200 64512:2 64512:9 65535:65282 large:1:2:3 rt:64512:7"
    ordered = [parse_community(each) for each in text.split()[1:]]
    assert heard(said, names, WEB) == {"192.0.2.7/32": " ".join(["200", *map(str, sorted(ordered))])}
    assert heard(bgp(communities=("no-export",)), WEB) == {"192.0.2.7/32": "65535:65281"}
    assert heard(bgp(communities=("no-export",)), names, WEB) == {"192.0.2.7/32": "64512:1"}


def test_an_aggregate_stays_while_one_member_lives() -> None:
    api = service("api", pins="192.0.2.9")
    what = speaking(bgp(aggregation_length=24), bgp("each"), WEB, api)
    first = plan(what, "node-1")
    assert routes(first).keys() == {"192.0.2.0/24", "192.0.2.7/32", "192.0.2.9/32"}
    second = plan(without(what, WEB), "node-1", first)
    assert routes(second).keys() == {"192.0.2.0/24", "192.0.2.9/32"}
    assert routes(plan(without(what, WEB, api), "node-1", second)) == {}


def test_communities_of_all_that_advertise_a_prefix_are_united() -> None:
    one, two = bgp("one", communities=("1:1",)), bgp("two", communities=("1:2",), peers=("peer",))
    what = added(speaking(one, two, WEB), peer("other", "10.0.0.2"))
    planned = plan(what, "node-1")
    assert routes(planned) == {"192.0.2.7/32": "1:1 1:2"} and routes(planned, "other") == {"192.0.2.7/32": "1:1"}
    assert planned.services[WEB.key].bgp is not None and routes(plan(without(what, one), "node-1"), "other") == {}


def test_a_node_says_only_what_covers_it() -> None:
    here, there = bgp("here", communities=("1:1",)), bgp("there", communities=("2:2",))
    there = replace(there, node_selectors=(labelled(role="edge"),))
    what = added(speaking(here, there, WEB), node("node-2", role="edge"))
    assert routes(plan(what, "node-1")) == {"192.0.2.7/32": "1:1"}
    assert routes(plan(what, "node-2")) == {"192.0.2.7/32": "1:1 2:2"}


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"node_selectors": (labelled(role="edge"),)}, "NodeNotSelected"),
        ({"service_selectors": (labelled(app="other"),)}, "NoMatchingAdvertisement"),
        ({"peers": ("other",)}, "NoPeer"),
    ],
)
def test_an_advertisement_picks_nodes_services_and_peers(changed: dict[str, Any], word: str) -> None:
    planned = plan(added(speaking(bgp(**changed), WEB), node("node-2", role="edge")), "node-1")
    assert routes(planned) == {} and verdict(planned) == word and not planned.advertised


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (Node(Key("", "node-1"), {EXCLUDE_LABEL: ""}), "NodeExcluded"),
        (Node(Key("", "node-1"), network_unavailable=True), "NodeNetworkUnavailable"),
    ],
)
def test_a_node_that_takes_no_part_keeps_its_sessions_and_is_silent(bad: Node, word: str) -> None:
    planned = plan(added(speaking(bgp(), WEB), bad), "node-1")
    assert planned.peers and routes(planned) == {} and verdict(planned) == word
    assert reason(planned, WEB) == ""


def test_endpoints_decide_whether_and_with_local_where() -> None:
    local = service(pins="192.0.2.7", selector={"a": "b"}, external_traffic_policy=TrafficPolicy.LOCAL)
    cluster = service(pins="192.0.2.7", selector={"a": "b"})
    assert heard(bgp(), local, endpoints(local, "node-2")) == {}
    assert heard(bgp(), local, endpoints(local, "node-1")) == heard(bgp(), cluster, endpoints(local, "node-2")) != {}
    planned = plan(speaking(bgp(), local, endpoints(local, "node-2")), "node-1")
    assert verdict(planned, local) == "NoLocalEndpoint" and reason(planned, local) == ""
    planned = plan(speaking(bgp(), local, endpoints(local)), "node-1")
    assert routes(planned) == {} and reason(planned, local) == "NoReadyEndpoint"


def test_nobody_to_announce_to_is_said_of_the_service() -> None:
    planned = plan(world(*nodes(2), POOL, bgp(), WEB), "node-1")
    assert reason(planned, WEB) == "NoEligibleNode" and verdict(planned) == "NoPeer"
    assert ("BGPAdvertisement metallb-system/bgp", "NoPeer") in problems(planned)
    elsewhere = peer(node_selectors=(labelled(role="edge"),))
    planned = plan(world(node("node-1"), node("node-2", role="edge"), POOL, bgp(), elsewhere, WEB), "node-1")
    assert reason(planned, WEB) == "" and not planned.peers and verdict(planned) == "NoPeer"
    assert planned.pools[0].nodes == ("node-1", "node-2")


def test_a_session_carries_the_family_of_its_address_or_both() -> None:
    dual = service(pins="192.0.2.7,2001:db8::7", cluster_ips=("10.96.0.1", "fd00::1"))
    planned = plan(speaking(bgp(), dual), "node-1")
    assert routes(planned) == {"192.0.2.7/32": ""}
    assert refusals(planned, dual) == ["", "FamilyNotCarried"] and None not in addresses(planned, dual)
    assert {str(address) for address in planned.advertised} == {"192.0.2.7"}
    both = {"192.0.2.7/32": "", "2001:db8::7/128": ""}
    assert routes(plan(added(speaking(bgp(), dual), peer(dual_stack_address_family=True)), "node-1")) == both
    assert routes(plan(added(speaking(bgp(), dual), peer(address="", interface="eth0")), "node-1"))
    six = service("six", pins="2001:db8::9", cluster_ips=("fd00::1",))
    planned = plan(speaking(bgp(), six), "node-1")
    assert verdict(planned, six) == "FamilyNotCarried" and reason(planned, six) == "NoEligibleNode"


def test_contradicting_local_preferences_for_one_service() -> None:
    gold = bgp("gold", local_pref=200, service_selectors=(labelled(app="web"),))
    planned = plan(speaking(bgp(local_pref=100), gold, WEB), "node-1")
    assert verdict(planned) == "ConflictingLocalPref" and routes(planned) == {}


def test_advertisements_contradict_each_other_only_where_they_meet() -> None:
    gold = bgp("gold", local_pref=200, service_selectors=(labelled(app="web"),), node_selectors=(labelled(rack="b"),))
    planned = plan(added(speaking(bgp(local_pref=100), gold, WEB), node("node-2", rack="b")), "node-1")
    assert routes(planned) == {"192.0.2.7/32": "100"} and verdict(planned, name="node-2") == "ConflictingLocalPref"


def test_a_node_that_is_selected_for_other_services_only() -> None:
    mine = bgp(node_selectors=(labelled(rack="b"),))
    picky = bgp("picky", service_selectors=(labelled(app="other"),))
    planned = plan(added(speaking(mine, picky, WEB), node("node-2", rack="b")), "node-1")
    assert verdict(planned) == "NoMatchingAdvertisement" and verdict(planned, name="node-2") == ""


def test_contradicting_local_preferences_of_services_that_share_an_address() -> None:
    """The younger advertisement gives in, whichever Service came first."""
    gold = bgp("gold", local_pref=200, service_selectors=(labelled(app="web"),))
    silver = bgp("silver", local_pref=100, service_selectors=(labelled(app="api"),))
    sharers = [
        service(name, pins="192.0.2.7", share="k", labels={"app": name}, ports=(Port("TCP", port),))
        for name, port in (("api", 80), ("web", 443))
    ]
    planned = plan(speaking(silver, gold, *sharers), "node-1")
    assert routes(planned) == {"192.0.2.7/32": "200"}
    assert problems(planned) == {("BGPAdvertisement metallb-system/silver", "ConflictingLocalPref")}
    unset = plan(speaking(replace(silver, local_pref=250), replace(gold, local_pref=0), *sharers), "node-1")
    assert routes(unset) == {"192.0.2.7/32": "250"}, "one that sets it goes before one that does not"
    alone = plan(without(speaking(silver, gold, *sharers), sharers[1]), "node-1", planned)
    assert routes(alone) == {"192.0.2.7/32": "100"} and not alone.problems and alone.advertised == planned.advertised


BARE = MetalLoadBalancerPool(Key("", "bare"), (parse_range("203.0.113.0/24"),))
ROUTER = MetalLoadBalancerBGPPeer(Key("", "router"), 64512, 64513, parse_address("10.0.0.9"))


def configuration(*parts: PoolAdvertisement, **fields: Any) -> MetalLoadBalancerConfiguration:
    return MetalLoadBalancerConfiguration(Key("", "main"), **{"peers": ("router",), "advertisements": parts, **fields})


def test_a_configuration_announces_its_pools_to_its_peers() -> None:
    part = PoolAdvertisement(("bare",), ("no-export", "64512:1"), 150, 28)
    web = service(pins="203.0.113.20")
    what = world(
        node("node-1", role="edge"), node("node-2"), BARE, ROUTER, peer(), web,
        configuration(part, node_selector={"role": "edge"}),
    )  # fmt: skip
    planned = plan(what, "node-1")
    assert routes(planned, "router") == {"203.0.113.16/28": "150 64512:1 65535:65281"} and routes(planned) == {}
    assert planned.peers["router"].object.kind == "MetalLoadBalancerBGPPeer"
    assert plan(what, "node-2").peers.keys() == {"peer"} and verdict(planned, web, "node-2") == "NodeNotSelected"


def test_one_length_is_for_the_family_that_it_fits() -> None:
    wide = pool("wide", "203.0.113.0/24", "2001:db8:1::/48")
    web = service(pins="203.0.113.20,2001:db8:1::1", cluster_ips=("10.0.0.1", "fd00::1"))
    both = peer("both", "10.0.0.3", dual_stack_address_family=True)

    def prefixes(length: int) -> set[str]:
        parts = configuration(PoolAdvertisement(("wide",), aggregation_length=length), peers=())
        return set(routes(plan(world(*nodes(1), wide, both, parts, web), "node-1"), "both"))

    assert prefixes(24) == {"203.0.113.0/24", "2001:db8:1::1/128"}
    assert prefixes(64) == {"203.0.113.20/32", "2001:db8:1::/64"}


def test_one_bad_advertisement_of_a_configuration_harms_no_other() -> None:
    parts = PoolAdvertisement(("bare",), aggregation_length=20), PoolAdvertisement(("bare",))
    planned = plan(world(*nodes(1), BARE, ROUTER, configuration(*parts), service()), "node-1")
    assert len(routes(planned, "router")) == 1
    (problem,) = planned.problems
    assert (problem.reason, problem.field) == ("AggregateTooWide", "spec.advertisements[0]")


@pytest.mark.parametrize(
    ("objects", "about", "word"),
    [
        ([peer(), bgp(peers=("peer", "typo"))], "BGPAdvertisement metallb-system/bgp", "PeerNotFound"),
        ([peer(), bgp(pools=("pool", "typo"))], "BGPAdvertisement metallb-system/bgp", "PoolNotFound"),
        ([peer()], "BGPPeer metallb-system/peer", "HearsNothing"),
        ([bgp()], "BGPAdvertisement metallb-system/bgp", "NoPeer"),
        (
            [peer(), bgp(), bgp("b", node_selectors=(labelled(role="none"),))],
            "BGPAdvertisement metallb-system/b",
            "NoNodeMatchesSelector",
        ),
        (
            [peer("a", "10.0.0.2"), peer(node_selectors=(labelled(role="none"),)), bgp()],
            "BGPPeer metallb-system/peer",
            "NoNodeMatchesSelector",
        ),
        ([ROUTER], "MetalLoadBalancerBGPPeer router", "NotConfigured"),
        (
            [ROUTER, BARE, configuration(PoolAdvertisement(("bare", "typo")))],
            "MetalLoadBalancerConfiguration main",
            "PoolNotFound",
        ),
        (
            [ROUTER, BARE, configuration(PoolAdvertisement(("bare",)), peers=("router", "typo"))],
            "MetalLoadBalancerConfiguration main",
            "PeerNotFound",
        ),
    ],
)
def test_what_goes_nowhere_is_told(objects: list[Any], about: str, word: str) -> None:
    assert problems(plan(world(*nodes(2), POOL, *objects), "node-1")) == {(about, word)}


def test_who_speaks_on_one_node_and_is_advertised_to_on_another() -> None:
    here, there = (labelled(rack="a"),), (labelled(rack="b"),)
    what = world(node("node-1", rack="a"), node("node-2", rack="b"), POOL)
    planned = plan(added(what, peer(node_selectors=here), bgp(node_selectors=there)), "node-1")
    silent = {("BGPPeer metallb-system/peer", "HearsNothing"), ("BGPAdvertisement metallb-system/bgp", "NoPeer")}
    assert problems(planned) == silent


def test_an_advertisement_may_name_the_peer_of_a_configuration() -> None:
    what = world(*nodes(1), POOL, ROUTER, configuration(), bgp(peers=("router",)), WEB)
    assert routes(plan(what, "node-1"), "router") and not plan(what, "node-1").problems


def test_without_nodes_nothing_is_said_of_who_goes_nowhere() -> None:
    """That no node is known is told, and once is enough."""
    assert problems(plan(world(POOL, peer(), bgp()), "node-1")) == {("Node node-1", "NodeUnknown")}


def test_one_way_that_fails_beside_one_that_does_not_is_told() -> None:
    nowhere = advertisement(node_selectors=(labelled(role="none"),))
    planned = plan(speaking(bgp(), nowhere, WEB), "node-1")
    assert routes(planned) and reason(planned, WEB) == ""
    assert problems(planned) == {("Service shop/web", "NoNodeMatchesSelector")}
    planned = plan(speaking(bgp(service_selectors=(labelled(app="no"),)), advertisement(), WEB), "node-1")
    assert planned.claims and problems(planned) == {("Service shop/web", "NoMatchingAdvertisement")}


#: Of one address.
SHARERS = [
    service(name, pins="192.0.2.7", share="k", labels={"app": name}, ports=(Port("TCP", port),))
    for name, port in (("one", 80), ("two", 443), ("three", 8080))
]
LOCAL = service("local", selector={"a": "b"}, external_traffic_policy=TrafficPolicy.LOCAL)
CHANGES = st.lists(
    st.sampled_from(
        [
            lambda what: added(what, peer("second", "10.0.0.2", dual_stack_address_family=True)),
            lambda what: added(what, bgp("wide", aggregation_length=28, communities=("1:1",))),
            lambda what: added(what, bgp("one", local_pref=7, service_selectors=(labelled(app="one"),))),
            lambda what: added(what, bgp("two", local_pref=9, service_selectors=(labelled(app="two"),))),
            lambda what: added(what, bgp(peers=("second",))),
            lambda what: added(what, bgp(communities=("2:2",))),
            lambda what: added(what, bgp()),
            lambda what: added(what, advertisement()),
            lambda what: added(what, SHARERS[0]),
            lambda what: added(what, *SHARERS[1:]),
            lambda what: added(what, service("dual", cluster_ips=("10.0.0.1", "fd00::1"))),
            lambda what: added(what, service("dual")),
            lambda what: added(what, LOCAL, endpoints(LOCAL, "node-1")),
            lambda what: added(what, LOCAL, endpoints(LOCAL, "node-2")),
            lambda what: added(what, Node(Key("", "node-1"), {EXCLUDE_LABEL: ""})),
            lambda what: added(what, node("node-1")),
            lambda what: without(what, SHARERS[0]),
            lambda what: without(what, SHARERS[1]),
            lambda what: without(what, bgp()),
            lambda what: without(what, peer()),
        ]
    ),
    min_size=1,
    max_size=10,
)


@given(CHANGES)
@settings(max_examples=150, deadline=None)
def test_an_earlier_plan_saves_work_and_changes_nothing(changes: list[Callable[[World], World]]) -> None:
    what = world(*nodes(2), POOL, peer(), bgp(), SHARERS[0], service("plain"))
    known: Plan | None = None
    for change in changes:
        what = change(what)
        known, fresh = plan(what, "node-1", known), plan(what, "node-1")
        assert same(known, fresh)
        over_bgp = [each.bgp for each in known.services.values() if each.bgp]
        for name, told in known.routes.items():
            assert told.keys() == {prefix for each in over_bgp for prefix in each.heard.get(name, ())}


def test_nothing_is_kept_of_what_is_no_longer_said() -> None:
    (attached,) = survey(speaking(bgp()), "node-1").bgp.audiences["peer"][0]
    said = Contribution(((ip_network("192.0.2.7/32"), attached),), (parse_address("192.0.2.7"),))
    empty = Table(heard={(frozenset((attached,)), frozenset((4,))): {}})
    assert changed(empty, (), [said, said]) == changed(changed(empty, (), [said]), (), [said]) != empty
    assert changed(changed(empty, (), [said, said]), [said, said], ()) == empty


def test_peers_that_hear_the_same_share_it_and_what_does_not_change_stays() -> None:
    many = [service(f"web-{number}") for number in range(20)]
    what = added(speaking(bgp(), bgp("more", communities=("1:1",)), *many), peer("other", "10.0.0.2"))
    before = plan(what, "node-1")
    assert before.routes["peer"] is before.routes["other"] and len(before.routes["peer"]) == 20
    assert len({id(said) for said in before.routes["peer"].values()}) == 1
    for change in (
        added(what, service("api", type="NodePort")),
        added(what, service("web-1", labels={"a": "b"})),
        added(what, node("node-4")),
        added(what, pool_class("more", "198.51.100.0/24")),
    ):
        after = plan(change, "node-1", before)
        assert after.routes is before.routes and after.peers is before.peers
        assert after.advertised is before.advertised
    after = plan(without(what, many[0]), "node-1", before)
    assert after.routes["peer"] is after.routes["other"] and len(after.routes["peer"]) == 19
    assert after.peers is before.peers
