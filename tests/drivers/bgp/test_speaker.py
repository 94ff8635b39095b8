"""The Speaker with routers of others: who gets through to whom, and how it ends."""

from __future__ import annotations

import errno
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from ipaddress import ip_address, ip_network

import pytest

from mlbd.drivers.bgp import stream
from mlbd.drivers.bgp.speaker import Routes
from mlbd.proto.bgp.messages import Attributes
from mlbd.proto.bgp.neighbor import State
from mlbd.proto.bgp.notification import cease
from mlbd.proto.bgp.numbers import Cease, ErrorCode, Family
from mlbd.proto.neighbor import unnumbered
from tests.bgp.bird import Bird
from tests.bgp.frr import Frr
from tests.bgp.peer import Peer
from tests.bgp.raw import IPV4, KEEPALIVE, Kind, capability, connecting, four_octets, listening, open_message
from tests.lab import wait_for

from .conftest import Site
from .node import SECONDS
from .peerings import NEIGHBOR, NODE_AS, ROUTER_AS, internal, peering
from .test_sockets import is_syn

ROUTER, NODE = "192.0.2.1", "192.0.2.11"
ROUTER6, NODE6 = "2001:db8::1", "2001:db8::11"
PREFIX, PREFIX6 = ip_network("198.51.100.1/32"), ip_network("2001:db8:1::1/128")
KEY = "s3cret"
REFRESH = 2  # the capability, RFC 2918
PLAIN = Attributes()
#: A second attempt was made by then.
FRUITLESS = 2
BOTH = frozenset({Family.IPV4, Family.IPV6})
SHUTDOWN = cease(Cease.ADMINISTRATIVE_SHUTDOWN, "memory")


def test_routes_from_the_first_syn_to_the_last_word(site: Site) -> None:
    frr = Frr(site.router, ROUTER_AS, ROUTER, Peer(NODE_AS, NODE))
    with site.node.host.capture("eth0") as capture:
        applied = time.time()
        site.node.apply(router=peering(ROUTER))
        first = capture.wait_for(is_syn)
    assert first.time - applied < 1
    site.node.advertise(router={PREFIX: PLAIN})
    site.node.wait_until_established()
    wait_for(lambda: frr.routes() == {str(PREFIX): frozenset({NODE})}, what="the route")
    site.node.advertise(router={})
    wait_for(lambda: frr.routes() == {}, what="the route withdrawn")
    status = site.node.status()["router"]
    assert (status.refusal, status.local, status.remote) == ("", ip_address(NODE), ip_address(ROUTER))
    assert status.on_link and status.link == site.node.host.links["eth0"].index
    site.node.leave(SHUTDOWN, 5)
    wait_for(lambda: frr.session(NODE).shutdown == "memory", what="the reason")
    assert [change.state for _, change in site.node.changes][-2:] == [State.ESTABLISHED, State.IDLE]


def test_a_peering_that_did_not_change_goes_on(site: Site) -> None:
    with listening(site.router, ROUTER) as raw:
        site.node.apply(router=peering(ROUTER))
        raw.accept()
        raw.establish(ROUTER_AS, ROUTER)
        site.node.wait_until_established()
        before = len(site.node.changes)
        site.node.apply(router=peering(ROUTER), other=peering("192.0.2.77"))
        assert {name for name, _ in site.node.changes[before:]} == {"other"}
        site.node.apply(router=peering(ROUTER, neighbor=replace(NEIGHBOR, hold_time=12)))
        assert raw.wait_for_notification() == (ErrorCode.CEASE, Cease.OTHER_CONFIGURATION_CHANGE, b"")
        raw.accept()
        raw.establish(ROUTER_AS, ROUTER)
        site.node.apply()
        assert raw.wait_for_notification() == (ErrorCode.CEASE, Cease.PEER_DE_CONFIGURED, b"")
        assert site.node.status() == {}


def test_reset(site: Site) -> None:
    with listening(site.router, ROUTER) as raw:
        site.node.apply(router=peering(ROUTER))
        site.node.advertise(router={PREFIX: PLAIN})
        raw.accept()
        raw.establish(ROUTER_AS, ROUTER, capabilities=IPV4 + four_octets(ROUTER_AS) + capability(REFRESH))
        told = raw.wait_for(Kind.UPDATE)
        site.node.do(lambda: site.node.speaker.reset("router", soft=True))
        raw.wait_for(Kind.ROUTE_REFRESH)
        wait_for(lambda: raw.messages().count(told) == 2, what="the route again")
        site.node.do(lambda: site.node.speaker.reset("router", soft=False))
        assert raw.wait_for_notification() == (ErrorCode.CEASE, Cease.ADMINISTRATIVE_RESET, b"")
        raw.accept()


@pytest.mark.parametrize("passive", [False, True])
def test_md5(site: Site, passive: bool) -> None:
    """Whichever end connects; a wrong key is silence."""
    frr = Frr(site.router, ROUTER_AS, ROUTER, Peer(NODE_AS, NODE, password=KEY, passive=not passive))
    site.node.apply(router=peering(ROUTER, password="other", passive=passive))
    time.sleep(FRUITLESS)
    assert not frr.is_established(NODE)
    if not passive:
        assert "192.0.2.1 port 179 does not answer: check " in site.node.failure()
        assert "that both ends have the same password" in site.node.failure()
    site.node.apply(router=peering(ROUTER, password=KEY, passive=passive))
    site.node.wait_until_established()
    frr.configure(f"neighbor {NODE} password different")
    wait_for(lambda: not frr.is_established(NODE), what="the new key")
    assert KEY not in f"{site.node.status()} {site.node.changes} {peering(ROUTER, password=KEY)}"


@pytest.mark.parametrize("passive", [False, True])
def test_ttl_security_with_a_router_that_insists(site: Site, passive: bool) -> None:
    bird = Bird(site.router, ROUTER_AS, ROUTER, Peer(NODE_AS, NODE, ttl_security=1, passive=not passive))
    site.node.apply(router=peering(ROUTER, passive=passive))
    time.sleep(FRUITLESS)
    assert not bird.session().established
    bird.kill()  # it would wait for minutes for what it does not hear
    bird.start()
    site.node.apply(router=peering(ROUTER, ttl_security=1, passive=passive))
    site.node.wait_until_established()


def test_ttl_security_against_who_may_be_far(site: Site) -> None:
    """A peer that connects with a TTL of 64, and one that connects with 255."""
    site.node.apply(router=peering(ROUTER, ttl_security=1, passive=True))
    with connecting(site.router, NODE, ttl=64) as raw:
        raw.wait_until_closed()
        assert raw.octets() == b""
    with connecting(site.router, NODE, ttl=255) as raw:
        assert raw.wait_for(Kind.OPEN)


def test_the_source_address(site: Site) -> None:
    site.node.host.ip("addr", "add", "192.0.2.12/24", "dev", "eth0")
    frr = Frr(site.router, ROUTER_AS, ROUTER, Peer(NODE_AS, "192.0.2.12"))
    site.node.apply(router=peering(ROUTER, source=ip_address("192.0.2.12")))
    site.node.wait_until_established()
    frr.wait_until_established("192.0.2.12")
    assert site.node.status()["router"].local == ip_address("192.0.2.12")


def test_a_source_address_that_comes_later(site: Site) -> None:
    """It is waited for without a word, and no back-off: the next apply() connects."""
    Frr(site.router, ROUTER_AS, ROUTER, Peer(NODE_AS, "192.0.2.12", passive=True))
    wanted = peering(ROUTER, source=ip_address("192.0.2.12"), neighbor=replace(NEIGHBOR, connect_retry_time=300.0))
    for _ in range(3):
        site.node.apply(router=wanted)
    assert "cannot speak from 192.0.2.12" in site.node.status()["router"].refusal
    assert site.node.changes == []
    site.node.host.ip("addr", "add", "192.0.2.12/24", "dev", "eth0")
    site.node.apply(router=wanted)
    site.node.wait_until_established()
    assert site.node.status()["router"].refusal == ""
    site.node.host.ip("addr", "del", "192.0.2.12/24", "dev", "eth0")
    site.node.do(lambda: site.node.speaker.reset("router", soft=False))
    assert "cannot speak from 192.0.2.12" in site.node.status()["router"].refusal
    assert site.node.session().state is State.IDLE and site.node.session().retry is None


def test_ipv6(site: Site) -> None:
    frr = Frr(site.router, ROUTER_AS, ROUTER, Peer(NODE_AS, NODE6, families=(4, 6), password=KEY))
    site.node.apply(router=peering(ROUTER6, password=KEY, neighbor=replace(NEIGHBOR, families=BOTH)))
    site.node.advertise(router={PREFIX: PLAIN, PREFIX6: PLAIN})
    wait_for(lambda: frr.routes(6).keys() == {str(PREFIX6)}, 20, what="the route")
    wait_for(lambda: frr.routes() == {str(PREFIX): frozenset({NODE})}, what="that of IPv4, by the link's own address")


@pytest.mark.parametrize("passive", [False, True])
def test_an_unnumbered_router(site: Site, passive: bool) -> None:
    neighbor = replace(NEIGHBOR, families=BOTH)
    site.node.apply(router=peering(interface="eth0", neighbor=neighbor, passive=passive))
    site.node.advertise(router={PREFIX: PLAIN, PREFIX6: PLAIN})
    assert "no router advertisement" in site.node.status()["router"].refusal
    frr = Frr(site.router, ROUTER_AS, ROUTER, Peer(NODE_AS, interface="eth0", families=(4, 6), passive=not passive))
    site.node.wait_until_established()
    wait_for(lambda: frr.routes().keys() == {str(PREFIX)} and frr.routes(6).keys() == {str(PREFIX6)}, what="the routes")
    status = site.node.status()["router"]
    assert status.refusal == "" and status.on_link and status.link == site.node.host.links["eth0"].index
    assert status.local and status.remote and status.local.is_link_local and status.remote.is_link_local
    changed = replace(neighbor, hold_time=12)
    site.node.apply(router=peering(interface="eth0", neighbor=changed, passive=passive))
    site.node.wait_until_established()


def test_another_router_takes_the_place_of_one_that_is_gone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not while it still answers, though it may say nothing of itself for long."""
    monkeypatch.setattr(unnumbered, "SILENCE", 1.0)
    other = site.lab.host("other")
    other.connect(site.lan, "eth0")
    peer = Peer(NODE_AS, interface="eth0", hold=3)
    Frr(site.router, ROUTER_AS, ROUTER, peer)
    bare = peering(interface="eth0", neighbor=replace(NEIGHBOR, hold_time=3))
    site.node.apply(router=bare)
    site.node.wait_until_established()
    first = site.node.status()["router"].remote
    Frr(other, ROUTER_AS, "192.0.2.2", peer)
    time.sleep(FRUITLESS)
    site.node.apply(router=bare)
    assert site.node.session().counters["established"] == 1
    assert site.node.status()["router"].remote == first
    site.router.power_off()

    def moved() -> bool:
        site.node.apply(router=bare)
        return site.node.session().counters["established"] == 2

    wait_for(moved, 20, "a session with the other router")
    assert site.node.status()["router"].remote != first


def test_a_passive_peer_is_waited_for(site: Site) -> None:
    with site.node.host.capture("eth0") as capture:
        site.node.apply(router=peering(ROUTER, passive=True))
        Frr(site.router, ROUTER_AS, ROUTER, Peer(NODE_AS, NODE))
        site.node.wait_until_established()
        assert not any(is_syn(frame) and frame.sent for frame in capture.frames())
    site.node.apply(router=peering(ROUTER))
    with site.router.enter(), socket.socket() as caller:
        assert caller.connect_ex((NODE, 179)) == errno.ECONNREFUSED


def test_whoever_comes_from_a_network(site: Site) -> None:
    other = site.lab.host("other")
    other.connect(site.lan, "eth0", "192.0.2.2/24", "203.0.113.2/24")
    site.node.apply(fabric=peering(network=ip_network("192.0.2.0/29"), password=KEY))
    site.node.advertise(fabric={PREFIX: PLAIN})
    first = Frr(site.router, ROUTER_AS, ROUTER, Peer(NODE_AS, NODE, password=KEY))
    second = Frr(other, ROUTER_AS, "192.0.2.2", Peer(NODE_AS, NODE, password=KEY))
    both = (first, second)
    wait_for(lambda: all(router.routes().keys() == {str(PREFIX)} for router in both), 20, what="the route")
    assert site.node.status().keys() == {"fabric", f"fabric/{ROUTER}", "fabric/192.0.2.2"}
    site.node.do(lambda: site.node.speaker.reset("fabric", soft=False))
    wait_for(lambda: all(router.neighbor(NODE)["connectionsDropped"] == 1 for router in both), what="the reset")
    wait_for(lambda: all(router.is_established(NODE) for router in both), 20, what="both again")
    second.stop()
    wait_for(lambda: "fabric/192.0.2.2" not in site.node.status(), what="that it is forgotten")
    site.node.apply()
    wait_for(lambda: not first.is_established(NODE), what="the end")


def test_of_two_connections_one_stays(site: Site) -> None:
    """RFC 4271 6.8: the one that the speaker with the higher identifier opened."""
    with listening(site.router, ROUTER) as dialed:
        site.node.apply(router=peering(ROUTER), fabric=peering(network=ip_network("203.0.113.0/24")))
        dialed.accept()
        dialed.wait_for(Kind.OPEN)
        with connecting(site.router, NODE) as accepted:
            accepted.say(open_message(ROUTER_AS, "192.0.2.99"))
            assert dialed.wait_for_notification() == (ErrorCode.CEASE, Cease.CONNECTION_COLLISION_RESOLUTION, b"")
            accepted.wait_for(Kind.KEEPALIVE)
            accepted.say(KEEPALIVE)
            site.node.wait_until_established()


def test_strangers_are_shown_the_door(site: Site) -> None:
    site.node.apply(router=peering("192.0.2.9", passive=True), fabric=peering(network=ip_network("203.0.113.0/24")))
    with connecting(site.router, NODE) as raw:
        raw.wait_until_closed()
        assert raw.octets() == b""
    assert site.node.changes == [(name, change) for name, change in site.node.changes if name == "router"]


def test_another_daemon_has_the_port(site: Site) -> None:
    rival = Frr(site.node.host, 65000, "192.0.2.99")
    site.node.apply(router=peering(ROUTER, passive=True), other=peering("192.0.2.2"))
    refusals = {name: status.refusal for name, status in site.node.status().items()}
    assert "cannot listen on TCP port 179: another process does" in refusals["router"] and refusals["other"] == ""
    rival.stop()
    Frr(site.router, ROUTER_AS, ROUTER, Peer(NODE_AS, NODE))
    site.node.apply(router=peering(ROUTER, passive=True))
    assert site.node.status()["router"].refusal == ""
    site.node.wait_until_established()


def test_the_trouble_of_one_is_none_of_the_others(site: Site) -> None:
    """One host does not exist, one refuses, one says nothing, one never reads; one is well."""
    Frr(site.router, ROUTER_AS, ROUTER, Peer(NODE_AS, NODE))
    lazy = site.lab.host("lazy")
    lazy.connect(site.lan, "eth0", "192.0.2.2/24", "192.0.2.3/24", "192.0.2.4/24")
    with listening(lazy, "192.0.2.2"), listening(lazy, "192.0.2.3", tight=True) as reader:
        site.node.apply(
            nobody=peering("192.0.2.99"),
            refusing=peering("192.0.2.4"),
            silent=peering("192.0.2.2"),
            lazy=peering("192.0.2.3"),
            router=peering(ROUTER),
        )
        reader.accept()
        reader.establish(ROUTER_AS, "192.0.2.3")
        prefixes: Routes = dict.fromkeys(ip_network("10.0.0.0/17").subnets(new_prefix=32), PLAIN)
        site.node.advertise(lazy=prefixes, router={PREFIX: PLAIN})
        site.node.wait_until_established()
        assert "refuses" in site.node.failure("refusing")
        assert "nobody on the link" in site.node.failure("nobody")
        assert site.node.session("silent").state is State.OPEN_SENT
        assert site.node.session("lazy").state is State.ESTABLISHED


def test_a_thousand_changes_are_told_one_after_the_other(site: Site) -> None:
    """What left is not taken for what waits: a peer that reads is never told too little."""

    def announced(count: int) -> bool:
        return site.node.session().announced == count

    many: Routes = dict.fromkeys(ip_network("10.0.0.0/20").subnets(new_prefix=32), PLAIN)
    with listening(site.router, ROUTER) as raw:
        site.node.apply(router=peering(ROUTER))
        raw.accept()
        raw.establish(ROUTER_AS, ROUTER)
        for _ in range(20):
            for routes in (many, {}):
                site.node.advertise(router=routes)
                wait_for(partial(announced, len(routes)), what="the routes")
                raw.octets()


def test_leave_waits_until_all_is_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LINGER", 60)
    with listening(site.router, ROUTER) as raw, ThreadPoolExecutor(1) as threads:
        site.node.apply(router=peering(ROUTER))
        raw.accept()
        raw.establish(ROUTER_AS, ROUTER)
        site.node.wait_until_established()
        leaving = threads.submit(site.node.leave, SHUTDOWN, 30)
        raw.wait_for_notification()
        assert not leaving.done()
        raw.hang_up()
        leaving.result(SECONDS)


def test_leave_does_not_wait_for_the_frozen(site: Site) -> None:
    frr = Frr(site.router, ROUTER_AS, ROUTER, Peer(NODE_AS, NODE))
    site.node.apply(router=peering(ROUTER), nobody=peering("192.0.2.99"))
    frr.wait_until_established(NODE)
    site.node.wait_until_established()
    site.router.freeze()
    began = time.monotonic()
    site.node.leave(SHUTDOWN, 10)
    assert time.monotonic() - began < 5
    site.router.thaw()
    wait_for(lambda: frr.session(NODE).shutdown == "memory", what="what was said meanwhile")


def test_leave_without_a_word(site: Site) -> None:
    """What graceful restart is for: the router keeps the route."""
    frr = Frr(site.router, ROUTER_AS, ROUTER, Peer(NODE_AS, NODE))
    site.node.apply(router=peering(ROUTER, neighbor=replace(NEIGHBOR, restart_time=60)))
    site.node.advertise(router={PREFIX: PLAIN})
    wait_for(lambda: frr.routes().keys() == {str(PREFIX)}, 20, what="the route")
    site.node.leave(None, 5)
    wait_for(lambda: [path.stale for path in frr.paths(str(PREFIX))] == [True], what="a route that is kept")
    site.node.apply(router=peering(ROUTER, neighbor=replace(NEIGHBOR, restart_time=60)))
    wait_for(lambda: [path.stale for path in frr.paths(str(PREFIX))] == [False], 20, what="the same route anew")


def test_bfd_ends_a_session_only_when_it_was_up(site: Site) -> None:
    frr = Frr(site.router, ROUTER_AS, ROUTER, Peer(NODE_AS, NODE))
    site.node.apply(router=peering(ROUTER))
    site.node.wait_until_established()
    site.node.do(lambda: site.node.speaker.bfd("router", False))
    assert site.node.session().state is State.ESTABLISHED
    site.node.do(lambda: site.node.speaker.bfd("router", True))
    site.node.do(lambda: site.node.speaker.bfd("router", False))
    assert "BFD" in site.node.failure()
    wait_for(lambda: not frr.is_established(NODE), what="the end")
    site.node.wait_until_established()


def test_a_cable_that_is_plugged_in_again_is_not_waited_for(site: Site) -> None:
    Frr(site.router, ROUTER_AS, ROUTER, Peer(NODE_AS, NODE, passive=True))
    site.node.host.links["eth0"].down()
    site.node.apply(router=peering(ROUTER))
    assert "no way" in site.node.failure()
    wait_for(lambda: (site.node.session().retry or 0) > 2, 20, what="a back-off")
    site.node.host.links["eth0"].up()
    wait_for(site.node.host.links["eth0"].is_working, what="the link")
    before = len(site.node.changes)
    site.node.apply(router=peering(ROUTER))
    assert State.CONNECT in [change.state for _, change in site.node.changes[before:]]
    site.node.wait_until_established()


def test_an_internal_router_several_hops_away(site: Site) -> None:
    far = site.lab.host("far")
    backbone = site.lab.segment("backbone")
    far.connect(backbone, "eth0", "203.0.113.2/24")
    site.router.connect(backbone, "eth1", "203.0.113.1/24")
    site.router.sysctl("net/ipv4/ip_forward", "1")
    far.ip("route", "add", "default", "via", "203.0.113.1")
    site.node.host.ip("route", "add", "default", "via", ROUTER)
    frr = Frr(far, NODE_AS, "203.0.113.2", Peer(NODE_AS, NODE))
    site.node.apply(router=internal("203.0.113.2"))
    site.node.wait_until_established()
    frr.wait_until_established(NODE)
    assert not site.node.status()["router"].on_link
