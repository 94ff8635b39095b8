"""Parts of a node that die or hang for themselves, and a clock that jumps: what it holds stays with somebody."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from tests.daemon.cluster import Daemon
from tests.daemon.objects import service
from tests.lab import wait_for

from .scene import AT_ONCE, DARK, Scene, kill, sees_all

#: libfaketime; the dynamic linker knows $LIB. A real step of the clock leaves the monotonic ones alone.
FAKED = ("LD_PRELOAD=/usr/$LIB/faketime/libfaketime.so.1", "DONT_FAKE_MONOTONIC=1", "FAKETIME_NO_CACHE=1")
#: Seconds after the first death; the second doubles it, the third again.
HOLD_DOWN = 0.5


def test_a_killed_reflex_is_replaced(trio: Scene) -> None:
    node = trio.nodes[1]
    old = node.reflex()
    with trio.observed() as seen:
        kill(old)
        wait_for(lambda: node.reflex() != old, what="another reflex")
        wait_for(lambda: sees_all(node), what="everybody seen again")
        trio.wait_until_home()
    assert not seen.lost(trio.others(node))
    assert seen.dark(trio.of(node)) < DARK
    assert not seen.doubled(AT_ONCE)


def test_frozen_halves_of_two_nodes(trio: Scene) -> None:
    """One mlbd alone hangs, and its reflex says so after 10 s; another's reflex hangs, and mlbd replaces it after 5."""
    deaf, dumb, whole = trio.nodes
    old = dumb.reflex()
    with trio.observed() as seen:
        os.kill(deaf.pid, signal.SIGSTOP)
        os.kill(old, signal.SIGSTOP)
        trio.wait_until_left(dumb)
        wait_for(lambda: dumb.reflex() != old, seconds=20, what="another reflex")
        trio.wait_until_left(deaf)
        thawed = time.monotonic()
        os.kill(deaf.pid, signal.SIGCONT)
        trio.wait_until_home()
    assert not seen.lost(trio.of(whole))
    assert seen.servants(trio.of(whole)) == {whole.host.name}
    assert not seen.lost(trio.addresses, since=thawed)
    assert seen.dark(trio.addresses) < DARK
    assert not seen.doubled(AT_ONCE)


def test_a_clock_that_jumps_changes_nothing(trio: Scene) -> None:
    node = trio.nodes[2]
    clock = node.directory / "clock"
    set_clock(clock, "+0h")
    node.stop()
    node.start_under("env", *FAKED, f"FAKETIME_TIMESTAMP_FILE={clock}")
    node.wait_until_ready()
    trio.wait_until_home()
    with trio.observed() as seen:
        for hours in (5, -7):
            set_clock(clock, f"{hours:+}h")
            assert abs(tell_the_time(trio, node, f"at{hours}") - time.time() - 3600 * hours) < 60
        time.sleep(DARK)
    trio.cluster.remove("clock.yaml")
    assert not seen.lost(trio.addresses)
    assert not seen.silent(AT_ONCE)
    assert all(seen.servants([address]) == {name} for address, name in trio.home.items())
    assert all(sees_all(each) for each in trio.nodes)
    node.stop()
    node.run()


def tell_the_time(trio: Scene, node: Daemon, name: str) -> float:
    """What the node thinks it is, by the event of a Service of that name."""
    trio.cluster.write("clock.yaml", service(name))
    told = wait_for(
        lambda: [event["time"] for event in node.events("AddressAssigned") if event["service"] == f"shop/{name}"],
        what=f"the event of {name}",
    )
    return float(told[0])


def set_clock(clock: Path, offset: str) -> None:
    """At once, as libfaketime reads it."""
    new = clock.with_suffix(".new")
    new.write_text(offset)
    new.rename(clock)


def test_a_node_that_dies_again_and_again_is_trusted_less_and_less(trio: Scene) -> None:
    node = trio.nodes[0]
    restart_without_past(trio, node, holdDown=f"{HOLD_DOWN}s")
    with trio.observed() as seen:
        pauses = [die(trio, node) for _ in range(3)]
    assert not seen.lost(trio.others(node))
    assert seen.dark(trio.of(node)) < DARK
    assert not seen.doubled(AT_ONCE)
    for number, pause in enumerate(pauses):
        assert pause > 0.5 * HOLD_DOWN * 2**number, pauses  # counted from when the test saw it, which may be late
    assert pauses[2] < 2 * HOLD_DOWN * 2**2, pauses
    restart_without_past(trio, node)


def restart_without_past(trio: Scene, node: Daemon, **changed: Any) -> None:
    node.stop()
    shutil.rmtree(node.directory / "data")
    trio.reconfigure(node, **changed)
    node.run()
    trio.wait_until_home()


def die(trio: Scene, node: Daemon) -> float:
    """And be started again; seconds from when it sees the others until it has its addresses."""
    assert node.process
    kill(node.pid)
    node.process.wait()
    trio.wait_until_left(node)
    node.run()
    wait_for(lambda: sees_all(node), what="everybody seen again")
    seen = time.monotonic()
    trio.wait_until_home()
    return time.monotonic() - seen
