"""Two that hold one address: it is settled soon, without talk, and told when somebody made a mistake."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Sequence
from typing import Any

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import Ether

from tests.daemon.cluster import Daemon
from tests.daemon.exposition import parse
from tests.daemon.frames import arp_request
from tests.daemon.objects import IPS
from tests.lab import Lab, wait_for

from .scene import AT_ONCE, METRICS_PORT, Scene, scene, web

#: Seconds from a cut, or its healing, to the end of all doubt: three packets of BFD, and two seconds to settle.
SETTLED = 2.5
STRANGER = "02:00:00:00:ff:ff"


def cut(trio: Scene, sender: Daemon, receiver: Daemon) -> None:
    trio.cluster.lan.cut(sender.host, receiver.host)


def heal(trio: Scene, sender: Daemon, receiver: Daemon) -> None:
    trio.cluster.lan.heal(sender.host, receiver.host)


def test_a_path_cut_one_way(trio: Scene) -> None:
    """Each is the other's heir, so one stops hearing the holder, and one is not heard by it."""
    speaker, listener = trio.nodes[:2]
    assert {trio.heir(address) for address in trio.of(speaker)} == {listener}
    assert {trio.heir(address) for address in trio.of(listener)} == {speaker}
    with trio.observed() as seen:
        began = time.time()
        cut(trio, speaker, listener)
        time.sleep(SETTLED + 1)
        healed = time.time()
        heal(trio, speaker, listener)
        trio.wait_until_home(SETTLED)
        time.sleep(0.5)
    assert not seen.silent(AT_ONCE)
    assert not seen.doubled(AT_ONCE, began + SETTLED, healed)
    assert not seen.doubled(AT_ONCE, healed + SETTLED)


def test_a_path_cut_both_ways(trio: Scene) -> None:
    """While it lasts neither can know of the other."""
    one, other = trio.nodes[:2]
    with trio.observed() as seen:
        for ends in ((one, other), (other, one)):
            cut(trio, *ends)
        wait_for(lambda: one.holds() >= {*trio.of(one), *trio.of(other)}, what="each taking the other's")
        healed = time.time()
        for ends in ((one, other), (other, one)):
            heal(trio, *ends)
        trio.wait_until_home(SETTLED)
        time.sleep(0.5)
    assert not seen.silent(AT_ONCE)
    assert not seen.doubled(AT_ONCE, healed + SETTLED)


def advertisement(address: str) -> bytes:
    """Unasked, with Override, as RFC 4861 7.2.6 has it."""
    ends = Ether(src=STRANGER, dst="33:33:00:00:00:01") / IPv6(src="fe80::ffff", dst="ff02::1")
    return bytes(ends / ICMPv6ND_NA(R=0, S=0, O=1, tgt=address) / ICMPv6NDOptDstLLAddr(lladdr=STRANGER))


def strangers_claims(holder: Daemon) -> float:
    """What /metrics tells of them."""
    connection = http.client.HTTPConnection("127.0.0.1", METRICS_PORT, timeout=10)
    with contextlib.closing(connection):
        with holder.host.enter():
            connection.connect()
        connection.request("GET", "/metrics")
        found = parse(connection.getresponse().read().decode())
    return found["mlbd_address_conflicts_total"][(("claimant", "stranger"),)]


def test_a_stranger_claims_what_is_held(trio: Scene) -> None:
    holder = trio.nodes[1]
    ipv4, ipv6 = trio.of(holder)
    claims = strangers_claims(holder)
    with trio.observed() as seen:
        for _ in range(20):
            trio.cluster.asker.send(arp_request(STRANGER, ipv4, ipv4))
            trio.cluster.asker.send(advertisement(ipv6))
            time.sleep(0.05)
        problems = wait_for(lambda: holder.problems("AddressContested"), what="word of the stranger")
    assert {problem["object"] for problem in problems} == {"Service shop/web"}
    assert all(STRANGER in problem["message"] for problem in problems) and len(problems) == 2
    for address in (ipv4, ipv6):
        told = [event for event in holder.events("AddressDefended") if event["address"] == address]
        assert sum(STRANGER in event["message"] for event in told) == 1
        assert holder.mac in {one.mac for one in seen.voices[address].announcements}
    wait_for(lambda: strangers_claims(holder) == claims + 2, what="two defences counted")
    assert not any(trio.cluster.by_name(name).problems("AddressContested") for name in ("node-1", "node-3"))


def test_two_with_different_files(lab: Lab) -> None:
    """The same Service's addresses stand in another order on one of three nodes."""
    with scene(lab) as trio:
        odd = trio.nodes[2]
        own = odd.directory / "own"
        own.mkdir()
        for file in odd.state.iterdir():
            (own / file.name).write_bytes(file.read_bytes())
        (own / "web.yaml").write_text(json.dumps(pinned([*trio.addresses[2:], *trio.addresses[:2]])))
        trio.cluster.write("web.yaml", pinned(trio.addresses))
        began = time.time()
        odd.stop()
        trio.reconfigure(odd, state=[str(own)])
        odd.run()
        try:
            wait_for(lambda: any(node.problems("AddressDisputed") for node in trio.nodes), seconds=15, what="a dispute")
            with trio.observed() as seen:
                time.sleep(1)
            assert not seen.silent(AT_ONCE) and not seen.doubled(AT_ONCE)
        finally:
            print(trio.timeline(began))


def pinned(addresses: Sequence[str]) -> dict[str, Any]:
    """The Service that is watched, with these addresses in this order of slots."""
    wanted = web()
    wanted["metadata"]["annotations"][IPS] = ",".join(addresses)
    return wanted
