"""Both ends connect at once: one connection stays, whoever has the higher identifier."""

from __future__ import annotations

from functools import partial

import pytest

from tests.daemon.objects import Manifest
from tests.lab import wait_for

from .bird import Bird
from .frr import Frr
from .interop import NODE, PEER, Kind, Router, Site, bgp_peer, wait_for_path

every_kind = pytest.mark.parametrize("kind", [Frr, Bird])


def connections(site: Site) -> int:
    ends = "( sport = :179 or dport = :179 )"
    return len(site.node.host.run("ss", "-Htn", "state", "established", ends).stdout.splitlines())


def is_alone(site: Site, established: int) -> bool:
    """The session, which was established so often."""
    return bool(site.status()["counters"]["established"] >= established) and connections(site) == 1


def again(router: Router) -> None:
    if isinstance(router, Frr):
        router.clear(NODE)
    elif isinstance(router, Bird):
        router.say("restart peer0")


@every_kind
@pytest.mark.parametrize("identifier", ["192.0.2.1", "192.0.2.250"], ids=["lower", "higher"])
def test_one_of_two_connections_stays(site: Site, kind: type[Kind], identifier: str) -> None:
    """That this node listens is for another peer, and then whoever is known may connect."""
    router = site.router(kind)
    site.node.write("other.yaml", other())
    site.peer(router, routerID=identifier)
    wait_for_path(router)
    for established in (2, 3):
        site.node.mlbctl("peers", "reset", PEER)
        again(router)
        wait_for(partial(is_alone, site, established), 20, "one session on one connection")
        wait_for_path(router)


@every_kind
def test_a_node_that_waits(site: Site, kind: type[Kind]) -> None:
    router = site.router(kind)
    site.peer(router, annotations={"passive": "true"})
    wait_for_path(router)
    assert "passive: the peer is to connect" in site.node.mlbctl("peers", PEER).stdout


def other() -> Manifest:
    found = bgp_peer("192.0.2.19", {"passive": "true"})
    found["metadata"]["name"] = "other"
    return found
