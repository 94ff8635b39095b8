"""The owner of the reflex: its child dies, freezes, and never outlives the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest

from mlbd.drivers.reflex import ChildStatus, Reflex, Told, _ending
from mlbd.proto.bfd.watch import Watch
from mlbd.proto.control import VipChanged, Watches
from mlbd.proto.neighbor.frame import parse_mac
from mlbd.proto.neighbor.link import Claim, Link
from mlbd.proto.neighbor.vip import State
from tests.lab import Frame, Host, Lab, wait_for

ALONE = Watches((), 0.0)
VIP, OTHER_VIP = ip_address("192.0.2.10"), ip_address("192.0.2.11")


class Node:
    """A host with one link and a driver that runs in it."""

    def __init__(self, lab: Lab) -> None:
        self.host: Host = lab.host("node")
        eth0 = self.host.connect(lab.segment("lan"), "eth0", "192.0.2.1/24")
        self.link = Link(eth0.index, "eth0", parse_mac(eth0.mac))
        self.changes: list[Told] = []
        self.reflex = Reflex("node-1", self.changes.append)

    async def apply(self, *addresses: object, watches: Watches = ALONE) -> None:
        """What this node alone is to hold."""
        claims = [Claim(ip_address(str(address)), (self.link.index,), ("node-1",)) for address in addresses]
        await self.reflex.apply([self.link], claims, watches)

    def watch(self) -> Watch:
        """Of a node that is not there."""
        return Watch("node-2", ip_address("192.0.2.1"), ip_address("192.0.2.2"), self.link.index, 100_000, 100_000, 3)

    async def until(self, condition: Callable[[], object], seconds: float = 15) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)

    def holds(self, address: object = VIP) -> bool:
        told = self.status().vips.get(ip_address(str(address)), {})
        return [change.state for change in told.values()] == [State.HOLDING]

    def states(self) -> list[State]:
        return [change.state for change in self.changes if isinstance(change, VipChanged)]

    def has_a_new_reflex(self, before: int | None) -> bool:
        return self.status().pid not in (before, None)

    def trouble(self) -> str:
        return self.status().problems.get("reflex", "")

    def status(self) -> ChildStatus:
        return self.reflex.status(asyncio.get_running_loop().time())

    @contextlib.asynccontextmanager
    async def running(self, failures: int = 0) -> AsyncIterator[None]:
        running = asyncio.create_task(self.reflex.run(failures))
        try:
            yield
        finally:
            running.cancel()
            await asyncio.wait([running])

    def play(self, scene: Callable[[], Awaitable[None]], failures: int = 0) -> None:
        async def whole() -> None:
            async with self.running(failures):
                await scene()

        with self.host.enter():
            asyncio.run(whole())


@pytest.fixture
def node(lab: Lab) -> Node:
    return Node(lab)


def announced(frame: Frame) -> bool:
    return frame.sent and frame.octets[28:32] == VIP.packed and frame.octets[38:42] == VIP.packed


def test_probes_then_holds_and_reports(node: Node) -> None:
    async def scene() -> None:
        await node.apply(VIP)
        await node.until(node.holds)
        await node.until(lambda: node.status().last_pong is not None and node.status().counters)
        status = node.status()
        assert status.alive
        assert status.realtime
        assert status.restarts == 0
        assert not status.problems
        assert node.states() == [State.PROBING, State.HOLDING]

    node.play(scene)


def test_claims_before_the_child_is_there_are_not_lost(node: Node) -> None:
    async def whole() -> None:
        await node.apply(VIP)
        async with node.running():
            await node.until(node.holds)

    with node.host.enter():
        asyncio.run(whole())


def test_applying_twice_sends_nothing_and_a_change_only_the_difference(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        await node.apply(VIP, OTHER_VIP)
        await node.until(lambda: node.holds(VIP) and node.holds(OTHER_VIP))
        sent: list[bytes] = []
        monkeypatch.setattr(node.reflex, "_send", sent.extend)
        await node.apply(VIP, OTHER_VIP)
        assert [line for line in sent if b"ping" not in line] == []
        await node.apply(VIP)
        lines = [line for line in sent if b"ping" not in line]
        assert lines == [b'{"op":"claims","set":[],"drop":["192.0.2.11"]}\n']
        assert list(node.status().vips) == [VIP]

    node.play(scene)


def test_a_killed_reflex_is_replaced_and_asks_before_it_announces(node: Node) -> None:
    async def scene() -> None:
        await node.apply(VIP)
        await node.until(node.holds)
        pid = node.status().pid
        assert pid is not None
        node.changes.clear()
        with node.host.capture("eth0") as capture:
            killed = time.time()
            os.kill(pid, signal.SIGKILL)
            await node.until(lambda: "it was killed by SIGKILL" in node.trouble())
            await node.until(lambda: any(announced(frame) and frame.time > killed for frame in capture.frames()))
        await node.until(node.holds)
        assert node.states() == [State.SILENT, State.PROBING, State.HOLDING]
        status = node.status()
        assert status.pid != pid
        assert status.alive
        assert status.restarts == 1
        assert not status.problems

    node.play(scene)


def test_while_no_reflex_runs_nothing_is_held(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        await node.apply(VIP)
        await node.until(node.holds)
        monkeypatch.setattr(sys, "executable", "/bin/false")
        os.kill(node.status().pid or 0, signal.SIGKILL)
        await node.until(lambda: node.status().restarts >= 3 and not node.status().pid)
        assert not node.status().alive
        assert "it ended with code 1" in node.trouble()
        assert [change.state for change in node.status().vips[VIP].values()] == [State.SILENT]
        monkeypatch.undo()
        await node.until(node.holds)
        assert node.status().alive
        assert node.trouble(), "after many deaths one answer is not enough"

    node.play(scene)


@pytest.mark.parametrize(("code", "told"), [(3, "with code 3"), (-15, "by SIGTERM"), (-40, "by signal 40")])
def test_how_it_ended(code: int, told: str) -> None:
    assert _ending(code).endswith(told)


def test_a_reflex_that_cannot_live_is_tried_again_ever_more_slowly(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")

    async def scene() -> None:
        await node.apply(VIP)
        await node.until(lambda: node.reflex._restarts >= 3)
        status = node.status()
        assert not status.alive
        assert status.pid is None
        assert status.problems["reflex"].startswith("cannot start the reflex: No such file")
        monkeypatch.undo()
        await node.until(node.holds)

    node.play(scene)


def test_a_drain_is_over_when_nothing_is_answered_for(node: Node) -> None:
    async def scene() -> None:
        await node.apply(VIP)
        await node.until(node.holds)
        assert await node.reflex.drain(True, 10)
        assert node.reflex.drained
        assert node.states()[-1] is State.STANDBY
        assert not await node.reflex.drain(False, 10)
        await node.until(node.holds)

    node.play(scene)


def test_a_drain_that_takes_too_long_is_not_waited_for(node: Node) -> None:
    async def scene() -> None:
        await node.apply(VIP)
        await node.until(node.holds)
        os.kill(node.status().pid or 0, signal.SIGSTOP)
        assert not await node.reflex.drain(True, 0.2)
        os.kill(node.status().pid or 0, signal.SIGCONT)
        await node.until(lambda: node.reflex.drained)

    node.play(scene)


def test_a_drain_without_a_reflex_does_not_wait(node: Node) -> None:
    async def scene() -> None:
        async with asyncio.timeout(5):
            assert not await node.reflex.drain(True, 3600)

    asyncio.run(scene())


def test_a_new_reflex_is_drained_and_watches_like_the_one_before(node: Node) -> None:
    async def scene() -> None:
        await node.apply(VIP, watches=Watches((node.watch(),), 0.0))
        await node.until(lambda: [report.peer for report in node.status().sessions.values()] == ["node-2"])
        assert await node.reflex.drain(True, 10)
        node.changes.clear()
        pid = node.status().pid
        os.kill(pid or 0, signal.SIGKILL)
        await node.until(partial(node.has_a_new_reflex, pid))
        await node.until(lambda: [report.state for report in node.status().sessions.values()] == ["admin-down"])
        assert node.states() == []

    node.play(scene)


def test_sessions_that_are_watched_no_longer_are_forgotten(node: Node) -> None:
    async def scene() -> None:
        await node.apply(VIP, watches=Watches((node.watch(),), 0.0))
        await node.until(lambda: node.status().sessions)
        await node.apply(VIP)
        assert not node.status().sessions

    node.play(scene)


def test_routers_are_known_by_their_names(node: Node) -> None:
    """Until they are watched no longer, on another path, or by nobody."""

    async def scene() -> None:
        router, other = replace(node.watch(), peer="tor"), replace(node.watch(), remote=ip_address("192.0.2.3"))
        await node.apply(VIP, watches=Watches((other,), 0.0, (router,)))
        await node.until(lambda: node.status().routers and node.status().sessions)
        assert [(name, report.path) for name, report in node.status().routers.items()] == [("tor", router.path)]
        assert list(node.status().sessions) == [other.path]
        await node.apply(VIP, watches=Watches((), 0.0, (replace(router, link=0),)))
        assert not node.status().routers
        await node.until(lambda: node.status().routers)
        await node.apply(VIP, watches=Watches((), 0.0, (router,)))
        await node.until(lambda: node.status().routers)
        await node.apply(VIP)
        assert not node.status().routers

    node.play(scene)


def test_of_a_router_nothing_is_known_without_a_reflex(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        await node.apply(VIP, watches=Watches((), 0.0, (replace(node.watch(), peer="tor"),)))
        await node.until(lambda: node.status().routers)
        monkeypatch.setattr(sys, "executable", "/bin/false")
        os.kill(node.status().pid or 0, signal.SIGKILL)
        await node.until(lambda: node.status().restarts > 0 and not node.status().routers)
        monkeypatch.undo()
        await node.until(lambda: node.status().routers)

    node.play(scene)


def test_each_death_counts_as_a_failure(node: Node) -> None:
    async def scene() -> None:
        for failures in (2, 3, 4):
            await node.until(lambda: node.status().last_pong is not None)
            pid = node.status().pid or 0
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            assert arguments[-5:-1] == [b"--node", b"node-1", b"--failures", str(failures).encode()]
            os.kill(pid, signal.SIGKILL)
            await node.until(partial(node.has_a_new_reflex, pid))

    node.play(scene, failures=2)


def test_the_worst_lateness_is_that_of_the_last_minute(node: Node) -> None:
    async def scene() -> None:
        await node.apply(VIP)
        await node.until(node.holds)
        pid = node.status().pid or 0
        os.kill(pid, signal.SIGSTOP)
        await node.until(lambda: (node.status().last_pong or 0) > 1.5)
        os.kill(pid, signal.SIGCONT)
        await node.until(lambda: node.status().worst_lateness > 100_000)
        await node.until(lambda: node.status().lateness < 100_000)
        assert node.status().worst_lateness > 100_000

    node.play(scene)


def test_a_frozen_reflex_is_replaced(node: Node) -> None:
    async def scene() -> None:
        await node.apply(VIP)
        await node.until(node.holds)
        pid = node.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        await node.until(lambda: not node.status().alive)
        assert node.status().pid == pid
        assert not node.holds()
        assert node.trouble().startswith("cannot reach the reflex: it left 3 pings unanswered; ")
        await node.until(lambda: "did not answer 5 pings" in node.trouble(), seconds=30)
        await node.until(node.holds)
        assert node.status().pid != pid
        assert not node.status().problems

    node.play(scene)


def test_the_child_is_gone_after_close(node: Node) -> None:
    pids: list[int] = []

    async def scene() -> None:
        await node.until(lambda: node.status().pid)
        pids.append(node.status().pid or 0)

    node.play(scene)
    assert not Path(f"/proc/{pids[0]}").exists()


DAEMON = """
import asyncio
from mlbd.drivers.reflex import Reflex

async def main():
    reflex = Reflex("node-1", lambda change: None)
    running = asyncio.create_task(reflex.run())
    while not (pid := reflex.status(0).pid) or not reflex.status(0).last_pong:
        await asyncio.sleep(0.01)
    print(pid, flush=True)
    await running

asyncio.run(main())
"""


def test_the_child_does_not_survive_a_killed_daemon(lab: Lab) -> None:
    daemon = lab.host("node").spawn(sys.executable, "-c", DAEMON, stdout=-1)
    assert daemon.stdout is not None
    child = Path(f"/proc/{daemon.stdout.readline().strip()}")
    assert b"mlbd.reflex" in (child / "cmdline").read_bytes()
    daemon.kill()
    wait_for(lambda: not child.exists() or not (child / "cmdline").read_bytes(), what="the end of the reflex")
