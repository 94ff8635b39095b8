"""The demo is a promise of README.md."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.demo import PROJECT
from tests.lab import NAMESPACES


def started() -> subprocess.Popen[str]:
    return subprocess.Popen(
        (sys.executable, "-u", "-m", "tests.demo"),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def left_of(demo: subprocess.Popen[str]) -> list[str]:
    return [path.name for path in NAMESPACES.glob(f"mlbd-{demo.pid}-*")]


def test_every_address_is_answered_by_its_node() -> None:
    with started() as demo:
        screen, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, screen
    for node, mac in (("node-1", "01"), ("node-2", "02"), ("node-3", "03")):
        assert screen.count(f"{node}        02:00:00:00:00:{mac}") == 2, screen
    assert max(map(len, screen.splitlines())) <= 80
    assert not left_of(demo)


def test_an_interrupt_cleans_up() -> None:
    with started() as demo:
        assert demo.stdout
        while "mlbctl status" not in demo.stdout.readline():
            assert demo.poll() is None
        assert left_of(demo)
        demo.send_signal(signal.SIGINT)
        screen, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130, screen
    assert not left_of(demo)
