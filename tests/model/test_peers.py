"""What mlbd reads of a BGP peer beside the fields of MetalLB and Deckhouse."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from mlbd.model.deckhouse import MetalLoadBalancerBGPPeer
from mlbd.model.fields import Invalid
from mlbd.model.manifest import parse
from mlbd.model.metallb import BGPPeer, PeerExtras, Role

KINDS = {"BGPPeer": "metallb.io/v1beta2", "MetalLoadBalancerBGPPeer": "network.deckhouse.io/v1alpha1"}
each_kind = pytest.mark.parametrize("kind", KINDS)


def peer(kind: str, notes: dict[str, str] | None = None, **spec: Any) -> BGPPeer | MetalLoadBalancerBGPPeer:
    metadata = {"name": "router", "annotations": notes or {}}
    spec = {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.1", **spec}
    spec = {name: value for name, value in spec.items() if value is not None}
    found = parse({"apiVersion": KINDS[kind], "kind": kind, "metadata": metadata, "spec": spec})
    assert isinstance(found, BGPPeer | MetalLoadBalancerBGPPeer)
    return found


@each_kind
def test_annotations(kind: str) -> None:
    assert peer(kind, {"example.com/team": "net"}).extras == PeerExtras()
    notes = {"mlbd.io/passive": "true", "mlbd.io/ttl-security": "254", "mlbd.io/role": "rs-client"}
    assert peer(kind, notes).extras == PeerExtras(True, 254, Role.RS_CLIENT)
    assert not peer(kind, {"mlbd.io/passive": "false"}).extras.passive


@each_kind
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("passive", "yes", 'is \'yes\': write "true" or "false"'),
        ("ttl-security", "0", "write a number of hops"),
        ("ttl-security", "255", "write a number of hops"),
        ("ttl-security", "one", "write a number of hops"),
        ("ttl-security", "", "write a number of hops"),
        ("role", "client", "write customer, provider, peer, rs or rs-client"),
        ("pasive", "true", "there is no such annotation: write mlbd.io/passive, "),
    ],
)
def test_a_wrong_annotation_is_named(kind: str, name: str, value: str, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        peer(kind, {f"mlbd.io/{name}": value})
    assert caught.value.field == f"metadata.annotations[mlbd.io/{name}]" and says in caught.value.problem


@each_kind
def test_roles_are_between_autonomous_systems(kind: str) -> None:
    with pytest.raises(Invalid, match="iBGP"):
        peer(kind, {"mlbd.io/role": "peer"}, peerASN=64512)


def test_roles_and_peers_of_any_asn() -> None:
    assert peer("BGPPeer", {"mlbd.io/role": "peer"}, peerASN=None, dynamicASN="external").extras.role is Role.PEER
    with pytest.raises(Invalid, match="iBGP"):
        peer("BGPPeer", {"mlbd.io/role": "peer"}, peerASN=None, dynamicASN="internal")


def test_hops_are_said_once() -> None:
    with pytest.raises(Invalid, match=r"spec\.ebgpMultiHop"):
        peer("BGPPeer", {"mlbd.io/ttl-security": "3"}, ebgpMultiHop=True)


@each_kind
@pytest.mark.parametrize("text", ["192.0.2.0/24", "2001:db8::/64", "192.0.2.1/32", "0.0.0.0/0"])
def test_whoever_comes_from_a_network(kind: str, text: str) -> None:
    found = peer(kind, peerAddress=text)
    assert (found.network, found.address) == (ip_network(text), None)
    assert peer(kind).network is None


@each_kind
@pytest.mark.parametrize("text", ["192.0.2.1/24", "192.0.2.0/33", "router/24", "192.0.2.0/", "192.0.2.0/24/24"])
def test_a_network_that_is_none(kind: str, text: str) -> None:
    with pytest.raises(Invalid, match=r"spec\.peerAddress: .*write a prefix like"):
        peer(kind, peerAddress=text)
