"""The sockets against real kernels: what is on the wire, and what does not get through."""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import pytest

from mlbd.drivers.bgp import sockets, words
from mlbd.drivers.bgp.ends import end, ends, interface_of, scope_of
from mlbd.drivers.bgp.peering import Peering
from tests.lab import Frame, Host, Lab

from .peerings import internal, peering

ROUTER, NODE = "192.0.2.1", "192.0.2.11"
ROUTER6, NODE6 = "2001:db8::1", "2001:db8::11"
PORT = 179
KEY = "s3cret"
#: A SYN that got no answer was sent again by then.
SILENCE = 1.2


@dataclass
class Pair:
    router: Host
    node: Host
    open: ExitStack

    def listen(self, version: int = 4, host: Host | None = None) -> socket.socket:
        with (host or self.router).enter():
            listener = self.open.enter_context(sockets.to_listen(version, PORT, ""))
        listener.listen()
        return listener

    def connect(self, peer: Peering, to: str, seconds: float = 10) -> socket.socket | None:
        """From the node; None when nothing came back within the seconds."""
        with self.node.enter():
            endpoint = self.open.enter_context(sockets.to_connect(peer, ip_address(to)))
        assert endpoint.connect_ex((to, PORT)) == errno.EINPROGRESS
        _, writable, _ = select.select([], [endpoint], [], seconds)
        if not writable:
            return None
        assert endpoint.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        return endpoint


@pytest.fixture
def pair(lab: Lab) -> Iterator[Pair]:
    lan = lab.segment("lan")
    router, node = lab.host("router"), lab.host("node")
    router.connect(lan, "eth0", f"{ROUTER}/24", f"{ROUTER6}/64")
    node.connect(lan, "eth0", f"{NODE}/24", f"{NODE6}/64", "192.0.2.12/24")
    with ExitStack() as stack:
        yield Pair(router, node, stack)


def is_syn(frame: Frame) -> bool:
    """TCP without options of IP."""
    octets = frame.octets
    if octets[12:14] == b"\x08\x00":
        return octets[23] == socket.IPPROTO_TCP and octets[47] == 0x02
    return octets[12:14] == b"\x86\xdd" and octets[20] == socket.IPPROTO_TCP and octets[67] == 0x02


@pytest.mark.parametrize(
    ("peer", "ttl"),
    [
        (peering(ROUTER), 1),
        (peering(ROUTER, multi_hop=True), 64),
        (internal(ROUTER), 64),
        (peering(ROUTER, ttl_security=1), 255),
    ],
)
def test_the_first_segment_by_ipv4(pair: Pair, peer: Peering, ttl: int) -> None:
    pair.listen()
    with pair.node.capture("eth0") as capture:
        pair.connect(peer, ROUTER)
        packet = capture.wait_for(is_syn).octets[14:]
    assert (packet[1], packet[8]) == (0xC0, ttl)


def test_the_first_segment_by_ipv6(pair: Pair) -> None:
    pair.listen(6)
    with pair.node.capture("eth0") as capture:
        pair.connect(peering(ROUTER6), ROUTER6)
        packet = capture.wait_for(is_syn).octets[14:]
    traffic_class = int.from_bytes(packet[:2], "big") >> 4 & 0xFF
    assert (traffic_class, packet[7]) == (0xC0, 1)


@pytest.mark.parametrize(("router", "node", "net"), [(ROUTER, NODE, "192.0.2.0/24"), (ROUTER6, NODE6, "2001:db8::/64")])
def test_only_who_knows_the_key_is_heard(pair: Pair, router: str, node: str, net: str) -> None:
    listener = pair.listen(ip_address(router).version)
    sockets.sign(listener, ip_network(node), KEY)
    source = ip_address(node)
    assert pair.connect(peering(router, source=source), router, SILENCE) is None
    assert pair.connect(peering(router, source=source, password="other"), router, SILENCE) is None
    assert pair.connect(peering(router, source=source, password=KEY), router)
    sockets.sign(listener, ip_network(node), "")
    assert pair.connect(peering(router, source=source), router)
    sockets.sign(listener, ip_network(net), KEY)
    assert pair.connect(peering(router, source=source), router, SILENCE) is None
    assert pair.connect(peering(router, source=source, password=KEY), router)


def test_the_key_of_one_says_nothing_of_another(pair: Pair) -> None:
    sockets.sign(pair.listen(), ip_network(NODE), KEY)
    assert pair.connect(peering(ROUTER, source=ip_address("192.0.2.12")), ROUTER)


@pytest.mark.parametrize("router", [ROUTER, ROUTER6])
def test_ttl_security_does_not_hear_who_may_be_far(pair: Pair, router: str) -> None:
    with pair.router.enter():
        plain = pair.open.enter_context(socket.create_server((router, PORT), family=_family(router)))
    assert pair.connect(peering(router), router)
    assert pair.connect(peering(router, ttl_security=1), router, SILENCE) is None
    assert pair.connect(peering(router, ttl_security=254), router)
    plain.close()
    pair.listen(ip_address(router).version)
    assert pair.connect(peering(router, ttl_security=1), router)


@pytest.mark.parametrize("router", [ROUTER, ROUTER6])
def test_who_connected_from_afar_is_told_apart(pair: Pair, router: str) -> None:
    listener = pair.listen(ip_address(router).version)
    guarded = peering(router, ttl_security=2)
    assert pair.connect(peering(router, ttl_security=1), router)
    near, _ = listener.accept()
    assert pair.connect(internal(router), router)
    far, _ = listener.accept()
    assert pair.connect(internal(router), router)
    welcome, _ = listener.accept()
    with near, far, welcome:
        assert not sockets.came_from_afar(near, guarded)
        assert sockets.came_from_afar(far, guarded)
        assert not sockets.came_from_afar(welcome, peering(router))


def test_the_source_address(pair: Pair) -> None:
    listener = pair.listen()
    assert pair.connect(peering(ROUTER, source=ip_address("192.0.2.12")), ROUTER)
    accepted, name = listener.accept()
    accepted.close()
    assert end(name).address == ip_address("192.0.2.12")


@pytest.mark.parametrize(
    ("peer", "number", "word"),
    [
        (peering(ROUTER, source=ip_address("192.0.2.99")), errno.EADDRNOTAVAIL, "192.0.2.99"),
        (peering(ROUTER, interface="eth9"), errno.ENODEV, "eth9"),
        (peering(ROUTER, vrf="blue"), errno.ENODEV, "blue"),
        (peering(ROUTER, password="p" * 81), errno.E2BIG, "80 octets"),
    ],
)
def test_what_this_host_refuses(pair: Pair, peer: Peering, number: int, word: str) -> None:
    with pair.node.enter(), pytest.raises(OSError) as refused:
        sockets.to_connect(peer, ip_address(ROUTER))
    assert refused.value.errno == number
    text = words.refusal(peer, refused.value)
    assert text.startswith("cannot ") and word in text and "pppp" not in text


def test_the_longest_key(pair: Pair) -> None:
    sockets.sign(pair.listen(), ip_network(NODE), "p" * 80)
    source = ip_address(NODE)
    assert pair.connect(peering(ROUTER, source=source, password="p" * 79), ROUTER, SILENCE) is None
    assert pair.connect(peering(ROUTER, source=source, password="p" * 80), ROUTER)


def test_a_link_local_peer_is_reached_on_its_link(pair: Pair, lab: Lab) -> None:
    """The same address on two links is two peers."""
    other = lab.segment("other")
    stranger = lab.host("stranger")
    stranger.connect(other, "eth0", "fe80::1/64")
    pair.node.connect(other, "eth1")
    pair.router.ip("addr", "add", "fe80::1/64", "dev", "eth0")
    listener, wrong = pair.listen(6), pair.listen(6, stranger)
    sockets.sign(listener, ip_network("fe80::/10"), KEY)
    peer = peering("fe80::1", interface="eth0", password=KEY)
    with pair.node.enter():
        endpoint = pair.open.enter_context(sockets.to_connect(peer, ip_address("fe80::1")))
        endpoint.connect_ex(("fe80::1", PORT, 0, scope_of("eth0")))
    assert select.select([listener, wrong], [], [], 10)[0] == [listener]
    assert select.select([], [endpoint], [], 10)[1]
    local, remote = ends(endpoint)
    assert remote.address == ip_address("fe80::1") and local.address.is_link_local
    assert local.scope == remote.scope == pair.node.links["eth0"].index
    with pair.node.enter():
        assert interface_of(local) == "eth0"


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
