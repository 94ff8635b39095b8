"""What is done on purpose loses nothing: the new holder speaks before the old one falls silent."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest

from tests.daemon.cluster import Daemon
from tests.daemon.objects import EXCLUDED, LABELS, endpoint_slice, node
from tests.lab import wait_for

from .scene import A_ROUND, AT_ONCE, Observation, Scene, sees_all, web

Act = Callable[[Scene, Daemon], object]


def drain(trio: Scene, daemon: Daemon) -> None:
    done = daemon.mlbctl("drain")
    assert done.returncode == 0, done.stderr


def undrain(trio: Scene, daemon: Daemon) -> None:
    assert daemon.mlbctl("undrain").returncode == 0


def stop(trio: Scene, daemon: Daemon) -> None:
    assert daemon.stop() == 0


def start(trio: Scene, daemon: Daemon) -> None:
    daemon.start()


def write_node(trio: Scene, daemon: Daemon, **labels: str) -> None:
    trio.cluster.write(f"{daemon.host.name}.yaml", node(daemon.host.name, daemon.number, **labels))


def leave_the_class(trio: Scene, daemon: Daemon) -> None:
    write_node(trio, daemon, **dict.fromkeys(LABELS, "no"))


def exclude(trio: Scene, daemon: Daemon) -> None:
    write_node(trio, daemon, **{EXCLUDED: ""})


def lose_the_endpoint(trio: Scene, daemon: Daemon) -> None:
    ready = {each.host.name.replace("-", "_"): each is not daemon for each in trio.nodes}
    trio.cluster.write("web.yaml", web(externalTrafficPolicy="Local"), endpoint_slice("web", **ready))


def any_node_again(trio: Scene, daemon: Daemon) -> None:
    trio.cluster.write("web.yaml", web())


#: How a node gives its addresses away, how it gets them back, and to which nodes it happens.
PLANNED: dict[str, tuple[Act, Act, tuple[int, ...]]] = {
    "drained": (drain, undrain, (0,)),
    "stopped": (stop, start, (2,)),
    "out of the class": (leave_the_class, write_node, (0, 2)),
    "excluded": (exclude, write_node, (0, 2)),
    "without an endpoint": (lose_the_endpoint, any_node_again, (0,)),
}
CASES = [(what, number) for what, (_, _, numbers) in PLANNED.items() for number in numbers]


@pytest.mark.parametrize(("what", "number"), CASES, ids=[f"{what}, node-{number + 1}" for what, number in CASES])
def test_a_node_goes_and_comes_without_a_loss(trio: Scene, what: str, number: int) -> None:
    leave, come_back, _ = PLANNED[what]
    daemon = trio.nodes[number]
    with trio.observed() as away:
        leave(trio, daemon)
        trio.wait_until_left(daemon)
    with trio.observed() as back:
        come_back(trio, daemon)
        trio.wait_until_home()
    # A node that reads its files a moment later than another hears the next round of the announcement.
    assert_seamless(trio, away, A_ROUND)
    assert_seamless(trio, back, A_ROUND)
    for address in trio.of(daemon):
        heir = away.report[address].holders[-1].node
        assert_in_order(away, address, daemon.mac, trio.cluster.by_name(heir).mac)
        assert_in_order(back, address, trio.cluster.by_name(heir).mac, daemon.mac)


def test_a_restart_loses_nothing(trio: Scene) -> None:
    daemon = trio.nodes[1]
    with trio.observed() as seen:
        stop(trio, daemon)
        daemon.run()
        wait_for(lambda: sees_all(daemon), what="everybody seen again")
        trio.wait_until_home()
    assert_seamless(trio, seen)


def test_one_that_leaves_answers_until_it_hears_its_heir(trio: Scene) -> None:
    """Who cannot take over just now: the reflexes of all others."""
    daemon, *others = trio.nodes
    reflexes = [other.reflex() for other in others]
    draining = threading.Thread(target=daemon.mlbctl, args=["drain"])
    with trio.observed() as seen:
        for pid in reflexes:
            os.kill(pid, signal.SIGSTOP)
        draining.start()
        try:
            wait_for(lambda: daemon.states("web").count("leaving") == 2, what="both addresses about to leave")
            assert {trio.holder(address) for address in trio.of(daemon)} == {daemon.host.name}
        finally:
            for pid in reflexes:
                os.kill(pid, signal.SIGCONT)
        draining.join()
        trio.wait_until_left(daemon)
        assert set(trio.of(daemon)) <= daemon.bound(), "who has not heard of the heir yet is served still"
        undrain(trio, daemon)
        trio.wait_until_home()
    assert not seen.lost(trio.addresses)


def assert_seamless(trio: Scene, seen: Observation, twice: float = AT_ONCE) -> None:
    """No datagram is lost; on the wire one node, and only one, answers each question."""
    assert not seen.lost(trio.addresses)
    assert not seen.silent(AT_ONCE)
    assert not seen.doubled(twice)


def assert_in_order(seen: Observation, address: str, old: str, new: str) -> None:
    """The new holder announces the address before it answers, and the old one ends when it has heard that, the second
    round of it at the latest."""
    voices = seen.voices[address]
    announced, answered = voices.first(new)
    assert announced < answered
    assert voices.last_answer(old) < announced + A_ROUND
