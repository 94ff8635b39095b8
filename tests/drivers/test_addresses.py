"""What the kernel makes of our addresses, and that it is only ours that are touched."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any

import pytest
from pyroute2.netlink import rtnl

from mlbd.drivers import addresses as module
from mlbd.drivers import netlink
from mlbd.drivers.addresses import Addresses
from mlbd.model.address import IPAddress
from tests.lab import Host, Lab

V4, V6 = ip_address("192.0.2.80"), ip_address("2001:db8::80")
OTHER = ip_address("192.0.2.81")
BOTH = frozenset({V4, V6})
NOTHING: frozenset[IPAddress] = frozenset()


@pytest.fixture
def host(lab: Lab) -> Host:
    return lab.host("node")


def on_lo(host: Host) -> dict[str, dict[str, Any]]:
    (lo,) = json.loads(host.ip("-j", "addr", "show", "dev", "lo"))
    return {entry["local"]: entry for entry in lo["addr_info"]}


def play(host: Host, scenario: Callable[[Addresses], Awaitable[None]], close: bool = True) -> None:
    """With the driver running, inside the host; without `close` it ends as a killed one does."""

    async def run() -> None:
        addresses = Addresses()
        task = asyncio.create_task(addresses.run())
        try:
            await scenario(addresses)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if close:
                await addresses.close()
            else:
                addresses._watch.close()

    with host.enter():
        asyncio.run(run())


async def until(predicate: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not predicate():
            await asyncio.sleep(0.01)


def test_bound_and_removed(host: Host) -> None:
    async def scenario(addresses: Addresses) -> None:
        await addresses.apply(BOTH)
        status = addresses.status()
        assert (status.bound, status.refused, status.arp_announce) == (BOTH, {}, "")
        found = on_lo(host)
        v4, v6 = found[str(V4)], found[str(V6)]
        assert (v4["prefixlen"], v4["scope"]) == (32, "host")
        assert (v6["prefixlen"], v6["preferred_life_time"], v6["deprecated"]) == (128, 0, True)
        assert v6["valid_life_time"] == module.FOREVER
        assert "tentative" not in v6
        assert v6["nodad"] and v6["noprefixroute"]
        await addresses.apply(frozenset({V6}))
        assert addresses.status().bound == {V6}
        assert str(V4) not in on_lo(host)

    play(host, scenario)
    assert set(on_lo(host)) == {"127.0.0.1", "::1"}


def test_the_mark_comes_back_in_dumps(host: Host) -> None:
    async def scenario(addresses: Addresses) -> None:
        await addresses.apply(BOTH)
        assert set(map(module._ours, netlink.dump(rtnl.RTM_GETADDR))) == {None, *BOTH}

    play(host, scenario)


def test_applying_twice_does_nothing_twice(host: Host) -> None:
    async def scenario(addresses: Addresses) -> None:
        await addresses.apply(BOTH)
        watch = netlink.Watch(module.GROUPS)
        await addresses.apply(BOTH)
        assert list(watch.events() or ()) == []
        watch.close()

    play(host, scenario)


def test_after_kill_9_only_ours_are_taken_over(host: Host) -> None:
    held = subprocess.PIPE
    process = host.spawn(sys.executable, "-c", BIND_AND_WAIT, str(V4), str(V6), stdout=held)
    assert process.stdout and process.stdout.readline() == "bound\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    host.ip("addr", "add", f"{OTHER}/32", "dev", "lo")
    host.ip("addr", "add", "2001:db8::99/128", "dev", "lo")
    theirs = {"127.0.0.1", "::1", str(OTHER), "2001:db8::99"}
    assert set(on_lo(host)) == {str(V4), str(V6)} | theirs

    async def scenario(addresses: Addresses) -> None:
        await addresses.apply(frozenset({V4}))
        assert set(on_lo(host)) == {str(V4)} | theirs

    play(host, scenario)
    assert set(on_lo(host)) == theirs


BIND_AND_WAIT = """
import asyncio, ipaddress, sys, time
from mlbd.drivers.addresses import Addresses
async def main():
    await Addresses().apply(frozenset(map(ipaddress.ip_address, sys.argv[1:])))
asyncio.run(main())
print("bound", flush=True)
time.sleep(600)
"""


def test_the_same_address_of_somebody_else_is_left_alone_and_named(host: Host) -> None:
    host.ip("addr", "add", f"{V4}/32", "dev", "lo")

    async def scenario(addresses: Addresses) -> None:
        await addresses.apply(BOTH)
        status = addresses.status()
        assert status.bound == {V6}
        assert status.refused == {
            V4: "cannot put 192.0.2.80 on lo: somebody else put it there; remove it: ip addr del 192.0.2.80/32 dev lo"
        }
        await addresses.apply(NOTHING)
        assert str(V4) in on_lo(host)
        assert not addresses.status().refused

    play(host, scenario)
    assert str(V4) in on_lo(host)


def test_ours_takes_the_place_that_somebody_else_leaves(host: Host) -> None:
    host.ip("addr", "add", f"{V4}/32", "dev", "lo")

    async def scenario(addresses: Addresses) -> None:
        await addresses.apply(BOTH)
        host.ip("addr", "del", f"{V4}/32", "dev", "lo")
        await until(lambda: addresses.status().bound == BOTH)
        assert not addresses.status().refused

    play(host, scenario)
    assert str(V4) not in on_lo(host)


def test_what_somebody_removes_is_put_back(host: Host) -> None:
    def whole() -> bool:
        return {ip_address(text) for text in on_lo(host)} >= BOTH

    async def scenario(addresses: Addresses) -> None:
        await addresses.apply(BOTH)
        for address in BOTH:
            host.ip("addr", "del", f"{address}/{address.max_prefixlen}", "dev", "lo")
            await until(whole)
        host.ip("addr", "flush", "dev", "lo")
        await until(whole)

    play(host, scenario)


def test_nothing_is_put_back_that_is_no_longer_wanted(host: Host) -> None:
    async def scenario(addresses: Addresses) -> None:
        await addresses.apply(BOTH)
        await addresses.apply(frozenset({V4}))
        host.ip("addr", "del", f"{V4}/32", "dev", "lo")
        await until(lambda: str(V4) in on_lo(host))
        assert str(V6) not in on_lo(host)

    play(host, scenario)


def test_a_thousand_at_once(host: Host) -> None:
    many = frozenset(ip_address(0x0A800000 + number) for number in range(1000)) | BOTH

    async def scenario(addresses: Addresses) -> None:
        await addresses.apply(many)
        assert addresses.status().bound == many
        await addresses.apply(NOTHING)
        assert set(on_lo(host)) == {"127.0.0.1", "::1"}

    play(host, scenario)


def test_nothing_that_was_asked_waits_for_the_collector(host: Host) -> None:
    """A thousand requests would be there for long."""
    many = [ip_address(0x0A800000 + number) for number in range(10)]

    async def scenario(_: Addresses) -> None:
        gc.collect()
        gc.disable()
        try:
            assert await netlink.change(map(module._addition, many)) == [None] * len(many)
            assert gc.collect() == 0
        finally:
            gc.enable()

    play(host, scenario)


def test_what_is_removed_in_an_overrun_is_put_back(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    roomy = netlink.RECEIVE_OCTETS
    monkeypatch.setattr(netlink, "RECEIVE_OCTETS", 1)  # for the watch; the kernel makes it about 2 kB
    many = frozenset(ip_address(0x0A800000 + number) for number in range(200))

    async def scenario(addresses: Addresses) -> None:
        monkeypatch.setattr(netlink, "RECEIVE_OCTETS", roomy)
        await addresses.apply(many)
        host.ip_batch(*(f"addr del {address}/32 dev lo" for address in many))
        await until(lambda: many <= set(map(ip_address, on_lo(host))))

    play(host, scenario)


def test_an_event_that_comes_late_blames_nobody(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an IPv6 address the kernel tells a moment after it said yes."""

    async def scenario(addresses: Addresses) -> None:
        other = Addresses()
        await other.apply(BOTH)
        other._watch.close()
        monkeypatch.setattr(addresses._watch, "events", list)
        await addresses.apply(BOTH)
        assert (addresses.status().bound, addresses.status().refused) == (BOTH, {})

    play(host, scenario)


def test_the_mark_on_another_link_is_not_our_address(lab: Lab, host: Host) -> None:
    eth0 = host.connect(lab.segment("lan"), "eth0").index

    async def scenario(addresses: Addresses) -> None:
        there = module._addition(V4)
        there["index"] = eth0
        assert await netlink.change([there]) == [None]
        await addresses.apply(frozenset({V4}))
        assert str(V4) in on_lo(host)

    play(host, scenario)


def test_without_ipv6_on_lo_ipv4_is_bound_all_the_same(host: Host) -> None:
    host.sysctl("net/ipv6/conf/lo/disable_ipv6", "1")

    async def scenario(addresses: Addresses) -> None:
        await addresses.apply(BOTH)
        assert addresses.status().bound == {V4}
        assert addresses.status().refused == {
            V6: "cannot put 2001:db8::80 on lo: IPv6 is off on lo; "
            "switch it on: sysctl -w net.ipv6.conf.lo.disable_ipv6=0"
        }
        host.sysctl("net/ipv6/conf/lo/disable_ipv6", "0")
        await addresses.apply(BOTH)
        assert (addresses.status().bound, addresses.status().refused) == (BOTH, {})

    play(host, scenario)


def test_without_the_capability_the_reason_says_so(host: Host) -> None:
    said = host.run("setpriv", "--bounding-set=-net_admin", sys.executable, "-c", TRY_TO_BIND, str(V4)).stdout
    assert said.splitlines() == ["cannot put 192.0.2.80 on lo: mlbd lacks CAP_NET_ADMIN; give it that capability", ""]


def test_without_the_right_to_set_arp_announce_the_address_is_bound_and_the_reason_told(host: Host) -> None:
    """What ProtectKernelTunables= of systemd does."""
    # Private first, so that nothing of it is seen outside. In a chroot / is no mount point, but there /proc is one.
    private = "(mount --make-rprivate / 2>/dev/null || mount --make-private /proc)"
    read_only = f'{private} && mount -o bind,ro /proc/sys /proc/sys && exec "$@"'
    command = (
        "unshare",
        "-m",
        "--propagation",
        "unchanged",
        "sh",
        "-c",
        read_only,
        "sh",
        sys.executable,
        "-c",
        TRY_TO_BIND,
        str(V4),
    )
    assert host.run(*command).stdout.splitlines() == [
        "None",
        "cannot keep this host from naming bound addresses in ARP requests: Read-only file system; "
        "set it yourself: sysctl -w net.ipv4.conf.all.arp_announce=2",
    ]
    assert str(V4) in on_lo(host)


def test_what_is_known_stays_when_the_kernel_does_not_answer(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(kind: int) -> None:
        raise OSError(errno.EBADMSG, "the kernel's answer was lost")

    async def scenario(addresses: Addresses) -> None:
        await addresses.apply(BOTH)
        with monkeypatch.context() as patched:
            patched.setattr(netlink, "dump", silent)
            host.ip("addr", "add", "192.0.2.81/32", "dev", "lo")  # somebody else's, and refused: that is looked into
            await addresses.apply(BOTH | {ip_address("192.0.2.81")})
            assert addresses.status().bound == BOTH
        await addresses.apply(BOTH)
        assert (addresses.status().bound, addresses.status().refused) == (BOTH, {})

    play(host, scenario)


TRY_TO_BIND = """
import asyncio, ipaddress, sys
from mlbd.drivers.addresses import Addresses
addresses, address = Addresses(), ipaddress.ip_address(sys.argv[1])
asyncio.run(addresses.apply(frozenset({address})))
print(addresses.status().refused.get(address))
print(addresses.status().arp_announce)
"""


# Never chosen as a source


def source_towards(host: Host, peer: str) -> str:
    """What the kernel chooses when a program just connects."""
    family = socket.AF_INET6 if ":" in peer else socket.AF_INET
    with host.enter(), socket.socket(family, socket.SOCK_DGRAM) as program:
        program.connect((peer, 9))
        return str(program.getsockname()[0])


@pytest.mark.parametrize("own_on", ["eth0", "lo"])
def test_never_chosen_as_a_source(lab: Lab, own_on: str) -> None:
    """`lo`: an unnumbered host, whose only address is on the loopback, beside the VIPs."""
    lan, host = lab.segment("lan"), lab.host("node")
    host.connect(lan, "eth0")

    async def scenario(addresses: Addresses) -> None:
        await addresses.apply(BOTH | {ip_address("2001:db8::1"), ip_address("10.0.0.1")})
        # The VIPs come first and are numerically smaller, equally long prefixes are shared: nothing but the mark speaks
        # against them.
        host.ip("addr", "add", "192.0.2.250/32", "dev", own_on)
        host.ip("addr", "add", "2001:db8::250/128", "dev", own_on, "nodad")
        host.ip("route", "add", "default", "dev", "eth0")
        host.ip("-6", "route", "add", "default", "dev", "eth0")
        for peer in ("192.0.2.81", "198.51.100.1", "8.8.8.8"):
            assert source_towards(host, peer) == "192.0.2.250"
        for peer in ("2001:db8::81", "2001:db8:ffff::1", "2001:4860:4860::8888"):
            assert source_towards(host, peer) == "2001:db8::250"

    play(host, scenario)


# ARP requests of this host


def arp_senders(host: Host, capture: Any) -> set[str]:
    """Who the ARP requests that left say they come from."""
    return {
        str(ip_address(frame.octets[28:32]))
        for frame in capture.frames()
        if frame.sent and frame.octets[12:14] == b"\x08\x06" and frame.octets[20:22] == b"\0\1"
    }


def ask_from_the_vip(host: Host, peer: str) -> set[str]:
    """The ARP requests that the answer of a program to `peer`, sent from the VIP, brings about."""
    host.ip("neigh", "flush", "all")
    with host.capture("eth1") as capture:
        host.run("ping", "-c1", "-W1", "-I", str(V4), peer, check=False)
        return arp_senders(host, capture)


def test_arp_requests_never_name_a_vip(lab: Lab) -> None:
    lan = lab.segment("lan")
    host, peer = lab.host("node"), lab.host("peer")
    host.connect(lan, "eth1", "192.0.2.11/24")
    peer.connect(lan, "eth0", "192.0.2.1/24")

    async def scenario(addresses: Addresses) -> None:
        await addresses.apply(frozenset({V4}))
        assert ask_from_the_vip(host, "192.0.2.1") == {"192.0.2.11"}
        # What it is there for: without it, and also with 1, the VIP is named.
        for weaker in ("0", "1"):
            host.sysctl("net/ipv4/conf/all/arp_announce", weaker)
            assert ask_from_the_vip(host, "192.0.2.1") == {str(V4)}

    play(host, scenario)


@contextlib.contextmanager
def arp_announce_is(host: Host, before: str, after: str) -> Any:
    setting = "net.ipv4.conf.all.arp_announce"
    host.sysctl(setting.replace(".", "/"), before)
    yield
    assert host.run("sysctl", "-n", setting).stdout.strip() == after


@pytest.mark.parametrize("before", ["0", "1", "2"])
def test_the_setting_is_put_back(host: Host, before: str) -> None:
    async def scenario(addresses: Addresses) -> None:
        with arp_announce_is(host, before, "2"):
            await addresses.apply(frozenset({V4}))
            await addresses.apply(BOTH)

    play(host, scenario)
    assert host.run("sysctl", "-n", "net.ipv4.conf.all.arp_announce").stdout.strip() == before


def test_the_setting_is_not_touched_before_there_is_a_vip(host: Host) -> None:
    async def scenario(addresses: Addresses) -> None:
        with arp_announce_is(host, "0", "0"):
            await addresses.apply(NOTHING)

    play(host, scenario)


def test_what_somebody_set_meanwhile_stays(host: Host) -> None:
    async def scenario(addresses: Addresses) -> None:
        await addresses.apply(BOTH)
        host.sysctl("net/ipv4/conf/all/arp_announce", "1")

    play(host, scenario)
    assert host.run("sysctl", "-n", "net.ipv4.conf.all.arp_announce").stdout.strip() == "1"
