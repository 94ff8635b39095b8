"""What leaves the sockets of BFD, what they take in, and what happens when they cannot be had."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from mlbd.proto.bfd.sessions import Arrival
from mlbd.proto.bfd.watch import Watch
from mlbd.reflex.bfd import Transport
from tests.lab import Host, Lab, Link, wait_for
from tests.reflex.bfd_wire import datagrams
from tests.reflex.routers import Bird, Frr

OURS, THEIRS = ip_address("192.0.2.1"), ip_address("192.0.2.2")
OURS6, THEIRS6 = ip_address("2001:db8::1"), ip_address("2001:db8::2")
LOCAL6, REMOTE6 = ip_address("fe80::1"), ip_address("fe80::2")


class Ends:
    """Two hosts, and a transport in the first, with a watch for every kind of session."""

    def __init__(self, lab: Lab) -> None:
        self.us, self.them, lan = lab.host("us"), lab.host("them"), lab.segment("lan")
        self.link = self.us.connect(lan, "eth0", "192.0.2.1/24", "2001:db8::1/64", "fe80::1/64")
        self.their_link = self.them.connect(lan, "eth0", "192.0.2.2/24", "2001:db8::2/64", "fe80::2/64")
        self.single = Watch("them", OURS, THEIRS, self.link.index, 100_000, 100_000, 3)
        self.multi = replace(self.single, link=0)
        self.single6 = replace(self.single, local=OURS6, remote=THEIRS6)
        self.link_local = replace(self.single, local=LOCAL6, remote=REMOTE6)
        self.multi6 = replace(self.single6, link=0)
        self.all = [self.single, self.multi, self.single6, self.link_local, self.multi6]
        self.transport = Transport()

    def watch(self, *watches: Watch) -> None:
        with self.us.enter():
            self.transport.watch(watches)

    def send(self, watch: Watch) -> bool:
        with self.us.enter():
            return self.transport.send(watch, b"octets")

    def received(self) -> list[tuple[bytes, Arrival]]:
        return wait_for(lambda: list(self.transport.receive()), what="a packet")


@pytest.fixture
def ends(lab: Lab) -> Iterator[Ends]:
    ends = Ends(lab)
    yield ends
    ends.transport.close()


def test_what_is_sent_comes_from_as_near_as_can_be_and_from_a_port_of_its_own(ends: Ends) -> None:
    ends.watch(*ends.all)
    with ends.them.capture("eth0") as capture:
        for _ in range(2):
            assert all(ends.send(watch) for watch in ends.all)

        def come() -> list[tuple[bytes, bytes]]:
            found = [datagram for frame in capture.frames() if (datagram := datagrams(frame))]
            return found if len(found) == 2 * len(ends.all) else []

        found = wait_for(come, what="all packets")
    for ip, udp in found:
        ttl, traffic_class = (ip[8], ip[1]) if ip[0] >> 4 == 4 else (ip[7], int.from_bytes(ip[:2]) >> 4 & 0xFF)
        assert (ttl, traffic_class, udp[8:14]) == (255, 0xC0, b"octets")
    assert [int.from_bytes(udp[2:4]) for _, udp in found] == [3784, 4784, 3784, 3784, 4784] * 2
    sources = [int.from_bytes(udp[:2]) for _, udp in found]
    assert sources[:5] == sources[5:]
    assert len(set(sources)) == 5
    assert all(49152 <= source <= 65535 for source in sources)
    assert ends.transport.counters == {"sent": 10}


@pytest.mark.parametrize(
    ("kind", "port", "ttl"), [("single", 3784, 255), ("single6", 3784, 254), ("link_local", 3784, 255)]
)
def test_how_a_packet_came_is_known(ends: Ends, kind: str, port: int, ttl: int) -> None:
    ends.watch(*ends.all)
    watch: Watch = getattr(ends, kind)
    shout(ends.them, ends.their_link, watch, port, ttl)
    assert ends.received() == [(b"hello", Arrival(watch.remote, watch.local, watch.link, ttl))]


@pytest.mark.parametrize("kind", ["multi", "multi6"])
def test_how_a_packet_came_over_hops_is_known(ends: Ends, kind: str) -> None:
    ends.watch(*ends.all)
    watch: Watch = getattr(ends, kind)
    shout(ends.them, ends.their_link, watch, 4784, 64)
    assert ends.received() == [(b"hello", Arrival(watch.remote, watch.local, 0, 64, multihop=True))]


def shout(host: Host, link: Link, watch: Watch, port: int, ttl: int, octets: bytes = b"hello") -> None:
    """A datagram from the other end of the path."""
    family = socket.AF_INET if watch.local.version == 4 else socket.AF_INET6
    scope = (0, link.index) if watch.local.is_link_local and watch.local.version == 6 else ()
    with host.enter(), socket.socket(family, socket.SOCK_DGRAM) as sender:
        if watch.local.version == 4:
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        else:
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
        sender.bind((str(watch.remote), 0, *scope))
        sender.sendto(octets, (str(watch.local), port, *scope))


def test_one_hop_means_the_link_of_the_session(ends: Ends, lab: Lab) -> None:
    ends.us.connect(lab.segment("other"), "eth1", "198.51.100.1/24")
    with ends.us.enter():
        eth1 = socket.if_nametoindex("eth1")
    ends.watch(replace(ends.single, link=eth1), ends.single6)
    shout(ends.them, ends.their_link, ends.single, 3784, 255)
    shout(ends.them, ends.their_link, ends.single6, 3784, 255)
    assert [arrival.source for _, arrival in ends.received()] == [THEIRS6]


def test_nobody_there_is_no_error(ends: Ends) -> None:
    ends.watch(ends.single)
    assert [ends.send(ends.single) for _ in range(20)] == [True] * 20  # each but the first behind an ICMP error


def test_a_link_that_is_down_and_an_address_that_is_gone_are_counted(ends: Ends) -> None:
    ends.watch(ends.single)
    ends.link.down()
    assert not ends.send(ends.single)
    ends.link.up()
    assert ends.send(ends.single)
    ends.us.ip("addr", "del", "192.0.2.1/24", "dev", "eth0")
    assert not ends.send(ends.single)
    ends.us.ip("addr", "add", "192.0.2.1/24", "dev", "eth0")
    assert ends.send(ends.single)
    assert ends.transport.counters == {"sent": 2, "unsent": 2}


def test_what_is_not_there_yet_is_a_problem_until_it_is(ends: Ends) -> None:
    absent = replace(ends.single, local=ip_address("192.0.2.7"))
    nowhere = replace(ends.single6, link=4711)
    ends.watch(absent, nowhere)
    assert not ends.send(absent)
    assert not ends.send(nowhere)
    reason = "the address or its link is not there; check `ip address` and the addresses of the Node object"
    assert ends.transport.problems() == {
        subject: f"cannot listen for BFD on {subject}: {reason}"
        for subject in ("192.0.2.7 port 3784", "2001:db8::1 port 3784")
    }
    ends.us.ip("addr", "add", "192.0.2.7/24", "dev", "eth0")
    ends.watch(absent)
    assert ends.transport.problems() == {}
    assert ends.send(absent)
    shout(ends.them, ends.their_link, absent, 3784, 255)
    assert ends.received()


def test_a_vanished_link_is_no_error(ends: Ends) -> None:
    ends.watch(*ends.all)
    ends.us.ip("link", "del", "eth0")
    assert not any(ends.send(watch) for watch in ends.all)
    assert list(ends.transport.receive()) == []
    ends.watch(*ends.all)
    ends.watch()


@pytest.mark.parametrize("other", ["bfdd", "bird"])
def test_a_port_that_another_daemon_has_is_a_problem_until_it_has_not(ends: Ends, other: str) -> None:
    daemon = (
        Frr(ends.us, "192.0.2.2 local-address 192.0.2.1 interface eth0")
        if other == "bfdd"
        else Bird(ends.us, '192.0.2.2 dev "eth0" local 192.0.2.1')
    )
    ends.watch(ends.single)
    assert ends.transport.problems() == {
        "192.0.2.1 port 3784": "cannot listen for BFD on 192.0.2.1 port 3784: another program has the port; "
        "end BFD there (FRR's bfdd, BIRD): a host has room for one"
    }
    daemon.process.kill()
    daemon.process.wait()
    ends.watch(ends.single)
    assert ends.transport.problems() == {}


def test_the_last_word_leaves_although_nobody_is_watched_any_more(ends: Ends) -> None:
    ends.watch(ends.single)
    ends.watch()
    with ends.them.capture("eth0") as capture:
        assert ends.send(ends.single)
        capture.wait_for(lambda frame: datagrams(frame) is not None)


def test_nothing_stays_open(ends: Ends) -> None:
    def sockets() -> int:
        return len(ends.us.run("ss", "-Haun").stdout.splitlines())

    ends.watch(*ends.all)
    assert all(ends.send(watch) for watch in ends.all)
    assert sockets() == 2 * len(ends.all)
    ends.watch(*ends.all)
    assert sockets() == 2 * len(ends.all)
    ends.watch()
    assert sockets() == 0
    assert ends.send(ends.single)
    ends.watch()
    assert sockets() == 0
