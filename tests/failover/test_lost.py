"""A node that is lost: others take its addresses and no others; when it is back it takes them without a loss."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.daemon.cluster import Daemon
from tests.lab import Host, wait_for
from tests.traffic import serve

from .scene import A_ROUND, AT_ONCE, DARK, Scene, kill

Act = Callable[[Scene, Daemon], object]


def power_off(trio: Scene, node: Daemon) -> None:
    node.host.power_off()


def power_on(trio: Scene, node: Daemon) -> None:
    node.host.power_on()
    serve(node.host)
    node.start()


def kill_daemon(trio: Scene, node: Daemon) -> None:
    kill(node.pid)


def kill_both(trio: Scene, node: Daemon) -> None:
    kill(node.reflex(), node.pid)


def start(trio: Scene, node: Daemon) -> None:
    assert node.process
    node.process.wait()
    node.start()


def stop_reflex(trio: Scene, node: Daemon) -> None:
    os.kill(node.reflex(), signal.SIGSTOP)


def continue_reflex(trio: Scene, node: Daemon) -> None:
    os.kill(node.reflex(), signal.SIGCONT)


def freeze(trio: Scene, node: Daemon) -> None:
    node.host.freeze()


def thaw(trio: Scene, node: Daemon) -> None:
    node.host.thaw()


def unplug(trio: Scene, node: Daemon) -> None:
    node.host.links["eth0"].unplug()


def plug(trio: Scene, node: Daemon) -> None:
    node.host.links["eth0"].plug()


def cut_off(trio: Scene, node: Daemon) -> None:
    """Nobody hears it, and it hears nobody."""
    for other in everybody_else(trio, node):
        trio.cluster.lan.cut(node.host, other)
        trio.cluster.lan.cut(other, node.host)


def heal(trio: Scene, node: Daemon) -> None:
    wait_for(lambda: node.holds() == set(trio.addresses), what="one that is cut off serving everything")
    for other in everybody_else(trio, node):
        trio.cluster.lan.heal(node.host, other)
        trio.cluster.lan.heal(other, node.host)


def everybody_else(trio: Scene, node: Daemon) -> set[Host]:
    return {link.host for link in trio.cluster.lan.links} - {node.host}


#: Where a node is started again: who saw it later than others did takes it for too new yet, until the next round.
#: What happens, what ends it, and how long two may answer for an address after that, in seconds.
FAULTS: dict[str, tuple[Act, Act, float]] = {
    "power lost": (power_off, power_on, A_ROUND),
    "mlbd killed": (kill_daemon, start, A_ROUND),
    "mlbd and reflex killed": (kill_both, start, A_ROUND),
    "reflex frozen": (stop_reflex, continue_reflex, AT_ONCE),
    "host frozen": (freeze, thaw, AT_ONCE),
    "carrier lost": (unplug, plug, AT_ONCE),
    "cut off": (cut_off, heal, 2.0),
}
#: The first name and the last settle disputes in different ways: what ends in one happens to both.
STRUCK = {
    "power lost": [0],
    "mlbd killed": [2],
    "mlbd and reflex killed": [1],
    "reflex frozen": [0, 2],
    "host frozen": [0, 2],
    "carrier lost": [0, 2],
    "cut off": [0, 2],
}
CASES = [(fault, number) for fault, numbers in STRUCK.items() for number in numbers]


@pytest.mark.parametrize(("fault", "number"), CASES, ids=[f"{fault}, node-{number + 1}" for fault, number in CASES])
def test_a_lost_node_is_replaced_and_comes_back_unnoticed(trio: Scene, fault: str, number: int) -> None:
    strike, mend, limit = FAULTS[fault]
    node = trio.nodes[number]
    with trio.observed() as seen:
        strike(trio, node)
        trio.wait_until_left(node)
        mended = time.monotonic()
        mend(trio, node)
        trio.wait_until_home()
    assert not seen.lost(trio.others(node))
    assert node.host.name not in seen.servants(trio.others(node))
    assert not seen.lost(trio.of(node), since=mended)
    assert seen.dark(trio.of(node)) < DARK
    assert not seen.doubled(limit)
