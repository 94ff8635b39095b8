"""Nodes and routers beside each other in one watcher, under a clock that the test moves."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from mlbd.proto.bfd.packet import State
from mlbd.proto.bfd.session import Action, Send
from mlbd.proto.bfd.sessions import Arrival, Sessions
from mlbd.proto.bfd.watch import Address, Watch
from mlbd.proto.control import SessionReport, Watches
from mlbd.proto.neighbor.group import Group
from mlbd.reflex import watcher as room
from mlbd.reflex.watcher import Watcher
from tests.proto.bfd.pair import mirrored

US, NODE, ROUTER = map(ip_address, ("192.0.2.1", "192.0.2.2", "192.0.2.3"))
LINK, HOLD_DOWN, STEP = 7, 30.0, 0.01
TO_NODE = Watch("node-2", US, NODE, LINK, 100_000, 100_000, 3)
TO_ROUTER = replace(TO_NODE, peer="tor", remote=ROUTER, desired_min_tx=50_000, required_min_rx=50_000)


class Wire:
    """In the place of the sockets, as the clock is not the kernel's either."""

    def __init__(self) -> None:
        self.sent: list[tuple[Watch, bytes]] = []
        self.coming: list[tuple[bytes, Arrival]] = []

    def watch(self, watches: object) -> None:
        pass

    def send(self, watch: Watch, octets: bytes) -> None:
        self.sent.append((watch, octets))

    def receive(self) -> Iterator[tuple[bytes, Arrival]]:
        while self.coming:
            yield self.coming.pop(0)


class Other:
    """The far end of a session; a dead one says nothing."""

    def __init__(self, watch: Watch) -> None:
        self.watch = mirrored(watch)
        self.sessions = Sessions(random.Random(1).random)
        self.alive = True

    @property
    def arrival(self) -> Arrival:
        return Arrival(self.watch.remote, self.watch.local, LINK, 255)

    @property
    def remote_state(self) -> State:
        (status,) = self.sessions.status()
        return status.remote_state


class Scene:
    def __init__(self, wire: Wire) -> None:
        self.now = 1000.0
        self.wire = wire
        self.group = Group("node-1", 0, self.now)
        self.group.open({LINK}, self.now)
        self.reports: list[SessionReport] = []
        self.watcher = Watcher(self.group, self.reports.append)
        self.others: dict[Address, Other] = {}

    def watch(self, *nodes: Watch, routers: tuple[Watch, ...] = (), stays: bool = True) -> None:
        for watch in (*nodes, *routers):
            if watch.remote not in self.others:
                other = self.others[watch.remote] = Other(watch)
                self._say(other, other.sessions.watch([other.watch], self.now))
        self.watcher.watch(Watches(nodes, HOLD_DOWN, routers), stays, self.now)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += STEP
            self.step()
        self.watcher.look_after(self.now)
        self.watcher.tell()

    def step(self) -> None:
        self.exchange()
        self.watcher.tell()

    def exchange(self) -> None:
        sent, self.wire.sent = self.wire.sent, []
        for watch, octets in sent:
            other = self.others[watch.remote]
            if other.alive:
                self._say(other, other.sessions.receive(octets, other.arrival, self.now))
        for other in self.others.values():
            if other.alive:
                self._say(other, other.sessions.expire(self.now))
        self.watcher.receive(self.now)
        self.watcher.expire(self.now)

    def disable(self, watch: Watch, down: bool = True) -> None:
        other = self.others[watch.remote]
        keys = {other.watch.key} if down else set()
        self._say(other, other.sessions.watch([other.watch], self.now, keys))

    def told(self, router: bool) -> list[tuple[str, str, bool]]:
        """Changes of the state, without the reports that repeat it."""
        found = [(r.peer, r.state, r.failed) for r in self.reports if r.router is router]
        return [each for before, each in zip([None, *found], found, strict=False) if before != each]

    def _say(self, other: Other, actions: list[Action]) -> None:
        arrival = Arrival(other.watch.local, US, LINK, 255)
        self.wire.coming += [(action.octets, arrival) for action in actions if isinstance(action, Send)]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    wire = Wire()
    monkeypatch.setattr(room, "Transport", lambda: wire)
    monkeypatch.setattr(room, "neighbour", lambda link, address: None)
    return Scene(wire)


UP, LOST, LEFT = ("tor", "up", False), ("tor", "down", True), ("tor", "down", False)


def test_a_router_that_is_not_there_keeps_nobody_waiting(scene: Scene) -> None:
    scene.watch(routers=(TO_ROUTER,))
    assert not scene.group.starting
    scene.others[ROUTER].alive = False
    scene.watch(TO_NODE, routers=(TO_ROUTER,))
    scene.run(0.9)  # nodes have a second
    assert scene.group.alive("node-2", LINK)
    assert not scene.group.starting


def test_a_lost_router_is_no_loss_to_the_group(scene: Scene) -> None:
    """Not even one that has the name of a node and is all there is on the link."""
    router = replace(TO_ROUTER, peer="node-2")
    scene.watch(routers=(router,))
    scene.run(HOLD_DOWN + 1)
    scene.others[ROUTER].alive = False
    scene.run(1)
    scene.others[ROUTER].alive = True
    scene.run(3)
    assert [(state, failed) for _, state, failed in scene.told(True)] == [
        ("up", False),
        ("down", True),
        ("down", False),
        ("up", False),
    ]
    assert scene.group.settled(LINK, scene.now)
    assert scene.group.alive("node-2", LINK)
    assert scene.group.deadline(scene.now) is None


def test_a_router_with_the_name_of_a_node_is_not_that_node(scene: Scene) -> None:
    scene.watch(TO_NODE, routers=(replace(TO_ROUTER, peer="node-2"),))
    scene.run(3)
    scene.others[ROUTER].alive = False
    scene.run(1)
    assert scene.told(True)[:2] == [("node-2", "up", False), ("node-2", "down", True)]
    assert scene.group.alive("node-2", LINK)


def test_a_lost_node_is_no_loss_of_a_router(scene: Scene) -> None:
    scene.watch(TO_NODE, routers=(TO_ROUTER,))
    scene.run(3)
    scene.others[NODE].alive = False
    scene.run(1)
    assert not scene.group.alive("node-2", LINK)
    assert scene.told(True) == [UP]


def test_a_router_that_falls_silent_has_failed(scene: Scene) -> None:
    scene.watch(routers=(TO_ROUTER,))
    scene.run(3)
    scene.others[ROUTER].alive = False
    scene.run(1)
    assert scene.told(True) == [UP, LOST, LEFT]
    assert [report.diagnostic for report in scene.reports if report.failed] == ["control detection time expired"]


def test_a_router_that_leaves_has_not_failed(scene: Scene) -> None:
    """Neither by AdminDown, nor when it is silent afterwards, nor when it begins anew and goes away before it is up."""
    scene.watch(routers=(TO_ROUTER,))
    scene.run(3)
    scene.disable(TO_ROUTER)
    scene.run(1)
    scene.others[ROUTER].alive = False
    scene.run(5)
    assert set(scene.told(True)) == {UP, LEFT}
    scene.others[ROUTER].alive = True
    scene.disable(TO_ROUTER, down=False)
    scene.step()
    scene.others[ROUTER].alive = False
    scene.run(10)
    assert not any(failed for _, _, failed in scene.told(True))


def test_a_router_that_was_never_there_has_not_failed(scene: Scene) -> None:
    scene.watch(routers=(TO_ROUTER,))
    scene.others[ROUTER].alive = False
    scene.run(5)
    assert UP not in scene.told(True)
    assert LOST not in scene.told(True)


def test_a_failure_is_told_although_it_is_over(scene: Scene) -> None:
    """After a freeze much may have come at once."""
    scene.watch(routers=(TO_ROUTER,))
    scene.run(3)
    scene.reports.clear()
    scene.now += 1
    scene.watcher.expire(scene.now)
    for _ in range(300):
        scene.now += STEP
        scene.exchange()
    for _ in range(2):
        scene.watcher.look_after(scene.now)
        scene.watcher.tell()
    assert [(report.state, report.failed) for report in scene.reports] == [("up", True), ("up", False)]


def test_a_drain_is_between_nodes(scene: Scene) -> None:
    scene.watch(TO_NODE, routers=(TO_ROUTER,))
    scene.run(3)
    scene.watcher.administratively_down(True, scene.now)
    scene.run(3)
    assert scene.others[NODE].remote_state is State.ADMIN_DOWN
    assert scene.told(True) == [UP]
    late = replace(TO_NODE, peer="node-3", remote=ip_address("192.0.2.4"))
    scene.watch(TO_NODE, late, routers=(TO_ROUTER,))
    scene.run(3)
    assert scene.others[late.remote].remote_state is State.ADMIN_DOWN
    scene.watcher.administratively_down(False, scene.now)
    scene.run(3)
    assert scene.others[NODE].remote_state is State.UP
    assert scene.told(True) == [UP]


def test_a_router_that_is_not_wanted_any_more_hears_so(scene: Scene) -> None:
    scene.watch(TO_NODE, routers=(TO_ROUTER,))
    scene.run(3)
    scene.watch(TO_NODE)
    scene.run(0.1)
    assert scene.others[ROUTER].remote_state is State.ADMIN_DOWN
    assert scene.others[NODE].remote_state is State.UP
    assert scene.told(True) == [UP]


def test_leaving_tells_everybody(scene: Scene) -> None:
    scene.watch(TO_NODE, routers=(TO_ROUTER,))
    scene.run(3)
    scene.watcher.leave(scene.now)
    scene.run(0.1)
    assert {other.remote_state for other in scene.others.values()} == {State.ADMIN_DOWN}


def test_who_is_both_has_one_session_with_the_pace_of_nodes(scene: Scene) -> None:
    """Its AdminDown is a node's."""
    both = replace(TO_ROUTER, remote=NODE, desired_min_tx=200_000)
    scene.watch(TO_NODE, routers=(both, replace(both, peer="too")))
    scene.run(3)
    assert scene.told(False) == [("node-2", "up", False)]
    assert scene.told(True)[-2:] == [("tor", "up", False), ("too", "up", False)]
    assert scene.reports[-1].interval == 100_000
    scene.others[NODE].alive = False
    scene.run(1)
    assert scene.told(False)[-2:] == [("node-2", "down", True), ("node-2", "down", False)]
    assert {("tor", "down", True), ("too", "down", True)} < set(scene.told(True))
    assert not scene.group.alive("node-2", LINK)
    scene.others[NODE].alive = True
    scene.run(3)
    scene.watcher.administratively_down(True, scene.now)
    scene.run(0.1)
    assert scene.others[NODE].remote_state is State.ADMIN_DOWN


def test_who_is_a_node_no_more_may_be_a_router_still(scene: Scene) -> None:
    both = replace(TO_ROUTER, remote=NODE, desired_min_tx=200_000)
    scene.watch(TO_NODE, routers=(both,))
    scene.run(3)
    scene.watch(routers=(both,))
    scene.run(3)
    assert {report.downs for report in scene.reports} == {0}
    assert (scene.reports[-1].peer, scene.reports[-1].interval) == ("tor", 200_000)
    scene.watcher.administratively_down(True, scene.now)
    scene.run(1)
    assert scene.others[NODE].remote_state is State.UP


@pytest.mark.parametrize("routers", [(), (replace(TO_NODE, peer="tor"),)])
def test_who_is_a_node_again_is_there_at_once(scene: Scene, routers: tuple[Watch, ...]) -> None:
    """Its session was kept, or was a router's meanwhile, and has nothing new to tell."""
    scene.watch(TO_NODE)
    scene.run(4)
    scene.watch(routers=routers)
    scene.run(2)
    assert scene.watcher.watch(Watches((TO_NODE,), HOLD_DOWN), True, scene.now) == ["node-2"]
    assert scene.group.alive("node-2", LINK)
    scene.run(3)
    assert scene.group.alive("node-2", LINK)


def test_only_nodes_miss_a_node_that_did_not_run(scene: Scene) -> None:
    scene.watch(routers=(TO_ROUTER,))
    assert not scene.watcher.is_overdue(scene.now + 60)
    scene.watch(TO_NODE, routers=(TO_ROUTER,))
    scene.run(3)
    assert not scene.watcher.is_overdue(scene.now + 0.15)
    assert scene.watcher.is_overdue(scene.now + 0.5)
