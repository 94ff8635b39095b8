from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import pytest

from mlbd.daemon.explain import explain
from mlbd.daemon.explain.scene import abridged, sentence
from mlbd.model import manifest
from mlbd.model.desired import Desired
from mlbd.model.reference import Reference
from mlbd.model.status import (
    AddressStatus,
    DrainStatus,
    LinkStatus,
    NodeStatus,
    Presence,
    Problem,
    ServiceStatus,
    SessionStatus,
    Severity,
    Status,
    VipState,
)
from mlbd.model.world import World
from mlbd.plan.plan import plan
from tests.ctl.canned import STATUS

FILES = """
apiVersion: network.deckhouse.io/v1alpha1
kind: MetalLoadBalancerClass
metadata: {name: public}
spec:
  isDefault: true
  addressPool: [192.0.2.10-192.0.2.12]
  nodeSelector: {edge: ""}
  l2: {interfaces: [eth0]}
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {namespace: metallb-system, name: office}
spec: {addresses: ["2001:db8::/64"], autoAssign: false}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {namespace: metallb-system, name: everywhere}
---
apiVersion: v1
kind: Node
metadata: {name: node-1, labels: {edge: ""}}
status: {addresses: [{type: InternalIP, address: 198.51.100.1}]}
---
apiVersion: v1
kind: Node
metadata: {name: node-2, labels: {edge: ""}}
---
apiVersion: v1
kind: Node
metadata: {name: node-3, labels: {edge: "", node.kubernetes.io/exclude-from-external-load-balancers: ""}}
---
apiVersion: v1
kind: Service
metadata:
  namespace: shop
  name: web
  annotations:
    network.deckhouse.io/l2-load-balancer-external-ips-count: "2"
    network.deckhouse.io/load-balancer-ips: 192.0.2.11
spec: {type: LoadBalancer, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: shop, name: inside}
spec: {type: ClusterIP, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: shop, name: foreign}
spec: {type: LoadBalancer, loadBalancerClass: example.com/other, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: office, name: public, annotations: {metallb.io/address-pool: office}}
spec: {type: LoadBalancer, ipFamilies: [IPv6], externalTrafficPolicy: Local, ports: [{port: 80}]}
"""


def world_of(text: str) -> World:
    contents = manifest.read(text.encode(), "test.yaml")
    assert not contents.problems
    kinds: dict[str, Any] = {}
    for identity, found in contents.objects.items():
        kinds.setdefault(identity.world_field, {})[identity.key] = found
    return World(**kinds)


WORLD = world_of(FILES)
DESIRED = plan(WORLD, "node-1")


def status_of(
    desired: Desired,
    states: Mapping[str, VipState],
    message: str = "",
    *problems: Problem,
    reason: str = "",
    holder: str | None = "",
) -> Status:
    """As the daemon of node-1 would compose it, with these states of its addresses; `holder` is the first in the order
    unless another is given."""
    services = []
    for key, planned in desired.services.items():
        addresses = []
        for slot in planned.slots:
            vip = desired.vips.get(slot.address) if slot.address else None
            order, text = vip.order if vip else (), str(slot.address)
            state = states.get(text, VipState.NONE)
            links = ("eth0",) if state is VipState.HOLDING else ()
            first = order[0] if order else None
            who = first if holder == "" else holder
            addresses.append(
                AddressStatus(slot.index, slot.family, text, slot.pinned, who, order, state, links, reason, message)
            )
        services.append(
            ServiceStatus(*key, str(planned.source), "Cluster", (), len(addresses), 0, True, tuple(addresses))
        )
    return dataclasses.replace(
        STATUS,
        services=tuple(services),
        pools=desired.pools,
        nodes=(
            NodeStatus("node-1", True, ("198.51.100.1",), ("public",), 1),
            NodeStatus("node-2", False, (), ("public",), 1),
            NodeStatus("node-3", False, (), (), 0, "it is labelled to be excluded"),
        ),
        links=(
            LinkStatus("eth0", 2, "02:00:5e:00:53:01", True, 1, ("198.51.100.1/24",)),
            LinkStatus("eth1", 3, "02:00:5e:00:53:02", False, 0, (), "has no carrier: check its cable"),
        ),
        problems=problems,
    )


STATES = {"192.0.2.11": VipState.HOLDING}


def told(text: str, status: Status | None = None, world: World = WORLD, desired: Desired = DESIRED) -> dict[str, str]:
    """The sentences of each section, by its title."""

    def origin(reference: Reference) -> str:
        return "/etc/mlbd/state.d/all.yaml" if reference.kind in ("Service", "Node") else ""

    explanation = explain(text, world, desired, status or status_of(desired, STATES), origin)
    assert explanation is not None, text
    assert explanation.object == text
    return {section.title: "\n".join(section.sentences) for section in explanation.sections}


def other(address: str) -> str:
    """The address of slot 1 is the plan's choice."""
    slots = DESIRED.services[next(key for key in DESIRED.services if key.name == "web")].slots
    return next(str(slot.address) for slot in slots if str(slot.address) != address)


def test_a_service_from_its_file_to_the_frames() -> None:
    chosen = other("192.0.2.11")
    chain = told("shop/web")
    assert list(chain) == ["Service shop/web", "192.0.2.11", chosen]
    assert chain["Service shop/web"].splitlines() == [
        "It comes from /etc/mlbd/state.d/all.yaml.",
        "Its addresses come from MetalLoadBalancerClass public, because it is the default class and the Service names "
        "none.",
        "It asks for 2 addresses (the annotation network.deckhouse.io/l2-load-balancer-external-ips-count), and has 2.",
        "node-1 and node-2 may hold its addresses.",
        "node-3 may not: the node has the label node.kubernetes.io/exclude-from-external-load-balancers: take it off.",
    ]
    first, second = DESIRED.vips[next(vip for vip in DESIRED.vips if str(vip) == "192.0.2.11")].order
    assert chain["192.0.2.11"].splitlines() == [
        "It is the address of slot 0 of Service shop/web, pinned by network.deckhouse.io/load-balancer-ips.",
        f"{first} stands first in its order and holds it.",
        f"Should {first} die, {second} takes over.",
        "This node, node-1, holds it now: it answers ARP on eth0 with 02:00:5e:00:53:01.",
    ]
    assert first == "node-2"  # which it is not for node-1 to know of
    assert "found by a hash of the Service's name and the slot" in chain[chosen]


@pytest.mark.parametrize("text", ["web", "Service shop/web", "service web", "  shop/web "])
def test_a_service_by_any_of_its_names(text: str) -> None:
    assert "Service shop/web" in told(text)


def test_an_address_by_itself() -> None:
    chain = told("192.0.2.11")
    assert list(chain) == ["192.0.2.11"]
    assert chain["192.0.2.11"].startswith("Service shop/web comes from /etc/mlbd/state.d/all.yaml.\n")
    assert "slot 0 of Service shop/web" in chain["192.0.2.11"]
    assert told("Address 192.0.2.11") == chain
    assert told("2001:DB8:0::0000") == {
        "2001:db8::": "No Service has it.\nIt is among the addresses of IPAddressPool metallb-system/office."
    }
    assert told("203.0.113.1")["203.0.113.1"].endswith("It is in no class and no pool.")
    assert "It is Node node-1's own, and is never given out." in told("198.51.100.1")["198.51.100.1"]


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (VipState.PROBING, "asks whether somebody else has it, before it takes it."),
        (VipState.CONFLICT, "keeps silent, because somebody else's host has it."),
        (VipState.STANDBY, "stands by and answers when it is its turn."),
        (VipState.SILENT, "may hold it, but cannot announce it now."),
        (VipState.NONE, "does nothing with it, because it has only just been planned."),
    ],
)
def test_what_this_node_does(state: VipState, says: str) -> None:
    status = status_of(DESIRED, {"192.0.2.11": state})
    assert told("192.0.2.11", status)["192.0.2.11"].endswith(f"This node, node-1, {says}")


def test_what_this_node_cannot_do_is_told_once_and_by_the_address() -> None:
    message = "cannot take 192.0.2.11: 02:00:5e:00:53:99 on eth0 has it"
    problem = Problem(Severity.ERROR, "Service shop/web", "AddressConflict", message)
    states = {"192.0.2.11": VipState.CONFLICT}
    status = status_of(DESIRED, states, message, problem, reason="AddressConflict")
    chain = told("shop/web", status)
    assert chain["192.0.2.11"].endswith(f"\nThis node, node-1, {message}.")
    assert "02:00:5e:00:53:99" not in chain["Service shop/web"]


HELD = "192.0.2.11"  # node-2 stands first for it, node-1 is its heir
NOON = 1795348800.0
DOWN = SessionStatus(
    "node-2", "eth0", "192.0.2.1", "192.0.2.2", "down", "control detection time expired", since=NOON, detection=0.3
)


def seen(state: VipState, holder: str | None, presence: Presence, **changed: Any) -> Status:
    """What node-1 knows of HELD and of node-2; `changed` are fields of the Status."""
    status = status_of(DESIRED, {HELD: state}, holder=holder)
    sessions = (dataclasses.replace(DOWN, since=NOON - 60), DOWN) if presence is Presence.DOWN else ()
    one, two, three = status.nodes
    nodes = one, dataclasses.replace(two, presence=presence, sessions=sessions), three
    return dataclasses.replace(status, nodes=nodes, **changed)


DRAIN = DrainStatus(NOON, "new fans", done=True)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (
            seen(VipState.STANDBY, "node-2", Presence.ALIVE),
            "node-2 stands first in its order and holds it.\nShould node-2 die, node-1 takes over.",
        ),
        (
            seen(VipState.STANDBY, "node-2", Presence.UNWATCHED),
            "node-2 stands first in its order and should hold it, but is not watched.",
        ),
        (
            seen(VipState.HOLDING, "node-1", Presence.DOWN),
            "node-2 stands first in its order, but is down since 2026-11-22 12:00:00 UTC; so node-1 holds it.\n"
            "Should node-1 die, nobody answers: no other can hold it now.",
        ),
        (
            seen(VipState.HOLDING, "node-1", Presence.ALIVE),
            "node-2 stands first in its order, but has not claimed it yet: `mlbctl why` on it tells what it waits for; "
            "so node-1 holds it.\nShould node-1 die, node-2 takes over.",
        ),
        (
            seen(VipState.HOLDING, "node-1", Presence.DRAINED),
            "node-2 stands first in its order, but took itself out: it is drained or was stopped; so node-1 holds it.\n"
            "Should node-1 die, nobody answers: no other can hold it now.",
        ),
        (
            seen(VipState.PROBING, "node-1", Presence.DOWN),
            "node-2 stands first in its order, but is down since 2026-11-22 12:00:00 UTC; so node-1 should hold it.",
        ),
        (
            seen(VipState.CONFLICT, None, Presence.DOWN),
            "node-2 stands first in its order, but is down since 2026-11-22 12:00:00 UTC; "
            "node-1 keeps silent: somebody else's host has it; so none of them holds it.\nThis node,",
        ),
        (
            seen(VipState.STANDBY, None, Presence.DOWN, drain=DRAIN),
            "node-1 is drained since 2026-11-22 12:00:00 UTC (new fans); so none of them holds it.\n"
            "This node, node-1, is drained since 2026-11-22 12:00:00 UTC (new fans) and takes nothing.",
        ),
    ],
)
def test_who_holds_it_and_who_comes_after(status: Status, says: str) -> None:
    assert says in told(HELD, status)[HELD]


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (VipState.WAITING, "came back too recently: it waits out its hold-down"),
        (VipState.SILENT, "cannot announce it"),
    ],
)
def test_why_this_node_does_not_hold_what_it_stands_first_for(state: VipState, why: str) -> None:
    address = next(str(address) for address, vip in DESIRED.vips.items() if vip.order[0] == "node-1")
    chain = told(address, status_of(DESIRED, {address: state}, holder="node-2"))[address]
    assert f"node-1 stands first in its order, but {why}; so node-2 holds it.\n" in chain
    heir = "node-1 takes over" if state is VipState.WAITING else "nobody answers"
    assert f"Should node-2 die, {heir}" in chain


def test_whom_nobody_follows() -> None:
    alone = world_of(FILES.replace("{name: node-2, labels", "{name: node-2, annotations"))
    desired = plan(alone, "node-1")
    chain = told(HELD, status_of(desired, {HELD: VipState.HOLDING}), alone, desired)[HELD]
    assert "node-1 stands first in its order and holds it.\nNo other node may hold it: " in chain


def test_a_node_that_may_not_hold_it_says_so() -> None:
    status = dataclasses.replace(status_of(DESIRED, {}), node="node-3")
    assert told("192.0.2.11", status)["192.0.2.11"].endswith(
        "This node, node-3, does nothing with it, because it is not among those that may hold it."
    )


def slices(service: str, *nodes: str, ready: bool = True) -> str:
    """An EndpointSlice of NAMESPACE/NAME with an endpoint on each of the nodes."""
    namespace, _, name = service.partition("/")
    endpoints = ", ".join(
        f"{{addresses: [198.51.100.9], nodeName: {node}, conditions: {{ready: {str(ready).lower()}}}}}"
        for node in nodes
    )
    return f"""
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{namespace: {namespace}, name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
endpoints: [{endpoints}]
"""


def told_of(text: str, *more: str) -> dict[str, str]:
    """What the plan itself says of a thing in these files."""
    world = world_of("".join((FILES, *more)))
    desired = plan(world, "node-1")
    return told(text, status_of(desired, {}, "", *desired.problems), world, desired)


def pods(spec: str = "", annotations: str = "") -> str:
    """A Service that pods serve."""
    return f"""
---
apiVersion: v1
kind: Service
metadata: {{namespace: a, name: pods, annotations: {{{annotations}}}}}
spec: {{type: LoadBalancer, selector: {{app: pods}}, ports: [{{port: 80}}]{spec}}}
"""


NO_SLICE = (
    "it has a selector and no EndpointSlice of it is known: add one with a ready endpoint, or without Kubernetes take "
    "the selector out: then programs on the nodes themselves serve it."
)
NO_ENDPOINT = "no endpoint of the Service can take traffic: make one of its pods ready (readiness probe)."


def test_a_service_without_endpoints_is_refused_once_and_says_what_it_needs() -> None:
    chain = told_of("a/pods", pods())
    service, address = chain
    assert chain[service].splitlines()[3:] == [
        f"Nobody announces it: {NO_SLICE}",
        "Then node-1 and node-2 may hold its addresses.",
        "node-3 may not: the node has the label node.kubernetes.io/exclude-from-external-load-balancers: take it off.",
    ]
    assert chain[address].count("\n") == 0  # how it was found, and no more
    assert told_of(address, pods())[address].endswith(f"\nNobody answers for it: {NO_SLICE}")


def test_a_service_whose_endpoints_are_not_ready_is_not_told_to_have_no_slice() -> None:
    chain = told_of("a/pods", pods(", externalTrafficPolicy: Local"), slices("a/pods", "node-1", ready=False))
    assert chain["Service a/pods"].splitlines()[3:5] == [
        f"Nobody announces it: {NO_ENDPOINT}",
        "Then node-1 and node-2 may hold its addresses, given a usable endpoint there.",
    ]


def test_a_refused_service_whose_address_another_one_announces() -> None:
    refused = pods(annotations="metallb.io/allow-shared-ip: key")
    other = refused.replace("name: pods", "name: other").replace("port: 80", "port: 53")
    files = refused, other, slices("a/other", "node-1")
    chain = told_of("a/pods", *files)
    service, address = chain
    assert f"\nIts addresses are announced only for Services that share them: {NO_SLICE}\n" in chain[service]
    assert "Nobody" not in chain[service] + chain[address]
    assert "stands first in its order" in chain[address]
    assert "Nobody" not in told_of(address, *files)[address]


def test_local_traffic_without_endpoints_goes_to_every_node() -> None:
    """Programs on the nodes serve it, and nobody knows on which."""
    chain = told("office/public")["Service office/public"]
    assert "externalTrafficPolicy" not in chain
    assert "node-1 and node-2 may hold its addresses." in chain


def test_a_pool_by_name_and_local_traffic() -> None:
    chain = told_of("office/public", slices("office/public", "node-2"))
    assert (
        "from IPAddressPool metallb-system/office, because the annotation metallb.io/address-pool names it."
        in (chain["Service office/public"])
    )
    assert chain["Service office/public"].splitlines()[3:6] == [
        "externalTrafficPolicy is Local: only nodes with a usable endpoint of it may hold its addresses.",
        "node-2 may hold its addresses.",
        "node-1 may not: the node has no usable endpoint of the Service, and externalTrafficPolicy is Local: "
        "run a pod of it there.",
    ]


@pytest.mark.parametrize(
    ("metadata", "spec", "says"),
    [
        ("", "loadBalancerClass: other", "because spec.loadBalancerClass names it."),
        (
            "annotations: {network.deckhouse.io/metal-load-balancer-class: other}",
            "",
            "metal-load-balancer-class names it.",
        ),
    ],
)
def test_why_this_class(metadata: str, spec: str, says: str) -> None:
    text = f"""
apiVersion: network.deckhouse.io/v1alpha1
kind: MetalLoadBalancerClass
metadata: {{name: other}}
spec: {{addressPool: [192.0.2.20-192.0.2.21]}}
---
apiVersion: v1
kind: Service
metadata: {{namespace: a, name: b, {metadata}}}
spec: {{type: LoadBalancer, ports: [{{port: 80}}], {spec}}}
"""
    world = world_of(FILES + "---" + text)
    desired = plan(world, "node-1")
    chain = told("a/b", status_of(desired, {}), world, desired)
    assert "from MetalLoadBalancerClass other, because" in chain["Service a/b"]
    assert says in chain["Service a/b"]


POOLS = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {namespace: metallb-system, name: p30}
spec: {addresses: [192.0.2.0/30], avoidBuggyIPs: true}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {namespace: metallb-system, name: everywhere}
---
apiVersion: v1
kind: Node
metadata: {name: node-1}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}, {type: ExternalIP, address: 198.51.100.1}]}
"""
COME = "Its addresses come from IPAddressPool metallb-system/p30, because "
CAN_GIVE = f"{COME}the Service names none, and this one can give what it asks for."
WOULD_COME = "Its addresses would come from IPAddressPool metallb-system/p30, because "


def in_pool(annotations: Mapping[str, str], ingress: str = "") -> list[str]:
    """The first section of a Service that asks for these addresses, without its file."""
    text = f"""
---
apiVersion: v1
kind: Service
metadata: {{namespace: a, name: b, annotations: {json.dumps(annotations)}}}
spec: {{type: LoadBalancer, ports: [{{port: 80}}]}}
status: {{loadBalancer: {{ingress: [{ingress}]}}}}
"""
    world = world_of(POOLS + text)
    desired = plan(world, "node-1")
    return told("a/b", status_of(desired, {}), world, desired)["Service a/b"].splitlines()[1:]


PINS, POOL_NAME = "metallb.io/loadBalancerIPs", "metallb.io/address-pool"
COUNT = "network.deckhouse.io/l2-load-balancer-external-ips-count"


@pytest.mark.parametrize(
    ("annotations", "ingress", "says"),
    [
        ({}, "", CAN_GIVE),
        ({COUNT: "9"}, "", f"{COME}the Service names none, and no other suits it better."),
        ({}, "{ip: 192.0.2.3}", f"{COME}an address that the Service has is in it."),
        ({PINS: "192.0.2.2"}, "", f"{COME}an address that the Service pins is in it."),
        ({PINS: "192.0.2.1"}, "", f"{WOULD_COME}an address that the Service pins is in it."),
        (
            {PINS: "192.0.3.15", COUNT: "2"},
            "",
            CAN_GIVE,
        ),
        ({PINS: "192.0.3.15,192.0.2.3", COUNT: "2"}, "", f"{COME}an address that the Service pins is in it."),
        ({PINS: "192.0.3.15", POOL_NAME: "p30"}, "", f"{WOULD_COME}the annotation {POOL_NAME} names it."),
    ],
)
def test_why_this_pool(annotations: Mapping[str, str], ingress: str, says: str) -> None:
    assert in_pool(annotations, ingress)[0] == says


@pytest.mark.parametrize("pin", ["192.0.3.15", "198.51.100.1", "192.0.2.0"])
def test_a_pin_that_no_pool_has_is_from_none(pin: str) -> None:
    """One outside of it, a Node's own, and one that the pool never gives out."""
    assert in_pool({PINS: pin}) == [
        "It asks for 1 address (the default), and has none.",
        f"Nobody announces it: cannot give {pin}, no pool that the Service may use has it: "
        "correct it, or add it to a pool.",
    ]


def test_services_that_are_none_of_ours() -> None:
    assert told("shop/inside")["Service shop/inside"].endswith(
        "It is of type ClusterIP, not LoadBalancer: it asks for no public address."
    )
    assert "example.com/other" in told("shop/foreign")["Service shop/foreign"]


def test_a_slot_without_an_address_says_why() -> None:
    world = world_of(FILES.replace('count: "2"', 'count: "4"'))
    desired = plan(world, "node-1")
    chain = told("shop/web", status_of(desired, {}), world, desired)
    assert ", and has 3." in chain["Service shop/web"]
    assert chain["Slot 3 (IPv4)"].startswith("It has no address: MetalLoadBalancerClass public has no free IPv4 ")
    world = world_of(FILES.replace('count: "2"', 'count: "5"'))
    desired = plan(world, "node-1")
    assert list(told("shop/web", status_of(desired, {}), world, desired))[-1] == "Slots 3 (IPv4) and 4 (IPv4)"


def test_a_service_without_any_address_says_why_once() -> None:
    text = FILES.replace("192.0.2.11\n", "198.51.100.7\n").replace('count: "2"', 'count: "one"')
    world = world_of(text)
    desired = plan(world, "node-1")
    status = status_of(desired, {}, "", *desired.problems)
    chain = told("shop/web", status, world, desired)
    assert list(chain) == ["Service shop/web"]
    assert chain["Service shop/web"].splitlines()[2:] == [
        "It asks for 1 address (the default), and has none.",
        "Cannot read 'one' as a number of addresses, 1 is taken: write a number from 1 to 1024.",
        "Nobody announces it: cannot give 198.51.100.7, it is not among the addresses of "
        "MetalLoadBalancerClass public: correct it, or add it there.",
    ]


def test_nobody_may_hold_it() -> None:
    world = world_of(FILES.replace('nodeSelector: {edge: ""}', "nodeSelector: {edge: nowhere}"))
    desired = plan(world, "node-1")
    chain = told("shop/web", status_of(desired, {}), world, desired)
    assert "Nobody announces it: " in chain["Service shop/web"]
    assert "node-1, node-2 and node-3 may not hold its addresses: the node lacks" in chain["Service shop/web"]
    assert "No node" not in "".join(chain.values())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("its class is refused", "Its class is refused."),
        ("externalTrafficPolicy is Local.", "externalTrafficPolicy is Local."),
        ("node-1 is gone", "node-1 is gone."),
        ("spec.x is no list", "spec.x is no list."),
    ],
)
def test_sentences_begin_with_a_capital_but_for_names(text: str, said: str) -> None:
    assert sentence(text) == said


def test_of_a_long_list_only_the_beginning_is_spelled_out() -> None:
    assert abridged("abcdefghijkl") == "a, b, c, d, e, f, g, h, i, j, k and l"
    assert abridged("abcdefghijklmn") == "a, b, c, d, e, f, g, h, i, j, k, l and 2 more"


def test_problems_stand_in_the_chain() -> None:
    problem = Problem(Severity.WARNING, "Service shop/web", "BadCount", "cannot read 'three' as a number")
    status = status_of(DESIRED, STATES, "", problem)
    assert "\nCannot read 'three' as a number.\n" in told("shop/web", status)["Service shop/web"]


def test_what_could_not_be_read_is_explained_by_its_problem() -> None:
    message = "cannot use Service shop/broken: spec.ports is no list"
    problem = Problem(Severity.ERROR, "Service shop/broken", "InvalidObject", message, file="a.yaml")
    status = status_of(DESIRED, STATES, "", problem)
    for text in ("shop/broken", "broken", "Service shop/broken"):
        assert told(text, status) == {"Service shop/broken": f"C{message[1:]}."}


def test_nodes() -> None:
    chain = told("node-1")["Node node-1"].splitlines()
    assert chain[:3] == [
        "It comes from /etc/mlbd/state.d/all.yaml.",
        "It is the node that answers you.",
        "Its classes and pools are public.",
    ]
    assert "It holds nothing: it is labelled to be excluded." in told("Node node-3")["Node node-3"]
    assert "It stands first for no address." in told("node-3")["Node node-3"]


def told_of_node(presence: Presence, *sessions: SessionStatus, drain: DrainStatus | None = None) -> list[str]:
    """Of node-2, after the sentence that names its file."""
    status = seen(VipState.STANDBY, "node-2", presence, drain=drain)
    one, two, three = status.nodes
    nodes = one, dataclasses.replace(two, sessions=sessions), three
    return told("node-2", dataclasses.replace(status, nodes=nodes))["Node node-2"].splitlines()[1:]


def test_a_node_and_the_sessions_to_it() -> None:
    up = dataclasses.replace(DOWN, state="up", interval=0.1)
    assert told_of_node(Presence.ALIVE, up)[:2] == [
        "It is alive.",
        "The BFD session on eth0 from 192.0.2.1 to 192.0.2.2 is up since 2026-11-22 12:00:00 UTC: a packet every "
        "100 ms, silence of 300 ms is noticed.",
    ]
    hops = dataclasses.replace(DOWN, link="", remote_diagnostic="neighbor signaled session down")
    assert told_of_node(Presence.DOWN, DOWN, hops)[:3] == [
        "It is down: others hold its addresses.",
        "The BFD session on eth0 from 192.0.2.1 to 192.0.2.2 is down since 2026-11-22 12:00:00 UTC: "
        "control detection time expired.",
        "The BFD session over several hops from 192.0.2.1 to 192.0.2.2 is down since 2026-11-22 12:00:00 UTC: "
        "control detection time expired; it says neighbor signaled session down.",
    ]


@pytest.mark.parametrize(
    ("presence", "drain", "says"),
    [
        (
            Presence.DRAINED,
            None,
            "It took itself out, because it is drained or was stopped: others hold its addresses.",
        ),
        (Presence.UNWATCHED, None, "It is not watched and counts as alive: nobody takes over should it die."),
        (Presence.UNWATCHED, DRAIN, "This node is drained and watches nobody."),
        (Presence.APART, None, "It shares no class and no pool with this node, which does not watch it."),
    ],
)
def test_a_node_that_is_not_known_to_live(presence: Presence, drain: DrainStatus | None, says: str) -> None:
    assert told_of_node(presence, drain=drain)[0] == says


def test_this_node_drained() -> None:
    for done, does in ((True, "it answers"), (False, "soon it answers")):
        drain = dataclasses.replace(DRAIN, done=done)
        chain = told("node-1", dataclasses.replace(status_of(DESIRED, {}), drain=drain))["Node node-1"]
        assert f"It is drained since 2026-11-22 12:00:00 UTC (new fans): {does} for no address." in chain


def test_links() -> None:
    assert told("eth0")["Link eth0"].endswith("On it this node answers for 192.0.2.11.")
    assert told("link eth1")["Link eth1"].endswith("Nothing is announced on it: it has no carrier: check its cable.")


def test_classes_and_pools() -> None:
    chain = told("class public")["MetalLoadBalancerClass public"]
    assert "Its addresses are 192.0.2.10-192.0.2.12." in chain
    assert "It is the default class" in chain
    assert "They are announced on eth0 only." in chain
    assert "2 of 3 addresses are in use." in chain
    assert chain.endswith("Its Services are shop/web.")
    for name in ("office", "IPAddressPool metallb-system/office"):
        pool = told(name)["IPAddressPool metallb-system/office"]
        assert "autoAssign is false: only Services that name it take from it." in pool
        assert "1 of more than 1,000,000 addresses is in use." in pool


def test_everything_of_one_name() -> None:
    assert {"Service office/public", "MetalLoadBalancerClass public"} <= told("public").keys()


@pytest.mark.parametrize(
    "text", ["", " ", "nothing", "Service", "Service node-1", "Node eth0", "192.0.2.300", "\0", "link"]
)
def test_what_nobody_knows(text: str) -> None:
    assert explain(text, WORLD, DESIRED, status_of(DESIRED, {})) is None
