"""Sessions over IPv6, next hops of the other family, and routers that have no address but the link's own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.daemon.objects import Manifest
from tests.lab import Lab, wait_for

from .bird import Bird
from .frr import Frr
from .gobgp import Gobgp
from .interop import (
    ADDRESS,
    NODE_AS,
    NODE_IPV6,
    PEER,
    PREFIX,
    PREFIX_IPV6,
    ROUTER_AS,
    Kind,
    Router,
    Site,
    bgp_peer,
    link_local,
    node_with_a_service,
    wait_for_path,
)
from .peer import Peer, fib


def over_ipv6(router: Router, **spec: Any) -> Manifest:
    """FRR's router advertisements may give the node an address that the router does not know."""
    return bgp_peer(f"2001:db8::{router.host.name[1:]}", sourceAddress=NODE_IPV6, **spec)


@pytest.mark.parametrize("kind", [Frr, Bird, Gobgp])
def test_over_ipv6(site: Site, kind: type[Kind]) -> None:
    router = site.router(kind, address=NODE_IPV6, families=(6,))
    site.node.write("peer.yaml", over_ipv6(router))
    assert wait_for_path(router, PREFIX_IPV6).next_hops & {NODE_IPV6, link_local(site.node.host)}
    assert site.status()["families"] == ["ipv6"]


@pytest.mark.parametrize("kind", [Frr, Bird])
def test_ipv4_over_ipv6(site: Site, kind: type[Kind]) -> None:
    """RFC 8950: the kernel of the router sends IPv4 to a next hop of IPv6."""
    router = site.router(kind, address=NODE_IPV6, families=(4, 6), extended_next_hop=True)
    site.node.write("peer.yaml", over_ipv6(router, dualStackAddressFamily=True))
    for prefix in (PREFIX, PREFIX_IPV6):
        assert wait_for_path(router, prefix).next_hops & {NODE_IPV6, link_local(site.node.host)}
    wait_for(lambda: fib(router.host).keys() == {PREFIX}, what="a route in the kernel")
    assert all(":" in hop for hop in fib(router.host)[PREFIX])
    assert "ipv4 over ipv6 next hops" in site.status()["capabilities_received"]


@pytest.mark.parametrize("passive", [False, True])
def test_unnumbered(lab: Lab, passive: bool) -> None:
    with node_with_a_service(lab) as site:
        link, router = lab.segment("fabric"), lab.host("r1")
        site.node.host.connect(link, "fabric0")
        router.connect(link, "eth0")
        frr = Frr(router, ROUTER_AS, "192.0.2.1", Peer(NODE_AS, interface="eth0", families=(4, 6), passive=passive))
        site.node.write("peer.yaml", bgp_peer(None, interface="fabric0"))
        site.wait_until_established()
        wait_for(lambda: fib(router).keys() == {PREFIX}, what="a route in the kernel")
        wait_for(lambda: fib(router, 6).keys() == {PREFIX_IPV6}, what="one of IPv6")
        assert all(hop.startswith("fe80::") for hop in fib(router)[PREFIX])
        assert " 0% packet loss" in router.run("ping", "-c1", "-W5", PREFIX_IPV6.split("/")[0]).stdout
        assert "unnumbered" in site.node.mlbctl("peers", PEER).stdout and ADDRESS in site.node.mlbctl("routes").stdout
        assert frr.is_established("eth0")
