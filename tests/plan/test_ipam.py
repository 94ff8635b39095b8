from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbd.model.address import parse_address, parse_range
from mlbd.model.core import IPFamilyPolicy, Node, Port, Service, TrafficPolicy
from mlbd.model.reference import Key, Reference
from mlbd.model.world import Object
from mlbd.plan.ipam import allot
from mlbd.plan.plan import plan
from mlbd.plan.requests import MOST_SLOTS, Choice, Request, request
from mlbd.plan.sources import Free, Source

from .builders import (
    added,
    addresses,
    advertisement,
    nodes,
    plans,
    pool,
    pool_class,
    problems,
    reason,
    refusals,
    service,
    without,
    world,
)


def test_a_service_gets_as_many_addresses_as_it_asks_for() -> None:
    web = service(count="3")
    given = addresses(plan(world(*nodes(3), pool_class(is_default=True), web), "node-1"), web)
    assert len(set(given)) == 3 and all(text and text.startswith("192.0.2.") for text in given)


@pytest.mark.parametrize("text", ["0", "-1", "1000000000", "three", "2.5", "\u0663", " ", str(MOST_SLOTS + 1)])
def test_an_absurd_count_is_one_and_said(text: str) -> None:
    web = service(count=text)
    planned = plan(world(*nodes(1), pool_class(is_default=True), web), "node-1")
    assert len(addresses(planned, web)) == 1
    assert (("Service shop/web", "InvalidCount") in problems(planned)) == bool(text.strip())


def test_more_slots_than_addresses_leaves_the_rest_pending() -> None:
    web = service(count=str(MOST_SLOTS))
    planned = plan(world(*nodes(2), pool_class("public", "192.0.2.0/29", is_default=True), web), "node-1")
    assert Counter(refusals(planned, web)) == {"": 6, "PoolExhausted": MOST_SLOTS - 6}
    assert reason(planned, web) == ""
    assert ("Service shop/web", "PoolExhausted") in problems(planned)


def test_network_broadcast_and_node_addresses_are_never_given_out() -> None:
    own = Node(Key("", "node-1"), addresses=(parse_address("192.0.2.2"),))
    web = service(count="8")
    planned = plan(world(own, pool_class("public", "192.0.2.0/29", is_default=True), web), "node-1")
    assert {text for text in addresses(planned, web) if text} == {f"192.0.2.{last}" for last in (1, 3, 4, 5, 6)}
    pinned = service("pinned", "3", "192.0.2.0,192.0.2.2,192.0.2.7")
    planned = plan(world(own, pool_class("public", "192.0.2.0/29", is_default=True), pinned), "node-1")
    assert refusals(planned, pinned) == ["AddressReserved"] * 3


def test_a_range_is_taken_as_written_and_a_31_whole() -> None:
    web = service(count="6")
    public = pool_class("public", "192.0.2.0-192.0.2.3", "192.0.2.8/31", is_default=True)
    planned = plan(world(*nodes(1), public, web), "")
    assert {str(text) for text in addresses(planned, web)} == {f"192.0.2.{last}" for last in (0, 1, 2, 3, 8, 9)}


def test_an_enormous_ipv6_pool_costs_nothing() -> None:
    web = service(count="5", ip_families=(6,))
    planned = plan(world(*nodes(3), pool_class("public", "2001:db8::/32", is_default=True), web), "node-1")
    assert len(set(addresses(planned, web))) == 5
    assert planned.pools[0].total_ipv6 == 2**63 - 1


def test_pinned_addresses_of_all_services_are_set_aside_first() -> None:
    """Whoever is older: an automatic slot never takes what a user wrote."""
    what = world(*nodes(2), pool_class("public", "192.0.2.1-192.0.2.3", is_default=True))
    old = service("a-old", "2", created="2020-01-01T00:00:00Z")
    for pinned in (service("z", pins="192.0.2.2"), service("z", load_balancer_ip="192.0.2.2")):
        planned = plan(added(what, old, pinned), "node-1")
        assert addresses(planned, pinned) == ["192.0.2.2"]
        assert {*addresses(planned, old)} == {"192.0.2.1", "192.0.2.3"}


def test_a_pin_that_cannot_be_met_leaves_its_slot_pending() -> None:
    first = service("first", pins="192.0.2.9", created="2020-01-01T00:00:00Z")
    web = service("web", "6", "203.0.113.1,192.0.2.9,nonsense,2001:db8::1,,192.0.2.20")
    planned = plan(world(*nodes(3), pool_class(is_default=True), first, web), "node-1")
    assert refusals(planned, web) == ["AddressOutsidePool", "AddressTaken", "InvalidAddress", "WrongFamily", "", ""]
    assert addresses(planned, web)[5] == "192.0.2.20"
    assert [slot.pinned for slot in planned.services[web.key].slots] == [True, True, True, True, False, True]


def test_pins_beyond_the_count_are_ignored_and_said() -> None:
    web = service(pins="192.0.2.5,192.0.2.6")
    planned = plan(world(*nodes(1), pool_class(is_default=True), web), "node-1")
    assert addresses(planned, web) == ["192.0.2.5"]
    assert ("Service shop/web", "TooManyAddresses") in problems(planned)


def test_addresses_of_the_status_are_kept_while_they_are_legal() -> None:
    web = service(count="2", ingress=("192.0.2.77", "203.0.113.1"))
    planned = plan(world(*nodes(2), pool_class(is_default=True), web), "node-1")
    assert addresses(planned, web)[0] == "192.0.2.77"
    assert addresses(planned, web)[1] not in (None, "203.0.113.1")


def test_a_status_address_yields_to_a_pin_and_to_an_older_holder() -> None:
    held = service("held", ingress=("192.0.2.77",), created="2020-01-01T00:00:00Z")
    other = service("other", ingress=("192.0.2.77",), created="2021-01-01T00:00:00Z")
    pinned = service("pinned", pins="192.0.2.77", created="2022-01-01T00:00:00Z")
    what = world(*nodes(2), pool_class(is_default=True), held, other)
    assert addresses(plan(what, "node-1"), held) == ["192.0.2.77"]
    assert addresses(plan(what, "node-1"), other) != ["192.0.2.77"]
    assert addresses(plan(added(what, pinned), "node-1"), held) != ["192.0.2.77"]


DUAL = ("192.0.2.0/24", "2001:db8::/64")


def test_families_follow_the_cluster_ips() -> None:
    for cluster_ips, families in ((("10.0.0.1",), [4]), (("fd00::1",), [6]), (("fd00::1", "10.0.0.1"), [4, 6])):
        web = service(cluster_ips=cluster_ips, ip_family_policy=IPFamilyPolicy.PREFER_DUAL_STACK)
        planned = plan(world(*nodes(2), pool_class("public", *DUAL, is_default=True), web), "node-1")
        assert [slot.family for slot in planned.services[web.key].slots] == families
        assert all(addresses(planned, web))


def test_without_cluster_ips_the_spec_and_then_the_pool_decide() -> None:
    def families(web: Service, *ranges: str) -> list[int]:
        planned = plan(world(*nodes(2), pool_class("public", *ranges, is_default=True), web), "node-1")
        return [slot.family for slot in planned.services[web.key].slots]

    assert families(service(), *DUAL) == [4]
    assert families(service(), DUAL[1]) == [6]
    assert families(service(ip_families=(6,)), *DUAL) == [6]
    prefer, require = IPFamilyPolicy.PREFER_DUAL_STACK, IPFamilyPolicy.REQUIRE_DUAL_STACK
    assert families(service(ip_family_policy=prefer), *DUAL) == [4, 6]
    assert families(service(ip_family_policy=prefer), DUAL[1]) == [6]
    assert families(service(ip_family_policy=require), *DUAL) == [4, 6]


def test_a_dual_stack_service_gets_the_count_of_each_family_and_its_pins_by_family() -> None:
    web = service(count="2", pins="2001:db8::5,192.0.2.5", cluster_ips=("10.0.0.1", "fd00::1"))
    planned = plan(world(*nodes(3), pool_class("public", *DUAL, is_default=True), web), "node-1")
    slots = planned.services[web.key].slots
    assert [(slot.index, slot.family, slot.pinned) for slot in slots] == [
        (0, 4, True),
        (0, 6, True),
        (1, 4, False),
        (1, 6, False),
    ]
    assert addresses(planned, web)[:2] == ["192.0.2.5", "2001:db8::5"]
    vips = [planned.vips[slot.address] for slot in slots if slot.address]
    assert vips[0].order == vips[1].order and vips[2].order == vips[3].order


def test_sharing_needs_one_key_other_ports_and_equal_endpoints() -> None:
    def shared(**other: Any) -> bool:
        one = service("one", share="k", ports=(Port("TCP", 80),), created="2020-01-01T00:00:00Z")
        two = service("two", **{"share": "k", "ports": (Port("TCP", 443),), **other})
        planned = plan(world(*nodes(3), pool_class(is_default=True), one, two), "node-1")
        assert all(addresses(planned, two))
        return addresses(planned, one) == addresses(planned, two)

    assert shared()
    assert shared(ports=(Port("UDP", 80),))
    assert not shared(share="other")
    assert not shared(ports=(Port("TCP", 80),))
    assert not shared(external_traffic_policy=TrafficPolicy.LOCAL, selector={"app": "two"})


def test_services_of_one_address_have_one_holder_and_all_their_ports_are_the_vips() -> None:
    one = service("one", "3", share="k", ports=(Port("TCP", 80),))
    two = service("two", "2", share="k", ports=(Port("TCP", 443),))
    planned = plan(world(*nodes(4), pool_class(is_default=True), one, two), "node-1")
    assert addresses(planned, two) == addresses(planned, one)[:2]
    vip = planned.vips[parse_address(str(addresses(planned, one)[0]))]
    assert vip.services == (one.key, two.key)
    assert vip.ports == {Port("TCP", 80), Port("TCP", 443)}


def test_a_pin_shared_without_the_key_is_refused() -> None:
    one = service("one", pins="192.0.2.5", created="2020-01-01T00:00:00Z")
    two = service("two", pins="192.0.2.5", share="k", ports=(Port("TCP", 443),))
    planned = plan(world(*nodes(1), pool_class(is_default=True), one, two), "node-1")
    assert refusals(planned, two) == ["AddressTaken"]


POOLS = (
    pool("a-manual", "198.51.100.0/28", auto_assign=False),
    pool("b-open", "198.51.100.16/30"),
    pool("c-open", "198.51.100.32/28"),
)


def test_pools_are_drawn_from_in_the_order_of_their_names_until_one_has_enough() -> None:
    web, big, named = (
        service("web"),
        service("big", "6"),
        service("named", notes={"metallb.io/address-pool": "a-manual"}),
    )
    planned = plan(world(*nodes(2), *POOLS, advertisement(), web, big, named), "node-1")
    sources = {each.key.name: each.source.key.name for each in planned.services.values() if each.source}
    assert sources == {"web": "b-open", "big": "c-open", "named": "a-manual"}
    assert len(set(addresses(planned, big))) == 6
    assert all("198.51.100.16" <= str(text) <= "198.51.100.19" for text in addresses(planned, web))


def test_an_address_names_its_pool() -> None:
    web = service(count="2", notes={"metallb.io/loadBalancerIPs": "198.51.100.3"})
    planned = plan(world(*nodes(2), *POOLS, advertisement(), web), "node-1")
    source = planned.services[web.key].source
    assert source is not None and source.key.name == "a-manual"
    assert addresses(planned, web)[0] == "198.51.100.3" and addresses(planned, web)[1] is not None


def test_a_named_pool_that_is_not_there_leaves_the_service_pending() -> None:
    web = service(notes={"metallb.io/address-pool": "typo"})
    planned = plan(world(*nodes(2), *POOLS, advertisement(), web), "node-1")
    assert refusals(planned, web) == ["PoolNotFound"] and reason(planned, web) == "PoolNotFound"


SERVICES = st.lists(
    st.builds(
        service,
        name=st.sampled_from([f"s{number}" for number in range(12)]),
        count=st.sampled_from(["", "1", "2", "3", "x"]),
        pins=st.sampled_from(["", "", "192.0.2.5", "192.0.2.5,192.0.2.6", "192.0.2.99"]),
        share=st.sampled_from(["", "", "k", "l"]),
        ports=st.sampled_from([(Port("TCP", 80),), (Port("TCP", 443),)]),
        created=st.sampled_from(["", "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"]),
        ingress=st.sampled_from([(), (), ("192.0.2.7",), ("192.0.2.5",)]),
    ),
    min_size=1,
    max_size=10,
    unique_by=lambda each: each.key,
)


@given(SERVICES, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_order_of_files_and_node_asked_mean_nothing(services: list[Service], random: Random) -> None:
    base: list[Object] = [*nodes(3), pool_class("public", "192.0.2.0/28", is_default=True)]
    shuffled = [*base, *services]
    random.shuffle(shuffled)
    one, two = plan(world(*base, *services), "node-1"), plan(world(*shuffled), "node-2")
    assert one.services == two.services and one.vips == two.vips and one.pools == two.pools


@given(SERVICES)
@settings(max_examples=100, deadline=None)
def test_no_address_is_given_twice_but_to_those_who_share(services: list[Service]) -> None:
    planned = plan(world(*nodes(3), pool_class("public", "192.0.2.0/28", is_default=True), *services), "node-1")
    by_key = {each.key: each for each in services}
    for vip in planned.vips.values():
        keys = {by_key[key].annotations.get("network.deckhouse.io/load-balancer-shared-ip-key") for key in vip.services}
        assert len(vip.services) == 1 or (len(keys) == 1 and None not in keys)
        ports = [port for key in vip.services for port in by_key[key].ports]
        assert len(ports) == len(set(ports))


def test_an_added_or_removed_service_moves_no_other_but_on_a_collision() -> None:
    services = [service(f"web-{number}", "2") for number in range(60)]
    base = world(*nodes(4), pool_class("public", "192.0.0.0/16", is_default=True), *services)
    before = plan(base, "node-1")
    after = plan(added(base, service("new", "5", created="2030-01-01T00:00:00Z")), "node-1")
    less = plan(without(base, services[7]), "node-1")
    for each in services:
        assert addresses(after, each) == addresses(before, each)
        if each is not services[7]:
            assert addresses(less, each) == addresses(before, each)
    assert all(after.vips[address] == vip for address, vip in before.vips.items())


def test_a_younger_service_takes_nothing_from_an_older_one_even_in_a_full_pool() -> None:
    old = [service(f"web-{number}", created="2020-01-01T00:00:00Z") for number in range(5)]
    base = world(*nodes(2), pool_class("public", "192.0.2.0/29", is_default=True), *old)
    young = [service(f"a-{number}", created="2021-01-01T00:00:00Z") for number in range(5)]
    before, after = plan(base, "node-1"), plan(added(base, *young), "node-1")
    assert all(addresses(before, each) == addresses(after, each) for each in old)
    assert [bool(addresses(after, each)[0]) for each in young] == [True, False, False, False, False]


def test_every_node_gives_the_same_addresses() -> None:
    services = [service(f"web-{number}", "3") for number in range(20)]
    what = world(*nodes(5), pool_class(is_default=True), *services)
    first, *others = plans(what, [f"node-{number}" for number in range(1, 6)])
    assert all(other.vips == first.vips for other in others)


CROWD = ("10.0.0.0/28", "10.9.0.0/27")
CROWD_V6 = "2001:db8::/126"
POLICIES = st.sampled_from([IPFamilyPolicy.SINGLE_STACK, *IPFamilyPolicy])
NAMES = [f"s{number}" for number in range(14)]
CROWDED = st.builds(
    service,
    name=st.sampled_from(NAMES),
    count=st.sampled_from(["1", "2", "3", "5"]),
    pins=st.sampled_from(["", "", "", "10.0.0.5", "10.0.0.6,10.0.0.7", ",10.0.0.12"]),
    share=st.sampled_from(["", "", "", "k", "l"]),
    ports=st.sampled_from([(Port("TCP", 80),), (Port("TCP", 443),)]),
    created=st.sampled_from(["", "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"]),
    ingress=st.sampled_from(
        [(), (), (), ("10.0.0.7",), ("10.0.0.5", "10.0.0.9"), ("10.9.0.3",), ("10.0.0.7", "2001:db8::1")]
    ),
    ip_family_policy=POLICIES,
)


@given(
    st.integers(1, 2),
    st.booleans(),
    st.lists(CROWDED, max_size=14, unique_by=lambda each: each.key),
    st.lists(st.lists(CROWDED | st.sampled_from(NAMES), min_size=1, max_size=2), min_size=1, max_size=5),
)
@settings(max_examples=400, deadline=None)
def test_who_is_not_served_again_would_get_the_same(
    pools: int, is_class: bool, start: list[Service], rounds: list[list[Service | str]]
) -> None:
    """In sources so small that Services are in each other's way, with a Service added, changed or (a name) removed."""
    kind, name = ("MetalLoadBalancerClass", "public") if is_class else ("IPAddressPool", "")
    crowds = [(*CROWD, CROWD_V6)] if is_class else [(CROWD[0], CROWD_V6), (CROWD[1],)][:pools]
    ranges = [tuple(map(parse_range, texts)) for texts in crowds]
    sources = {
        name or f"pool-{number}": Source(Reference(kind, Key("", name or f"pool-{number}")), each, trimmed=is_class)
        for number, each in enumerate(ranges)
    }

    def wish(each: Service) -> Request:
        return request(each, Choice(name))

    wishes = {each.key.name: wish(each) for each in start}
    known = allot(wishes.values(), sources)
    for changes in rounds:
        for change in changes:
            if isinstance(change, str):
                wishes.pop(change, None)
            else:
                wishes[change.key.name] = wish(change)
        known = allot(wishes.values(), sources, known)
        assert known == allot(wishes.values(), sources)


def test_only_services_near_a_change_are_served_again() -> None:
    source = Source(Reference("IPAddressPool", Key("", "pool")), (parse_range("10.0.0.0/16"),))
    wishes = [request(service(f"web-{number}", "3"), Choice()) for number in range(300)]
    before = allot(wishes, {"pool": source})
    after = allot([*wishes, request(service("new", "3"), Choice())], {"pool": source}, before)
    taken_over = {id(each) for each in before} & {id(each) for each in after}
    assert len(taken_over) > 290


def test_a_full_pool_is_not_given_out_anew_when_nobody_asks() -> None:
    source = Source(Reference("IPAddressPool", Key("", "pool")), (parse_range("10.0.0.0/29"),))
    wishes = [request(service(f"web-{number}", "3"), Choice()) for number in range(3)]
    before = allot(wishes, {"pool": source})
    assert any(slot.refusal for each in before for slot in each.slots)
    again = allot(wishes, {"pool": source}, before)
    assert all(one is other for one, other in zip(before, again, strict=True))


def test_a_pool_that_has_room_again_is_seen_by_who_had_to_take_another() -> None:
    ranges = {"a": "10.0.0.0/30", "b": "10.0.1.0/30"}
    sources = {
        name: Source(Reference("IPAddressPool", Key("", name)), (parse_range(text),)) for name, text in ranges.items()
    }
    old = [request(service(f"old-{number}", created="2020-01-01T00:00:00Z"), Choice()) for number in range(4)]
    young = request(service("young"), Choice())
    before = allot([*old, young], sources)
    after = allot([*old[1:], young], sources, before)
    assert [each[-1].source for each in (before, after)] == [sources["b"], sources["a"]]


def test_a_search_tells_what_it_went_by_even_round_the_end() -> None:
    source = Source(Reference("IPAddressPool", Key("", "pool")), (parse_range("10.0.0.0/28"),))
    free = Free(source, 4)
    for last in (14, 15, 0):
        free.take(parse_address(f"10.0.0.{last}"))
    found = free.find(30)
    assert found == parse_address("10.0.0.1")
    assert free.passed(30, found) == [parse_address(f"10.0.0.{last}") for last in (14, 15, 0, 1)]


def test_moves_that_cause_others_are_followed_to_the_end() -> None:
    """And who looked again and got the same has the very same allotment."""
    sources = {"pool": Source(Reference("IPAddressPool", Key("", "pool")), (parse_range("10.0.0.0/26"),))}
    wishes = [request(service(f"web-{number}"), Choice()) for number in range(60)]
    before = allot(wishes, sources)
    for gone in wishes:
        rest = [each for each in wishes if each is not gone]
        after = allot(rest, sources, before)
        assert after == allot(rest, sources)
        had = {each.key: each for each in before}
        assert all(had[each.key] is each for each in after if had[each.key] == each)


def test_a_pin_that_no_pool_has_gets_nothing_of_another_family() -> None:
    web = service(pins="192.0.3.15")
    planned = plan(world(*nodes(1), pool("six", "2001:db8::/64"), advertisement(), web), "node-1")
    assert addresses(planned, web) == [None]
    assert planned.services[web.key].source is None
