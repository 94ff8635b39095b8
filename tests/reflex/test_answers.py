"""Real kernels and tools ask, the reflex answers."""

from __future__ import annotations

import random
import socket
import threading
import time
from dataclasses import replace
from functools import partial

import pytest

from mlbd.proto.neighbor import arp, ndp
from mlbd.proto.neighbor.frame import parse_mac
from mlbd.proto.neighbor.ndp import Advertisement, Solicitation
from mlbd.proto.neighbor.vip import State
from tests.lab import Frame, Host, Lab, Link, Segment, wait_for
from tests.reflex.conftest import Reflex, StartReflex

VIP, VIP6 = "192.0.2.10", "2001:db8::10"


class Net:
    """A node with a reflex and a client on one segment."""

    def __init__(self, lab: Lab, start: StartReflex) -> None:
        self.lan: Segment = lab.segment("lan")
        self.node: Host = lab.host("node")
        self.client: Host = lab.host("client")
        self.eth0: Link = self.node.connect(self.lan, "eth0", "192.0.2.1/24", "2001:db8::1/64")
        self.theirs: Link = self.client.connect(self.lan, "eth0", "192.0.2.2/24", "2001:db8::2/64")
        self.reflex: Reflex = start(self.node)
        self.reflex.use(self.eth0)
        self.reflex.watch()

    def hold(self, *addresses: str) -> None:
        self.reflex.claim(*addresses, on=(self.eth0,))
        self.reflex.wait_for_state(State.HOLDING, *addresses)

    def raw(self) -> socket.socket:
        with self.client.enter():
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            raw.bind(("eth0", 0))
        return raw


@pytest.fixture
def net(lab: Lab, start: StartReflex) -> Net:
    return Net(lab, start)


def lladdr(host: Host, address: str) -> str:
    """The MAC and state that the kernel of `host` has for a neighbour."""
    return host.ip("neigh", "show", address)


def answers(host: Host, address: str) -> bool:
    return host.run("arping", "-c1", "-w1", "-I", "eth0", address, check=False).returncode == 0


def answers_for(target: bytes, frame: Frame) -> bool:
    return not frame.sent and frame.octets[20:22] == b"\0\2" and frame.octets[28:32] == target


def asks_for(address: str, mac: str) -> bytes:
    return arp.encode(
        b"\xff" * 6, 1, parse_mac(mac), socket.inet_aton("192.0.2.2"), bytes(6), socket.inet_aton(address)
    )


def test_a_kernel_resolves_both_families(net: Net) -> None:
    net.hold(VIP, VIP6)
    for address in (VIP, VIP6):
        net.client.ip("neigh", "flush", "dev", "eth0")
        net.client.run("ping", "-c1", "-W1", address, check=False)
        assert f"lladdr {net.eth0.mac} REACHABLE" in lladdr(net.client, address)


def test_answers_are_those_of_the_kernel_but_for_the_address(net: Net) -> None:
    net.hold(VIP, VIP6)
    ours = parse_mac(net.theirs.mac)

    def reply_to(question: bytes, kind: bytes) -> bytes:
        with net.raw() as raw, net.client.capture("eth0") as capture:
            raw.send(question)
            return capture.wait_for(lambda f: not f.sent and f.octets[:6] == ours and kind in f.octets).octets

    kernels = arp.decode(reply_to(asks_for("192.0.2.1", net.theirs.mac), b"\x06\x04\0\2"))
    reflexes = arp.decode(reply_to(asks_for(VIP, net.theirs.mac), b"\x06\x04\0\2"))
    assert isinstance(kernels, arp.ArpPacket)
    assert kernels._replace(sender_ip=socket.inet_aton(VIP)) == reflexes

    asker = socket.inet_pton(socket.AF_INET6, "2001:db8::2")
    seen = []
    for address in ("2001:db8::1", VIP6):
        target = socket.inet_pton(socket.AF_INET6, address)
        group = ndp.solicited_node(target)
        question = ndp.encode(Solicitation(ndp.multicast_mac(group), ours, asker, group, target, ours))
        seen.append(ndp.decode(reply_to(question, b"\x3a\xff" + target)))
    kernels6, reflexes6 = seen
    assert isinstance(kernels6, Advertisement)
    vip6 = socket.inet_pton(socket.AF_INET6, VIP6)
    assert replace(kernels6, source=vip6, target=vip6) == reflexes6


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_the_reachability_probes_of_a_kernel_are_answered(net: Net, address: str) -> None:
    net.hold(address)
    net.client.ip("neigh", "replace", address, "lladdr", net.eth0.mac, "dev", "eth0", "nud", "probe")
    wait_for(lambda: "REACHABLE" in lladdr(net.client, address), what="the entry confirmed")


def test_unicast_solicitation_without_link_layer_option(net: Net) -> None:
    net.hold(VIP6)
    asker, target = (socket.inet_pton(socket.AF_INET6, text) for text in ("2001:db8::2", VIP6))
    ours = parse_mac(net.theirs.mac)
    with net.raw() as raw, net.client.capture("eth0") as capture:
        raw.send(ndp.encode(Solicitation(parse_mac(net.eth0.mac), ours, asker, target, target, None)))
        capture.wait_for(lambda f: not f.sent and f.octets[:6] == ours and f.octets[54:55] == b"\x88", what="the NA")


def test_duplicate_address_detection_of_others_sees_us(net: Net) -> None:
    net.hold(VIP, VIP6)
    # Debian's arping -D: 0 when somebody answered... so the reply itself is looked at.
    with net.client.capture("eth0") as capture:
        net.client.run("arping", "-D", "-c1", "-w1", "-I", "eth0", "-S", "0.0.0.0", VIP, check=False)
        capture.wait_for(
            lambda f: not f.sent and f.octets[20:22] == b"\0\2" and f.octets[28:32] == socket.inet_aton(VIP)
        )
    for scope in ("all", "eth0"):
        net.client.sysctl(f"net/ipv6/conf/{scope}/accept_dad", "1")
    net.client.ip("addr", "add", f"{VIP6}/64", "dev", "eth0")
    wait_for(lambda: "dadfailed" in net.client.ip("addr", "show", "dev", "eth0"), what="DAD failed")


def test_only_the_chosen_link_answers_and_with_its_own_mac(net: Net) -> None:
    eth1 = net.node.connect(net.lan, "eth1")
    net.reflex.use(net.eth0, eth1)
    net.reflex.claim(VIP, VIP6, on=(eth1,))
    net.reflex.wait_for_state(State.HOLDING, VIP, VIP6)
    with net.client.capture("eth0") as capture:
        assert answers(net.client, VIP)
        net.client.run("ndisc6", VIP6, "eth0")
        senders = {f.octets[6:12].hex(":") for f in capture.frames() if not f.sent and is_about(f, VIP, VIP6)}
    assert senders == {eth1.mac}


def is_about(frame: Frame, vip: str, vip6: str) -> bool:
    return frame.octets[28:32] == socket.inet_aton(vip) or frame.octets[62:78] == socket.inet_pton(
        socket.AF_INET6, vip6
    )


def test_a_dropped_address_falls_silent(net: Net) -> None:
    net.hold(VIP, VIP6)
    assert answers(net.client, VIP)
    net.reflex.drop(VIP, VIP6)
    net.reflex.pong()
    assert not answers(net.client, VIP)
    assert net.client.run("ndisc6", "-r1", "-w500", VIP6, "eth0", check=False).returncode != 0


def test_solicited_node_groups_are_joined_once_and_left(net: Net) -> None:
    def groups() -> int:
        net.reflex.pong()
        return net.node.ip("maddr", "show", "dev", "eth0").count("ff02::1:ff00:10")

    net.hold("2001:db8::1:0:10", "2001:db8::2:0:10")
    wait_for(lambda: groups() == 1, what="the group joined")
    net.reflex.drop("2001:db8::1:0:10")
    assert groups() == 1
    net.reflex.drop("2001:db8::2:0:10")
    wait_for(lambda: groups() == 0, what="the group left")


def test_a_group_is_joined_when_the_link_gets_ipv6_later(net: Net) -> None:
    def joined() -> bool:
        net.reflex.pong()
        return "ff02::1:ff00:10" in net.node.ip("maddr", "show", "dev", "eth0")

    net.node.ip("link", "set", "eth0", "mtu", "1000")  # below IPv6's minimum the kernel takes IPv6 away
    net.hold(VIP6)
    assert not joined()
    net.node.ip("link", "set", "eth0", "mtu", "1500")
    wait_for(joined, what="the group joined")


def test_more_groups_than_one_socket_may_join(net: Net) -> None:
    net.node.sysctl("net/core/optmem_max", "20480")  # the default before Linux 6.6
    addresses = [f"2001:db8::{i:x}:{i:x}" for i in range(1, 1501)]
    net.hold(*addresses)

    def groups() -> int:
        net.reflex.pong()
        return net.node.ip("maddr", "show", "dev", "eth0").count("ff02::1:ff")

    wait_for(lambda: groups() >= 1500, what="all groups joined")


def test_foreign_traffic_never_reaches_the_reflex(net: Net) -> None:
    net.hold(VIP, VIP6)
    before = net.reflex.pong().counters
    net.client.ip("neigh", "flush", "dev", "eth0")
    for address in ("192.0.2.1", "2001:db8::1"):
        net.client.run("ping", "-c3", "-i0.01", address)
    answers(net.client, "192.0.2.99")
    after = net.reflex.pong().counters
    assert {name: count for name, count in after.items() if name != "announced"} == {
        name: count for name, count in before.items() if name != "announced"
    }


@pytest.mark.parametrize("optmem", [2_048, 131_072])
def test_thousands_of_scattered_addresses_all_answer(net: Net, optmem: int) -> None:
    """With little option memory the filter gets shorter, never too strict."""
    net.node.sysctl("net/core/optmem_max", str(optmem))
    net.reflex.use()
    net.reflex.use(net.eth0)  # sockets of their own for the new limit
    addresses = [f"10.{i % 200}.{i % 249}.{i % 7 * 36}" for i in range(3_000)]
    net.hold(*addresses)
    net.reflex.pong()
    sample = [socket.inet_aton(address) for address in addresses[:: len(addresses) // 50]]
    with net.raw() as raw, net.client.capture("eth0") as capture:
        for target in sample:
            raw.send(asks_for(socket.inet_ntoa(target), net.theirs.mac))
        for target in sample:
            capture.wait_for(partial(answers_for, target))


def test_a_question_in_a_foreign_vlan_is_not_answered(net: Net) -> None:
    net.hold(VIP)
    question = asks_for(VIP, net.theirs.mac)
    with net.raw() as raw, net.client.capture("eth0") as capture:
        raw.send(question[:12] + b"\x81\x00\x00\x05" + question[12:])
        raw.send(question)
        reply = parse_mac(net.theirs.mac) + parse_mac(net.eth0.mac)
        capture.wait_for(lambda f: f.octets.startswith(reply) and not f.sent)
        net.reflex.pong()
        assert len([f for f in capture.frames() if f.octets.startswith(reply) and not f.sent]) == 1


def test_hostile_frames_do_no_harm(net: Net) -> None:
    net.hold(VIP, VIP6)
    dice = random.Random(826)
    seeds = [
        asks_for(VIP, net.theirs.mac),
        ndp.probe(parse_mac(net.theirs.mac), socket.inet_pton(socket.AF_INET6, VIP6)),
        ndp.announcement(parse_mac(net.theirs.mac), socket.inet_pton(socket.AF_INET6, VIP6)),
    ]
    with net.raw() as raw:
        for _ in range(5_000):
            frame = bytearray(dice.choice(seeds) + dice.randbytes(dice.randrange(60)))
            for _ in range(dice.randrange(4)):
                frame[dice.randrange(14, len(frame))] = dice.randrange(256)
            raw.send(frame[: dice.randrange(14, len(frame) + 1)])
    assert net.reflex.process.poll() is None
    counters = net.reflex.pong().counters
    assert counters["answered"] > 0
    assert sum(count for name, count in counters.items() if name.startswith("dropped.")) > 0
    assert answers(net.client, VIP)


def test_a_flood_is_answered_on_with_flat_memory(net: Net) -> None:
    net.hold(VIP, "192.0.2.11")
    question, ended = asks_for("192.0.2.11", net.theirs.mac), threading.Event()

    def flood(raw: socket.socket) -> None:
        while not ended.is_set():
            for _ in range(500):
                raw.send(question)
            time.sleep(0.005)

    with net.raw() as raw:
        flooder = threading.Thread(target=flood, args=(raw,))
        flooder.start()
        try:
            wait_for(lambda: net.reflex.pong().counters.get("answered", 0) > 20_000, 30, "20,000 answers")
            before = net.reflex.memory()
            answered = [answers(net.client, VIP) for _ in range(5)]
            wait_for(lambda: net.reflex.pong().counters["answered"] > 60_000, 30, "60,000 answers")
            assert any(answered)
            assert net.reflex.memory() - before < 1024
        finally:
            ended.set()
            flooder.join()
    assert answers(net.client, VIP)
