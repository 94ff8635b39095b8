"""A link or an address that somebody else takes from a running node: put back, or left to others, and told."""

from __future__ import annotations

import time

from tests.lab import Lab, wait_for

from .scene import AT_ONCE, DARK, Scene, events, sees_all
from .twofold import twofold
from .voices import listening

#: Seconds from a fault to the end of all doubt: three packets of BFD, and two seconds to settle.
SETTLED = 2.5


def test_an_address_taken_off_lo_is_put_back(trio: Scene) -> None:
    daemon, began = trio.nodes[0], time.time()
    ipv4, ipv6 = trio.of(daemon)
    with trio.observed() as seen:
        daemon.host.ip_batch(f"address delete {ipv4}/32 dev lo", f"address delete {ipv6}/128 dev lo")
        wait_for(lambda: {ipv4, ipv6} <= daemon.bound(), what="both put back")
    assert not seen.lost(trio.others(daemon))
    assert seen.dark(trio.of(daemon)) < DARK
    wait_for(lambda: {event["address"] for event in events(daemon, began)} == {ipv4, ipv6}, what="an event of each")


def test_a_link_deleted_and_made_again(trio: Scene) -> None:
    daemon, began = trio.nodes[0], time.time()
    with trio.observed() as seen:
        daemon.host.ip("link", "delete", "eth0")
        trio.cluster.lan.links.remove(daemon.host.links["eth0"])
        trio.wait_until_left(daemon)
        made = time.monotonic()
        daemon.host.connect(trio.cluster.lan, "eth0", f"192.0.2.{daemon.number}/24", f"2001:db8::{daemon.number}/64")
        trio.wait_until_home()
    assert not seen.lost(trio.others(daemon))
    assert not seen.lost(trio.of(daemon), since=made)
    assert seen.dark(trio.of(daemon)) < DARK
    assert not seen.doubled(AT_ONCE)
    assert {"LinkGone", "LinkUsable"} <= {event["reason"] for event in events(daemon, began)}


def test_internal_addresses_removed_from_the_link(trio: Scene) -> None:
    """The node cannot be watched any more, and says so; who holds what it had is settled on the wire."""
    daemon = trio.nodes[0]
    ours = f"192.0.2.{daemon.number}/24", f"2001:db8::{daemon.number}/64"
    with trio.observed() as seen:
        began = time.time()
        daemon.host.ip_batch(*(f"address delete {address} dev eth0" for address in ours))
        time.sleep(SETTLED)
        assert daemon.problems("NodeUnwatched")
        back = time.time()
        daemon.host.ip_batch(*(f"address add {address} dev eth0" for address in ours))
        wait_for(lambda: all(sees_all(node) for node in trio.nodes), what="everybody in sight of everybody")
        trio.wait_until_home()
    assert not seen.lost(trio.others(daemon))
    assert not seen.silent(DARK)
    assert not seen.doubled(AT_ONCE, began + SETTLED, back)
    assert not seen.doubled(AT_ONCE, back + SETTLED)


def test_carrier_lost_on_one_of_two_links(lab: Lab) -> None:
    """An address moves only on the segment that its holder lost."""
    with twofold(lab) as scene:
        lost, kept = scene.askers
        before, after = scene.holder.host.links["eth0"], scene.heir.host.links["eth0"]
        with listening(lost, scene.addresses) as broken, listening(kept, scene.addresses) as whole:
            scene.wait_for_holder(lost, before.mac)
            before.unplug()
            scene.wait_for_holder(lost, after.mac)
            before.plug()
            scene.wait_for_holder(lost, before.mac)
    assert max(stretch.seconds for voices in broken.values() for stretch in voices.silent()) < DARK
    assert {mac for voices in whole.values() for question in voices.questions for mac in question.by} == {
        scene.holder.host.links["eth1"].mac
    }
    assert all(stretch.seconds < AT_ONCE for voices in whole.values() for stretch in voices.silent())
