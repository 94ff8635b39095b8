"""Kernel silence and the guard, seen from a neighbour, with sockets that really listen."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any

import pytest

from mlbd.drivers import netlink, nft
from mlbd.drivers.firewall import Firewall, FirewallStatus, watch_rules
from mlbd.model.address import IPAddress
from mlbd.model.core import Port
from tests.lab import Host, Lab, LabError

V4, V6 = ip_address("192.0.2.80"), ip_address("2001:db8::80")
OTHER = ip_address("192.0.2.81")
BOTH = frozenset({V4, V6})
NODE4, NODE6 = "192.0.2.11", "2001:db8::11"
FINE = FirewallStatus("", "")
TCP80, UDP53 = Port("TCP", 80), Port("UDP", 53)
SERVICE: Mapping[IPAddress, frozenset[Port]] = dict.fromkeys(BOTH, frozenset({TCP80, UDP53}))
NOTHING: frozenset[IPAddress] = frozenset()


@pytest.fixture
def node(lab: Lab) -> Host:
    return lab.host("node")


@pytest.fixture
def client(lab: Lab, node: Host) -> Host:
    """On two segments with the node, which has both VIPs on lo, as it does after addresses.apply()."""
    client = lab.host("client")
    for number, name in enumerate(("eth0", "eth1")):
        segment = lab.segment(f"lan{number}")
        node.connect(segment, name)
        client.connect(segment, name)
    for host, last in ((node, "11"), (client, "1")):
        host.ip("addr", "add", f"192.0.2.{last}/24", "dev", "eth0")
        host.ip("addr", "add", f"2001:db8::{last}/64", "dev", "eth0")
    for vip in BOTH:
        node.ip("addr", "add", f"{vip}/{vip.max_prefixlen}", "dev", "lo")
    return client


def play(host: Host, scenario: Callable[[Firewall], Awaitable[None]], close: bool = True) -> None:
    """With the driver running, inside the host; without `close` it ends as a killed one does."""

    async def run() -> None:
        firewall = Firewall()
        task = asyncio.create_task(firewall.run())
        try:
            await scenario(firewall)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if close:
                firewall.close()
            else:
                assert firewall._watch
                firewall._watch.close()

    with host.enter():
        asyncio.run(run())


async def until(predicate: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not predicate():
            await asyncio.sleep(0.01)


def ruleset(host: Host) -> str:
    return host.run("nft", "list", "ruleset").stdout


# Silence


def resolves(client: Host, address: IPAddress | str, link: str = "eth0") -> bool:
    """Whether anybody answers the client's ARP requests or neighbour solicitations on the link."""
    client.ip("neigh", "flush", "dev", link)
    route = ("route", "replace", str(address), "dev", link)
    client.ip(f"-{ip_address(address).version}", *route)
    client.run("ping", "-c1", "-W1", str(address), check=False)
    return "lladdr" in client.ip("neigh", "show", str(address), "dev", link)


def test_the_kernel_answers_arp_on_no_link(node: Host, client: Host) -> None:
    assert resolves(client, V4, "eth0") and resolves(client, V4, "eth1"), "else the test proves nothing"

    async def scenario(firewall: Firewall) -> None:
        await firewall.apply(BOTH, None)
        assert firewall.status() == FINE
        assert not resolves(client, V4, "eth0")
        assert not resolves(client, V4, "eth1")
        assert resolves(client, NODE4)
        await firewall.apply(frozenset({V6}), None)
        assert resolves(client, V4)

    play(node, scenario)
    assert resolves(client, V4)


def test_also_for_an_address_on_another_link(node: Host, client: Host) -> None:
    """kube-proxy in IPVS mode puts every address of every Service on kube-ipvs0 of every node."""
    node.ip("link", "add", "kube-ipvs0", "type", "bridge")
    node.ip("addr", "add", f"{OTHER}/32", "dev", "kube-ipvs0")
    assert resolves(client, OTHER)

    async def scenario(firewall: Firewall) -> None:
        await firewall.apply(frozenset({OTHER}), None)
        assert not resolves(client, OTHER)

    play(node, scenario)


def test_silence_outlives_kill_9_and_a_new_start_takes_it_over(node: Host, client: Host) -> None:
    process = node.spawn(sys.executable, "-c", SILENCE_AND_WAIT, str(V4), stdout=subprocess.PIPE)
    assert process.stdout and process.stdout.readline() == "silent\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not resolves(client, V4)

    async def scenario(firewall: Firewall) -> None:
        await firewall.apply(frozenset({OTHER}), None)
        assert resolves(client, V4)

    play(node, scenario)
    assert "mlbd" not in ruleset(node)


SILENCE_AND_WAIT = """
import asyncio, ipaddress, sys, time
from mlbd.drivers.firewall import Firewall
firewall = Firewall()
asyncio.run(firewall.apply(frozenset(map(ipaddress.ip_address, sys.argv[1:])), {}))
print("silent", flush=True)
time.sleep(600)
"""


def test_no_answer_to_a_request_that_comes_from_a_vip(node: Host, client: Host) -> None:
    """It is let in like a gratuitous one; the answer is stopped on its way out."""

    async def scenario(firewall: Firewall) -> None:
        await firewall.apply(BOTH | {OTHER}, None)
        with client.capture("eth0") as capture:
            send(client, arp(client, 1, OTHER, V4))
            send(client, arp(client, 1, OTHER, NODE4))  # what comes out of order is no answer of one kernel
            capture.wait_for(lambda frame: not frame.sent and frame.octets[28:32] == ip_address(NODE4).packed)
            assert V4.packed not in {frame.octets[28:32] for frame in capture.frames() if not frame.sent}

    play(node, scenario)


def test_raw_frames_pass_beneath_the_silence(node: Host, client: Host) -> None:
    """What the reflex hears and says."""

    async def scenario(firewall: Firewall) -> None:
        await firewall.apply(BOTH, None)
        with node.capture("eth0") as at_node, client.capture("eth0") as at_client:
            send(client, arp(client, 1, "192.0.2.1", V4))
            at_node.wait_for(lambda frame: not frame.sent and frame.octets[38:42] == V4.packed, what="the request")
            send(node, arp(node, 2, V4, "192.0.2.1"))
            at_client.wait_for(lambda frame: not frame.sent and frame.octets[28:32] == V4.packed, what="the answer")

    play(node, scenario)


def test_a_client_of_a_vip_notices_that_it_moved(node: Host, client: Host) -> None:
    """A gratuitous request for a silent address still reaches the neighbour table of a node that does not hold it."""
    node.ip("addr", "del", f"{V4}/32", "dev", "lo")
    node.ip("neigh", "add", str(V4), "lladdr", "02:00:00:00:ff:ff", "dev", "eth0", "nud", "stale")

    async def scenario(firewall: Firewall) -> None:
        await firewall.apply(BOTH, None)
        send(client, arp(client, 1, V4, V4))
        await until(lambda: client.links["eth0"].mac in node.ip("neigh", "show", str(V4)))

    play(node, scenario)


def test_a_flood_of_requests_does_not_fill_the_neighbour_table(node: Host, client: Host) -> None:
    async def scenario(firewall: Firewall) -> None:
        await firewall.apply(BOTH, None)
        for last in range(100, 200):
            send(client, arp(client, 1, f"192.0.2.{last}", V4))
        assert resolves(client, NODE4)  # the node has worked off what came before
        assert "192.0.2.150" not in node.ip("neigh", "show")

    play(node, scenario)


def test_the_kernel_never_answers_a_neighbour_solicitation_for_lo(node: Host, client: Host) -> None:
    """By itself, with a router's settings and with those that make it answer for others."""
    for setting in ("all/forwarding", "all/proxy_ndp", "eth0/proxy_ndp"):
        node.sysctl(f"net/ipv6/conf/{setting}", "1")
    assert not resolves(client, V6, "eth0")
    assert not resolves(client, V6, "eth1")
    assert resolves(client, NODE6)


def arp(host: Host, operation: int, sender: object, target: object) -> bytes:
    mac = bytes.fromhex(host.links["eth0"].mac.replace(":", ""))
    head = b"\xff" * 6 + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, operation)
    return head + mac + ip_address(str(sender)).packed + bytes(6) + ip_address(str(target)).packed


def send(host: Host, frame: bytes) -> None:
    with host.enter(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("eth0", 0))
        raw.send(frame)


# The guard


@pytest.fixture
def programs(node: Host, client: Host) -> Iterator[None]:
    """The Service's (TCP 80, UDP 53) and others of the node (TCP 22, UDP 54), on every address it has."""
    with contextlib.ExitStack() as stack:
        for kind, port in ((socket.SOCK_STREAM, 80), (socket.SOCK_STREAM, 22)):
            listener = stack.enter_context(bound(node, kind, port))
            listener.listen(64)
        stack.enter_context(echo(node, 53, 54))
        for vip, by in ((V4, NODE4), (V6, NODE6)):
            client.ip(f"-{vip.version}", "route", "replace", str(vip), "via", by)
        yield


def bound(node: Host, kind: socket.SocketKind, port: int) -> socket.socket:
    with node.enter():
        program = socket.socket(socket.AF_INET6, kind)
    program.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    program.bind(("::", port))
    return program


@contextlib.contextmanager
def echo(node: Host, *ports: int) -> Iterator[None]:
    process = node.spawn(sys.executable, "-c", ECHO, *map(str, ports), stdout=subprocess.PIPE)
    assert process.stdout and process.stdout.readline() == "ready\n"
    yield
    process.kill()


ECHO = """
import select, socket, sys
programs = []
for port in sys.argv[1:]:
    for family, size in ((socket.AF_INET, 8), (socket.AF_INET6, 20)):
        program = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            program.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            program.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            program.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
        program.bind(("", int(port)))
        programs.append(program)
print("ready", flush=True)
while True:
    for program in select.select(programs, [], [])[0]:
        data, ancillary, _, peer = program.recvmsg(1 << 16, 256)
        program.sendmsg([str(len(data)).encode()], ancillary, 0, peer)
"""


def connects(host: Host, address: object, port: int) -> bool:
    family = socket.AF_INET6 if ":" in str(address) else socket.AF_INET
    with host.enter(), socket.socket(family, socket.SOCK_STREAM) as program:
        program.settimeout(0.5)
        try:
            program.connect((str(address), port))
        except TimeoutError:
            return False
        return True


def echoes(host: Host, address: object, port: int, octets: int = 1) -> bool:
    family = socket.AF_INET6 if ":" in str(address) else socket.AF_INET
    with host.enter(), socket.socket(family, socket.SOCK_DGRAM) as program:
        program.settimeout(0.5)
        program.connect((str(address), port))
        program.send(bytes(octets))
        try:
            return program.recv(100) == str(octets).encode()
        except TimeoutError:
            return False


def pings(host: Host, address: object) -> bool:
    return host.run("ping", "-c1", "-W1", str(address), check=False).returncode == 0


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(("vip", "own"), [(V4, NODE4), (V6, NODE6)])
def test_only_the_service_and_icmp_reach_programs(node: Host, client: Host, vip: IPAddress, own: str) -> None:
    async def scenario(firewall: Firewall) -> None:
        assert connects(client, vip, 22) and echoes(client, vip, 54), "else the test proves nothing"
        await firewall.apply(BOTH, SERVICE)
        assert firewall.status() == FINE
        assert connects(client, vip, 80) and echoes(client, vip, 53) and pings(client, vip)
        assert not connects(client, vip, 22)
        assert not echoes(client, vip, 54)
        assert connects(client, own, 22) and echoes(client, own, 54), "its own addresses are none of our business"
        assert connects(node, vip, 22), "the host's own programs are not outside"

    play(node, scenario)
    assert connects(client, vip, 22)


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("vip", [V4, V6])
def test_fragments_of_a_datagram_to_the_service_pass(node: Host, client: Host, vip: IPAddress) -> None:
    async def scenario(firewall: Firewall) -> None:
        await firewall.apply(BOTH, SERVICE)
        assert echoes(client, vip, 53, octets=4000)
        assert not echoes(client, vip, 54, octets=4000)

    play(node, scenario)


@pytest.mark.usefixtures("programs")
def test_ports_and_addresses_change_while_it_stands(node: Host, client: Host) -> None:
    async def scenario(firewall: Firewall) -> None:
        await firewall.apply(BOTH, {V4: frozenset({TCP80})})
        assert connects(client, V6, 22), "not bound, hence not guarded"
        await firewall.apply(BOTH, {V4: frozenset({Port("TCP", 22)}), V6: frozenset({TCP80})})
        assert connects(client, V4, 22) and not connects(client, V4, 80)
        assert connects(client, V6, 80) and not connects(client, V6, 22)
        await firewall.apply(BOTH, {V4: frozenset({Port("TCP", 22)})})
        assert connects(client, V6, 22) and not connects(client, V4, 80)
        await firewall.apply(BOTH, None)
        assert connects(client, V4, 80)
        assert "inet mlbd" not in ruleset(node)
        await firewall.apply(BOTH, {V4: frozenset()})
        assert not connects(client, V4, 80)
        assert firewall.status() == FINE

    play(node, scenario)


@pytest.mark.usefixtures("programs")
def test_the_rules_of_the_owner_still_apply(node: Host, client: Host) -> None:
    owner = "table inet owner { chain input { type filter hook input priority 0; tcp dport 80 drop; }\n}"
    node.run("nft", owner)

    async def scenario(firewall: Firewall) -> None:
        await firewall.apply(BOTH, SERVICE)
        assert not connects(client, V4, 80)
        assert echoes(client, V4, 53)

    play(node, scenario)
    assert "table inet owner" in ruleset(node)


def test_sctp_is_a_protocol_like_others(node: Host) -> None:
    async def scenario(firewall: Firewall) -> None:
        await firewall.apply(BOTH, {V6: frozenset({Port("SCTP", 36412)})})
        assert firewall.status() == FINE
        assert "2001:db8::80 . sctp . 36412" in ruleset(node)

    play(node, scenario)


# Both


@pytest.mark.parametrize("guarded", [SERVICE, None])
def test_applying_twice_does_nothing_twice(node: Host, guarded: Mapping[IPAddress, frozenset[Port]] | None) -> None:
    async def scenario(firewall: Firewall) -> None:
        await firewall.apply(BOTH, guarded)
        watch = watch_rules()
        await firewall.apply(BOTH, guarded)
        assert list(watch.events() or ()) == []
        await firewall.apply(NOTHING, guarded)
        assert list(watch.events() or ()), "else the test proves nothing"
        watch.close()

    play(node, scenario)


@pytest.mark.parametrize(
    "vandal",
    [
        "flush ruleset",
        "delete table arp mlbd; delete table inet mlbd",
        "flush table arp mlbd; flush chain inet mlbd input",
        "flush set arp mlbd vips4; flush set inet mlbd services6",
    ],
)
def test_what_somebody_removes_is_put_back(node: Host, vandal: str) -> None:
    async def scenario(firewall: Firewall) -> None:
        await firewall.apply(BOTH, SERVICE)
        before = canonical(node)
        for _ in range(2):
            node.run("nft", vandal)
            assert canonical(node) != before
            await until(lambda: canonical(node) == before)
        assert firewall.status() == FINE

    play(node, scenario)


def test_what_is_removed_in_an_overrun_is_put_back(node: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules of others fill the buffer of 2 kB first."""
    monkeypatch.setattr(netlink, "RECEIVE_OCTETS", 1)
    crowd = "".join(f"add chain inet owner chain-{number}; " for number in range(200))

    async def scenario(firewall: Firewall) -> None:
        await firewall.apply(BOTH, SERVICE)
        node.run("nft", f"add table inet owner; {crowd} delete table arp mlbd; delete table inet mlbd")
        await until(lambda: str(V4) in ruleset(node))

    play(node, scenario)


def canonical(node: Host) -> list[str]:
    """Elements come in any order."""
    return sorted(ruleset(node).replace(",", " ").split())


def test_a_change_meets_a_flushed_ruleset(node: Host) -> None:
    """Before run() had its turn."""

    async def scenario(firewall: Firewall) -> None:
        await firewall.apply(BOTH, SERVICE)
        node.run("nft", "flush ruleset")
        await firewall.apply(BOTH | {OTHER}, SERVICE)
        assert firewall.status() == FINE
        assert str(V4) in ruleset(node) and str(OTHER) in ruleset(node)

    play(node, scenario)


def test_the_tables_of_others_stay(node: Host) -> None:
    node.run("nft", "add table inet owner; add table arp owner; add set inet owner vips4 { type ipv4_addr; }")
    before = ruleset(node)

    async def scenario(firewall: Firewall) -> None:
        await firewall.apply(BOTH, SERVICE)
        await firewall.apply(NOTHING, {})

    play(node, scenario)
    assert ruleset(node) == before


def test_without_nftables_the_reason_says_what_to_install(node: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nft, "LIBRARY", "libnftables.so.does-not-exist")

    async def scenario(firewall: Firewall) -> None:
        await firewall.apply(BOTH, SERVICE)
        missing = "nftables is not there; install it: apt install nftables, then restart mlbd"
        assert firewall.status() == FirewallStatus(
            f"cannot keep the kernel from answering ARP for VIPs: {missing}",
            f"cannot guard VIPs from reaching other programs of this host: {missing}",
        )

    play(node, scenario)


def test_without_the_capability_the_reason_says_so(node: Host) -> None:
    said = node.run("setpriv", "--bounding-set=-net_admin", sys.executable, "-c", TRY).stdout
    assert said.splitlines() == [
        "cannot keep the kernel from answering ARP for VIPs: mlbd lacks CAP_NET_ADMIN; give it that capability"
    ]


TRY = """
import asyncio
from mlbd.drivers.firewall import Firewall
firewall = Firewall()
asyncio.run(firewall.apply(frozenset(), {}))
print(firewall.status().silence)
"""


def test_ten_thousand_addresses(node: Host) -> None:
    many = {ip_address(0x0A000000 + number): frozenset({TCP80}) for number in range(10_000)}

    async def scenario(firewall: Firewall) -> None:
        await firewall.apply(frozenset(many), many)
        assert firewall.status() == FINE
        assert len(elements(node, "arp", "vips4")) == len(elements(node, "inet", "services4")) == 10_000
        fewer = dict(list(many.items())[:-1])
        await firewall.apply(frozenset(fewer), fewer)
        assert firewall.status() == FINE
        assert len(elements(node, "arp", "vips4")) == len(elements(node, "inet", "services4")) == 9_999

    play(node, scenario)


def elements(node: Host, family: str, name: str) -> list[str]:
    text = node.run("nft", "list", "set", family, "mlbd", name).stdout
    with contextlib.suppress(ValueError, LabError):
        return text[text.index("elements = {") :].split(",")
    return []
