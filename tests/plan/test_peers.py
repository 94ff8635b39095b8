from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlbd.model.address import parse_address, parse_network
from mlbd.model.core import Secret
from mlbd.model.deckhouse import PASSWORD_LABEL, MetalLoadBalancerBGPPeer, MetalLoadBalancerConfiguration
from mlbd.model.metallb import BFDProfile, DynamicASN, PeerExtras, Role
from mlbd.model.peering import Peer, PeerBfd
from mlbd.model.reference import Key, Reference
from mlbd.plan.plan import plan

from .builders import bgp, labelled, node, nodes, peer, pool, problems, service, world

BASIC_AUTH = "kubernetes.io/basic-auth"
ROUTER = parse_address("10.0.0.1")


def only(*objects: Any) -> Peer:
    (found,) = plan(world(*nodes(2), *objects), "node-1").peers.values()
    return found


def test_the_plainest_peer() -> None:
    about = Reference("BGPPeer", Key("metallb-system", "peer"))
    assert only(peer()) == Peer("peer", about, 64512, 64513, ROUTER)


def test_every_field_of_a_peer() -> None:
    source, router_id = parse_address("10.0.0.2"), parse_address("10.9.9.9")
    given = peer(
        asn=None, dynamic_asn=DynamicASN.EXTERNAL, local_asn=65000, port=1179, source_address=source, vrf="red",
        hold_time=30.0, keepalive_time=5.0, connect_time=7.0, router_id=router_id, password="hush",
        dual_stack_address_family=True, ebgp_multi_hop=True, graceful_restart=True, bfd_profile="fast",
        extras=PeerExtras(True, 2, Role.CUSTOMER),
    )  # fmt: skip
    profile = BFDProfile(Key("metallb-system", "fast"), 50, 60, 5, passive_mode=True, minimum_ttl=250)
    assert only(given, profile) == Peer(
        "peer", Reference("BGPPeer", given.key), 65000, DynamicASN.EXTERNAL, ROUTER, port=1179, source=source,
        vrf="red", hold_time=30, keepalive_time=5.0, connect_time=7.0, router_id=router_id, password="hush",
        families=frozenset((4, 6)), passive=True, multi_hop=True, ttl_security=2, graceful_restart=True,
        role="customer", bfd=PeerBfd(50, 60, 5, True, 250),
    )  # fmt: skip


def test_a_third_of_the_hold_time_is_left_to_the_two_ends() -> None:
    assert only(peer(hold_time=90.0, keepalive_time=30.0)).keepalive_time is None
    none = only(peer(hold_time=0.0, keepalive_time=0.0))
    assert (none.hold_time, none.keepalive_time) == (0, None)


def test_families_of_the_address_or_both() -> None:
    assert only(peer(address="fd00::1")).families == {6}
    assert only(peer(address="", interface="eth0")).families == {4, 6}
    wide = only(peer(address="", network=parse_network("fd00::/64")))
    assert (wide.families, str(wide.network)) == (frozenset({6}), "fd00::/64")


def test_a_profile_has_defaults_and_no_echo() -> None:
    profile = BFDProfile(Key("metallb-system", "fast"), echo_mode=True)
    planned = plan(world(*nodes(1), peer(bfd_profile="fast"), profile), "node-1")
    assert planned.peers["peer"].bfd == PeerBfd(300, 300, 3, False, 254)
    assert ("BFDProfile metallb-system/fast", "NoEffect") in problems(planned)
    assert ("BGPPeer metallb-system/peer", "NoEffect") in problems(
        plan(world(*nodes(1), peer(disable_mp=True)), "node-1")
    )


def test_node_selectors_choose_who_speaks() -> None:
    what = world(node("node-1", rack="a"), node("node-2"), peer(node_selectors=(labelled(rack="a"),)))
    assert plan(what, "node-1").peers and not plan(what, "node-2").peers and not plan(what, "elsewhere").peers


SECRET = Secret(Key("metallb-system", "bgp"), BASIC_AUTH, {"password": b"hush"})


@pytest.mark.parametrize(
    ("secret", "word"),
    [
        (SECRET, ""),
        (replace(SECRET, data={"password": b""}), "SecretUnusable"),
        (replace(SECRET, data={"password": b"\xff"}), "SecretUnusable"),
        (replace(SECRET, data={"password": b"x" * 81}), "PasswordTooLong"),
    ],
)
def test_a_password_that_cannot_be_used_takes_its_peer_and_no_other(secret: Secret, word: str) -> None:
    planned = plan(world(*nodes(1), secret, peer(password_secret=secret.key), peer("b", "10.0.0.2")), "node-1")
    assert {name: each.password for name, each in planned.peers.items()} == {"b": ""} | (
        {} if word else {"peer": "hush"}
    )
    assert (("BGPPeer metallb-system/peer", word) in problems(planned)) == bool(word)
    assert "hush" not in repr(planned)


def test_what_two_peers_cannot_both_have() -> None:
    assert ("BGPPeer metallb-system/b", "DuplicatePeer") in problems(plan(world(peer("a"), peer("b")), "node-1"))
    planned = plan(world(*nodes(1), peer("a"), peer("b")), "node-1")
    assert planned.peers.keys() == {"a"} and ("BGPPeer metallb-system/b", "DuplicatePeer") in problems(planned)
    namesake = replace(peer("a", "10.0.0.2"), key=Key("other", "a"))
    planned = plan(world(*nodes(1), peer("a"), namesake), "node-1")
    assert str(planned.peers["a"].address) == "10.0.0.1" and ("BGPPeer other/a", "DuplicateName") in problems(planned)


LABELLED = replace(SECRET, type="Opaque", labels={PASSWORD_LABEL: "true"})
SPINE = MetalLoadBalancerBGPPeer(
    Key("", "spine"), 64512, 64513, ROUTER, None, 1179, parse_address("10.9.9.9"), 30.0, LABELLED.key,
    {"node-1": parse_address("10.0.0.11")}, {"receiveInterval": 50, "echoMode": True}, PeerExtras(passive=True),
)  # fmt: skip
MAIN = MetalLoadBalancerConfiguration(Key("", "main"), {"rack": "a"}, ("spine",))


def test_a_configuration_speaks_with_the_peers_that_it_names() -> None:
    hosts = [node("node-1", rack="a"), node("node-2", rack="a"), node("node-3")]
    what = world(*hosts, SPINE, MAIN, LABELLED)
    found = plan(what, "node-1").peers["spine"]
    assert found == Peer(
        "spine", Reference("MetalLoadBalancerBGPPeer", SPINE.key), 64512, 64513, ROUTER, port=1179,
        source=parse_address("10.0.0.11"), hold_time=30, router_id=SPINE.router_id, password="hush", passive=True,
        bfd=PeerBfd(50),
    )  # fmt: skip
    assert plan(what, "node-2").peers["spine"].source is None and not plan(what, "node-3").peers
    assert ("MetalLoadBalancerBGPPeer spine", "NoEffect") in problems(plan(what, "node-1"))
    stranger = replace(MAIN, key=Key("", "stranger"), node_selector={}, peers=("other",))
    assert not plan(world(*hosts, SPINE, MAIN, stranger, LABELLED), "node-3").peers
    both = replace(MAIN, key=Key("", "second"), node_selector={})
    assert plan(world(*hosts, SPINE, MAIN, both, LABELLED), "node-3").peers.keys() == {"spine"}


def test_a_secret_opens_itself_to_configurations_by_a_label() -> None:
    planned = plan(world(*nodes(1), SPINE, replace(MAIN, node_selector={}), SECRET), "node-1")
    assert not planned.peers and ("MetalLoadBalancerBGPPeer spine", "SecretUnusable") in problems(planned)


def test_a_peer_that_is_refused_is_nobody_to_announce_to() -> None:
    web = service()
    planned = plan(world(*nodes(1), pool("pool", "192.0.2.0/24"), peer(bfd_profile="typo"), bgp(), web), "node-1")
    refusal = planned.services[web.key].refusal
    assert refusal is not None and "no BGP session" in refusal.message and not planned.routes
