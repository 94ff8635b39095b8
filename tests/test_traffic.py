"""What every figure about a failover rests on."""

from __future__ import annotations

import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.lab import Host, Lab, Segment, wait_for
from tests.traffic import PATIENCE, PORT, Gap, Holder, answers, serve, traffic, who_answers

NEVER = -1.0
STUTTERER = f"""
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("192.0.2.12", {PORT}))
print("ready", flush=True)
while True:
    octets, client = server.recvfrom(256)
    for _ in range(2):
        server.sendto(octets[:4] + b"node-2", client)
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """`node` answers for what it has on lo as well."""

    lan: Segment
    node: Host
    client: Host


@pytest.fixture
def pair(lab: Lab) -> Iterator[Pair]:
    lan = lab.segment("lan")
    node, client = lab.host("node-1"), lab.host("client")
    node.connect(lan, "eth0", "192.0.2.11/24", "2001:db8::11/64")
    client.connect(lan, "eth0", "192.0.2.200/24", "2001:db8::200/64")
    node.ip_batch("addr add 198.51.100.1/32 dev lo", "addr add 2001:db8:1::1/128 dev lo")
    client.ip_batch("route add 198.51.100.1 via 192.0.2.11", "route add 2001:db8:1::1 via 2001:db8::11")
    serve(node)
    yield Pair(lan, node, client)


ADDRESSES = ("192.0.2.11", "2001:db8::11", "198.51.100.1", "2001:db8:1::1")


def test_a_quiet_link_loses_nothing(pair: Pair) -> None:
    with traffic(pair.client, ADDRESSES) as flow:
        time.sleep(1)
    assert list(flow.report) == list(ADDRESSES)
    for found in flow.report.values():
        assert found.sent > 500
        assert (found.lost, found.twice, found.gaps) == (0, 0, ())
        assert [holder.node for holder in found.holders] == ["node-1"]


def test_a_cut_is_a_gap_for_the_addresses_behind_it(pair: Pair, lab: Lab) -> None:
    other = lab.host("node-2")
    other.connect(pair.lan, "eth0", "192.0.2.12/24")
    serve(other)
    with traffic(pair.client, ("192.0.2.11", "192.0.2.12")) as flow:
        time.sleep(0.1)
        began = time.monotonic()
        pair.lan.cut(pair.node, pair.client)
        time.sleep(0.5)
        pair.lan.heal(pair.node, pair.client)
        ended = time.monotonic()
        wait_for(lambda: who_answers(pair.client, "192.0.2.11"), what="an answer")
    cut, whole = flow.report["192.0.2.11"], flow.report["192.0.2.12"]
    (gap,) = cut.gaps
    assert cut.lost == gap.lost > 0
    assert 0.4 <= gap.seconds == cut.longest_gap
    assert began - 0.1 < gap.began < ended
    assert whole.lost == 0


def test_what_a_frozen_host_answers_later_is_lost(pair: Pair) -> None:
    with traffic(pair.client, ("192.0.2.11",)) as flow:
        pair.node.freeze()
        time.sleep(PATIENCE + 0.05)  # no longer, or the host could not keep it all
        pair.node.thaw()
        wait_for(lambda: who_answers(pair.client, "192.0.2.11"), what="an answer")
    assert flow.report["192.0.2.11"].lost > 0


def test_two_answers_are_counted_and_lose_nothing(pair: Pair, lab: Lab) -> None:
    other = lab.host("node-2")
    other.connect(pair.lan, "eth0", "192.0.2.12/24")
    stutterer = other.spawn(sys.executable, "-c", STUTTERER, stdout=subprocess.PIPE)
    assert stutterer.stdout and stutterer.stdout.readline()
    with traffic(pair.client, ("192.0.2.11", "192.0.2.12")) as flow:
        time.sleep(0.3)
    once, twice = flow.report["192.0.2.11"], flow.report["192.0.2.12"]
    assert (once.twice, twice.twice) == (0, twice.sent)
    assert twice.lost == 0 < twice.sent


def test_an_address_that_nobody_has_is_one_gap(pair: Pair) -> None:
    assert not who_answers(pair.client, "192.0.2.99")
    with traffic(pair.client, ("192.0.2.99", "203.0.113.1")) as flow:
        time.sleep(0.3)
    for found in flow.report.values():
        assert found.lost == found.sent > 0
        assert len(found.gaps) == 1 and not found.holders


def test_gaps_and_holders_are_by_the_times_of_sending() -> None:
    found = answers(
        ["node-1", "node-2"],
        sent=array("d", [0, 1, 2, 3, 4, 5, 6]),
        answered=array("d", [0.1, NEVER, 2.9, 3.1, 4.1, NEVER, NEVER]),
        by=array("b", [0, 0, 0, 1, 1, 0, 0]),
        twice=3,
    )
    assert found.gaps == (Gap(0, 3, 2), Gap(4, 2, 2))
    assert found.holders == (Holder(0, "node-1"), Holder(3, "node-2"))
    assert (found.sent, found.lost, found.twice, found.longest_gap) == (7, 4, 3, 3)
