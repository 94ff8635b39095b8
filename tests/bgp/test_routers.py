"""The routers of the lab among themselves: what a test of mlbd sees through them is there to be seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.lab import Host, Lab, wait_for

from .bird import Bird
from .exabgp import Exabgp
from .frr import Frr
from .gobgp import Gobgp
from .peer import Path, Peer, fib
from .raw import KEEPALIVE, Kind, connecting, listening, message, notification, open_message

ROUTER, ROUTER_AS, NODE, NODE_AS = "192.0.2.1", 64500, "192.0.2.11", 64512
PREFIXES = ("198.51.100.1/32", "198.51.100.2/32")
IPV6_PREFIX = "2001:db8:1::1/128"
#: By hand: ORIGIN IGP, AS_PATH 64512, NEXT_HOP, the communities 65000:1, 64512:0:7 and rt:64512:9, 198.51.100.1/32.
UPDATE = bytes.fromhex(
    "0000 0035 40010100 4002060201 0000fc00 400304 c000020b c00804 fde80001 c01008 0002fc0000000009"
    "c0200c 0000fc000000000000000007 20 c6336401"
)


@dataclass(frozen=True, slots=True)
class Pair:
    router: Host
    node: Host


@pytest.fixture
def pair(lab: Lab) -> Iterator[Pair]:
    lan = lab.segment("lan")
    router, node = lab.host("router"), lab.host("node-1")
    router.connect(lan, "eth0", f"{ROUTER}/24", "2001:db8::1/64")
    node.connect(lan, "eth0", f"{NODE}/24", "2001:db8::11/64")
    yield Pair(router, node)


def upstream(**options: Any) -> Peer:
    """The router, as the node is told of it."""
    return Peer(asn=ROUTER_AS, address=ROUTER, **options)


def downstream(**options: Any) -> Peer:
    return Peer(asn=NODE_AS, address=NODE, **options)


def by(*next_hops: str) -> dict[str, frozenset[str]]:
    return dict.fromkeys(PREFIXES, frozenset(next_hops))


def test_bird_into_frr_with_everything(pair: Pair) -> None:
    shared = {"password": "s3cret", "bfd": True, "families": (4, 6), "hold": 9}
    frr = Frr(pair.router, ROUTER_AS, ROUTER, downstream(**shared, role="provider"))
    peer = upstream(**shared, role="customer", restart_time=30)
    bird = Bird(pair.node, NODE_AS, NODE, peer, networks=(*PREFIXES, IPV6_PREFIX))
    frr.wait_until_established(NODE)
    bird.wait_until_established()
    wait_for(lambda: frr.routes() == by(NODE), what="both prefixes")
    assert frr.count(NODE) == 2 and frr.count(NODE, 6) == 1
    (path,) = frr.paths(IPV6_PREFIX)
    assert path.as_path == (NODE_AS,) and path.origin == "IGP" and not path.stale
    wait_for(lambda: fib(pair.router) == by(NODE), what="the kernel of the router")
    wait_for(lambda: fib(pair.router, 6).keys() == {IPV6_PREFIX}, what="the same of IPv6")
    wait_for(lambda: frr.session(NODE).bfd == bird.session().bfd == "up", what="BFD")
    assert frr.session(NODE).hold == bird.session().hold == 9
    bird.withdraw(PREFIXES[:1])
    wait_for(lambda: fib(pair.router).keys() == {PREFIXES[1]}, what="a prefix withdrawn")
    bird.kill()
    (path,) = wait_for(lambda: [path for path in frr.paths(PREFIXES[1]) if path.stale], what="a stale path")
    assert fib(pair.router).keys() == {PREFIXES[1]}


def test_frr_tells_why_a_session_ended(pair: Pair) -> None:
    frr = Frr(pair.router, ROUTER_AS, ROUTER, downstream())
    bird = Bird(pair.node, NODE_AS, NODE, upstream(), networks=PREFIXES)
    frr.wait_until_established(NODE)
    bird.say('disable peer0 "new memory"')
    wait_for(lambda: frr.session(NODE).shutdown == "new memory", what="the shutdown communication")
    assert "Cease/Administrative Shutdown" in frr.session(NODE).error
    bird.say("enable peer0")
    frr.wait_until_established(NODE)
    frr.configure(f"neighbor {NODE} shutdown message lights out")
    wait_for(lambda: bird.session().shutdown == "lights out", what="the shutdown communication")
    assert not frr.routes()


def test_a_wrong_password_is_no_session(pair: Pair) -> None:
    frr = Frr(pair.router, ROUTER_AS, ROUTER, downstream(password="s3cret"))
    bird = Bird(pair.node, NODE_AS, NODE, upstream(password="secret"))
    with pair.router.capture("eth0") as capture:
        capture.wait_for(lambda frame: not frame.sent and is_syn(frame.octets), what="a SYN of BIRD")
    assert not frr.session(NODE).established and not bird.session().established


def is_syn(octets: bytes) -> bool:
    return octets[12:14] == b"\x08\x00" and octets[23] == 6 and octets[47] == 0x02


def test_gobgp_into_frr_and_frr_into_gobgp(pair: Pair) -> None:
    frr = Frr(pair.router, ROUTER_AS, ROUTER, downstream(restart_time=30))
    gobgp = Gobgp(pair.node, NODE_AS, NODE, upstream(restart_time=30, passive=True))
    frr.wait_until_established(NODE)
    gobgp.announce(f"198.51.{number >> 8}.{number & 255}/32" for number in range(2_500))
    wait_for(lambda: frr.count(NODE) == 2_500, what="every prefix")
    assert {path.origin for path in frr.paths("198.51.1.7/32")} == {"IGP"}
    gobgp.withdraw(["198.51.1.7/32"])
    wait_for(lambda: frr.count(NODE) == 2_499, what="one prefix less")
    assert gobgp.session(ROUTER).established and gobgp.session(ROUTER).hold == 9
    gobgp.kill()
    wait_for(lambda: frr.paths("198.51.1.8/32")[0].stale, what="stale paths")


def test_exabgp_into_frr(pair: Pair) -> None:
    frr = Frr(pair.router, ROUTER_AS, ROUTER, downstream(password="s3cret"))
    exabgp = Exabgp(pair.node, NODE_AS, NODE, upstream(source=NODE, password="s3cret"))
    frr.wait_until_established(NODE)
    exabgp.announce(PREFIXES)
    wait_for(lambda: frr.routes() == by(NODE), what="both prefixes")
    exabgp.withdraw(PREFIXES[:1])
    wait_for(lambda: frr.routes().keys() == {PREFIXES[1]}, what="a prefix withdrawn")


@pytest.mark.parametrize("kind", [Frr, Bird, Gobgp])
def test_each_router_tells_what_it_was_told(pair: Pair, kind: type[Frr | Bird | Gobgp]) -> None:
    router = kind(pair.router, ROUTER_AS, ROUTER, downstream(passive=True))
    with connecting(pair.node, ROUTER, NODE) as raw:
        raw.establish(NODE_AS, NODE)
        raw.say(message(Kind.UPDATE, UPDATE))
        (path,) = wait_for(lambda: router.paths("198.51.100.1/32"), what="the path")
    assert path == Path(
        next_hops=frozenset({NODE}),
        as_path=(NODE_AS,),
        origin="IGP",
        local_pref=path.local_pref,
        communities=frozenset({"65000:1", "64512:0:7", "rt:64512:9"}),
    )


def test_several_nodes_share_the_load(lab: Lab) -> None:
    lan, router = lab.segment("lan"), lab.host("router")
    router.connect(lan, "eth0", f"{ROUTER}/24")
    nodes = {f"192.0.2.{number}": lab.host(f"node-{number}") for number in (11, 12, 13)}
    for address, host in nodes.items():
        host.connect(lan, "eth0", f"{address}/24")
    frr = Frr(router, ROUTER_AS, ROUTER, Peer(asn=NODE_AS, network="192.0.2.0/24"))
    birds = [Bird(host, NODE_AS, address, upstream(), networks=PREFIXES) for address, host in nodes.items()]
    wait_for(lambda: fib(router) == by(*nodes), 20, "three next hops")
    assert frr.session("192.0.2.12").established
    birds[2].stop()
    wait_for(lambda: fib(router) == by("192.0.2.11", "192.0.2.12"), what="two next hops")


def test_two_routers_without_numbers(lab: Lab) -> None:
    lan = lab.segment("lan")
    hosts = [lab.host("one"), lab.host("two")]
    for host in hosts:
        host.connect(lan, "eth0")
    peer = Peer(asn=ROUTER_AS, interface="eth0", extended_next_hop=True)
    one, _ = (Frr(host, ROUTER_AS, f"192.0.2.{number}", peer) for number, host in enumerate(hosts, 1))
    one.wait_until_established("eth0")
    capabilities = one.neighbor("eth0")["neighborCapabilities"]
    assert capabilities["extendedNexthop"] == "advertisedAndReceived"


def test_the_raw_peer_hears_and_says(pair: Pair) -> None:
    frr = Frr(pair.router, ROUTER_AS, ROUTER, downstream())
    with listening(pair.node, NODE) as raw:
        raw.accept()
        raw.establish(NODE_AS, NODE)
        frr.wait_until_established(NODE)
        raw.say(notification(6, 2, b"\x04gone"))
        raw.wait_until_closed()
    assert frr.session(NODE).shutdown == "gone"
    wait_for(lambda: frr.session(NODE).state != "Established", what="the end of the session")


@pytest.mark.parametrize(
    ("octets", "answer"),
    [
        (open_message(64511, NODE), (2, 2)),
        (open_message(NODE_AS, NODE, hold=2), (2, 6)),
        (open_message(NODE_AS, NODE, version=3), (2, 1)),
        (KEEPALIVE, (5, 1)),
        (bytes(19), (1, 1)),
    ],
    ids=["AS", "hold time", "version", "state", "marker"],
)
def test_the_raw_peer_sees_what_frr_thinks_of_it(pair: Pair, octets: bytes, answer: tuple[int, int]) -> None:
    frr = Frr(pair.router, ROUTER_AS, ROUTER, downstream(passive=True))
    wait_for(lambda: frr.session(NODE).state == "Active", what="FRR ready for its neighbor")
    with connecting(pair.node, ROUTER, NODE) as raw:
        raw.wait_for(Kind.OPEN)
        raw.say(octets)
        assert raw.wait_for_notification()[:2] == answer
