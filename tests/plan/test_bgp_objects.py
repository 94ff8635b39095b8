from __future__ import annotations

from typing import Any

import pytest

from mlbd.model.address import parse_address
from mlbd.model.core import Secret
from mlbd.model.metallb import BFDProfile, BGPAdvertisement, BGPPeer, Community
from mlbd.model.reference import Key
from mlbd.model.world import Object, World
from mlbd.plan.ground import survey
from mlbd.plan.plan import plan

from .builders import added, labelled, nodes, pool, world


def key(name: str) -> Key:
    return Key("metallb-system", name)


def peer(name: str = "peer", address: str = "10.0.0.1", **fields: Any) -> BGPPeer:
    return BGPPeer(key(name), 64512, asn=64513, address=parse_address(address), **fields)


def ad(name: str = "ad", **fields: Any) -> BGPAdvertisement:
    return BGPAdvertisement(key(name), **fields)


def refused(*objects: Object, base: World | None = None) -> dict[str, str]:
    what = added(base or world(*nodes(2, role="edge"), pool("pool", "192.0.2.0/24", "2001:db8::/64")), *objects)
    found = {str(reference.key.name): refusal.reason for reference, refusal in survey(what, "node-1").refused.items()}
    told = {problem.reason for problem in plan(what, "node-1").problems}
    assert set(found.values()) <= told
    return found


def test_sound_objects_stand() -> None:
    assert not refused(peer(), peer("other", "10.0.0.2"), ad(), Community(key("names"), (("fast", "64512:1"),)))


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (None, "SecretNotFound"),
        (Secret(key("password"), "Opaque", {"password": b"hush"}), "SecretUnusable"),
        (Secret(key("password"), "kubernetes.io/basic-auth", {"username": b"bgp"}), "SecretUnusable"),
        (Secret(key("password"), "kubernetes.io/basic-auth", {"password": b"hush"}), ""),
    ],
)
def test_a_password_must_be_there_and_is_never_told(secret: Secret | None, reason: str) -> None:
    objects = (peer(password_secret=key("password")), *((secret,) if secret else ()))
    assert refused(*objects) == ({"peer": reason} if reason else {})
    what = world(*objects)
    assert "hush" not in repr(plan(what, "node-1").problems)


def test_two_peers_of_one_session_on_one_node() -> None:
    assert refused(peer("a"), peer("b")) == {"b": "DuplicatePeer"}
    assert not refused(peer("a"), peer("b", vrf="red"))
    edge, core = (labelled(role="edge"),), (labelled(role="core"),)
    assert not refused(peer("a", node_selectors=edge), peer("b", node_selectors=core))


def test_a_profile_must_exist_and_not_echo_over_ipv6() -> None:
    assert refused(peer(bfd_profile="fast")) == {"peer": "BFDProfileNotFound"}
    echo = BFDProfile(key("fast"), echo_mode=True)
    assert refused(peer(bfd_profile="fast"), echo, ad()) == {"peer": "EchoWithIPv6"}
    assert not refused(peer(bfd_profile="fast"), echo, ad(peers=("someone-else",)))


def test_aggregates_stay_within_the_pool() -> None:
    assert refused(ad(aggregation_length=23)) == {"ad": "AggregateTooWide"}
    assert refused(ad(aggregation_length_v6=63)) == {"ad": "AggregateTooWide"}
    assert not refused(ad(aggregation_length=24, aggregation_length_v6=64))


def test_local_preferences_that_contradict_each_other() -> None:
    one = ad("one", local_pref=100)
    assert refused(one, ad("two", local_pref=200)) == {"two": "ConflictingLocalPref"}
    assert not refused(one, ad("two", local_pref=100))
    assert not refused(one, ad("two", local_pref=200, aggregation_length=24, aggregation_length_v6=64))
    assert refused(one, ad("two", local_pref=200, aggregation_length=24)) == {"two": "ConflictingLocalPref"}
    assert not refused(one, ad("two", local_pref=200, node_selectors=(labelled(role="core"),)))
    assert not refused(one, ad("two", local_pref=200, service_selectors=(labelled(app="web"),)))
    assert not refused(ad("one", local_pref=100, peers=("a",)), ad("two", local_pref=200, peers=("b",)))
    assert refused(one, ad("two", local_pref=200, peers=("b",))) == {"two": "ConflictingLocalPref"}


def test_communities_by_name_must_be_defined_once() -> None:
    names = Community(key("names"), (("fast", "64512:1"),))
    assert refused(ad(communities=("fast",))) == {"ad": "UnknownCommunity"}
    assert not refused(ad(communities=("fast", "64512:2", "large:1:2:3")), names)
    assert refused(names, Community(key("others"), (("fast", "64512:9"),))) == {"others": "DuplicateAlias"}
