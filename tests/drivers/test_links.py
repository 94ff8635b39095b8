"""Links as real kernels report them, and kinds that are missing here as the kernel would word them."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import ip_interface
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlbd.drivers import netlink
from mlbd.drivers.links import IFINFOMSG, Links, LinkTable
from mlbd.drivers.netlink import Message, attribute
from mlbd.model.link import Link
from tests.lab import Host, Lab, Segment

SECONDS = 10


@pytest.fixture
def lan(lab: Lab) -> Segment:
    return lab.segment("lan")


@pytest.fixture
def host(lab: Lab, lan: Segment) -> Host:
    host = lab.host("node")
    host.connect(lan, "eth0", "192.0.2.11/24")
    return host


class Watched:
    """Links that may not ask the kernel again: whatever they learn comes by an event."""

    def __init__(self) -> None:
        self.changes = 0
        self._changed = asyncio.Event()
        self.links = Links(self._note)

    def _note(self) -> None:
        self.changes += 1
        self._changed.set()

    def get(self, name: str) -> Link | None:
        return next((link for link in self.links.current() if link.name == name), None)

    async def until(self, predicate: Callable[[], Any]) -> None:
        async with asyncio.timeout(SECONDS):
            while not predicate():
                self._changed.clear()
                await self._changed.wait()


def watch(host: Host, monkeypatch: pytest.MonkeyPatch, scenario: Callable[[Watched], Awaitable[None]]) -> None:
    async def play() -> None:
        watched = Watched()
        monkeypatch.setattr(netlink, "dump", no_dump)
        task = asyncio.create_task(watched.links.run())
        try:
            await scenario(watched)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            watched.links.close()

    with host.enter():
        asyncio.run(play())


def no_dump(*_: object) -> list[Message]:
    raise AssertionError("the kernel was asked although nothing was lost")


def test_the_links_at_the_start(host: Host) -> None:
    with host.enter():
        links = Links(lambda: None)
    loopback, eth0 = links.current()
    links.close()
    assert (loopback.name, loopback.loopback, loopback.mac, loopback.addresses) == ("lo", True, b"", ())
    assert (eth0.name, eth0.kind, eth0.up, eth0.carrier, eth0.master) == ("eth0", "veth", True, True, None)
    assert eth0.index == host.links["eth0"].index
    assert eth0.mac.hex(":") == host.links["eth0"].mac
    assert ip_interface("192.0.2.11/24") in eth0.addresses


def test_a_link_appears_is_renamed_and_vanishes(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(seen: Watched) -> None:
        host.ip("link", "add", "mv0", "link", "eth0", "type", "macvlan")
        await seen.until(lambda: (link := seen.get("mv0")) and link.kind == "macvlan" and not link.up)
        host.ip("link", "set", "mv0", "name", "mv1")
        await seen.until(lambda: seen.get("mv1") and not seen.get("mv0"))
        host.ip("link", "del", "mv1")
        await seen.until(lambda: not seen.get("mv1"))

    watch(host, monkeypatch, scenario)


def test_a_changed_mac(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(seen: Watched) -> None:
        host.ip("link", "set", "eth0", "address", "02:00:00:00:aa:bb")
        await seen.until(lambda: (link := seen.get("eth0")) and link.mac == bytes.fromhex("02000000aabb"))

    watch(host, monkeypatch, scenario)


def test_up_down_and_carrier(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def state(seen: Watched) -> tuple[bool, bool]:
        link = seen.get("eth0")
        assert link
        return link.up, link.carrier

    async def scenario(seen: Watched) -> None:
        wire = host.links["eth0"]
        wire.unplug()
        await seen.until(lambda: state(seen) == (True, False))
        wire.plug()
        await seen.until(lambda: state(seen) == (True, True))
        wire.down()
        await seen.until(lambda: state(seen) == (False, False))
        wire.up()
        await seen.until(lambda: state(seen) == (True, True))

    watch(host, monkeypatch, scenario)


def test_a_port_of_a_bridge_and_no_port_any_more(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(seen: Watched) -> None:
        host.ip("link", "add", "br0", "type", "bridge")
        host.ip("link", "set", "eth0", "master", "br0")
        await seen.until(lambda: (link := seen.get("eth0")) and link.master == "br0")
        assert (bridge := seen.get("br0")) and bridge.kind == "bridge" and bridge.master is None
        host.ip("link", "set", "eth0", "nomaster")
        await seen.until(lambda: (link := seen.get("eth0")) and link.master is None)

    watch(host, monkeypatch, scenario)


def test_addresses_come_and_go(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    added = {ip_interface("198.51.100.1/24"), ip_interface("2001:db8::11/64")}

    def addresses(seen: Watched) -> set[Any]:
        link = seen.get("eth0")
        return set(link.addresses) if link else set()

    async def scenario(seen: Watched) -> None:
        for address in added:
            host.ip("addr", "add", str(address), "dev", "eth0")
        await seen.until(lambda: added <= addresses(seen))
        for address in added:
            host.ip("addr", "del", str(address), "dev", "eth0")
        await seen.until(lambda: not added & addresses(seen))

    watch(host, monkeypatch, scenario)


def test_an_address_under_duplicate_detection_is_not_there_yet(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(seen: Watched) -> None:
        host.sysctl("net/ipv6/conf/all/accept_dad", "1")
        host.sysctl("net/ipv6/conf/eth0/accept_dad", "1")
        host.ip("addr", "add", "2001:db8::12/64", "dev", "eth0")
        host.ip("addr", "add", "198.51.100.1/24", "dev", "eth0")
        await seen.until(lambda: "198.51.100.1/24" in texts(seen.get("eth0")))
        assert "2001:db8::12/64" not in texts(seen.get("eth0"))
        await seen.until(lambda: "2001:db8::12/64" in texts(seen.get("eth0")))

    watch(host, monkeypatch, scenario)


def texts(link: Link | None) -> list[str]:
    return [str(address) for address in link.addresses] if link else []


def test_a_burst_is_one_change_and_nothing_changed_is_none(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(seen: Watched) -> None:
        host.ip("link", "set", "eth0", "mtu", "1400")
        host.ip("addr", "add", "198.51.100.200/32", "dev", "lo")
        for _ in range(5):
            await asyncio.sleep(0)
        assert seen.changes == 0
        host.ip_batch(*(f"addr add 198.51.100.{number}/32 dev eth0" for number in range(1, 51)))
        await seen.until(lambda: "198.51.100.50/32" in texts(seen.get("eth0")))
        assert seen.changes == 1

    watch(host, monkeypatch, scenario)


def test_what_an_overrun_swallowed_is_asked_for(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        monkeypatch.setattr(netlink, "RECEIVE_OCTETS", 1)  # the kernel makes it about 2 kB
        seen = Watched()
        host.ip_batch(*(f"addr add 198.51.100.{number}/32 dev eth0" for number in range(1, 201)))
        task = asyncio.create_task(seen.links.run())
        await seen.until(lambda: "198.51.100.200/32" in texts(seen.get("eth0")))
        assert len(texts(seen.get("eth0"))) >= 201
        host.ip("link", "add", "mv0", "link", "eth0", "type", "macvlan")
        await seen.until(lambda: seen.get("mv0"))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        seen.links.close()

    with host.enter():
        asyncio.run(scenario())


# Message by message: what this kernel cannot be brought to say.

UP = 0x1 | 0x40 | 0x10000  # IFF_UP | IFF_RUNNING | IFF_LOWER_UP
MAC = bytes.fromhex("020000000001")
IFLA_LINK, IFLA_WIRELESS = 5, 11


def link_message(
    index: int, *found: bytes, kind: int = netlink.RTM_NEWLINK, family: int = 0, flags: int = UP
) -> Message:
    return Message(kind, 0, 0, IFINFOMSG.pack(family, 1, index, flags, 0) + b"".join(found))


def name(text: str) -> bytes:
    return attribute(3, text.encode() + b"\0")


def of_kind(text: str, *more: bytes) -> bytes:
    return attribute(18 | 0x8000, attribute(1, text.encode() + b"\0") + b"".join(more))


def number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def test_a_vlan_over_a_bond_of_two() -> None:
    bond, vlan = of_kind("bond", attribute(2, attribute(1, b"\1"))), of_kind("vlan", attribute(2, b"\5\0\1\0\7\0"))
    table = LinkTable(
        [
            link_message(2, name("eth0"), attribute(1, MAC), number(10, 4)),
            link_message(3, name("eth1"), attribute(1, MAC), number(10, 4)),
            link_message(4, name("bond0"), attribute(1, MAC), bond),
            link_message(5, name("bond0.7"), attribute(1, MAC), number(IFLA_LINK, 4), vlan),
        ]
    )
    assert [(link.name, link.kind, link.master) for link in table.links()] == [
        ("eth0", "", "bond0"),
        ("eth1", "", "bond0"),
        ("bond0", "bond", None),
        ("bond0.7", "vlan", None),
    ]


def test_a_port_that_leaves_its_bridge_is_not_deleted() -> None:
    table = LinkTable([link_message(2, name("eth0"), attribute(1, MAC), number(10, 4))])
    table.learn(link_message(2, name("eth0"), number(10, 4), kind=netlink.RTM_DELLINK, family=socket.AF_BRIDGE))
    assert [link.name for link in table.links()] == ["eth0"]


def test_a_wireless_message_does_not_take_the_name() -> None:
    table = LinkTable([link_message(2, name("wlan0"), attribute(1, MAC))])
    table.learn(link_message(2, attribute(IFLA_WIRELESS, b"\0" * 16)))
    assert [(link.name, link.mac) for link in table.links()] == [("wlan0", MAC)]


def test_a_port_that_802_1x_keeps_shut_has_no_carrier() -> None:
    (link,) = LinkTable([link_message(2, name("eth0"), flags=UP | 0x20000)]).links()
    assert (link.up, link.carrier) == (True, False)


def test_a_tunnel_resolves_nothing_and_has_an_address_of_another_length() -> None:
    tunnel = link_message(2, name("tunl0"), attribute(1, bytes([192, 0, 2, 1])), of_kind("ipip"), flags=UP | 0x80)
    (link,) = LinkTable([tunnel]).links()
    assert link == Link(2, "tunl0", bytes([192, 0, 2, 1]), "ipip", noarp=True)


def test_a_point_to_point_address_is_this_end() -> None:
    head = netlink.IFADDRMSG.pack(socket.AF_INET, 32, 0, 0, 2)
    ends = attribute(netlink.IFA_ADDRESS, bytes([192, 0, 2, 2])) + attribute(netlink.IFA_LOCAL, bytes([192, 0, 2, 1]))
    table = LinkTable([link_message(2, name("ppp0")), Message(netlink.RTM_NEWADDR, 0, 0, head + ends)])
    assert texts(table.links()[0]) == ["192.0.2.1/32"]


def test_addresses_end_with_their_link() -> None:
    head = netlink.IFADDRMSG.pack(socket.AF_INET, 24, 0, 0, 2)
    new_address = Message(netlink.RTM_NEWADDR, 0, 0, head + attribute(netlink.IFA_LOCAL, bytes([192, 0, 2, 1])))
    table = LinkTable([link_message(2, name("eth0")), new_address])
    table.learn(link_message(2, name("eth0"), kind=netlink.RTM_DELLINK))
    table.learn(link_message(2, name("eth9")))
    assert [(link.name, link.addresses) for link in table.links()] == [("eth9", ())]


def messages() -> Iterator[Message]:
    yield link_message(2, name("eth0"), attribute(1, MAC), of_kind("bond"), number(10, 4))
    head = netlink.IFADDRMSG.pack(socket.AF_INET6, 64, 0, 0, 2)
    yield Message(netlink.RTM_NEWADDR, 0, 0, head + attribute(netlink.IFA_ADDRESS, bytes(15) + b"\1"))


@given(st.sampled_from(list(messages())), st.data())
def test_any_octets_are_survived(message: Message, data: st.DataObject) -> None:
    damaged = bytearray(message.body)
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    body = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    LinkTable([message._replace(body=body)]).links()
    list(netlink.unpack(body))


ABSURD_LENGTH = netlink.IFADDRMSG.pack(socket.AF_INET, 200, 0, 0, 2) + attribute(netlink.IFA_LOCAL, bytes(4))


@given(st.integers(16, 22), st.binary(max_size=80))
@example(netlink.RTM_NEWLINK, bytes(64))  # lengths of 0, on which a reader could stand still
@example(netlink.RTM_NEWADDR, ABSURD_LENGTH)
def test_random_octets_are_survived(kind: int, body: bytes) -> None:
    LinkTable([Message(kind, 0, 0, body)]).links()
    list(netlink.unpack(body))
