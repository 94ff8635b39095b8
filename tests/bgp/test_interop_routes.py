"""What routers hear of Services: announced, changed, withdrawn, asked for again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lab import wait_for

from .bird import Bird
from .frr import Frr
from .gobgp import Gobgp
from .interop import (
    ADDRESS_IPV6,
    NODE,
    NODE_IPV6,
    PEER,
    PREFIX,
    PREFIX_IPV6,
    Kind,
    Router,
    Site,
    link_local,
    session_of,
    wait_for_path,
    wait_for_withdrawal,
)
from .peer import Path, fib

WIDE_AS = 4_200_000_001

every_kind = pytest.mark.parametrize("kind", [Frr, Bird, Gobgp])


@every_kind
def test_from_the_first_route_to_the_last(site: Site, kind: type[Kind]) -> None:
    site.advertise(communities=["64512:1", "large:64512:1:2", "rt:64512:7", "no-advertise"])
    router = site.router(kind, asn=WIDE_AS, families=(4, 6))
    site.peer(router, peerASN=WIDE_AS, dualStackAddressFamily=True)
    site.wait_until_established()
    path = wait_for_path(router)
    communities = frozenset({"64512:1", "64512:1:2", "rt:64512:7", *named(router, "no-advertise", "65535:65282")})
    assert path == Path(frozenset({NODE}), (64512,), "IGP", path.local_pref, communities)
    assert wait_for_path(router, PREFIX_IPV6).next_hops & {NODE_IPV6, link_local(site.node.host)}
    assert site.status()["sent"] == 2

    site.advertise(communities=["64512:2"])
    wait_for(lambda: wait_for_path(router).communities == {"64512:2"}, what="other communities")

    updates = counted(site, "update.sent")
    site.node.remove("web.yaml")
    wait_for_withdrawal(router)
    wait_for_withdrawal(router, PREFIX_IPV6)
    assert counted(site, "update.sent") == updates + 2
    assert counted(site, "established") == 1 and session_of(router).established


def named(router: Router, name: str, number: str) -> set[str]:
    """FRR writes well-known ones as words."""
    return {name if isinstance(router, Frr) else number}


@pytest.mark.parametrize(
    ("kind", "ask"),
    [
        (Frr, lambda router: router.clear(NODE, "soft in")),
        (Bird, lambda router: router.say("reload in peer0")),
    ],
)
def test_who_asks_hears_all_again(site: Site, kind: type[Kind], ask: Callable[[Kind], object]) -> None:
    router = site.router(kind)
    site.peer(router)
    wait_for_path(router)
    before = counted(site, "update.sent")
    ask(router)
    wait_for(lambda: counted(site, "routeRefresh.received"), what="the question")
    wait_for(lambda: counted(site, "update.sent") > before, what="the answer")
    assert counted(site, "established") == 1 and wait_for_path(router).next_hops == {NODE}


@every_kind
def test_a_soft_reset_asks_for_all_again(site: Site, kind: type[Kind]) -> None:
    router = site.router(kind)
    site.peer(router)
    site.wait_until_established()
    announce(router)
    wait_for(lambda: site.status()["received"], what="the router's route")
    before = site.status()
    assert site.node.mlbctl("peers", "reset", PEER, "--soft").returncode == 0
    wait_for(lambda: counted(site, "update.received") > before["counters"]["update.received"], what="the answer")
    assert counted(site, "established") == 1 and site.status()["received"] == before["received"]
    assert f"{before['received']} received and not used" in site.node.mlbctl("peers", PEER).stdout
    assert counted(site, "update.sent") > before["counters"]["update.sent"]


def announce(router: Router) -> None:
    if isinstance(router, Frr):
        lines = ("no bgp network import-check", "address-family ipv4 unicast", "network 203.0.113.0/24")
        router.configure(*lines, "exit-address-family")
    else:
        router.announce(["203.0.113.0/24"])


def counted(site: Site, name: str) -> int:
    return int(site.status()["counters"].get(name, 0))


def test_the_kernel_of_the_router_forwards(site: Site) -> None:
    frr = site.router(Frr, families=(4, 6))
    site.peer(frr, dualStackAddressFamily=True)
    wait_for(lambda: fib(frr.host) == {PREFIX: {NODE}}, what="a route in the kernel")
    wait_for(lambda: fib(frr.host, 6).keys() == {PREFIX_IPV6}, what="one of IPv6")
    assert " 0% packet loss" in frr.host.run("ping", "-c1", "-W5", ADDRESS_IPV6).stdout
