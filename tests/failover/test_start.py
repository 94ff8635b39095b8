"""Nodes that start: all at once, one alone, one into a running group, one that knows nothing yet."""

from __future__ import annotations

import time

from tests.daemon.cluster import Daemon
from tests.lab import wait_for

from .scene import AT_ONCE, Scene, sees_all
from .voices import Voices, listening

#: Seconds in which every address is to be answered for; the mark is 2 s on a machine with nothing else to do.
SERVED = 10.0
RETURN = 2.0
#: Seconds after which a node that starts has made up its mind.
START_WINDOW = 1.5


def stop_all(trio: Scene) -> None:
    for node in trio.nodes:
        node.stop()


def test_all_together(trio: Scene) -> None:
    stop_all(trio)
    began = time.time()
    with listening(trio.cluster.asker, trio.addresses) as heard:
        for node in trio.nodes:
            node.start()
        trio.wait_until_home()
        time.sleep(0.5)
    took = served(heard) - began
    print(f"three nodes started together served everything after {took:.2f} s")
    assert took < SERVED
    assert not any(voices.doubled() for voices in heard.values())


def served(heard: dict[str, Voices]) -> float:
    """Since when each question is answered (seconds since the epoch)."""
    return max(stretch.began + stretch.seconds for voices in heard.values() for stretch in voices.silent())


def test_one_alone_serves_everything_until_others_have_been_back_for_their_hold_down(trio: Scene) -> None:
    alone, *others = trio.nodes
    stop_all(trio)
    began = time.time()
    with listening(trio.cluster.asker, trio.addresses) as heard:
        alone.start()
        wait_for(lambda: alone_holds(trio, alone), SERVED, "one that serves everything")
    print(f"one alone served everything after {served(heard) - began:.2f} s")
    with trio.observed() as seen:
        for node in others:
            trio.reconfigure(node, holdDown=f"{RETURN}s")
            node.start()
        wait_for(lambda: all(sees_all(node) for node in others), what="everybody in sight of everybody")
        back = time.time()
        trio.wait_until_home()
    assert not seen.lost(trio.addresses)
    assert not seen.doubled(AT_ONCE)
    for node in others:
        for address in trio.of(node):
            assert seen.voices[address].first(node.mac)[0] > back + RETURN / 2
        trio.reconfigure(node)
        assert node.mlbctl("reload").returncode == 0


def alone_holds(trio: Scene, node: Daemon) -> bool:
    return {trio.holder(address) for address in trio.addresses} == {node.host.name}


def test_one_without_state_is_not_counted_on(trio: Scene) -> None:
    *others, node = trio.nodes
    empty = node.directory / "empty"
    empty.mkdir()
    with trio.observed() as seen:
        node.stop()
        trio.reconfigure(node, state=[str(empty)])
        node.run()
        time.sleep(START_WINDOW)
        assert not node.holds()
        assert not any(sees_all(other) for other in others)
        for file in node.state.iterdir():
            (empty / file.name).write_bytes(file.read_bytes())
        trio.wait_until_home()
    assert not seen.lost(trio.addresses)
    assert not seen.silent(AT_ONCE)
    node.stop()
    trio.reconfigure(node)
    node.run()
