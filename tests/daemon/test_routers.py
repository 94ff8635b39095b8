from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from mlbd.daemon.routers import RouterPath, router_watches
from mlbd.model.peering import PeerBfd
from mlbd.proto.bfd.watch import Watch

OURS, THEIRS = ip_address("192.0.2.1"), ip_address("192.0.2.2")
BFD = PeerBfd(receive_interval=60, transmit_interval=50, detect_multiplier=4, passive=True, minimum_ttl=250)
PATH = RouterPath("tor", BFD, OURS, THEIRS, 7, on_link=True)


def test_what_a_profile_says() -> None:
    assert router_watches([PATH]) == (Watch("tor", OURS, THEIRS, 7, 50_000, 60_000, 4, passive=True, minimum_ttl=255),)


def test_only_over_several_hops_it_says_how_far_away_the_router_may_be() -> None:
    (watch,) = router_watches([replace(PATH, on_link=False)])
    assert (watch.link, watch.minimum_ttl) == (0, 250)


def test_each_peer_has_its_own() -> None:
    spine = replace(PATH, peer="spine", remote=ip_address("192.0.2.3"), bfd=PeerBfd())
    assert [watch.peer for watch in router_watches([PATH, spine])] == ["tor", "spine"]
