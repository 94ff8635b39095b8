"""Orders and files that reach nodes while something else is still under way."""

from __future__ import annotations

import threading
import time
from typing import Any

from mlbd.ctl.client import Client
from tests.lab import Lab, wait_for

from .cluster import Cluster, serving
from .frames import read_arp
from .objects import EXCLUDED, endpoint_slice, node, service


def test_an_undrain_does_not_undo_the_drain_after_it(pair: Cluster) -> None:
    one = pair.first
    for _ in range(5):
        one.client.post("drain")
        undrain = threading.Thread(target=lambda: Client(one.socket).post("undrain"))
        undrain.start()
        one.client.post("drain", reason="after all")
        undrain.join()
        wait_for(lambda: (drain := one.get("status")["drain"]) is None or drain["done"], what="what was said last")
        assert not (one.get("status")["drain"] and one.holds())


def test_a_move_to_a_node_that_has_just_started(lab: Lab) -> None:
    local: dict[str, Any] = {"selector": {"app": "m"}, "externalTrafficPolicy": "Local"}
    with serving(lab, 2, holdDown="30s") as two_nodes:
        two_nodes.write("m.yaml", service("m", **local), endpoint_slice("m", node_1=True))
        (address,) = two_nodes.first.addresses("m")
        two_nodes.nodes[0].wait_for_holding(address)
        two_nodes.write("m.yaml", service("m", **local), endpoint_slice("m", node_2=True))
        two_nodes.nodes[1].wait_for_holding(address, seconds=5)


def test_a_holder_that_may_hold_it_no_more_is_not_waited_for(lab: Lab) -> None:
    """node-2 stands first and came back: node-1 holds until the hold-down is over, but leaves the class before that."""
    with serving(lab, 2, holdDown="30s") as two_nodes:
        web = two_nodes.first.addresses("web")
        two = two_nodes.nodes[1]
        two.stop()
        two.run()
        wait_for(lambda: "waiting" in two.states("web"), what="the hold-down")
        two_nodes.write("node-1.yaml", node("node-1", 11, **{EXCLUDED: ""}))
        two.wait_for_holding(*web, seconds=5)


def test_a_node_that_leaves_the_files_takes_nothing_on_its_way(lab: Lab) -> None:
    with serving(lab, 3) as trio:
        macs = {each.mac: each.host.name for each in trio.nodes}
        web = set(trio.first.addresses("web"))
        for _ in range(4):
            before, heard = trio.holding(), len(trio.asker.tap.frames())
            trio.remove("node-3.yaml")
            wait_for(lambda: not trio.nodes[2].holds(), what="its end")
            time.sleep(1.5)
            frames = [arp for frame in trio.asker.tap.frames()[heard:] if (arp := read_arp(frame))]
            mine = [arp for arp in frames if macs.get(arp.sender_mac) == "node-3"]
            claimed = {arp.sender for arp in mine if arp.sender == arp.target}
            assert claimed & web <= {address for address, holder in before.items() if holder == "node-3"}
            trio.write("node-3.yaml", node("node-3", 13))
            trio.wait_until_settled(*web, seconds=20)
