"""Ten thousand routes into every router at once, and ends that say too much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Network

import pytest

from mlbd.drivers.bgp.speaker import Routes
from mlbd.proto.bgp.messages import Attributes, Prefix
from mlbd.proto.bgp.neighbor import State
from tests.drivers.bgp.node import Node, speaking
from tests.drivers.bgp.peerings import NEIGHBOR, peering
from tests.lab import Host, Lab, wait_for

from .bird import Bird
from .frr import Frr
from .gobgp import Gobgp
from .interop import NODE, NODE_AS, ROUTER_AS, Router
from .peer import Peer

COUNT = 10_000
PREFIXES: tuple[Prefix, ...] = tuple(IPv4Network((0x0A000000 + number, 32)) for number in range(COUNT))
KINDS: dict[str, type[Router]] = {"frr": Frr, "bird": Bird, "gobgp": Gobgp}


@pytest.fixture
def node(lab: Lab) -> Iterator[Node]:
    host = lab.host("node-1")
    host.connect(lab.segment("lan"), "eth0", f"{NODE}/24")
    with speaking(host) as node:
        yield node


def beside(node: Node, name: str, number: int) -> Host:
    host = node.host.lab.host(name)
    host.connect(node.host.links["eth0"].segment, "eth0", f"192.0.2.{number}/24")
    return host


def has(router: Router, routes: int) -> bool:
    return routes == (router.count() if isinstance(router, Bird) else router.count(NODE))


def test_ten_thousand_routes(node: Node) -> None:
    addresses = {name: f"192.0.2.{number}" for number, name in enumerate(KINDS, 1)}
    routers = {
        name: kind(beside(node, name, number), ROUTER_AS, addresses[name], Peer(NODE_AS, NODE))
        for number, (name, kind) in enumerate(KINDS.items(), 1)
    }
    node.apply(**{name: peering(address) for name, address in addresses.items()})
    every: Routes = dict.fromkeys(PREFIXES, Attributes(communities=(NODE_AS << 16 | 1,)))
    node.advertise(**dict.fromkeys(routers, every))
    for name, router in routers.items():
        wait_for(partial(has, router, COUNT), 30, f"every route in {name}")

    changed: Routes = dict.fromkeys(PREFIXES[: COUNT // 2], Attributes(communities=(NODE_AS << 16 | 2,)))
    node.advertise(**dict.fromkeys(routers, changed))
    for name, router in routers.items():
        wait_for(partial(has, router, COUNT // 2), 30, f"half of them in {name}")
        assert router.paths(str(PREFIXES[0]))[0].communities == {f"{NODE_AS}:2"}
        assert node.session(name).state is State.ESTABLISHED and node.session(name).counters["established"] == 1


def test_the_router_says_too_much(node: Node) -> None:
    bird = Bird(beside(node, "bird", 1), ROUTER_AS, "192.0.2.1", Peer(NODE_AS, NODE))
    node.apply(router=peering("192.0.2.1", neighbor=replace(NEIGHBOR, max_prefixes=10)))
    node.wait_until_established()
    bird.announce(f"203.0.113.{number}/32" for number in range(11))
    assert "the peer announces more than 10 IPv4 prefixes" in node.failure()
    wait_for(lambda: "aximum" in bird.session().error, what="why, in the words of the router")


def test_we_say_too_much(node: Node) -> None:
    frr = Frr(beside(node, "frr", 1), ROUTER_AS, "192.0.2.1", Peer(NODE_AS, NODE))
    frr.configure("address-family ipv4 unicast", f"neighbor {NODE} maximum-prefix 10", "exit-address-family")
    node.apply(router=peering("192.0.2.1"))
    node.advertise(router=dict.fromkeys(PREFIXES[:20], Attributes()))
    told = wait_for(lambda: [why.failure.text for _, why in node.changes if why.failure], what="a failure")
    assert "it takes fewer prefixes than it was told: raise its limit" in told[0]
