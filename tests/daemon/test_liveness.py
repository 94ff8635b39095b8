"""Two daemons that watch each other: drains, what outlasts a restart, and settings that change meanwhile."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab, wait_for

from .cluster import Cluster, Daemon, cluster, serving

LINGER = 5.0  # seconds on lo after the last answer
TURN = 5.0  # seconds until what nobody is woken for is seen to


def session(of: Daemon) -> Any:
    """That of one of two nodes to the other, once there is one."""
    (found,) = wait_for(lambda: [session for node in of.get("nodes") for session in node["sessions"]], what="a session")
    return found


def kill(daemon: Daemon) -> None:
    os.kill(daemon.pid, signal.SIGKILL)
    assert daemon.process
    daemon.process.wait()
    wait_for(lambda: not daemon.host.pids(), what="the end of its reflex")


def test_a_drain_and_its_end(pair: Cluster) -> None:
    one, two = pair.nodes
    web = set(one.addresses("web"))
    (mine,) = one.holds()
    moves = [{"address": mine, "services": ["shop/web"], "to": "node-2"}]
    assert one.get("drain") == {"drain": None, "moves": moves, "peers": []}
    drain = one.client.post("drain", reason="new fans")
    gone = time.monotonic()
    assert (drain["reason"], drain["done"]) == ("new fans", True)
    assert (one.holds(), two.holds()) == (set(), web)
    assert mine in one.bound(), "who missed the announcement still sends here"
    assert one.get("drain")["moves"] == []
    assert two.service("web")["announced"]
    wait_for(lambda: not one.bound(), seconds=LINGER + 2 * TURN, what="nothing on lo")
    assert time.monotonic() - gone > LINGER - 1
    assert one.client.post("undrain") is None
    assert one.bound() >= web, "before anything is announced"
    pair.wait_until_settled(*web)
    assert one.holds() == {mine}
    assert [len(one.events(reason)) for reason in ("Drained", "Undrained", "NodeLost")] == [1, 1, 0]


def test_a_drain_is_kept(pair: Cluster) -> None:
    one, two = pair.nodes
    web = set(one.addresses("web"))
    drain = one.client.post("drain", reason="new fans")
    for leave in (Daemon.stop, kill):
        leave(one)
        one.run()
        wait_for(lambda: one.get("status")["drain"]["done"], what="the drain done")
        assert one.get("status")["drain"] == drain
        assert (one.holds(), two.holds()) == (set(), web)
        assert "DRAINED" in one.mlbctl("status").stdout.upper()
    one.client.post("undrain")
    pair.wait_until_settled(*web)
    one.stop()
    one.run()
    assert one.get("status")["drain"] is None
    pair.wait_until_settled(*web)
    assert len(one.holds()) == 1


def test_a_second_drain_keeps_its_time_and_may_have_another_reason(pair: Cluster) -> None:
    one = pair.first
    first, second, third = (one.client.post("drain", reason=reason) for reason in ("new fans", "", "new disks"))
    assert first == second
    assert third == first | {"reason": "new disks"}
    assert len(one.events("Drained")) == 1


def test_a_stop_is_no_failure_and_a_kill_is_one(pair: Cluster) -> None:
    one = pair.first
    assert failures(one) == "0"
    one.stop()
    one.run()
    assert failures(one) == "0"
    kill(one)
    one.run()
    assert failures(one) == "1"
    one.stop()
    one.run()
    assert failures(one) == "1", "of the last ten minutes"


def failures(daemon: Daemon) -> str:
    """What the reflex is told of those before it."""
    *_, last, _ = Path(f"/proc/{daemon.reflex()}/cmdline").read_text().split("\0")
    return last


def test_the_pace_changes_without_a_loss(pair: Cluster) -> None:
    one, two = pair.nodes
    before = wait_for(lambda: found if (found := session(two))["detection"] == 0.3 else {}, what="the usual pace")
    one.configure(holdDown="7s", liveness={"interval": "200ms", "multiplier": 4})
    assert one.mlbctl("reload").returncode == 0
    after = wait_for(lambda: found if (found := session(two))["detection"] == 0.8 else {}, what="the new pace")
    kept = ("state", "ups", "downs", "local", "remote")
    assert [after[name] for name in kept] == [before[name] for name in kept]
    assert abs(after["since"] - before["since"]) < 1
    wait_for(lambda: session(one)["interval"] == session(two)["interval"] == 0.2, what="one pace at both ends")


def test_a_reflex_that_is_replaced_loses_nobody(pair: Cluster) -> None:
    one, two = pair.nodes
    os.kill(one.reflex(), signal.SIGKILL)
    wait_for(lambda: one.get("status")["reflex"]["restarts"] == 1, what="another reflex")
    wait_for(lambda: session(one)["state"] == session(two)["state"] == "up", what="each other seen again")
    pair.wait_until_settled(*one.addresses("web"))
    assert not one.events("NodeLost")
    assert len(two.events("NodeLost")) == 1


def test_who_stops_is_not_lost(pair: Cluster) -> None:
    one, two = pair.nodes
    web = set(one.addresses("web"))
    one.stop()
    assert two.holds() == web
    assert not two.problems()
    assert (len(two.events("NodeLeft")), two.events("NodeLost")) == (1, [])
    assert [node["presence"] for node in two.get("nodes")] == ["drained", "alive"]
    assert set(two.holders("web").values()) == {"node-2"}


def test_a_node_that_leaves_the_files_leaves_its_addresses(lab: Lab) -> None:
    with serving(lab, 3) as trio:
        web, gone = trio.first.addresses("web"), trio.nodes[2]
        trio.remove("node-3.yaml")
        assert gone.problem("NodeUnknown")["object"] == "Node node-3"
        wait_for(lambda: not gone.holds(), what="its end")
        for address in web:
            holders = wait_for(partial(only, trio, address), what=f"one holder of {address}")
            trio.asker.wait_for_holder(address, holders[0].mac)


def only(nodes: Cluster, address: str) -> list[Daemon]:
    """Its holder, if it is one."""
    holders = [node for node in nodes.nodes if address in node.holds()]
    return holders if len(holders) == 1 else []


@pytest.fixture
def alone(lab: Lab) -> Iterator[Daemon]:
    """Stopped: it is to start with what a test puts before it."""
    with cluster(lab, 1) as one:
        one.first.stop()
        yield one.first
        one.first.assert_no_traceback()


def test_a_memory_that_cannot_be_read(alone: Daemon) -> None:
    (alone.directory / "data" / "memory").write_text("[")
    alone.run()
    problem = alone.problem("NoMemory")
    assert (problem["severity"], problem["object"]) == ("warning", "mlbd")
    assert "cannot tell from " in problem["message"]
    assert alone.get("status")["drain"] is None
    alone.client.post("undrain")
    assert not alone.problems()


def test_a_memory_that_cannot_be_kept_is_kept_when_it_can(alone: Daemon) -> None:
    data = alone.directory / "elsewhere"
    data.write_text("")
    alone.configure(data=str(data))
    alone.run()
    assert "cannot keep a drain over a restart" in alone.problem("NoMemory")["message"]
    assert alone.client.post("drain", reason="new fans")["reason"] == "new fans", "all the same"
    data.unlink()
    alone.wait_until_well()
    assert "new fans" in (data / "memory").read_text()


def test_a_key_that_cannot_be_read(lab: Lab) -> None:
    key = lab.directory / "key"
    with serving(lab, 2, liveness={"authentication": {"keyFile": str(key)}}) as pair:
        one = pair.first
        problem = one.problem("BadKey")
        assert (problem["severity"], problem["object"]) == ("error", "mlbd")
        assert str(key) in problem["message"]
        assert [node["presence"] for node in one.get("nodes")] == ["alive", "unwatched"]
        key.write_text("secret")
        key.chmod(0o600)
        for each in pair.nodes:
            assert each.mlbctl("reload").returncode == 0
            each.wait_until_well()
        wait_for(lambda: session(one)["state"] == "up", what="the session")
        key.unlink()
        one.mlbctl("reload")
        assert one.problem("BadKey")
        assert session(one)["state"] == "up", "the last good key stays"
        assert not any("secret" in each.log.read_text() for each in pair.nodes)
