"""Whole daemons that announce to a router over BGP, and take their leave of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.bgp.frr import Frr
from tests.bgp.peer import Peer, fib
from tests.lab import Lab, wait_for

from .cluster import Cluster, Daemon, cluster
from .objects import metallb, service

ROUTER = "192.0.2.1"
FIRST, SECOND = "192.0.2.11", "192.0.2.12"
POOL = "198.51.100.0/28"
GRACEFUL_SHUTDOWN = "graceful-shutdown"  # as FRR writes 65535:0


def peer(**spec: Any) -> dict[str, Any]:
    found = metallb("BGPPeer", "tor", myASN=64512, peerASN=64500, peerAddress=ROUTER, holdTime="9s", **spec)
    return found | {"apiVersion": "metallb.io/v1beta2"}


@dataclass
class Site:
    """Two nodes and their router; `prefix` is the address of the Service `web` as a route."""

    nodes: Cluster
    router: Frr
    prefix: str = ""

    @property
    def first(self) -> Daemon:
        return self.nodes.first

    def next_hops(self) -> frozenset[str]:
        """Where the router's kernel sends what is for the Service."""
        return fib(self.router.host).get(self.prefix, frozenset())

    def wait_for_next_hops(self, *wanted: str) -> None:
        wait_for(lambda: self.next_hops() == frozenset(wanted), 20, f"{self.prefix} by {wanted}")

    def session(self) -> Any:
        (found,) = self.first.get("peers")
        return found


@pytest.fixture(scope="module")
def running() -> Iterator[Site]:
    with Lab() as lab, cluster(lab, 2, holdDown="0s") as nodes:
        host = lab.host("router")
        host.connect(nodes.lan, "eth0", f"{ROUTER}/24", "2001:db8::1/64")
        router = Frr(host, 64500, ROUTER, *(Peer(64512, address) for address in (FIRST, SECOND)))
        nodes.write(
            "bgp.yaml",
            metallb("IPAddressPool", "public", addresses=[POOL]),
            metallb("BGPAdvertisement", "public", ipAddressPools=["public"], communities=["64512:7"]),
            peer(),
        )
        nodes.write("web.yaml", service("web", annotations={"metallb.io/address-pool": "public"}))
        site = Site(nodes, router)
        (address,) = nodes.first.addresses("web")
        site.prefix = f"{address}/32"
        yield site
        for node in nodes.nodes:
            node.assert_no_traceback()


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    """Both nodes announce, and afterwards the files are as they were."""
    # A router that keeps routes over a restart has both next hops before there is a session.
    wait_for(lambda: running.session()["state"] == "established", 20, "the session")
    running.wait_for_next_hops(FIRST, SECOND)
    with running.first.restored():
        yield running


def test_every_node_announces_and_can_serve(site: Site) -> None:
    (slot,) = site.first.service("web")["addresses"]
    assert (slot["state"], slot["order"]) == ("advertised", [])
    assert site.first.service("web")["peers"] == ["tor"]
    assert slot["address"] in site.first.bound()
    (route,) = site.first.get("routes")
    assert (route["prefix"], route["next_hop"], route["services"]) == (site.prefix, FIRST, ["shop/web"])
    assert all(path.communities == {"64512:7"} for path in site.router.paths(site.prefix))
    assert site.session()["state"] == "established"
    assert not site.first.problems()


def test_the_kernel_does_not_answer_for_it_on_the_link(site: Site) -> None:
    site.nodes.asker.assert_silence(site.prefix.partition("/")[0], answered=FIRST)


def test_a_service_that_is_gone_is_withdrawn_and_leaves_the_host(site: Site) -> None:
    address = site.prefix.partition("/")[0]
    site.nodes.remove("web.yaml")
    site.wait_for_next_hops()
    wait_for(lambda: address not in site.first.bound(), what="the address gone from lo")


def test_a_drain_asks_for_other_paths_first_and_says_why(site: Site) -> None:
    assert site.first.get("drain")["moves"] == [
        {"address": site.prefix.partition("/")[0], "services": ["shop/web"], "to": "node-2"}
    ]
    draining = site.first.host.spawn(*site.first.command("drain", "--reason", "memory"))
    wait_for(lambda: GRACEFUL_SHUTDOWN in heard_from_first(site), what="the community")
    assert site.router.is_established(FIRST)
    assert draining.wait(20) == 0
    assert site.next_hops() == {SECOND}
    assert site.router.session(FIRST).shutdown == "memory"
    assert site.first.get("status")["drain"]["done"]
    assert "undrain" in site.session()["message"]
    site.first.stop()
    site.first.run()
    assert site.session()["state"] == "idle"
    assert site.first.mlbctl("undrain").returncode == 0


def heard_from_first(site: Site) -> frozenset[str]:
    """The communities of the path by way of it."""
    paths = site.router.paths(site.prefix)
    return frozenset[str]().union(*(path.communities for path in paths if FIRST in path.next_hops))


def test_an_undrain_in_the_middle_of_a_drain_wins(site: Site) -> None:
    draining = site.first.host.spawn(*site.first.command("drain"))
    wait_for(lambda: GRACEFUL_SHUTDOWN in heard_from_first(site), what="the community")
    site.first.mlbctl("undrain")
    draining.wait(20)
    wait_for(lambda: GRACEFUL_SHUTDOWN not in heard_from_first(site), what="no community")
    site.wait_for_next_hops(FIRST, SECOND)
    assert site.session()["state"] == "established"


def test_a_stop_says_goodbye(site: Site) -> None:
    site.first.stop()
    assert site.next_hops() == {SECOND}
    assert site.router.session(FIRST).shutdown == "mlbd stops"
    assert not site.first.bound()
    site.first.run()


def test_after_kill_9_the_router_goes_on_sending_here(site: Site) -> None:
    site.nodes.write("bgp.yaml", *graceful())
    wait_for(lambda: all(agreed_to_restart(node) for node in site.nodes.nodes), what="sessions with graceful restart")
    site.wait_for_next_hops(FIRST, SECOND)
    watch = site.router.host.spawn("ip", "monitor", "route", stdout=-1)
    address = site.prefix.partition("/")[0]
    assert site.first.process
    os.kill(site.first.pid, signal.SIGKILL)
    site.first.process.wait()
    assert address in site.first.bound()
    wait_for(lambda: any(path.stale for path in site.router.paths(site.prefix)), what="a stale path")
    site.first.run()
    wait_for(lambda: not any(path.stale for path in site.router.paths(site.prefix)), what="no stale path")
    assert site.next_hops() == {FIRST, SECOND}
    watch.terminate()
    told, _ = watch.communicate(timeout=20)
    assert address not in told


def agreed_to_restart(node: Daemon) -> bool:
    (session,) = node.get("peers")
    offered = " ".join(session["capabilities_sent"])
    return session["state"] == "established" and "graceful restart" in offered


def graceful() -> tuple[dict[str, Any], ...]:
    return (
        metallb("IPAddressPool", "public", addresses=[POOL]),
        metallb("BGPAdvertisement", "public", ipAddressPools=["public"], communities=["64512:7"]),
        peer(enableGracefulRestart=True),
    )


def test_a_session_that_does_not_come_is_a_problem_with_a_way_out(site: Site) -> None:
    spec = graceful()
    spec[-1]["spec"]["peerASN"] = 64999
    site.nodes.write("bgp.yaml", *spec)
    problem = site.first.problem("PeerDown")
    assert problem["object"] == "BGPPeer metallb-system/tor"
    assert "64500" in problem["message"] and "64999" in problem["message"]
    assert site.first.service("web")["peers"] == []


def test_a_reset_begins_anew_and_a_soft_one_does_not(site: Site) -> None:
    before = site.session()["counters"]["established"]
    assert site.first.mlbctl("peers", "reset", "tor", "--soft").returncode == 0
    assert site.session()["counters"]["established"] == before
    assert site.first.mlbctl("peers", "reset", "tor").returncode == 0
    wait_for(lambda: site.session()["counters"].get("established", 0) == before + 1, what="a new session")
    assert site.first.mlbctl("peers", "reset", "nobody").returncode != 0


def test_events_follow_a_session(site: Site) -> None:
    site.router.clear(FIRST)
    wait_for(lambda: site.first.events("PeerLost"), what="its loss")
    wait_for(lambda: site.first.events("PeerEstablished"), what="its return")
    assert {event["peer"] for event in site.first.events("PeerLost")} == {"tor"}
