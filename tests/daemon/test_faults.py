"""What breaks around a running daemon: its child, its links, its host, its neighbours."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.lab import Lab, wait_for

from .cluster import CLIENT, Cluster, cluster, ingress
from .frames import Asker, arp_request, asking, read_advertisement, read_arp, solicitation
from .objects import IPS, balancer_class, service

NODE = "192.0.2.11"  # the kernel of node-1 answers for it, whatever becomes of mlbd


def test_a_killed_reflex_is_replaced_and_announces_again(lone: Cluster, addresses: list[str]) -> None:
    old = lone.first.reflex()
    heard = len(lone.asker.tap.frames())
    os.kill(old, signal.SIGKILL)
    for address in addresses:
        wait_for(partial(announced, lone.asker, address, heard), what=f"{address} announced again")
        lone.asker.wait_for_holder(address, lone.first.mac)
    assert lone.first.reflex() != old
    assert lone.first.get("status")["reflex"]["restarts"] == 1
    lone.first.wait_until_well()
    told = [event["message"] for event in lone.first.client.lines("events", follow=False)]
    assert any(message.startswith("cannot keep the reflex running: it was killed by SIGKILL; ") for message in told)


def announced(asker: Asker, address: str, since: int) -> list[str]:
    """The MACs with which the address was announced, unasked."""
    frames = [frame for frame in asker.tap.frames()[since:] if not frame.sent]
    arps = [arp.sender_mac for f in frames if (arp := read_arp(f)) and arp.sender == arp.target == address]
    found = [one.mac for f in frames if (one := read_advertisement(f)) and (one.to, one.target) == ("ff02::1", address)]
    return arps + found


def test_a_stopped_reflex_is_replaced(lone: Cluster, addresses: list[str]) -> None:
    old = lone.first.reflex()
    os.kill(old, signal.SIGSTOP)
    wait_for(lambda: lone.first.get("status")["reflex"]["restarts"] == 1, seconds=30, what="another reflex")
    assert lone.first.reflex() != old
    for address in addresses:
        lone.asker.wait_for_holder(address, lone.first.mac)


def test_a_killed_daemon_falls_silent_and_takes_its_addresses_again(lone: Cluster, addresses: list[str]) -> None:
    daemon, host = lone.first, lone.first.host
    lone.write("old.yaml", service("old"))
    (old,) = daemon.addresses("old")
    daemon.wait_for_holding(old)
    host.ip("address", "add", "192.0.2.77/32", "dev", "lo")
    host.run("nft", "add table inet others; add table arp others")
    reflex = daemon.reflex()
    os.kill(daemon.pid, signal.SIGKILL)
    assert daemon.process
    daemon.process.wait()
    wait_for(lambda: reflex not in host.pids(), what="the end of the reflex")
    assert set(addresses) <= daemon.bound(), "the kernel has them still, and must not answer"
    for address in addresses:
        lone.asker.assert_silence(address, answered=NODE)
    lone.remove("old.yaml")
    daemon.run()
    for address in addresses:
        lone.asker.wait_for_holder(address, daemon.mac)
    wait_for(lambda: daemon.bound() == {*addresses, "192.0.2.77"}, what="the forgotten address gone, the other's left")
    assert {"inet others", "arp others"} <= daemon.tables()


def test_a_stop_leaves_nothing_behind(lone: Cluster, addresses: list[str]) -> None:
    daemon, host = lone.first, lone.first.host
    host.ip("address", "add", "192.0.2.77/32", "dev", "lo")
    assert daemon.bound() == {*addresses, "192.0.2.77"}
    assert daemon.tables() == {"arp mlbd", "inet mlbd"}
    assert arp_announce(lone) == "2"
    assert daemon.stop() == 0
    assert daemon.bound() == {"192.0.2.77"}
    assert daemon.tables() == set()
    assert arp_announce(lone) == "0"
    assert host.pids() == []
    assert not daemon.socket.exists()
    for address in addresses:
        lone.asker.assert_silence(address, answered=NODE)
    daemon.assert_no_traceback()


def arp_announce(lone: Cluster) -> str:
    return lone.first.host.run("cat", "/proc/sys/net/ipv4/conf/all/arp_announce").stdout.strip()


def test_a_link_that_goes_and_comes_back_as_another(lone: Cluster, addresses: list[str]) -> None:
    daemon = lone.first
    old = daemon.mac
    daemon.host.ip("link", "delete", "eth0")
    problems = wait_for(lambda: daemon.problems("NoUsableInterface"), what="word of the lost link")
    assert {problem["object"] for problem in problems} == {"Service shop/web"}
    assert daemon.states("web") == ["silent", "silent"]
    daemon.host.connect(lone.lan, "eth0", f"{NODE}/24", "2001:db8::11/64")
    assert daemon.mac != old
    for address in addresses:
        lone.asker.wait_for_holder(address, daemon.mac)
        assert daemon.mac in announced(lone.asker, address, 0)
    daemon.wait_until_well()
    assert daemon.get("status")["reflex"]["restarts"] == 0
    daemon.assert_no_traceback()


def test_a_pulled_cable_silences_and_a_plugged_one_announces(lone: Cluster, addresses: list[str]) -> None:
    daemon, link = lone.first, lone.first.host.links["eth0"]
    link.unplug()
    wait_for(lambda: daemon.states("web") == ["silent", "silent"], what="silence")
    (told,) = [known["message"] for known in daemon.get("links") if known["name"] == "eth0"]
    assert told == "has no carrier: check its cable or its lower link"
    heard = len(lone.asker.tap.frames())
    link.plug()
    for address in addresses:
        wait_for(partial(announced, lone.asker, address, heard), what="the announcement")
        lone.asker.wait_for_holder(address, daemon.mac)


def test_links_that_come_and_go_while_addresses_change(lone: Cluster, addresses: list[str]) -> None:
    """A link may appear at any moment of a turn, and there are many moments in one that puts hundreds of addresses."""
    daemon, names = lone.first, [f"v{number}" for number in range(10)]
    crowd = balancer_class("crowd", "198.51.100.0/24", "2001:db8:1::/64")
    for number in range(12):
        services = (service(f"s{number}-{each}", dual=True, loadBalancerClass="crowd") for each in range(100))
        lone.write("crowd.yaml", crowd, *services)
        daemon.host.ip_batch(*(f"link add {name} type veth peer name {name}-peer" for name in names))
        daemon.host.ip_batch(*(f"link delete {name}" for name in names))
    lone.remove("crowd.yaml")
    wait_for(lambda: daemon.bound() == set(addresses), seconds=30, what="only the addresses of web")
    daemon.assert_no_traceback()


def hostile_frames(mac: str, node: str, addresses: list[str]) -> Iterator[bytes]:
    """Sound questions, then broken in every way that chance finds; the seed makes it the same way each time."""
    chance = random.Random(2)
    ipv4, ipv6 = addresses
    sound = arp_request(mac, f"192.0.2.{CLIENT}", ipv4), solicitation(mac, f"2001:db8::{CLIENT}", ipv6)
    destination = bytes.fromhex(node.replace(":", ""))
    for _ in range(1500):
        frame = bytearray(chance.choice(sound))
        for _ in range(chance.randint(1, 8)):
            frame[chance.randrange(12 if chance.random() < 0.9 else 0, len(frame))] = chance.randrange(256)
        if chance.random() < 0.3:
            frame = frame[: chance.randint(14, len(frame))]
        if chance.random() < 0.3:
            frame += chance.randbytes(chance.randint(1, 1200))
        if chance.random() < 0.5:
            frame[:6] = destination
        yield bytes(frame)
    for length in range(len(sound[0])):
        yield sound[0][:length].ljust(14, b"\0")
    for length in range(len(sound[1])):
        yield sound[1][:length].ljust(14, b"\0")
    yield sound[1][:78] + b"\x01\x00" * 500  # options of no length: a reader that goes on for ever


def test_hostile_frames_change_nothing(lone: Cluster, addresses: list[str]) -> None:
    daemon = lone.first
    reflex, before = daemon.reflex(), daemon.get("status")["reflex"]["pid"]
    memory = daemon.memory(reflex)
    for frame in hostile_frames(lone.asker.mac, daemon.mac, addresses):
        lone.asker.send(frame)
    for address in addresses:
        lone.asker.wait_for_holder(address, daemon.mac)
    assert daemon.get("status")["reflex"] | {"counters": {}, "lateness": 0} == {
        "pid": before,
        "alive": True,
        "realtime": True,
        "restarts": 0,
        "counters": {},
        "lateness": 0,
    }
    assert daemon.memory(reflex) < memory + 4096
    assert daemon.bound() == set(addresses)
    daemon.assert_no_traceback()


FLOOD = """
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
wire.bind(("eth0", 0))
frames = [bytes.fromhex(text) for text in sys.argv[1:]]
while True:
    for frame in frames:
        try:
            wire.send(frame)
        except OSError:  # the queue is full: it is a flood
            pass
"""


def test_a_flood_of_questions_is_survived_in_the_same_memory(lone: Cluster, addresses: list[str]) -> None:
    daemon = lone.first
    flooder = lone.client.lab.host("flooder")
    flooder.connect(lone.lan, "eth0", "192.0.2.250/24")
    mac = flooder.links["eth0"].mac
    targets = [addresses[0], "192.0.2.99", "192.0.2.98"]
    questions = [arp_request(mac, f"192.0.2.{last}", target) for last in range(240, 250) for target in targets]
    # To the node alone: as broadcasts they would drown the test's own capture at the client.
    frames = [daemon.mac.replace(":", "") + question[6:].hex() for question in questions]
    memory = [daemon.memory(pid) for pid in (daemon.pid, daemon.reflex())]
    answered = counted(lone)
    flood = flooder.spawn(sys.executable, "-c", FLOOD, *frames)
    for _ in range(5):
        wait_for(lambda: lone.asker.who_has(addresses[0]) == {daemon.mac})
    wait_for(lambda: counted(lone) > answered + 50_000, seconds=30, what="a real flood answered")
    assert daemon.get("status")["ready"]
    flood.kill()
    flood.wait()
    for before, pid in zip(memory, (daemon.pid, daemon.reflex()), strict=True):
        assert daemon.memory(pid) < before + 4096
    assert daemon.get("status")["reflex"]["restarts"] == 0
    lone.asker.wait_for_holder(addresses[1], daemon.mac)


def counted(lone: Cluster) -> int:
    return int(lone.first.get("status")["reflex"]["counters"].get("answered", 0))


def test_an_address_of_somebody_else_is_not_taken_until_it_is_free(lab: Lab) -> None:
    with cluster(lab, 1) as lone:
        daemon, stranger = lone.first, lab.host("stranger")
        taken = {"192.0.2.150", "2001:db8::150"}
        stranger.connect(lone.lan, "eth0", "192.0.2.150/24", "2001:db8::150/64")
        mac = stranger.links["eth0"].mac
        lone.write("web.yaml", service("web", dual=True, annotations={IPS: ",".join(sorted(taken))}))
        problems = wait_for(lambda: found if len(found := daemon.problems("AddressConflict")) == 2 else [])
        for problem in problems:
            assert problem["object"] == "Service shop/web"
            assert mac in problem["message"] and "eth0" in problem["message"]
        wait_for(lambda: not daemon.bound(), what="nothing bound")
        assert not daemon.holds()
        assert daemon.mlbctl("status").returncode == 1
        events = daemon.events("AddressConflict")
        assert {event["service"] for event in events} == {"shop/web"}
        assert sorted(event["address"] for event in events) == sorted(taken), "told once each"
        for address in taken:
            lone.asker.wait_for_holder(address, mac)
        stranger.links["eth0"].down()
        daemon.wait_for_holding(*taken, seconds=60)
        wait_for(lambda: daemon.bound() == taken, what="both bound")
        daemon.wait_until_well()


def test_a_stranger_who_claims_a_held_address_is_answered_and_told_of(lone: Cluster, addresses: list[str]) -> None:
    ipv4, _ = addresses
    heard = len(lone.asker.tap.frames())
    lone.asker.send(arp_request(lone.asker.mac, ipv4, ipv4))
    wait_for(lambda: announced(lone.asker, ipv4, heard), what="the defence")
    (event,) = wait_for(lambda: lone.first.events("AddressDefended"), what="the event")
    assert lone.asker.mac in event["message"] and event["address"] == ipv4
    assert lone.first.holds() == set(addresses)


def test_only_the_chosen_one_of_two_links_answers(lab: Lab) -> None:
    with cluster(lab, 1) as lone:
        daemon, other_lan, other = lone.first, lab.segment("other-lan"), lab.host("other")
        daemon.host.connect(other_lan, "eth1", "192.0.2.12/24", "2001:db8::12/64")
        other.connect(other_lan, "eth0", "192.0.2.201/24", "2001:db8::201/64")
        lone.write("class.yaml", ingress(l2={"interfaces": ["eth0"]}))
        lone.write("web.yaml", service("web", dual=True))
        addresses = daemon.addresses("web")
        daemon.wait_for_holding(*addresses)
        assert [slot["links"] for slot in daemon.service("web")["addresses"]] == [["eth0"], ["eth0"]]
        with asking(other, "192.0.2.201", "2001:db8::201") as elsewhere:
            for address in addresses:
                lone.asker.wait_for_holder(address, daemon.mac)
                elsewhere.assert_silence(address, answered="192.0.2.12")
                assert not announced(elsewhere, address, 0)
            lone.write("class.yaml", ingress())
            for address in addresses:
                elsewhere.wait_for_holder(address, daemon.host.links["eth1"].mac)
                assert announced(elsewhere, address, 0)


MISSING: dict[str, tuple[str, Callable[[Cluster], object]]] = {
    "gone": ("MissingDirectory", lambda lone: None),
    "a file": ("UnreadableDirectory", lambda lone: lone.first.state.write_text("")),
}


@pytest.mark.parametrize(("reason", "replace"), MISSING.values(), ids=MISSING.keys())
def test_a_lost_state_directory_leaves_everything_in_force(
    lone: Cluster, addresses: list[str], reason: str, replace: Callable[[Cluster], object]
) -> None:
    daemon = lone.first
    away = daemon.state.with_name("away")
    daemon.state.rename(away)
    replace(lone)
    problem = daemon.problem(reason)
    assert problem["object"] == str(daemon.state)
    assert "what it held before stays in force" in problem["message"]
    assert daemon.addresses("web") == addresses
    lone.asker.wait_for_holder(addresses[0], daemon.mac)
    daemon.state.unlink(missing_ok=True)
    away.rename(daemon.state)
    daemon.wait_until_well()
    lone.write("new.yaml", service("new"))
    daemon.wait_for_holding(*daemon.addresses("new"))
