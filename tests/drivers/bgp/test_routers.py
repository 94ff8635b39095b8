"""Router advertisements between real kernels, FRR and rdisc6."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from ipaddress import IPv6Address

import pytest
from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import Ether

from mlbd.drivers.bgp.routers import Routers
from tests.lab import Frame, Host, Lab, Segment, wait_for

ETH_P_IPV6 = 0x86DD


class Speaking:
    """Routers that run on a host, in a thread of their own: a namespace is a thread's."""

    def __init__(self, host: Host) -> None:
        self.heard: list[tuple[str, IPv6Address]] = []
        self.routers = Routers(lambda name, address: self.heard.append((name, address)))
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def apply(self, *interfaces: str) -> None:
        self._loop.call_soon_threadsafe(self.routers.apply, interfaces)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()
        self._loop.close()

    def _work(self) -> None:
        with self._host.enter(), contextlib.suppress(asyncio.CancelledError):
            self._task = self._loop.create_task(self.routers.run())
            self._loop.run_until_complete(self._task)


@pytest.fixture
def lan(lab: Lab) -> Segment:
    return lab.segment("lan")


@pytest.fixture
def node(lab: Lab, lan: Segment) -> Host:
    host = lab.host("node")
    host.connect(lan, "eth0")
    return host


@pytest.fixture
def router(lab: Lab, lan: Segment) -> Host:
    host = lab.host("router")
    host.connect(lan, "eth0")
    return host


@pytest.fixture
def speaking(node: Host, router: Host) -> Iterator[Speaking]:
    """On `node`, eth0, with `router` at the other end."""
    started = Speaking(node)
    started.apply("eth0")
    yield started
    started.stop()


def link_local(host: Host, name: str = "eth0") -> IPv6Address:
    shown = wait_for(lambda: host.ip("-6", "-o", "address", "show", "dev", name, "scope", "link"))
    return IPv6Address(shown.split()[3].partition("/")[0])


def advertise(host: Host, source: IPv6Address | str, hop_limit: int = 255, name: str = "eth0") -> None:
    """What any router would say, or nobody should, as a frame."""
    mac = host.links[name].mac
    message = IPv6(src=str(source), dst="ff02::1", hlim=hop_limit) / ICMPv6ND_RA() / ICMPv6NDOptSrcLLAddr(lladdr=mac)
    with host.enter(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as port:
        port.bind((name, ETH_P_IPV6))
        port.send(bytes(Ether(src=mac, dst="33:33:00:00:00:01") / message))


def is_advertisement(frame: Frame) -> bool:
    return ICMPv6ND_RA in Ether(frame.octets)


def test_what_is_on_the_wire(speaking: Speaking, node: Host, router: Host) -> None:
    with router.capture("eth0") as capture:
        frame = Ether(capture.wait_for(is_advertisement).octets)
    assert (frame.src, frame.dst) == (node.links["eth0"].mac, "33:33:00:00:00:01")
    assert (frame[IPv6].src, frame[IPv6].dst, frame[IPv6].hlim) == (str(link_local(node)), "ff02::1", 255)
    assert frame[ICMPv6NDOptSrcLLAddr].lladdr == node.links["eth0"].mac
    checksum = frame[ICMPv6ND_RA].cksum
    del frame[ICMPv6ND_RA].cksum
    assert Ether(bytes(frame))[ICMPv6ND_RA].cksum == checksum


def test_who_asks_gets_an_answer_and_no_default_route(speaking: Speaking, node: Host, router: Host) -> None:
    router.sysctl("net/ipv6/conf/eth0/accept_ra", "2")
    said = router.run("rdisc6", "-1", "eth0").stdout
    assert re.search(r"Router lifetime *: +0 ", said)
    assert f"from {link_local(node)}" in said
    assert "default" not in router.ip("-6", "route")
    # Where the question went to, and a switch that snoops is told so (RFC 3810).
    assert "ff02::2" in node.ip("-6", "maddr", "show", "dev", "eth0")


def test_the_router_is_heard_at_once_because_it_is_asked(speaking: Speaking, node: Host, router: Host) -> None:
    other = Speaking(router)
    try:
        other.apply("eth0")
        wait_for(lambda: speaking.heard and other.heard)
    finally:
        other.stop()
    assert speaking.heard == [("eth0", link_local(router))]
    assert other.heard == [("eth0", link_local(node))]


@pytest.mark.parametrize(("source", "hop_limit"), [("fe80::1", 64), ("2001:db8::1", 255), ("own", 255)])
def test_nobody_else_is_taken_for_the_router(
    speaking: Speaking, node: Host, router: Host, source: str, hop_limit: int
) -> None:
    """From beyond the link, without a link-local address, or another program on this host."""
    advertise(router, link_local(node) if source == "own" else source, hop_limit)
    advertise(router, "fe80::2")
    wait_for(lambda: speaking.heard)
    assert speaking.heard == [("eth0", IPv6Address("fe80::2"))]


def test_frr_and_this_end_find_each_other(speaking: Speaking, node: Host, router: Host) -> None:
    """FRR connects to nobody on such a link before it has heard an advertisement."""
    with node.enter():
        listener = socket.create_server(("::", 179), family=socket.AF_INET6)
    with listener:
        start_frr(router, "router bgp 64500", "neighbor eth0 interface remote-as external")
        wait_for(lambda: speaking.heard, seconds=30, what="FRR's advertisement")
        listener.settimeout(30)
        connection, sender = listener.accept()
        connection.close()
    assert speaking.heard == [("eth0", link_local(router))]
    assert IPv6Address(sender[0].partition("%")[0]) == link_local(router)


def start_frr(host: Host, *lines: str) -> None:
    directory = host.lab.directory / "frr"
    directory.mkdir()
    host.lab.directory.chmod(0o711)  # the daemons leave root behind
    (directory / "bgpd.conf").write_text("\n".join((*lines, "")))
    (directory / "zebra.conf").touch()
    for path in (directory, *directory.iterdir()):
        shutil.chown(path, "frr", "frr")
    for name, made in (("zebra", "zserv.api"), ("bgpd", "bgpd.vty")):
        files = "-f", f"{directory}/{name}.conf", "-i", f"{directory}/{name}.pid", "-z", f"{directory}/zserv.api"
        options = "--vty_socket", str(directory), "-P", "0", "-u", "frr", "-g", "frr"
        host.spawn(f"/usr/lib/frr/{name}", *files, *options)
        wait_for((directory / made).exists, what=name)


def test_links_that_come_and_go(speaking: Speaking, node: Host, router: Host) -> None:
    speaking.apply("eth0", "eth1")
    wait_for(lambda: "there is no such link" in speaking.routers.status().get("eth1", ""))
    node.ip("link", "add", "eth1", "link", "eth0", "type", "macvlan")
    wait_for(lambda: "it is down" in speaking.routers.status().get("eth1", ""))
    node.ip("link", "set", "eth1", "up")
    wait_for(lambda: not speaking.routers.status())
    advertise(router, "fe80::2")
    wait_for(lambda: len(speaking.heard) == 2)
    assert sorted(speaking.heard) == [("eth0", IPv6Address("fe80::2")), ("eth1", IPv6Address("fe80::2"))]


def test_another_link_of_the_same_name_is_used_anew(speaking: Speaking, node: Host, router: Host) -> None:
    speaking.apply("eth1")
    _make_and_hear(speaking, node, router, 1)
    node.ip("link", "del", "eth1")
    wait_for(lambda: "no such link" in speaking.routers.status().get("eth1", ""), seconds=30)
    _make_and_hear(speaking, node, router, 2)


def _make_and_hear(speaking: Speaking, node: Host, router: Host, times: int) -> None:
    node.ip("link", "add", "eth1", "link", "eth0", "type", "macvlan")
    node.ip("link", "set", "eth1", "up")
    wait_for(lambda: not speaking.routers.status())
    advertise(router, "fe80::2")
    wait_for(lambda: len(speaking.heard) == times, what=f"hearing {times} times")
