from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from mlbd.daemon.explain import explain
from mlbd.model.status import PeerState, PeerStatus, Problem, SessionStatus, Severity, Status
from mlbd.plan.plan import plan
from tests.ctl.canned import STATUS

from .test_explain import world_of

NOON = 1795348800.0
FILES = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {namespace: metallb-system, name: routed}
spec: {addresses: [192.0.2.0/24]}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {namespace: metallb-system, name: tor-a}
spec: {myASN: 64512, peerASN: 64513, peerAddress: 198.51.100.1}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {namespace: metallb-system, name: tor-b}
spec: {myASN: 64512, peerASN: 64512, peerAddress: 198.51.100.2}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {namespace: metallb-system, name: six}
spec: {myASN: 64512, dynamicASN: external, interface: eth0, nodeSelectors: [{matchLabels: {rack: a}}]}
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {namespace: metallb-system, name: plain}
spec: {localPref: 200, communities: [no-export], peers: [tor-a, tor-b]}
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {namespace: metallb-system, name: whole}
spec: {aggregationLength: 24, peers: [tor-b]}
---
apiVersion: v1
kind: Node
metadata: {name: node-1, labels: {rack: a}}
---
apiVersion: v1
kind: Node
metadata: {name: node-2}
---
apiVersion: v1
kind: Node
metadata: {name: node-3, labels: {node.kubernetes.io/exclude-from-external-load-balancers: ""}}
---
apiVersion: v1
kind: Service
metadata: {namespace: shop, name: web, annotations: {metallb.io/loadBalancerIPs: 192.0.2.7}}
spec: {type: LoadBalancer, ports: [{port: 80}]}
"""


def peer_status(name: str, state: PeerState = PeerState.ESTABLISHED, **changed: Any) -> PeerStatus:
    known = PeerStatus(name, f"BGPPeer metallb-system/{name}", "198.51.100.1", "64513", 64512, state, NOON)
    return dataclasses.replace(known, **changed)


def told(
    text: str, *peers: PeerStatus, files: str = FILES, node: str = "node-1", problems: tuple[Problem, ...] = ()
) -> dict[str, str]:
    world = world_of(files)
    desired = plan(world, node)
    status: Status = dataclasses.replace(
        STATUS, node=node, services=(), peers=peers, problems=(*desired.problems, *problems)
    )
    explanation = explain(text, world, desired, status)
    assert explanation is not None
    return {section.title: "\n".join(section.sentences) for section in explanation.sections}


WORDS = "with community 65535:65281"


def test_a_service_and_its_address() -> None:
    chain = told("shop/web", peer_status("tor-a"))
    assert chain["Service shop/web"].splitlines()[2:] == [
        "Over BGP node-1 and node-2 announce it, all at once: routers spread its traffic over them.",
        "node-3 does not: the node has the label node.kubernetes.io/exclude-from-external-load-balancers: take it off.",
        "six does not hear of it: no advertisement of its pool goes to that peer here.",
    ]
    assert chain["192.0.2.7"].splitlines()[1:] == [
        f"This node, node-1, tells tor-a of 192.0.2.7/32, {WORDS}.",
        "This node, node-1, tells tor-b (when its session is established) of 192.0.2.7/32, with local preference 200 "
        "and community 65535:65281; 192.0.2.0/24.",
    ]
    assert told("192.0.2.7", peer_status("tor-a"))["192.0.2.7"] == chain["192.0.2.7"]


def test_a_service_that_nobody_announces() -> None:
    files = FILES.replace("ports: [{port: 80}]", "selector: {app: web}, ports: [{port: 80}]")
    chain = told("web", files=files)
    assert "Nobody announces it: it has a selector and no EndpointSlice" in chain["Service shop/web"]
    assert "Then node-1 and node-2 announce it over BGP.\nnode-3 does not: " in chain["Service shop/web"]
    assert chain["192.0.2.7"].count("\n") == 0
    assert "Nobody answers for it: " in told("192.0.2.7", files=files)["192.0.2.7"]
    lonely = told("web", files=FILES.replace("peers: [tor-a, tor-b]", "peers: [typo]").replace("[tor-b]", "[typo]"))
    assert "do not announce it over BGP: " in lonely["Service shop/web"] and "typo" in lonely["Service shop/web"]


def test_a_service_that_is_announced_both_ways() -> None:
    layer2 = """
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {namespace: metallb-system, name: here}
spec: {nodeSelectors: [{matchLabels: {rack: a}}]}
"""
    lines = told("web", files=FILES + layer2)["Service shop/web"].splitlines()
    assert lines[2] == "node-1 may hold its addresses."
    assert any(line.startswith("Over BGP node-1 and node-2 announce it") for line in lines)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (peer_status("tor-a"), "is established since 2026-11-22 12:00:00 UTC."),
        (peer_status("tor-a", PeerState.ACTIVE), "is not established: the peer has not answered yet."),
        (peer_status("tor-a", PeerState.IDLE, message="no route to host"), "is not established: no route to host."),
    ],
)
def test_a_peer(status: PeerStatus, says: str) -> None:
    assert told("tor-a", status)["BGPPeer metallb-system/tor-a"].splitlines() == [
        "As AS 64512 this node speaks with AS 64513 at 198.51.100.1.",
        f"The session with 198.51.100.1 {says}",
        f"It hears 192.0.2.7/32, {WORDS}.",
    ]


def test_bfd_of_a_peer() -> None:
    up = SessionStatus("tor-a", "eth0", "198.51.100.9", "198.51.100.1", "up", detection=0.15)
    text = told("peer tor-a", peer_status("tor-a", bfd_session=up))["BGPPeer metallb-system/tor-a"]
    assert "BFD is up: silence of 150 ms takes the session down." in text
    down = peer_status("tor-a", bfd_session=dataclasses.replace(up, state="down"))
    assert "BFD is down: " in told("peer tor-a", down)["BGPPeer metallb-system/tor-a"]


def test_a_peer_that_hears_nothing_and_one_of_other_nodes() -> None:
    lines = told("BGPPeer six")["BGPPeer metallb-system/six"].splitlines()
    assert lines[0] == "As AS 64512 this node speaks with any external AS on eth0."
    assert "It hears nothing." in lines and lines[-1].startswith("It does not hear of Service shop/web: ")
    narrow = FILES.replace("dynamicASN: external, interface: eth0", "peerASN: 64513, peerAddress: 2001:db8::1")
    assert told("six", files=narrow)["BGPPeer metallb-system/six"].endswith("the session carries IPv6 alone.")
    elsewhere = told("six", node="node-2")["BGPPeer metallb-system/six"]
    assert elsewhere == "This node, node-2, does not speak with it: no selector of it selects the node."


def test_a_peer_that_is_refused_and_one_of_a_network() -> None:
    secret = "peerAddress: 198.51.100.1, passwordSecret: {name: hush}"
    refused = told("tor-a", files=FILES.replace("peerAddress: 198.51.100.1", secret))["BGPPeer metallb-system/tor-a"]
    assert refused == "Cannot read the password, there is no Secret metallb-system/hush: make it."
    files = FILES.replace("peerAddress: 198.51.100.1}", "peerAddress: 198.51.100.0/25}")
    wide = told("tor-a", peer_status("tor-a/198.51.100.9"), files=files)["BGPPeer metallb-system/tor-a"]
    assert "this node speaks with whoever of AS 64513 connects to it from 198.51.100.0/25." in wide
    assert "is established since" in wide
    nobody = told("tor-a", peer_status("tor-a", PeerState.LISTENING), files=files)["BGPPeer metallb-system/tor-a"]
    assert "Nobody of them is there now." in nobody


def test_a_peer_that_is_down_says_so_once() -> None:
    down = Problem(Severity.ERROR, "BGPPeer metallb-system/tor-a", "PeerDown", "cannot establish the session: no route")
    status = peer_status("tor-a", PeerState.IDLE, message="no route")
    (text,) = told("tor-a", status, problems=(down,)).values()
    assert text.count("no route") == 1
    (text,) = told("tor-a", problems=(down,)).values()
    assert "Cannot establish the session: no route." in text


def test_of_two_peers_of_one_name_the_one_that_stands_speaks() -> None:
    namesake = """
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {namespace: other, name: tor-a}
spec: {myASN: 64512, peerASN: 64513, peerAddress: 198.51.100.9}
"""
    chain = told("tor-a", files=FILES + namesake)
    assert "at 198.51.100.1." in chain["BGPPeer metallb-system/tor-a"]
    assert "has that name too: rename one." in chain["BGPPeer other/tor-a"]
    assert "speaks with" not in chain["BGPPeer other/tor-a"]


def test_a_peer_of_a_configuration() -> None:
    deckhouse = """
---
apiVersion: network.deckhouse.io/v1alpha1
kind: MetalLoadBalancerBGPPeer
metadata: {name: spine, annotations: {mlbd.io/passive: "true"}}
spec: {myASN: 64512, peerASN: 64513, peerAddress: 198.51.100.3}
"""
    (text,) = told("spine", files=FILES + deckhouse).values()
    assert text == "Cannot open a session, no MetalLoadBalancerConfiguration names it: add it to the peerNames of one."
