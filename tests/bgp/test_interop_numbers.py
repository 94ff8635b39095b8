"""AS numbers and roles: within an AS and between two, wrong ones, unknown ones, whole networks of routers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab import wait_for

from .bird import Bird
from .frr import Frr
from .gobgp import Gobgp
from .interop import NODE_AS, PREFIX, ROUTER_AS, Kind, Site, address_of, session_of, wait_for_path

every_kind = pytest.mark.parametrize("kind", [Frr, Bird, Gobgp])


@every_kind
def test_internal_with_local_preference(site: Site, kind: type[Kind]) -> None:
    site.advertise(localPref=150)
    router = site.router(kind, asn=NODE_AS)
    site.peer(router, peerASN=NODE_AS)
    path = wait_for_path(router)
    assert (path.as_path, path.local_pref) == ((), 150)
    site.advertise(localPref=250)
    wait_for(lambda: wait_for_path(router).local_pref == 250, what="another local preference")


@every_kind
@pytest.mark.parametrize(
    ("asn", "spec"),
    [
        (NODE_AS, {"dynamicASN": "internal"}),
        (ROUTER_AS, {"dynamicASN": "external"}),
    ],
    ids=["internal", "external"],
)
def test_any_number_of_that_kind(site: Site, kind: type[Kind], asn: int, spec: dict[str, Any]) -> None:
    router = site.router(kind, asn=asn)
    site.peer(router, peerASN=None, **spec)
    wait_for_path(router)
    assert site.status()["remote_asn"] == str(asn)


def test_a_number_of_the_wrong_kind(site: Site) -> None:
    frr = site.router(Frr)
    site.peer(frr, peerASN=None, dynamicASN="internal")
    site.wait_for_words("the peer's AS is 64500, and 64512, this speaker's own, is expected")
    assert not session_of(frr).established


@every_kind
def test_the_router_has_another_number(site: Site, kind: type[Kind]) -> None:
    router = site.router(kind, passive=True)
    site.peer(router, peerASN=64501)
    site.wait_for_words("the peer's AS is 64500, and 64501 is expected")


@pytest.mark.parametrize("kind", [Frr, Bird])
def test_the_router_expects_another_number_than_ours(site: Site, kind: type[Kind]) -> None:
    router = site.router(kind, node_as=64999, passive=True)
    site.peer(router)
    site.wait_for_words("Bad Peer AS", "it expects another AS of this end: correct the local AS here")
    site.peer(router, localASN=64999)
    assert wait_for_path(router).as_path == (64999,)


@pytest.mark.parametrize("kind", [Frr, Bird])
def test_roles(site: Site, kind: type[Kind]) -> None:
    router = site.router(kind, role="provider", passive=True)
    site.peer(router, annotations={"role": "peer"})
    site.wait_for_words("the peer's role is provider, and a peer talks to a peer: correct the role")
    site.peer(router, annotations={"role": "customer"})
    wait_for_path(router)
    assert "role provider" in site.status()["capabilities_received"]


def test_whoever_comes_from_a_network(site: Site) -> None:
    routers = site.router(Frr), site.router(Bird)
    site.peer(routers[0], peerAddress="192.0.2.0/24")
    for router in routers:
        wait_for_path(router)
        name = f"tor/{address_of(router.host)}"
        assert site.is_established(name) and site.node.mlbctl("routes", "--peer", name).stdout.count(PREFIX) == 1
    assert site.status()["state"] == "listening"


@every_kind
def test_the_router_listens_to_a_network(site: Site, kind: type[Kind]) -> None:
    router = site.router(kind, address="", network="192.0.2.0/24")
    site.peer(router)
    wait_for_path(router)
