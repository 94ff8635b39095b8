"""The main job from outside: three daemons that share their files, a client on the same switch, and frames."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests import webserver
from tests.lab import Frame, Lab, wait_for

from .cluster import Cluster, cluster
from .exposition import parse
from .frames import BROADCAST, OVERRIDE, REPLY, REQUEST, SOLICITED, Advertisement, Arp, read_advertisement, read_arp
from .objects import COUNT, EXCLUDED, OLDEST, SHARED, balancer_class, endpoint_slice, metallb, node, service

NODES = {"node-1", "node-2", "node-3"}
ALL_NODES = "ff02::1"


@pytest.fixture(scope="module")
def trio() -> Iterator[Cluster]:
    """With the Service `web`, which no test changes: three addresses of each family."""
    with Lab() as lab, cluster(lab, 3, metrics="127.0.0.1:7472", holdDown="0s") as three:
        for each in three.nodes:
            webserver.serve(each.host)
        web = service("web", dual=True, annotations={COUNT: "3"})
        web["metadata"]["creationTimestamp"] = OLDEST  # else a Service whose hash collides with it could move it
        three.write("web.yaml", web)
        addresses = three.first.addresses("web")
        wait_for(lambda: addresses and set(addresses) <= three.holding().keys(), what="web announced")
        yield three


@pytest.fixture(autouse=True)
def restored(trio: Cluster) -> Iterator[None]:
    """Whatever a test does to the files, the next one finds them as they were, and the nodes at rest."""
    before = trio.holding()
    with trio.first.restored():
        yield
    wait_for(lambda: trio.holding() == before, what="the addresses as before")
    for each in trio.nodes:
        each.wait_until_well()
        each.assert_no_traceback()


@pytest.fixture
def web(trio: Cluster) -> list[str]:
    return trio.first.addresses("web")


def greet(trio: Cluster, address: str, port: int = webserver.PORT) -> str:
    """Who answers over HTTP."""
    with trio.client.enter():
        connection = http.client.HTTPConnection(address, port, timeout=2)
        connection.connect()
    connection.request("GET", "/")
    name = connection.getresponse().read().decode()
    connection.close()
    return name


def neighbour(trio: Cluster, address: str) -> str:
    (entry,) = json.loads(trio.client.ip("-json", "neighbour", "show", address))
    return str(entry["lladdr"])


def arps(trio: Cluster, address: str) -> list[Arp]:
    """What the client has heard about the address, but for questions of its own and answers to them."""
    heard = [arp for frame in trio.asker.tap.frames() if not frame.sent and (arp := read_arp(frame))]
    return [arp for arp in heard if arp.target == address and arp.destination == BROADCAST]


def advertisements(trio: Cluster, address: str) -> list[Advertisement]:
    frames = [frame for frame in trio.asker.tap.frames() if not frame.sent]
    return [found for frame in frames if (found := read_advertisement(frame)) and found.target == address]


def test_three_addresses_of_each_family_stand_on_three_nodes(trio: Cluster, web: list[str]) -> None:
    holding = trio.holding()
    for sign in ".:":
        family = [address for address in web if sign in address]
        assert len(family) == 3
        assert {holding[address] for address in family} == NODES


def test_every_node_tells_the_same_holders(trio: Cluster, web: list[str]) -> None:
    told = [each.holders("web") for each in trio.nodes]
    assert told == [{address: trio.holding()[address] for address in web}] * 3


def test_a_client_reaches_every_address_over_http_at_the_mac_of_its_holder(trio: Cluster, web: list[str]) -> None:
    for address in web:
        holder = trio.holding()[address]
        assert greet(trio, address) == holder
        assert neighbour(trio, address) == trio.by_name(holder).mac


def test_whatever_a_node_may_hold_is_on_its_lo_beforehand(trio: Cluster, web: list[str]) -> None:
    for each in trio.nodes:
        assert each.bound() >= set(web)


def test_other_ports_of_the_host_are_not_to_be_had_at_a_public_address(trio: Cluster, web: list[str]) -> None:
    trio.write("other-port.yaml", service("other-port", ports=(8080,)))
    (address,) = trio.first.addresses("other-port")
    wait_for(lambda: address in trio.holding(), what="the address announced")
    with pytest.raises(TimeoutError):
        greet(trio, address)
    assert greet(trio, f"192.0.2.{trio.first.number}") == "node-1"
    trio.write("other-port.yaml", service("other-port", ports=(8080, webserver.PORT)))
    assert wait_for(lambda: greets(trio, address)) == trio.holding()[address]


def greets(trio: Cluster, address: str) -> str:
    try:
        return greet(trio, address)
    except OSError:
        return ""


def test_a_new_address_is_probed_and_then_announced_as_request_and_reply(trio: Cluster) -> None:
    trio.write("new4.yaml", service("new4"))
    (address,) = trio.first.addresses("new4")
    first, *others = wait_for(lambda: heard if len(heard := arps(trio, address)) >= 5 else [])
    mac = trio.by_name(trio.first.holders("new4")[address]).mac
    assert first == Arp(BROADCAST, REQUEST, mac, "0.0.0.0", address), "a probe, RFC 5227 2.1.1"
    announced = [arp for arp in others if arp.sender == address]
    assert announced[:2] == [
        Arp(BROADCAST, REQUEST, mac, address, address),
        Arp(BROADCAST, REPLY, mac, address, address),
    ]


def test_a_new_ipv6_address_is_announced_to_all_nodes_with_override(trio: Cluster) -> None:
    trio.write("new6.yaml", service("new6", ipFamilies=["IPv6"]))
    (address,) = trio.first.addresses("new6")
    first = wait_for(lambda: advertisements(trio, address))[0]
    assert (first.to, first.mac) == (ALL_NODES, trio.by_name(trio.first.holders("new6")[address]).mac)
    assert first.flags & OVERRIDE
    assert not first.flags & SOLICITED


def test_a_deleted_service_is_gone_everywhere(trio: Cluster, web: list[str]) -> None:
    trio.write("short.yaml", service("short", dual=True))
    addresses = trio.first.addresses("short")
    for address in addresses:
        trio.asker.who_has(address)
    trio.remove("short.yaml")
    wait_for(lambda: not any(each.service("short") or each.bound() & set(addresses) for each in trio.nodes))
    for address in addresses:
        trio.asker.assert_silence(address, answered=web[0])


def test_more_addresses_leave_the_ones_there_are_in_place(trio: Cluster, web: list[str]) -> None:
    trio.write("grows.yaml", service("grows"))
    before = trio.first.addresses("grows")
    trio.write("grows.yaml", service("grows", annotations={COUNT: "2"}))
    after = wait_for(lambda: found if len(found := trio.first.addresses("grows")) == 2 else [])
    assert after[:1] == before
    wait_for(lambda: set(after) <= trio.holding().keys(), what="both announced")
    trio.write("grows.yaml", service("grows"))
    wait_for(lambda: after[1] not in trio.holding(), what="the second given back")
    assert trio.first.addresses("grows") == before


def test_an_excluded_node_hands_over_its_addresses_and_no_other_moves(trio: Cluster, web: list[str]) -> None:
    before = trio.holding()
    moving = {address for address in web if before[address] == "node-3"}
    heard = len(trio.asker.tap.frames())
    trio.write("node-3.yaml", node("node-3", 13, **{EXCLUDED: ""}))
    wait_for(lambda: not trio.by_name("node-3").holds(), what="its end")
    trio.wait_until_settled(*web)
    after = trio.holding()
    assert {address for address in web if after[address] != before[address]} == moving
    for address in moving:
        assert greet(trio, address) == after[address]
        trio.asker.wait_for_holder(address, trio.by_name(after[address]).mac)
        assert not probes(trio.asker.tap.frames()[heard:], address), "a take-over never waits"
    trio.write("node-3.yaml", node("node-3", 13))
    for address in moving:
        trio.asker.wait_for_holder(address, trio.by_name("node-3").mac)
        assert greet(trio, address) == "node-3"


def probes(frames: list[Frame], address: str) -> list[Arp]:
    return [arp for frame in frames if (arp := read_arp(frame)) and (arp.sender, arp.target) == ("0.0.0.0", address)]


def test_a_planned_move_is_announced_with_the_new_mac(trio: Cluster) -> None:
    local: dict[str, Any] = {"selector": {"app": "moves"}, "externalTrafficPolicy": "Local"}
    trio.write("moves.yaml", service("moves", dual=True, **local), endpoint_slice("moves", node_1=True))
    ipv4, ipv6 = trio.first.addresses("moves")
    for address in (ipv4, ipv6):
        trio.asker.wait_for_holder(address, trio.nodes[0].mac)
    new = trio.nodes[1].mac
    trio.write("moves.yaml", service("moves", dual=True, **local), endpoint_slice("moves", node_2=True))
    wait_for(lambda: {arp.operation for arp in arps(trio, ipv4) if arp.sender_mac == new} == {REQUEST, REPLY})
    wait_for(lambda: [found for found in advertisements(trio, ipv6) if found.mac == new and found.to == ALL_NODES])
    for address in (ipv4, ipv6):
        trio.asker.wait_for_holder(address, new)


def test_policy_local_follows_the_endpoints(trio: Cluster, web: list[str]) -> None:
    local = service("local", selector={"app": "local"}, externalTrafficPolicy="Local")
    trio.write("local.yaml", local)
    (address,) = trio.first.addresses("local")
    assert trio.first.problem("NoReadyEndpoint")["object"] == "Service shop/local"
    trio.asker.assert_silence(address, answered=web[0])
    trio.write("slice.yaml", endpoint_slice("local", node_1=False, node_2=True))
    trio.nodes[1].wait_for_holding(address)
    refused = wait_for(lambda: trio.nodes[0].service("local")["refused_nodes"])
    assert refused.keys() == NODES - {"node-2"}
    assert "externalTrafficPolicy is Local" in refused["node-1"]
    trio.write("slice.yaml", endpoint_slice("local", node_1=True, node_2=False))
    trio.nodes[0].wait_for_holding(address)
    trio.asker.wait_for_holder(address, trio.nodes[0].mac)
    assert address not in trio.nodes[1].holds()


def test_services_of_one_sharing_key_share_address_and_holder(trio: Cluster) -> None:
    shared = {SHARED: "front"}
    trio.write("shared.yaml", service("tcp80", annotations=shared), service("tcp443", (443,), annotations=shared))
    one, other = (trio.first.addresses(name) for name in ("tcp80", "tcp443"))
    assert one == other
    assert trio.first.holders("tcp80") == trio.first.holders("tcp443")
    wait_for(lambda: one[0] in trio.holding())
    assert greet(trio, one[0]) == trio.holding()[one[0]]


def test_an_address_pool_with_an_advertisement_works_as_in_metallb(trio: Cluster) -> None:
    trio.write(
        "metallb.yaml",
        metallb("IPAddressPool", "gold", addresses=["192.0.2.180/30"], autoAssign=False),
        metallb("L2Advertisement", "gold", ipAddressPools=["gold"], interfaces=["eth0"]),
    )
    trio.write("gold.yaml", service("gold", annotations={"metallb.io/address-pool": "gold"}))
    (address,) = trio.first.addresses("gold")
    assert address in {"192.0.2.180", "192.0.2.181", "192.0.2.182", "192.0.2.183"}
    assert trio.first.service("gold")["source"] == "IPAddressPool metallb-system/gold"
    wait_for(lambda: address in trio.holding(), what="the address announced")
    trio.asker.wait_for_holder(address, trio.by_name(trio.holding()[address]).mac)


def test_a_class_with_other_links_is_silent_on_this_one(trio: Cluster, web: list[str]) -> None:
    elsewhere = balancer_class("elsewhere", "192.0.2.190/32", l2={"interfaces": ["eth9"]})
    trio.write("elsewhere.yaml", elsewhere, service("elsewhere", loadBalancerClass="elsewhere"))
    (address,) = trio.first.addresses("elsewhere")
    holder = trio.by_name(trio.first.holders("elsewhere")[address])
    assert "eth9" in holder.problem("NoUsableInterface")["message"]
    trio.asker.assert_silence(address, answered=web[0])


def test_events_are_streamed_as_they_happen(trio: Cluster) -> None:
    with trio.first.following() as reasons:
        trio.write("told.yaml", service("told"))
        (address,) = trio.first.addresses("told")
        wait_for(lambda: "AddressAssigned" in reasons(address), what="the assignment in the stream")
        trio.remove("told.yaml")
        wait_for(lambda: reasons(address)[-1] == "AddressReleased", what="the release in the stream")


def test_the_holder_tells_of_its_announcement(trio: Cluster) -> None:
    trio.write("said.yaml", service("said"))
    (address,) = trio.first.addresses("said")
    holder = trio.by_name(trio.first.holders("said")[address])
    wait_for(lambda: f"{address} is announced here" in holder.log.read_text(), what="a line in the log")


def test_metrics_can_be_scraped(trio: Cluster, web: list[str]) -> None:
    first = trio.first
    with first.host.enter():
        connection = http.client.HTTPConnection("127.0.0.1", 7472, timeout=10)
        connection.connect()
    connection.request("GET", "/metrics")
    response = connection.getresponse()
    metrics = parse(response.read().decode())
    connection.close()
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert metrics["mlbd_ready"] == {(): 1}
    assert metrics["mlbd_addresses"][("state", "holding"),] == len(first.holds())
    assert metrics["mlbd_addresses_assigned"][()] >= len(web)
    assert metrics["mlbd_reflex_frames_total"][("outcome", "announced"),] > 0


def test_what_another_node_took_over_long_ago_is_not_told_of_again(trio: Cluster) -> None:
    local = service("back", selector={"app": "back"}, externalTrafficPolicy="Local")
    both = endpoint_slice("back", node_1=True, node_2=True)
    trio.write("back.yaml", local, both)
    (address,) = trio.first.addresses("back")
    first, second = trio.nodes[:2] if trio.first.holders("back")[address] == "node-1" else trio.nodes[1::-1]
    for only in (second, first):
        trio.write("back.yaml", local, endpoint_slice("back", **{only.host.name: True}))
        only.wait_for_holding(address)
    trio.write("back.yaml", local, both)
    wait_for(lambda: second.states("back") == ["standby"], what="the second standing by")
    assert second.address_events("AddressMoved", address)
    assert second.address_events("AddressWithdrawn", address) == 1
