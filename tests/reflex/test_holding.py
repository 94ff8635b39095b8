"""Announcing, conflicts, links that come and go, and the lease."""

from __future__ import annotations

import socket
from functools import partial

import pytest

from mlbd.proto.control import ConflictSeen, Drain, Links, ProblemChanged, Ready
from mlbd.proto.lines import MAX_LINE, encode
from mlbd.proto.neighbor.frame import parse_mac
from mlbd.proto.neighbor.link import Link
from mlbd.proto.neighbor.vip import State
from tests.lab import Frame, Lab, wait_for
from tests.reflex.conftest import StartReflex
from tests.reflex.test_answers import VIP, VIP6, Net, answers, lladdr


@pytest.fixture
def net(lab: Lab, start: StartReflex) -> Net:
    return Net(lab, start)


def has_moved(net: Net, address: str) -> bool:
    return net.eth0.mac in lladdr(net.client, address)


def announces(frame: Frame, mac: str) -> bool:
    return frame.octets[:12] == b"\xff" * 6 + parse_mac(mac) and frame.octets[28:32] == socket.inet_aton(VIP)


def test_take_over_replaces_what_neighbours_believe(net: Net) -> None:
    for address in (VIP, VIP6):
        net.client.ip("neigh", "replace", address, "lladdr", "02:00:00:00:00:77", "dev", "eth0", "nud", "stale")
    net.hold(VIP, VIP6)
    for address in (VIP, VIP6):
        wait_for(partial(has_moved, net, address), what=f"{address} moved")


def test_probe_finds_it_free(net: Net) -> None:
    net.reflex.claim(VIP, VIP6, on=(net.eth0,))
    net.reflex.wait_for_state(State.HOLDING, VIP, VIP6)
    assert [change.state for change in net.reflex.changes(VIP)] == [State.PROBING, State.HOLDING]
    assert net.reflex.pong().counters["probed"] == 6


@pytest.mark.parametrize(("address", "length"), [(VIP, 24), (VIP6, 64)])
def test_what_a_stranger_has_is_not_taken(net: Net, address: str, length: int) -> None:
    net.client.ip("addr", "add", f"{address}/{length}", "dev", "eth0")
    net.reflex.claim(address, on=(net.eth0,))
    conflict = net.reflex.wait_for_state(State.CONFLICT, address)
    assert (conflict.mac, conflict.link) == (net.theirs.mac, "eth0")
    assert "announced" not in net.reflex.pong().counters


def test_a_free_address_is_taken_after_a_conflict(net: Net) -> None:
    net.client.ip("addr", "add", f"{VIP}/24", "dev", "eth0")
    net.reflex.claim(VIP, on=(net.eth0,))
    net.reflex.wait_for_state(State.CONFLICT, VIP)
    net.client.ip("addr", "del", f"{VIP}/24", "dev", "eth0")

    def held() -> bool:
        net.reflex.pong()
        return net.reflex.changes(VIP)[-1].state is State.HOLDING

    wait_for(held, 30, "the address taken")


@pytest.mark.parametrize(("address", "length"), [(VIP, 24), (VIP6, 64)])
def test_a_stranger_that_comes_later_is_named_and_the_address_defended(net: Net, address: str, length: int) -> None:
    net.hold(address)
    announced = net.reflex.pong().counters.get("announced", 0)
    if address == VIP:
        net.client.ip("addr", "add", f"{VIP}/24", "dev", "eth0")
        net.client.run("arping", "-U", "-c1", "-w1", "-I", "eth0", "-S", VIP, VIP, check=False)
    else:
        net.client.sysctl("net/ipv6/conf/eth0/ndisc_notify", "1")
        net.client.ip("addr", "add", f"{VIP6}/64", "dev", "eth0", "nodad")
        net.node.run("ndisc6", "-r1", VIP6, "eth0", check=False)
    seen = wait_for(lambda: [r for r in net.reflex.read() if isinstance(r, ConflictSeen)], what="the conflict")
    assert (str(seen[0].address), seen[0].mac, seen[0].link) == (address, net.theirs.mac, "eth0")
    wait_for(lambda: net.reflex.pong().counters["announced"] > announced, what="the defence")
    assert net.reflex.changes(address)[-1].state is State.HOLDING


def test_link_down_and_up(net: Net) -> None:
    net.hold(VIP)
    net.eth0.down()
    assert not answers(net.client, VIP)
    net.reflex.pong()
    net.eth0.up()
    wait_for(lambda: answers(net.client, VIP), what="answers again")


def test_link_deleted_and_made_again_while_holding(net: Net) -> None:
    net.hold(VIP, VIP6)
    net.node.ip("link", "del", "eth0")
    net.reflex.pong()
    net.reflex.use()
    net.reflex.wait_for_state(State.SILENT, VIP, VIP6)
    again = net.node.connect(net.lan, "eth0", "192.0.2.1/24")
    net.reflex.use(again)
    net.reflex.claim(VIP, on=(again,))
    net.reflex.wait_for_state(State.HOLDING, VIP)
    with net.client.capture("eth0") as capture:
        assert answers(net.client, VIP)
        capture.wait_for(lambda f: announces(f, again.mac), what="the announcement")


def test_a_link_that_vanished_before_it_was_opened_is_a_problem_of_its_own(net: Net) -> None:
    net.hold(VIP)
    gone = Link(4711, "eth1", parse_mac("02:00:00:00:00:aa"))
    net.reflex.order(Links((Link(net.eth0.index, "eth0", parse_mac(net.eth0.mac)), gone)))
    net.reflex.pong()
    problems = [r for r in net.reflex.read() if isinstance(r, ProblemChanged)]
    assert len(problems) == 1
    assert "cannot open a packet socket on eth1" in str(problems[0].problem)
    assert answers(net.client, VIP)


def test_a_changed_mac_is_announced_and_answered_with(net: Net) -> None:
    net.hold(VIP)
    net.client.run("ping", "-c1", "-W1", VIP, check=False)
    net.node.ip("link", "set", "eth0", "address", "02:00:00:00:00:aa")
    net.eth0.mac = "02:00:00:00:00:aa"
    net.reflex.use(net.eth0)
    wait_for(lambda: "02:00:00:00:00:aa" in lladdr(net.client, VIP), what="the new MAC believed")
    assert answers(net.client, VIP)


def test_standby_is_silent(net: Net) -> None:
    net.reflex.claim(VIP, on=(net.eth0,), order=("node-2", "node-1"))
    net.reflex.pong()
    assert not net.reflex.changes(VIP)
    assert not answers(net.client, VIP)


def test_it_ends_with_the_control_socket(net: Net) -> None:
    net.hold(VIP)
    net.reflex.hang_up()
    assert net.reflex.process.wait(10) == 0
    assert not answers(net.client, VIP)


def test_signals_of_the_group_do_not_end_it(net: Net) -> None:
    net.hold(VIP)
    net.reflex.process.terminate()
    net.reflex.process.send_signal(2)
    net.reflex.pong()
    assert answers(net.client, VIP)


def test_a_frozen_daemon_falls_silent_and_speaks_again(net: Net) -> None:
    net.hold(VIP)
    net.reflex.wait_for_state(State.SILENT, VIP, seconds=30)
    assert not answers(net.client, VIP)
    net.reflex.pong()
    net.reflex.wait_for_state(State.HOLDING, VIP)
    assert answers(net.client, VIP)


def test_unreadable_orders_are_counted(net: Net) -> None:
    net.reflex.send(b"\xff\xfe\n[]\n{}\n" + b'{"op":"claims","set":[{"address":"x"}],"drop":[]}\n')
    net.reflex.send(b" " * MAX_LINE + encode(Drain(True)))
    assert net.reflex.pong().counters["unreadable"] == 5


def test_without_cap_net_raw_the_reason_is_said(lab: Lab, start: StartReflex) -> None:
    node = lab.host("node")
    eth0 = node.connect(lab.segment("lan"), "eth0")
    reflex = start(node, "setpriv", "--bounding-set=-net_raw,-sys_nice", "--inh-caps=-all", "--")
    reflex.use(eth0)
    reflex.watch()
    reflex.claim(VIP, on=(eth0,))
    reflex.wait_for_state(State.SILENT, VIP)
    reflex.pong()
    changed = [r for r in reflex.read() if isinstance(r, ProblemChanged)]
    assert len(changed) == 1
    assert str(changed[0].problem).startswith("cannot open a packet socket on eth0: CAP_NET_RAW is missing; ")
    assert Ready(False) in reflex.read()
