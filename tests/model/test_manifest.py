"""Every kind, field by field: what is right becomes the object, what is wrong is named by its path."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbd.model.core import Service
from mlbd.model.documents import read_documents
from mlbd.model.fields import Invalid
from mlbd.model.manifest import KINDS, Contents, Foreign, Identity, identify, parse, read
from mlbd.model.metallb import BGPPeer, DynamicASN, IPAddressPool, ServiceAllocation
from mlbd.model.reference import Key
from mlbd.model.selector import LabelSelector
from mlbd.model.status import Severity
from tests.model.manifests import DELETED, OBJECTS, changed, text_of


def document(kind: str) -> Any:
    (found,) = read_documents(text_of(kind).encode())
    return found.value


def refusal(kind: str, *changes: tuple[str, Any]) -> Invalid:
    manifest = document(kind)
    for path, value in changes:
        manifest = changed(manifest, path, value)
    with pytest.raises(Invalid) as caught:
        parse(manifest)
    return caught.value


def test_every_kind_has_an_example() -> None:
    assert OBJECTS.keys() == {kind for _, kind in KINDS}


@pytest.mark.parametrize("kind", OBJECTS)
def test_a_full_manifest_becomes_the_object(kind: str) -> None:
    assert parse(document(kind)) == OBJECTS[kind]
    assert read(text_of(kind).encode(), "a.yaml").problems == ()


@pytest.mark.parametrize("kind", OBJECTS)
def test_every_field_that_is_read_is_checked(kind: str) -> None:
    """Whatever leaf of a full manifest becomes something absurd, either nobody reads it or its path is named."""
    manifest = document(kind)
    unread = []
    for path in leaves(manifest):
        try:
            parse(changed(manifest, path, {"absurd": [path]}))
        except (Invalid, Foreign) as refused:
            assert isinstance(refused, Foreign) or refused.field == path or path.startswith(refused.field), path
        else:
            unread.append(path)
    assert unread == UNREAD.get(kind, [])


#: Fields of Kubernetes that are others' business, and statuses.
UNREAD = {
    "Service": ["spec.sessionAffinity", "spec.ports[0].name", "spec.ports[0].targetPort", "spec.ports[1].name",
                "status.loadBalancer.ingress[1].hostname"],
    "Node": ["status.addresses[1].address"],
    "EndpointSlice": ["addressType", "endpoints[1].conditions.terminating",
                      "endpoints[2].nodeName", "endpoints[3].nodeName"],
    "IPAddressPool": ["status.assignedIPv4", "status.assignedIPv6", "status.availableIPv4", "status.availableIPv6"],
    "MetalLoadBalancerClass": ["spec.tolerations[0].operator"],
}  # fmt: skip


def leaves(value: Any, path: str = "") -> list[str]:
    match value:
        case dict():
            parts = [leaves(child, at(path, name)) for name, child in value.items()]
        case list():
            parts = [leaves(child, f"{path}[{index}]") for index, child in enumerate(value)]
        case _:
            return [path]
    return [leaf for part in parts for leaf in part]


def at(path: str, name: str) -> str:
    if path.rpartition(".")[2] in ("labels", "annotations", "nodeSelector", "matchLabels", "selector"):
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name


WRONG: list[tuple[str, str, Any]] = [
    ("Service", "metadata.name", DELETED),
    ("Service", "metadata.name", "a/b"),
    ("Service", "metadata.name", "a b"),
    ("Service", "metadata.name", "a\n"),
    ("Service", "metadata.name", "a" * 254),
    ("Service", "metadata.namespace", "x/y"),
    ("Service", "metadata.labels[app]", True),
    ("Service", "metadata.annotations[network.deckhouse.io/l2-load-balancer-external-ips-count]", 3),
    ("Service", "spec.type", "Loadbalancer"),
    ("Service", "spec.ipFamilies[1]", "ipv6"),
    ("Service", "spec.ipFamilyPolicy", "DualStack"),
    ("Service", "spec.externalTrafficPolicy", "local"),
    ("Service", "spec.ports[0].port", 0),
    ("Service", "spec.ports[0].port", 65536),
    ("Service", "spec.ports[0].port", "80"),
    ("Service", "spec.ports[0].port", 80.0),
    ("Service", "spec.ports[0].port", True),
    ("Service", "spec.ports[1].port", DELETED),
    ("Service", "spec.ports[1].protocol", "udp"),
    ("Service", "spec.ports", {}),
    ("Service", "spec", []),
    ("Service", "status.conditions[0].status", True),
    ("Service", "status.conditions[0].type", DELETED),
    ("Service", "apiVersion", "v2"),
    ("Node", "status.addresses[0].address", "node-1"),
    ("Secret", "data.password", "not base64!"),
    ("EndpointSlice", "metadata.labels[kubernetes.io/service-name]", DELETED),
    ("EndpointSlice", "endpoints[0].conditions.ready", "yes"),
    ("IPAddressPool", "spec.addresses", DELETED),
    ("IPAddressPool", "spec.addresses", []),
    ("IPAddressPool", "spec.addresses[0]", "192.0.2.1"),
    ("IPAddressPool", "spec.addresses[0]", "192.0.2.0/33"),
    ("IPAddressPool", "spec.addresses[0]", "192.0.2.9-192.0.2.1"),
    ("IPAddressPool", "spec.addresses[0]", "192.0.2.9-2001:db8::1"),
    ("IPAddressPool", "spec.addresses[0]", "a/24-b/24"),
    ("IPAddressPool", "spec.addresses[3]", "192.0.2.15/32"),
    ("IPAddressPool", "spec.autoAssign", "yes"),
    ("IPAddressPool", "spec.serviceAllocation.priority", "high"),
    ("IPAddressPool", "spec.serviceAllocation.namespaces[1]", "shop"),
    ("IPAddressPool", "spec.serviceAllocation.namespaceSelectors[1]", {"matchLabels": {"team": "a"}}),
    ("IPAddressPool", "spec.serviceAllocation.serviceSelectors[0].matchExpressions[0].values[2]", "web"),
    ("IPAddressPool", "spec.serviceAllocation.serviceSelectors[0].matchExpressions[0].operator", DELETED),
    ("IPAddressPool", "spec.serviceAllocation.serviceSelectors[0].matchExpressions[0].operator", "Is"),
    ("IPAddressPool", "spec.serviceAllocation.serviceSelectors[0].matchExpressions[0].key", ""),
    ("IPAddressPool", "spec.serviceAllocation.serviceSelectors[0].matchExpressions[0].values", []),
    ("IPAddressPool", "spec.serviceAllocation.serviceSelectors[0].matchLabel", {}),
    ("IPAddressPool", "spec.autoAsign", True),
    ("IPAddressPool", "sepc", {}),
    ("IPAddressPool", "apiVersion", "metallb.io/v1alpha1"),
    ("L2Advertisement", "spec.ipAddressPools[1]", "public"),
    ("L2Advertisement", "spec.ipAddressPoolSelectors[1]", {"matchLabels": {"zone": "a"}}),
    ("L2Advertisement", "spec.nodeSelectors[0].matchExpressions[0].values", ["a"]),
    ("L2Advertisement", "spec.preferredNodeSelectors[0].weight", 0),
    ("L2Advertisement", "spec.preferredNodeSelectors[0].weight", 101),
    ("L2Advertisement", "spec.preferredNodeSelectors[0].preference", DELETED),
    ("BGPAdvertisement", "spec.aggregationLength", 0),
    ("BGPAdvertisement", "spec.aggregationLength", 33),
    ("BGPAdvertisement", "spec.aggregationLengthV6", 129),
    ("BGPAdvertisement", "spec.localPref", -1),
    ("BGPAdvertisement", "spec.localPref", 1 << 32),
    ("BGPAdvertisement", "spec.communities[0]", "70000:1"),
    ("BGPAdvertisement", "spec.communities[0]", "foo:1:2:3"),
    ("BGPAdvertisement", "spec.communities[3]", "vip"),
    ("BGPAdvertisement", "spec.peers[1]", "router"),
    ("BGPPeer", "spec.myASN", DELETED),
    ("BGPPeer", "spec.myASN", 0),
    ("BGPPeer", "spec.myASN", 1 << 32),
    ("BGPPeer", "spec.peerASN", DELETED),
    ("BGPPeer", "spec.peerASN", 0),
    ("BGPPeer", "spec.dynamicASN", "internal"),
    ("BGPPeer", "spec.localASN", 0),
    ("BGPPeer", "spec.peerAddress", DELETED),
    ("BGPPeer", "spec.peerAddress", "router.example.org"),
    ("BGPPeer", "spec.interface", "eth0"),
    ("BGPPeer", "spec.sourceAddress", "192.0.2.0/24"),
    ("BGPPeer", "spec.peerPort", 0),
    ("BGPPeer", "spec.peerPort", 16385),
    ("BGPPeer", "spec.holdTime", "1s"),
    ("BGPPeer", "spec.holdTime", "2999ms"),
    ("BGPPeer", "spec.holdTime", "20h"),
    ("BGPPeer", "spec.holdTime", 90),
    ("BGPPeer", "spec.holdTime", "ninety"),
    ("BGPPeer", "spec.keepaliveTime", "91s"),
    ("BGPPeer", "spec.connectTime", "1500ms"),
    ("BGPPeer", "spec.connectTime", "0s"),
    ("BGPPeer", "spec.connectTime", "65536s"),
    ("BGPPeer", "spec.routerID", "2001:db8::1"),
    ("BGPPeer", "spec.nodeSelectors[1]", {"matchExpressions": [{"key": "rack", "operator": "In", "values": ["a"]}]}),
    ("BGPPeer", "spec.passwordSecret.name", ""),
    ("BFDProfile", "spec.receiveInterval", 9),
    ("BFDProfile", "spec.transmitInterval", 60001),
    ("BFDProfile", "spec.detectMultiplier", 1),
    ("BFDProfile", "spec.detectMultiplier", 256),
    ("BFDProfile", "spec.echoInterval", 9),
    ("BFDProfile", "spec.minimumTtl", 0),
    ("BFDProfile", "spec.minimumTtl", 255),
    ("BFDProfile", "spec.minimumTTL", 5),
    ("Community", "spec.communities[0].value", "vip"),
    ("Community", "spec.communities[0].value", "large:1:wrong:2"),
    ("Community", "spec.communities[0].value", "large:1:2:4294967296"),
    ("Community", "spec.communities[0].name", ""),
    ("MetalLoadBalancerClass", "spec.type", "BGP"),
    ("MetalLoadBalancerClass", "spec.addressPool[1]", "192.0.2.150/31"),
    ("MetalLoadBalancerClass", "spec.l2.interface", "eth0"),
    ("MetalLoadBalancerClass", "spec.nodeSelector[zone]", 1),
    ("MetalLoadBalancerPool", "spec.addresses", []),
    ("MetalLoadBalancerBGPPeer", "spec.peerASN", DELETED),
    ("MetalLoadBalancerBGPPeer", "spec.myASN", 0),
    ("MetalLoadBalancerBGPPeer", "spec.peerPort", 65536),
    ("MetalLoadBalancerBGPPeer", "spec.peerAddress", "router"),
    ("MetalLoadBalancerBGPPeer", "spec.passwordSecretRef.namespace", DELETED),
    ("MetalLoadBalancerBGPPeer", "spec.sourceAddresses[0].address", DELETED),
    ("MetalLoadBalancerBGPPeer", "spec.holdTime", "1s"),
    ("MetalLoadBalancerBGPPeer", "spec.bfd.detectMultiplier", 1),
    ("MetalLoadBalancerConfiguration", "spec.mode", DELETED),
    ("MetalLoadBalancerConfiguration", "spec.mode", "L2"),
    ("MetalLoadBalancerConfiguration", "spec.bgp.peerNames[1]", "router"),
    ("MetalLoadBalancerConfiguration", "spec.advertisements[0].poolNames", []),
    ("MetalLoadBalancerConfiguration", "spec.advertisements[0].bgp.communities[0]", "no-peer"),
    ("MetalLoadBalancerConfiguration", "spec.advertisements[0].bgp.aggregationLength", 129),
]


@pytest.mark.parametrize(("kind", "path", "value"), WRONG)
def test_a_wrong_field_is_named_by_its_path(kind: str, path: str, value: Any) -> None:
    refused = refusal(kind, (path, value))
    assert refused.field == path
    assert ": " in refused.problem or " (" in refused.problem, "a message ends with what to write"


MESSAGES = [
    ("Service", "metadata.labels[app]", True,
     "is the boolean true: YAML reads on, off, yes, no, true and false that way, write the text in quotes"),
    ("Service", "metadata.labels[app]", 3, 'is the number 3: write "3" in quotes'),
    ("Service", "metadata.labels[app]", None, "is empty: write a text"),
    ("Service", "spec.ports[0].port", "80", "is the text '80': write a whole number from 1 to 65535, without quotes"),
    ("Service", "spec.externalTrafficPolicy", "local", "is 'local': write Cluster or Local"),
    ("IPAddressPool", "spec.autoAssign", "yes", "is the text 'yes': write true or false, without quotes"),
    ("IPAddressPool", "spec.autoAsign", True, "there is no such field: did you mean autoAssign?"),
    ("IPAddressPool", "spec.colour", True, "there is no such field: take it out"),
    ("IPAddressPool", "spec.addresses[3]", "192.0.2.15/32",
     "192.0.2.15/32 overlaps 192.0.2.0/28 of addresses[0]: take one of them out"),
    ("L2Advertisement", "spec.ipAddressPools[1]", "public", "repeats ipAddressPools[0]: take one of them out"),
    ("BGPPeer", "spec.dynamicASN", "internal",
     "peerASN and dynamicASN are given: give exactly one of peerASN, dynamicASN"),
    ("BGPPeer", "spec.holdTime", "1s", "makes a hold time of 1s: it must be 0s, or 3s to 65535s"),
    ("BGPPeer", "apiVersion", "metallb.io/v1",
     "is 'metallb.io/v1': write metallb.io/v1beta1 or metallb.io/v1beta2 for a BGPPeer"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "path", "value", "problem"), MESSAGES)
def test_the_message_says_what_to_write(kind: str, path: str, value: Any, problem: str) -> None:
    assert refusal(kind, (path, value)).problem == problem


def test_only_one_field_is_missing_at_a_time() -> None:
    assert refusal("BGPPeer", ("spec.peerAddress", DELETED)).problem == (
        "is missing: give exactly one of peerAddress, interface"
    )


def test_service_selectors_exclude_aggregation() -> None:
    selectors = ("spec.serviceSelectors", [{"matchLabels": {"app": "web"}}])
    assert refusal("BGPAdvertisement", selectors).field == "spec.aggregationLength"
    refused = refusal("BGPAdvertisement", selectors, ("spec.aggregationLength", 32))
    assert refused.field == "spec.aggregationLengthV6"
    assert "mutually exclusive" in refused.problem


def test_multihop_is_for_other_systems() -> None:
    assert refusal("BGPPeer", ("spec.peerASN", 64512)).field == "spec.ebgpMultiHop"


def test_a_community_name_stands_once_in_an_object() -> None:
    assert refusal("Community", ("spec.communities[1].name", "vip")).field == "spec.communities[1]"


def test_a_node_has_one_source_address() -> None:
    again = {"nodeName": "node-1", "address": "192.0.2.2"}
    refused = refusal("MetalLoadBalancerBGPPeer", ("spec.sourceAddresses[1]", again))
    assert refused.field == "spec.sourceAddresses[1].nodeName"


def peer(**spec: Any) -> BGPPeer:
    found = parse({"apiVersion": "metallb.io/v1beta2", "kind": "BGPPeer", "metadata": {"name": "p"}, "spec": spec})
    assert isinstance(found, BGPPeer)
    return found


TIMERS = [
    ({}, None, None),
    ({"holdTime": "90s"}, 90, 30),
    ({"keepaliveTime": "60s"}, 180, 60),
    ({"holdTime": "0s"}, 0, 0),
    ({"holdTime": "3s", "keepaliveTime": "3s"}, 3, 3),
    ({"holdTime": "3999ms"}, 3, 1),
    ({"holdTime": "1h2m3s"}, 3723, 1241),
]


@pytest.mark.parametrize(("times", "hold", "keepalive"), TIMERS)
def test_timers_follow_from_each_other(times: dict[str, str], hold: float | None, keepalive: float | None) -> None:
    found = peer(myASN=1, peerASN=2, peerAddress="192.0.2.1", **times)
    assert (found.hold_time, found.keepalive_time) == (hold, keepalive)


def test_an_unnumbered_peer_of_unknown_asn() -> None:
    found = peer(myASN=1, dynamicASN="external", interface="eth0", passwordSecret={})
    assert (found.dynamic_asn, found.interface, found.asn, found.address) == (DynamicASN.EXTERNAL, "eth0", None, None)
    assert found.password_secret is None
    assert found.port == 179


def test_a_password_comes_from_one_place_and_is_never_shown() -> None:
    both = {"password": "hunter2", "passwordSecret": {"name": "s"}}
    with pytest.raises(Invalid) as caught:
        peer(myASN=1, peerASN=2, peerAddress="192.0.2.1", **both)
    assert caught.value.field == "spec.passwordSecret"
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(peer(myASN=1, peerASN=2, peerAddress="192.0.2.1", password="hunter2"))
    assert "31337" not in str(refusal("BGPPeer", ("spec.password", 31337)))
    assert "31337" not in str(refusal("Secret", ("data.password", 31337)))
    assert "hunter2!" not in str(refusal("Secret", ("data.password", "hunter2!")))


SLIPS = [
    ("Secret", "stringData", "hunter2"),
    ("Secret", "data", "hunter2"),
    ("Secret", "data", ["hunter2"]),
    ("Secret", "data", {"password": ["hunter2"]}),
    ("Secret", "data", {"password=hunter2": 1}),
    ("Secret", "data", {"password=hunter2": "no base64"}),
    ("Secret", "type", 31337),
    ("Secret", "metadata", "hunter2"),
    ("Secret", "metadata.name", "my hunter2"),
    ("Secret", "metadata.name", 31337),
    ("Secret", "metadata.labels", {"app": 31337}),
    ("Secret", "metadata.labels", {"password=hunter2": True}),
    ("BGPPeer", "spec", "password=hunter2"),
    ("BGPPeer", "spec", ["password=hunter2"]),
    ("BGPPeer", "spec.password", ["hunter2"]),
    ("BGPPeer", "spec.password", {"hunter2": 1}),
    ("BGPPeer", "spec.passwordSecret", "hunter2"),
    ("BGPPeer", "spec.passwordSecret", 31337),
    ("BGPPeer", "spec.passwordSecret", ["hunter2"]),
    ("BGPPeer", "spec.passwordSecret.name", 31337),
    ("BGPPeer", "spec.passwordSecret.password=hunter2", None),
    ("BGPPeer", "spec.password=hunter2", None),
    ("BGPPeer", "spec.password:hunter2", None),
    ("BGPPeer", "spec.password hunter2", None),
    ("BGPPeer", "spec.=hunter2", None),
    ("BGPPeer", "password=hunter2", None),
    ("MetalLoadBalancerBGPPeer", "spec.passwordSecretRef", "hunter2"),
    ("MetalLoadBalancerBGPPeer", "spec.passwordSecretRef.name", 31337),
]


@pytest.mark.parametrize(("kind", "path", "value"), SLIPS)
def test_no_message_shows_what_may_be_a_secret(kind: str, path: str, value: Any) -> None:
    manifest = json.dumps(changed(document(kind), path, value)).encode()
    (problem,) = read(manifest, "a.json").problems
    for secret in ("hunter2", "31337"):
        assert secret not in problem.message + problem.field + problem.object


def test_a_name_that_stands_twice_is_shown_without_its_slipped_value() -> None:
    for text in (
        "stringData: {password=hunter2: a, password=hunter2: b}",
        '{"password=hunter2": 1, "password=hunter2": 2}',
    ):
        (problem,) = read(text.encode(), "a.yaml").problems
        assert "the name password... stands twice" in problem.message
        assert "hunter2" not in problem.message


def test_what_is_no_secret_is_shown() -> None:
    assert refusal("Secret", ("stringData", "x")).problem == "is a text: write a mapping"
    assert refusal("BGPPeer", ("spec.passwordSecret.name", 1)).problem == "is a number: write it in quotes"
    assert refusal("BGPPeer", ("spec.bfdProfile", 31337)).problem == 'is the number 31337: write "31337" in quotes'
    slipped = refusal("BGPPeer", ("spec.password=hunter2", None))
    assert str(slipped) == "spec.password...: there is no such field: did you mean password?"


LONG = "x" * 1_000_000
NUMBER = "1" * 1_000_000
UNBOUNDED = [
    ("IPAddressPool", "spec.addresses[0]", LONG),
    ("IPAddressPool", "spec.addresses[0]", f"192.0.2.0/{NUMBER}"),
    ("IPAddressPool", "spec.addresses[0]", f"fe80::1%{LONG}/64"),
    ("IPAddressPool", "spec.addresses[0]", f"192.0.2.1-{LONG}"),
    ("IPAddressPool", "spec.addresses", {LONG: 1}),
    ("IPAddressPool", f"spec.{LONG}", 1),
    ("IPAddressPool", "kind", LONG),
    ("IPAddressPool", "apiVersion", f"metallb.io/{LONG}"),
    ("IPAddressPool", "apiVersion", LONG),
    ("IPAddressPool", "metadata.name", LONG),
    ("IPAddressPool", "metadata.namespace", LONG),
    ("Service", f"metadata.annotations[{LONG}]", 1),
    ("Service", "metadata.annotations", {"metallb.io/address-pool": [LONG]}),
    ("Service", "spec.type", LONG),
    ("Service", "spec.ipFamilies[0]", LONG),
    ("Service", "spec.ports[0].protocol", LONG),
    ("Service", "spec.ports[0].port", LONG),
    ("Node", "status.addresses[0].address", LONG),
    ("Secret", "data", {LONG: "?"}),
    ("Secret", "data", {LONG: 1}),
    ("BGPPeer", "spec.holdTime", LONG),
    ("BGPPeer", "spec.peerAddress", f"fe80::1%{LONG}"),
    ("BGPAdvertisement", "spec.communities[0]", f"{NUMBER}:1"),
    ("Community", "spec.communities[0].value", LONG),
    ("MetalLoadBalancerConfiguration", "spec.advertisements[0].bgp.communities", [LONG]),
    ("MetalLoadBalancerBGPPeer", "spec.sourceAddresses", [{"nodeName": LONG, "address": "192.0.2.1"}] * 2),
]


@pytest.mark.parametrize(("kind", "path", "value"), UNBOUNDED, ids=[f"{case[0]} {case[1][:40]}" for case in UNBOUNDED])
def test_a_message_is_short_however_long_the_text(kind: str, path: str, value: Any) -> None:
    (problem,) = read(json.dumps(changed(document(kind), path, value)).encode(), "a.json").problems
    assert len(problem.message) < 500
    assert len(problem.object) + len(problem.field) < 300


def test_a_secret_reference_without_namespace_is_in_the_peers_own() -> None:
    found = peer(myASN=1, peerASN=2, peerAddress="192.0.2.1", passwordSecret={"name": "s"})
    assert found.password_secret == Key("default", "s")


def test_the_older_peer_version() -> None:
    spec = {"myASN": 42, "peerASN": 142, "peerAddress": "192.0.2.1", "peerPort": 0, "holdTime": "180s"}
    old = {"apiVersion": "metallb.io/v1beta1", "kind": "BGPPeer", "metadata": {"name": "p"}, "spec": spec}
    assert parse(old) == peer(**spec | {"peerPort": 179})
    for newer in ("vrf", "dynamicASN", "interface", "passwordSecret"):
        with pytest.raises(Invalid, match=f"spec.{newer}"):
            parse(changed(old, f"spec.{newer}", "x"))


def test_allocation_without_criteria_is_for_every_service() -> None:
    manifest = changed(document("IPAddressPool"), "spec.serviceAllocation", {"priority": 2})
    pool = parse(manifest)
    assert isinstance(pool, IPAddressPool)
    assert pool.allocation == ServiceAllocation(priority=2, service_selectors=(LabelSelector(),))


@pytest.mark.parametrize("kind", OBJECTS)
def test_the_smallest_manifest_has_all_defaults(kind: str) -> None:
    full = document(kind)
    smallest = {name: full[name] for name in ("apiVersion", "kind")} | {"metadata": {"name": "x"}}
    needed = {
        "EndpointSlice": "metadata.labels[kubernetes.io/service-name]",
        "IPAddressPool": "spec.addresses",
        "BGPPeer": "spec.peerASN",
        "MetalLoadBalancerPool": "spec.addresses",
        "MetalLoadBalancerBGPPeer": "spec.peerAddress",
        "MetalLoadBalancerConfiguration": "spec.mode",
    }
    if kind in needed:
        with pytest.raises(Invalid) as caught:
            parse(smallest)
        assert caught.value.field == needed[kind]
    else:
        found = parse(smallest)
        namespaced = next(known.namespaced for (_, name), known in KINDS.items() if name == kind)
        assert found.key == Key("default" if namespaced else "", "x")


def test_a_service_without_a_type_is_no_load_balancer() -> None:
    service = parse(changed(document("Service"), "spec.type", DELETED))
    assert isinstance(service, Service)
    assert service.type == "ClusterIP"


def test_another_programs_object_is_left_alone() -> None:
    with pytest.raises(Foreign):
        parse({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}})
    with pytest.raises(Foreign, match="did you mean Service"):
        parse({"apiVersion": "v1", "kind": "Servce"})
    with pytest.raises(Invalid, match="did you mean IPAddressPool"):
        parse({"apiVersion": "metallb.io/v1beta1", "kind": "IPAdressPool"})


@pytest.mark.parametrize("kind", OBJECTS)
def test_what_the_api_server_adds_is_no_unknown_field(kind: str) -> None:
    manifest = document(kind)
    manifest["metadata"] |= {
        "uid": "0b1d", "resourceVersion": "7", "generation": 1, "managedFields": [{"manager": "kubectl"}],
        "finalizers": ["a"], "ownerReferences": [],
    }  # fmt: skip
    manifest["metadata"].setdefault("annotations", {})["kubectl.kubernetes.io/last-applied-configuration"] = "{}"
    manifest.setdefault("status", {})
    assert parse(manifest) == OBJECTS[kind]


def test_identify_needs_no_good_object() -> None:
    broken = changed(document("IPAddressPool"), "spec", 3)
    assert identify(broken) == Identity("address_pools", Key("metallb-system", "public"))


class TestFile:
    def read(self, *kinds: str, more: str = "") -> Contents:
        return read(("---\n".join(map(text_of, kinds)) + more).encode(), "a.yaml")

    def test_many_documents(self) -> None:
        contents = self.read("Service", "Node", "IPAddressPool")
        assert list(contents.objects.values()) == [OBJECTS[kind] for kind in ("Service", "Node", "IPAddressPool")]
        assert contents.complete

    def test_a_list_is_its_items(self) -> None:
        items = "".join(f"- {text_of(kind)}".replace("\n", "\n  ").rstrip() + "\n" for kind in ("Service", "Node"))
        contents = read(f"apiVersion: v1\nkind: List\nitems:\n{items}".encode(), "a.yaml")
        assert list(contents.objects.values()) == [OBJECTS["Service"], OBJECTS["Node"]]

    @pytest.mark.parametrize("kind", OBJECTS)
    def test_a_list_of_one_kind_implies_it(self, kind: str) -> None:
        manifest = document(kind)
        version = manifest["apiVersion"]
        bare = {name: value for name, value in manifest.items() if name not in ("apiVersion", "kind")}
        for item in (manifest, bare):
            items = {"apiVersion": version, "kind": f"{kind}List", "metadata": {}, "items": [item]}
            assert list(read(json.dumps(items).encode(), "a.json").objects.values()) == [OBJECTS[kind]]

    def test_another_programs_list_is_left_alone(self) -> None:
        contents = read(b"{apiVersion: apps/v1, kind: DeploymentList, items: [{}, {}]}", "a.yaml")
        assert [problem.reason for problem in contents.problems] == ["ForeignKind"]

    def test_a_bad_object_harms_no_other(self) -> None:
        bad = text_of("IPAddressPool").replace("/28", "/99")
        contents = self.read("Service", more=f"---\n{bad}---\n{text_of('Node')}")
        assert list(contents.objects.values()) == [OBJECTS["Service"], OBJECTS["Node"]]
        assert contents.refused == {Identity("address_pools", Key("metallb-system", "public"))}
        (problem,) = contents.problems
        assert (problem.object, problem.field) == ("IPAddressPool metallb-system/public", "spec.addresses[0]")
        assert (problem.severity, problem.file) == (Severity.ERROR, "a.yaml")
        assert problem.message.startswith("cannot use IPAddressPool metallb-system/public: spec.addresses[0]: ")

    def test_the_second_of_one_name_is_refused(self) -> None:
        other = text_of("Node").replace("rack: a", "rack: b")
        contents = self.read("Node", more=f"---\n{other}")
        assert list(contents.objects.values()) == [OBJECTS["Node"]]
        (problem,) = contents.problems
        assert problem.reason == "DuplicateObject"
        assert "line 16: it stands in line 1 " in problem.message

    def test_another_programs_object_is_a_warning(self) -> None:
        contents = self.read("Node", more="---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n")
        assert list(contents.objects.values()) == [OBJECTS["Node"]]
        (problem,) = contents.problems
        assert problem.severity is Severity.WARNING
        assert "'Deployment'" in problem.message
        assert contents.complete

    @pytest.mark.parametrize(
        "text", ["- 1\n", "5\n", "kind: Node\n", "apiVersion: v1\nkind: Node\nmetadat: {name: x}\n"]
    )
    def test_a_document_without_a_name_is_not_lost_silently(self, text: str) -> None:
        contents = self.read("Node", more=f"---\n{text}")
        assert list(contents.objects.values()) == [OBJECTS["Node"]]
        assert not contents.complete
        assert [problem.reason for problem in contents.problems] == ["InvalidDocument"]

    def test_what_is_no_yaml_is_no_object(self) -> None:
        contents = self.read("Node", more="---\na: [")
        assert contents.objects == {}
        assert not contents.complete
        (problem,) = contents.problems
        assert problem.message.startswith("cannot read a.yaml: broken YAML in line ")

    @pytest.mark.parametrize("count", [20, 21, 200])
    def test_a_file_tells_so_many_problems_and_counts_the_rest(self, count: int) -> None:
        contents = read(json.dumps({"apiVersion": "v1", "kind": "List", "items": [{}] * count}).encode(), "a.json")
        told = [problem for problem in contents.problems if problem.reason == "InvalidDocument"]
        rest = [problem for problem in contents.problems if problem.reason == "MoreProblems"]
        assert len(told) == 20
        if count == 20:
            assert rest == []
        else:
            assert [problem.severity for problem in rest] == [Severity.ERROR]
            assert f"20 problems are told and {count - 20} more in this file are not" in rest[0].message

    def test_warnings_do_not_hide_an_error(self) -> None:
        foreign = "apiVersion: apps/v1\nkind: Deployment\n---\n"
        contents = read((foreign * 50 + text_of("Node") + "---\n" + text_of("Node")).encode(), "a.yaml")
        assert [problem.reason for problem in contents.problems].count("DuplicateObject") == 1
        assert len(contents.problems) == 21
        assert contents.problems[-1].severity is Severity.WARNING
        lines = [problem.line for problem in contents.problems[:-1]]
        assert lines == sorted(lines)

    def test_all_objects_are_read_however_many_are_wrong(self) -> None:
        items = [{}] * 100 + [document("Node")]
        contents = read(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode(), "a.json")
        assert list(contents.objects.values()) == [OBJECTS["Node"]]

    def test_what_is_not_told_is_not_put_in_words(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The closest known name takes long to find: for each of 200,000 objects longer than the watchdog waits."""
        searches: list[str] = []

        def closest(name: str, known: object) -> str:
            searches.append(name)
            return ""

        monkeypatch.setattr("mlbd.model.manifest.closest", closest)
        monkeypatch.setattr("mlbd.model.fields.closest", closest)
        for wrong in (
            {"apiVersion": "apps/v1", "kind": "Servce"},
            {"apiVersion": "metallb.io/v1beta1", "kind": "IPAdressPool"},
        ):
            searches.clear()
            read(json.dumps({"apiVersion": "v1", "kind": "List", "items": [wrong] * 100}).encode(), "a.json")
            assert len(searches) == 20
        searches.clear()
        typo = text_of("L2Advertisement").replace("ipAddressPools:", "ipAdressPools:")
        read("---\n".join(typo.replace("name: ", f"name: n{n}-") for n in range(100)).encode(), "a.yaml")
        assert len(searches) == 20

    def test_json_is_the_same(self) -> None:
        contents = read(json.dumps(document("Service")).encode(), "a.json")
        assert list(contents.objects.values()) == [OBJECTS["Service"]]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["192.0.2.0/24", "1s"]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_whatever_a_field_holds_it_is_refused_or_read(data: st.DataObject) -> None:
    manifest = document(data.draw(st.sampled_from(sorted(OBJECTS))))
    for path in data.draw(st.lists(st.sampled_from(leaves(manifest)), max_size=3, unique=True)):
        manifest = changed(manifest, path, data.draw(values))
    try:
        parse(manifest)
    except (Invalid, Foreign) as refused:
        assert str(refused)


@given(values)
def test_whatever_a_spec_holds_it_is_refused_or_read(value: Any) -> None:
    for kind in OBJECTS:
        manifest = {name: document(kind)[name] for name in ("apiVersion", "kind", "metadata")}
        for part in ("spec", "status", "data", "endpoints"):
            try:
                parse(manifest | {part: value})
            except Invalid as refused:
                assert str(refused)
