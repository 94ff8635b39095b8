"""Links as real kernels report them, and kinds that are missing here as the kernel would word them."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import ip_interface
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyroute2.arp import ARPHRD_ETHER, ARPHRD_INFINIBAND, ARPHRD_TUNNEL
from pyroute2.netlink import NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, nlmsg, rtnl
from pyroute2.netlink.rtnl.ifaddrmsg import IFA_F_TENTATIVE, ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import IFF_DORMANT, IFF_LOWER_UP, IFF_NOARP, IFF_RUNNING, IFF_UP, ifinfmsg

from mlbd.drivers import netlink
from mlbd.drivers.links import Links, LinkTable
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


def no_dump(*_: object) -> list[nlmsg]:
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
        before = seen.links.current()
        host.ip("link", "set", "eth0", "mtu", "1400")
        host.ip("addr", "add", "198.51.100.200/32", "dev", "lo")
        for _ in range(5):
            await asyncio.sleep(0)
        assert seen.changes == 0
        assert seen.links.current() is before
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


def test_what_cannot_be_asked_after_an_overrun_is_asked_later(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> Iterator[nlmsg]:
        asked.set()
        raise OSError(errno.EAGAIN, "not now")

    async def scenario() -> None:
        monkeypatch.setattr(netlink, "RECEIVE_OCTETS", 1)
        seen = Watched()
        dump = netlink.dump
        monkeypatch.setattr(netlink, "dump", refuse)
        host.ip_batch(*(f"addr add 198.51.100.{number}/32 dev eth0" for number in range(1, 201)))
        task = asyncio.create_task(seen.links.run())
        async with asyncio.timeout(SECONDS):
            await asked.wait()
        assert "192.0.2.11/24" in texts(seen.get("eth0"))
        monkeypatch.setattr(netlink, "dump", dump)
        await seen.until(lambda: "198.51.100.200/32" in texts(seen.get("eth0")))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        seen.links.close()

    asked = asyncio.Event()
    with host.enter():
        asyncio.run(scenario())


# Message by message: what this kernel cannot be brought to say.

UP = IFF_UP | IFF_RUNNING | IFF_LOWER_UP
MAC = "02:00:00:00:00:01"
IFLA_ADDRESS, IFLA_MASTER, IFLA_WIRELESS = 1, 10, 11


def link_message(
    index: int, *found: tuple[str, object], kind: int = rtnl.RTM_NEWLINK, raw: bytes = b"", **fields: int
) -> bytes:
    """As it comes from the kernel; `raw` are attributes that pyroute2 would not write."""
    fields = {"flags": UP, "ifi_type": ARPHRD_ETHER, **fields}
    return encoded(ifinfmsg().load({"header": {"type": kind}, "index": index, **fields, "attrs": [*found]}), raw)


def address_message(index: int, *found: tuple[str, object], **fields: int) -> bytes:
    head = {"header": {"type": rtnl.RTM_NEWADDR}, "index": index}
    return encoded(ifaddrmsg().load({**head, **fields, "attrs": [*found]}))


def encoded(message: nlmsg, raw: bytes = b"") -> bytes:
    message.encode()
    octets = bytes(message.data) + raw
    return struct.pack("=I", len(octets)) + octets[4:]


def of_type(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def of_kind(text: str, *data: tuple[str, object]) -> tuple[str, object]:
    return "IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", text), ("IFLA_INFO_DATA", {"attrs": [*data]})]}


def name(text: str | bytes) -> tuple[str, object]:
    return "IFLA_IFNAME", text


def table_of(*messages: bytes) -> LinkTable:
    return LinkTable(netlink.unpack(b"".join(messages)))


def links_of(*messages: bytes) -> tuple[Link, ...]:
    return table_of(*messages).links()


def test_a_vlan_over_a_bond_of_two() -> None:
    mac, port_of_bond = ("IFLA_ADDRESS", MAC), ("IFLA_MASTER", 4)
    links = links_of(
        link_message(2, name("eth0"), mac, port_of_bond),
        link_message(3, name("eth1"), mac, port_of_bond),
        link_message(4, name("bond0"), mac, of_kind("bond", ("IFLA_BOND_MODE", 1))),
        link_message(5, name("bond0.7"), mac, ("IFLA_LINK", 4), of_kind("vlan", ("IFLA_VLAN_ID", 7))),
    )
    assert [(link.name, link.kind, link.master) for link in links] == [
        ("eth0", "", "bond0"),
        ("eth1", "", "bond0"),
        ("bond0", "bond", None),
        ("bond0.7", "vlan", None),
    ]


def test_a_master_that_is_not_seen_is_one_all_the_same() -> None:
    (link,) = links_of(link_message(2, name("eth0"), ("IFLA_MASTER", 4)))
    assert link.master == "link 4"


def test_a_port_that_leaves_its_bridge_is_not_deleted() -> None:
    links = links_of(
        link_message(2, name("eth0"), ("IFLA_ADDRESS", MAC), ("IFLA_MASTER", 4)),
        link_message(2, name("eth0"), ("IFLA_MASTER", 4), kind=rtnl.RTM_DELLINK, family=socket.AF_BRIDGE),
    )
    assert [link.name for link in links] == ["eth0"]


def test_a_wireless_message_does_not_take_the_name() -> None:
    links = links_of(
        link_message(2, name("wlan0"), ("IFLA_ADDRESS", MAC)),
        link_message(2, raw=attribute(IFLA_WIRELESS, bytes(16))),
    )
    assert [(link.name, link.mac.hex(":")) for link in links] == [("wlan0", MAC)]


def test_a_port_that_802_1x_keeps_shut_has_no_carrier() -> None:
    (link,) = links_of(link_message(2, name("eth0"), flags=UP | IFF_DORMANT))
    assert (link.up, link.carrier) == (True, False)


@pytest.mark.parametrize(("kind", "octets"), [(ARPHRD_TUNNEL, 4), (ARPHRD_INFINIBAND, 20)])
def test_an_address_of_another_length_is_no_mac(kind: int, octets: int) -> None:
    (link,) = links_of(link_message(2, name("link0"), ifi_type=kind, raw=attribute(IFLA_ADDRESS, b"\1" * octets)))
    assert (link.name, link.mac) == ("link0", b"")


def test_a_tunnel_resolves_nothing() -> None:
    links = links_of(link_message(2, name("tunl0"), of_kind("ipip"), ifi_type=ARPHRD_TUNNEL, flags=UP | IFF_NOARP))
    assert links == (Link(2, "tunl0", b"", "ipip", noarp=True),)


def test_a_mac_of_zeros_is_none_yet() -> None:
    (link,) = links_of(link_message(2, name("bond0"), ("IFLA_ADDRESS", "00:00:00:00:00:00")))
    assert link.mac == b""


def test_a_name_is_any_octets() -> None:
    (link,) = links_of(link_message(2, name(b"eth\xff")))
    assert link.name == "eth\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("kind", [IFLA_ADDRESS, IFLA_MASTER])
def test_an_attribute_that_is_cut_short_says_nothing(kind: int) -> None:
    (link,) = links_of(link_message(2, name("eth0"), raw=attribute(kind, b"")))
    assert link == Link(2, "eth0", b"")


def test_a_point_to_point_address_is_this_end() -> None:
    ends = ("IFA_ADDRESS", "192.0.2.2"), ("IFA_LOCAL", "192.0.2.1")
    (link,) = links_of(link_message(2, name("ppp0")), address_message(2, *ends, family=socket.AF_INET, prefixlen=32))
    assert texts(link) == ["192.0.2.1/32"]


def test_a_kernel_that_tells_eight_flags_tells_enough() -> None:
    """IFA_FLAGS is not in every message."""
    tentative = {"family": socket.AF_INET6, "prefixlen": 64, "flags": IFA_F_TENTATIVE}
    address = address_message(2, ("IFA_ADDRESS", "2001:db8::1"), **tentative)
    (link,) = links_of(link_message(2, name("eth0")), address)
    assert texts(link) == []


def test_an_address_of_another_family_is_none(caplog: pytest.LogCaptureFixture) -> None:
    """And is not read, lest pyroute2 log a complaint: it takes whatever is short for IPv4."""
    mctp = encoded(
        ifaddrmsg().load({"header": {"type": rtnl.RTM_NEWADDR}, "index": 2, "family": 45}), attribute(2, b"8")
    )
    (link,) = links_of(link_message(2, name("mctp0")), mctp)
    assert texts(link) == []
    assert not caplog.records


def test_addresses_end_with_their_link() -> None:
    links = links_of(
        link_message(2, name("eth0")),
        address_message(2, ("IFA_LOCAL", "192.0.2.1"), family=socket.AF_INET, prefixlen=24),
        link_message(2, name("eth0"), kind=rtnl.RTM_DELLINK),
        link_message(2, name("eth9")),
    )
    assert [(link.name, link.addresses) for link in links] == [("eth9", ())]


EXAMPLES = [
    link_message(2, name("eth0"), ("IFLA_ADDRESS", MAC), of_kind("bond", ("IFLA_BOND_MODE", 1)), ("IFLA_MASTER", 4)),
    address_message(2, ("IFA_ADDRESS", "2001:db8::1"), ("IFA_FLAGS", 128), family=socket.AF_INET6, prefixlen=64),
    address_message(2, ("IFA_LOCAL", "192.0.2.1"), ("IFA_PROTO", 109), family=socket.AF_INET, prefixlen=24),
]


@given(st.sampled_from(EXAMPLES), st.data())
def test_damaged_messages_are_survived(message: bytes, data: st.DataObject) -> None:
    damaged = bytearray(message)
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    links_of(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))


@given(st.integers(0, 22), st.binary(max_size=80))
@example(rtnl.RTM_NEWLINK, bytes(64))  # lengths of 0, on which a reader could stand still
@example(rtnl.RTM_NEWADDR, bytes([socket.AF_INET, 200, 0, 0, 2, 0, 0, 0]) + attribute(2, bytes(4)))
@example(NLMSG_ERROR, struct.pack("=i", -1))  # a failure without what failed
@example(NLMSG_ERROR, struct.pack("=iIHHII8x", -1, 400, rtnl.RTM_NEWADDR, 0, 0, 0))  # and with less of it than it says
def test_random_octets_are_survived(kind: int, body: bytes) -> None:
    links_of(of_type(kind, body))


@given(st.binary(max_size=80))
def test_random_datagrams_are_survived(octets: bytes) -> None:
    links_of(octets)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """One that says what a test lets it say: the real one interrupts no dump on demand."""
    kernel, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    monkeypatch.setattr(netlink, "open_socket", ours.dup)
    with kernel, ours:
        yield kernel


def test_a_dump_that_changes_meanwhile_is_asked_for_again(kernel: socket.socket) -> None:
    stale = bytearray(link_message(2, name("stale")))
    struct.pack_into("=H", stale, 6, NLM_F_DUMP_INTR)
    for answer in (stale, of_type(NLMSG_DONE, bytes(4)), link_message(2, name("new")), of_type(NLMSG_DONE, bytes(4))):
        kernel.send(answer)
    assert [link.name for link in LinkTable(netlink.dump(rtnl.RTM_GETLINK)).links()] == ["new"]
    assert kernel.recv(100) == kernel.recv(100)


def test_a_dump_that_is_refused(kernel: socket.socket) -> None:
    kernel.send(of_type(NLMSG_ERROR, struct.pack("=i", -errno.EPERM) + of_type(rtnl.RTM_GETLINK, b"")))
    with pytest.raises(PermissionError):
        netlink.dump(rtnl.RTM_GETLINK)


def test_a_dump_that_never_ends_well_is_given_up(kernel: socket.socket) -> None:
    for _ in range(netlink.DUMP_ATTEMPTS):
        kernel.send(link_message(2, name("eth0")))
    with pytest.raises(OSError, match="could not be read whole"):
        netlink.dump(rtnl.RTM_GETLINK)


def removal() -> nlmsg:
    """Of an address that nobody has."""
    address = {"family": socket.AF_INET, "prefixlen": 32, "attrs": [("IFA_LOCAL", "192.0.2.99")]}
    return ifaddrmsg().load({"header": {"type": rtnl.RTM_DELADDR, "flags": 0}, "index": 1, **address})


def test_an_answer_that_cannot_be_read_is_a_reason(kernel: socket.socket) -> None:
    """And the loop does not wait for it."""
    answers = of_type(NLMSG_ERROR, bytes(4) + of_type(0, b"")), of_type(NLMSG_ERROR, b"\0")
    for answer in answers:
        kernel.send(answer)
    known, lost = asyncio.run(netlink.change([removal(), removal()]))
    assert known is None
    assert lost is not None
    assert lost.strerror == "the kernel's answer was lost"


def test_more_answers_than_fit_are_reasons(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel drops them and says ENOBUFS."""
    monkeypatch.setattr(netlink, "RECEIVE_OCTETS", 1)  # the kernel makes it about 2 kB
    requests = [removal() for _ in range(netlink.BATCH + 1)]
    with host.enter():
        *lost, known = asyncio.run(netlink.change(requests))
    assert {error and error.errno for error in lost} == {errno.EBADMSG}
    assert known is not None
    assert known.errno == errno.EADDRNOTAVAIL


def test_without_a_socket_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> socket.socket:
        raise OSError(errno.EMFILE, "no more files")

    monkeypatch.setattr(netlink, "open_socket", refuse)
    (outcome,) = asyncio.run(netlink.change([removal()]))
    assert outcome is not None
    assert outcome.errno == errno.EMFILE


def test_nothing_that_was_read_waits_for_the_collector() -> None:
    """A burst of thousands would be there for long."""
    gc.collect()
    gc.disable()
    try:
        for message in netlink.unpack(b"".join(EXAMPLES[1:]) * 10):
            assert netlink.interface(message)
        del message
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_what_comes_before_the_unreadable_is_read() -> None:
    (link,) = links_of(link_message(2, name("eth0")), of_type(rtnl.RTM_NEWLINK, b"\0"))
    assert link.name == "eth0"
