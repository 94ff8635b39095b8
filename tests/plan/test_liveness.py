from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbd.model.core import EXCLUDE_LABEL, Node
from mlbd.model.desired import Watch
from mlbd.model.link import Link
from mlbd.model.reference import Key
from mlbd.model.status import Problem, Severity
from mlbd.model.world import World
from mlbd.plan.liveness import unwatched, unwatched_problems, watches
from mlbd.plan.plan import plan

from .builders import added, advertisement, labelled, node, nodes, pool, pool_class, service, without, world

T = TypeVar("T")

# Whom.


def group(what: World, name: str) -> frozenset[str]:
    return plan(what, name).group


def test_whoever_shares_a_class_or_a_pool_is_watched_whatever_state_it_is_in() -> None:
    edge = pool_class("edge", "10.1.0.0/24", node_selector={"role": "edge"})
    racks = advertisement(node_selectors=(labelled(role="rack"), labelled(role="edge", rack="1")))
    excluded = Node(Key("", "off"), {"role": "edge", EXCLUDE_LABEL: ""})
    lame = Node(Key("", "lame"), {"role": "edge"}, network_unavailable=True)
    members = [node("a", role="edge"), node("b", role="edge", rack="1"), node("c", role="rack"), node("d")]
    what = world(*members, excluded, lame, edge, pool("pool", "10.2.0.0/24"), racks)
    assert group(what, "a") == {"b", "off", "lame"}
    assert group(what, "b") == {"a", "c", "off", "lame"}
    assert group(what, "c") == {"b"}
    assert group(what, "off") == {"a", "b", "lame"}
    assert group(what, "d") == group(what, "unknown") == frozenset()


def test_a_pool_that_nothing_announces_and_a_class_that_is_refused_join_nobody() -> None:
    assert group(world(*nodes(2), pool("pool", "10.0.0.0/24")), "node-1") == frozenset()
    assert group(world(*nodes(2), advertisement()), "node-1") == frozenset()
    assert group(world(*nodes(2), replace(pool_class(), addresses=())), "node-1") == frozenset()


ROLES = st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12"))
WORLDS = st.builds(
    lambda labels, classes, picks: world(
        *(node(f"node-{number}", **each) for number, each in enumerate(labels)),
        *(pool_class(f"c{n}", f"10.{n}.0.0/24", node_selector=each) for n, each in enumerate(classes)),
        pool("one", "10.100.0.0/24"),
        pool("two", "10.101.0.0/24"),
        *(
            advertisement(f"a{n}", pools=pools, node_selectors=tuple(labelled(**each) for each in selectors))
            for n, (pools, selectors) in enumerate(picks)
        ),
    ),
    st.lists(ROLES, min_size=2, max_size=5),
    st.lists(ROLES, max_size=2),
    st.lists(st.tuples(st.sampled_from([(), ("one",), ("two",)]), st.lists(ROLES, max_size=2)), max_size=2),
)


@given(WORLDS)
@settings(max_examples=150, deadline=None)
def test_both_ends_watch_each_other(what: World) -> None:
    groups = {key.name: group(what, key.name) for key in what.nodes}
    for name, others in groups.items():
        assert name not in others
        assert others == {other for other, its in groups.items() if name in its}


def test_the_group_is_the_very_same_object_until_it_changes() -> None:
    what = world(*nodes(3), pool_class(is_default=True), service())
    before = plan(what, "node-1")
    calm: list[Callable[[World], World]] = [
        lambda what: added(what, service("other")),
        lambda what: added(what, node("node-2", role="edge")),
        lambda what: added(what, pool_class("second", "10.0.0.0/24")),
    ]
    for change in calm:
        assert plan(change(what), "node-1", before).group is before.group
    assert plan(added(what, node("node-4")), "node-1", before).group == {"node-2", "node-3", "node-4"}
    assert plan(without(what, node("node-3")), "node-1", before).group == {"node-2"}
    assert plan(what, "node-2", before).group == {"node-1", "node-3"}


# Between which addresses.


def link(name: str, *interfaces: str) -> Link:
    return Link(1, name, b"\2\0\0\0\0\1", addresses=tuple(map(ip_interface, interfaces)))


def known(name: str, *addresses: str) -> Node:
    return Node(Key("", name), addresses=tuple(map(ip_address, addresses)))


def among(*members: Node) -> dict[Key, Node]:
    return {member.key: member for member in members}


def sessions(me: str, other: str, links: Iterable[Link] = (), others: Iterable[Link] = ()) -> list[tuple[str, ...]]:
    """Of a node with the InternalIPs `me` to one with `other`: link, local and remote address."""
    both = among(known("a", *me.split()), known("b", *other.split()))
    found = watches("a", ["b"], both, tuple(links), tuple(others))
    return [(watch.link, str(watch.local), str(watch.remote)) for watch in found]


ETH0 = link("eth0", "10.0.0.1/24", "2001:db8::1/64", "fe80::1/64")
ETH1 = link("eth1", "10.1.0.1/24", "2001:db8:1::1/64", "fe80::1/64")
BOTH = "10.0.0.1 2001:db8::1 10.1.0.1 2001:db8:1::1"


def test_one_session_on_each_announcing_link_ipv4_before_ipv6() -> None:
    assert sessions(BOTH, "2001:db8::2 10.0.0.2", [ETH0]) == [("eth0", "10.0.0.1", "10.0.0.2")]
    assert sessions(BOTH, "2001:db8::2", [ETH0, ETH1]) == [("eth0", "2001:db8::1", "2001:db8::2")]
    assert sessions("2001:db8::1", "2001:db8::2 10.0.0.2", [ETH0]) == [("eth0", "2001:db8::1", "2001:db8::2")]
    assert sessions(BOTH, "10.0.0.2 2001:db8:1::2 2001:db8::2", [ETH1, ETH0]) == [
        ("eth0", "10.0.0.1", "10.0.0.2"),
        ("eth1", "2001:db8:1::1", "2001:db8:1::2"),
    ]


def test_another_link_stands_in_only_where_no_announcing_one_is_shared() -> None:
    assert sessions(BOTH, "10.0.0.2 10.1.0.2", [ETH0], [ETH1]) == [("eth0", "10.0.0.1", "10.0.0.2")]
    assert sessions(BOTH, "2001:db8:1::2 10.1.0.2", [ETH0], [ETH1]) == [("eth1", "10.1.0.1", "10.1.0.2")]
    assert sessions(BOTH, "10.0.0.2 10.1.0.2", [], [ETH1, ETH0]) == [("eth0", "10.0.0.1", "10.0.0.2")]


def test_without_a_shared_subnet_the_first_addresses_of_a_family_over_hops() -> None:
    assert sessions(BOTH, "2001:db8:9::2 10.9.0.2 10.9.0.3", [ETH1], [ETH0]) == [("", "10.0.0.1", "10.9.0.2")]
    assert sessions(BOTH, "2001:db8:9::2", [ETH1, ETH0]) == [("", "2001:db8::1", "2001:db8:9::2")]
    alone = link("eth0", "10.0.0.1/32", "2001:db8::1/128")
    assert sessions("10.0.0.1", "10.0.0.2", [alone]) == [("", "10.0.0.1", "10.0.0.2")]
    assert sessions("2001:db8::1", "2001:db8::2", [alone]) == [("", "2001:db8::1", "2001:db8::2")]


def test_at_an_address_that_this_host_lacks_there_is_no_session_and_at_another_one_neither() -> None:
    """The other end knows the objects only, and watches this node at the first address."""
    assert sessions("10.0.0.7 10.0.0.1 2001:db8::1", "10.0.0.2 2001:db8::2", [ETH0]) == []
    assert sessions("10.9.0.7 10.0.0.1", "10.8.0.2", [ETH0]) == []
    assert sessions("10.0.0.1", "10.0.0.2") == []
    assert sessions("10.0.0.1", "10.9.0.2") == []


def test_of_two_links_in_one_subnet_the_one_with_the_first_address() -> None:
    second = link("eth2", "10.0.0.3/24")
    for links, others in (([ETH0, second], []), ([ETH0], [second]), ([second], [ETH0])):
        assert sessions("10.0.0.1 10.0.0.3", "10.0.0.2", links, others) == [("eth0", "10.0.0.1", "10.0.0.2")]
        assert sessions("10.0.0.3 10.0.0.1", "10.0.0.2", links, others) == [("eth2", "10.0.0.3", "10.0.0.2")]


def test_one_address_on_two_links_has_one_session() -> None:
    twin = link("eth2", "10.0.0.1/24")
    assert sessions("10.0.0.1", "10.0.0.2", [twin, ETH0]) == [("eth0", "10.0.0.1", "10.0.0.2")]


def test_link_local_addresses_are_passed_over() -> None:
    """fe80::/64 is on every link, and says nothing about being on the same one."""
    zeroconf = link("eth2", "169.254.0.1/16")
    assert sessions("fe80::1 169.254.0.1", "fe80::2 169.254.0.2", [ETH0, zeroconf]) == []
    assert sessions("fe80::1 10.0.0.1", "fe80::2 10.0.0.2", [ETH1, ETH0]) == [("eth0", "10.0.0.1", "10.0.0.2")]


def test_a_node_is_never_watched_at_this_nodes_own_address() -> None:
    assert sessions("10.0.0.1", "10.0.0.1", [ETH0]) == []
    assert sessions("10.0.0.1 2001:db8::1", "10.0.0.1 2001:db8::2", [ETH0]) == [("eth0", "2001:db8::1", "2001:db8::2")]


def test_nodes_that_nothing_is_known_of_are_unwatched() -> None:
    what = among(known("a", "10.0.0.1"), known("b"), known("c", "10.0.0.3"))
    found = watches("a", ["c", "gone", "b"], what, (ETH0,))
    assert found == (Watch("c", "eth0", ip_address("10.0.0.1"), ip_address("10.0.0.3")),)
    assert unwatched(["c", "gone", "b"], found) == ("b", "gone")
    assert watches("gone", ["a"], what, (ETH0,)) == ()


@dataclass(frozen=True)
class Host:
    node: Node
    links: tuple[Link, ...]
    others: tuple[Link, ...]


#: Each a network of its own, with its subnets.
SEGMENTS = [
    ["10.0.0.0/24"],
    ["10.0.1.0/24", "2001:db8:1::/64"],
    ["2001:db8:2::/64"],
    ["10.0.4.0/24", "10.0.3.0/24", "2001:db8:3::/64"],
]


@st.composite
def sites(draw: st.DrawFn) -> list[Host]:
    announcing = [draw(st.booleans()) for _ in SEGMENTS]
    return [draw(hosts(number, announcing)) for number in range(1, draw(st.integers(2, 4)) + 1)]


@st.composite
def hosts(draw: st.DrawFn, number: int, announcing: list[bool]) -> Host:
    """In a segment with one subnet it may have two links."""
    links: dict[bool, list[Link]] = {True: [], False: []}
    names = iter(draw(st.permutations([f"eth{name}" for name in range(8)])))
    for subnets, announces in zip(SEGMENTS, announcing, strict=True):
        for place in range(draw(st.integers(0, 2 if len(subnets) == 1 else 1))):
            chosen = draw(st.lists(st.sampled_from(subnets), unique=True))
            own = [(ip_network(subnet), 10 * number + 4 * place) for subnet in chosen]
            addresses = [f"{net[first + more]}/{net.prefixlen}" for net, first in own for more in range(2)]
            links[announces].append(link(next(names), "fe80::1/64", *addresses))
    present = [interface.ip for link in links[True] + links[False] for interface in link.addresses]
    listed = draw(st.lists(st.sampled_from(sorted(set(present), key=str)), unique=True)) if present else []
    return Host(Node(Key("", f"n{number}"), addresses=tuple(listed)), tuple(links[True]), tuple(links[False]))


def watched_by(host: Host, site: list[Host]) -> tuple[Watch, ...]:
    everybody = [each.node for each in site]
    others = [each.key.name for each in everybody if each is not host.node]
    return watches(host.node.key.name, others, among(*everybody), host.links, host.others)


@given(sites())
@settings(max_examples=300, deadline=None)
def test_both_ends_choose_the_same_addresses_and_the_same_kind_of_session(site: list[Host]) -> None:
    ends = {
        (host.node.key.name, watch.node, watch.local, watch.remote, watch.link == "")
        for host in site
        for watch in watched_by(host, site)
    }
    assert ends == {(node, me, remote, local, over_hops) for me, node, local, remote, over_hops in ends}


@given(sites(), st.randoms())
@settings(max_examples=100, deadline=None)
def test_no_session_stands_twice_and_order_does_not_matter(site: list[Host], chance: random.Random) -> None:
    shuffled = [replace(host, links=mixed(host.links, chance), others=mixed(host.others, chance)) for host in site]
    again = list(mixed(shuffled, chance))
    for host, other in zip(site, shuffled, strict=True):
        found = watched_by(host, site)
        assert found == watched_by(other, again)
        assert len({(watch.node, watch.link) for watch in found}) == len(found)
        assert len({(watch.node, watch.local, watch.remote) for watch in found}) == len(found)


def mixed(values: Iterable[T], chance: random.Random) -> tuple[T, ...]:
    found = list(values)
    chance.shuffle(found)
    return tuple(found)


# What is told when there is no way.


def told(me: str, others: dict[str, str], *links: Link) -> list[Problem]:
    what = among(known("a", *me.split()), *(known(name, *its.split()) for name, its in others.items()))
    lost = unwatched(others, watches("a", others, what, links))
    return list(unwatched_problems("a", lost, what, links))


@pytest.mark.parametrize(
    ("me", "other", "about", "why"),
    [
        ("10.0.0.1", "", "b", "Node b has no InternalIP (link-local ones do not count): add one"),
        ("10.0.0.1", "fe80::2", "b", "Node b has no InternalIP (link-local ones do not count): add one"),
        ("10.0.0.1", "2001:db8::2", "b", "Node b has only IPv6 InternalIPs and this node only IPv4 ones: add one"),
        ("10.0.0.1", "10.0.0.1", "b", "Node b has this node's InternalIP 10.0.0.1: correct the one that is wrong"),
        ("", "10.0.0.2", "a", "Node a has no InternalIP"),
        ("10.0.0.7", "10.0.0.2", "a", "this host lacks 10.0.0.7: correct the InternalIPs of Node a"),
        ("10.0.0.7 10.0.0.1", "10.9.0.2", "a", "this host lacks 10.0.0.7: correct the InternalIPs of Node a"),
    ],
)
def test_why_a_node_cannot_be_watched(me: str, other: str, about: str, why: str) -> None:
    (problem,) = told(me, {"b": other}, ETH0)
    assert (problem.severity, problem.object, problem.reason) == (Severity.WARNING, f"Node {about}", "NodeUnwatched")
    assert problem.message.startswith("cannot notice when b dies: ") and why in problem.message


def test_what_is_wrong_with_this_node_is_told_once() -> None:
    others = {f"n{number}": f"10.0.0.{number}" for number in range(10, 20)}
    first, last = told("", others | {"bare": ""})
    assert (first.object, last.object) == ("Node bare", "Node a")
    assert last.message.startswith("cannot notice when n10, n11, n12, n13, n14 and 5 more die: ")


def test_a_node_that_is_watched_elsewhere_is_no_problem() -> None:
    assert told(BOTH, {"b": "10.1.0.2", "c": "10.9.0.2"}, ETH0, ETH1) == []


@given(sites())
@settings(max_examples=100, deadline=None)
def test_every_node_without_a_session_is_told_of(site: list[Host]) -> None:
    """Whatever is listed and whatever this host lost."""
    for host in site:
        kept = host.links[1:]
        what = among(*(each.node for each in site))
        me, names = host.node.key.name, [each.node.key.name for each in site if each is not host]
        lost = unwatched(names, watches(me, names, what, kept))
        messages = [problem.message.partition(":")[0] for problem in unwatched_problems(me, lost, what, kept)]
        assert all(any(name in message for message in messages) for name in lost)
        assert len(messages) <= len(lost)
