"""The demo is a promise of README.md."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios

from tests.demo.__main__ import unnoticed
from tests.demo.screen import judge
from tests.demo.site import PROJECT
from tests.lab import NAMESPACES
from tests.traffic import Answers, Gap, Holder

DEMO = (sys.executable, "-u", "-m", "tests.demo")


def at_terminal(columns: int) -> tuple[int, str]:
    """The exit status of the demo, and what a terminal of that width shows, without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    shown = b""
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm"}
    with subprocess.Popen(DEMO, cwd=PROJECT, stdout=theirs, stderr=theirs, env=environment) as demo:
        os.close(theirs)
        with contextlib.suppress(OSError):  # EIO: the demo has ended
            while octets := os.read(ours, 65536):
                shown += octets
    os.close(ours)
    assert not left_of(demo.pid)
    return demo.returncode, re.sub(r"\x1b\[[0-9;]*m", "", shown.decode().replace("\r", ""))


def left_of(pid: int) -> list[str]:
    return [path.name for path in NAMESPACES.glob(f"mlbd-{pid}-*")]


def test_everything_promised_is_shown_and_kept() -> None:
    status, screen = at_terminal(80)
    assert status == 0, screen
    for node, mac in (("node-1", "01"), ("node-2", "02"), ("node-3", "03")):
        assert screen.count(f"{node}        02:00:00:00:00:{mac}") == 2, screen
    assert re.search(r"node-3 +- +down", screen), screen
    assert len(re.findall(r"node-3 +node-[12] +\d+ +[1-9]\d* +\d+ ms", screen)) == 2, screen
    tables = re.findall(r"# on the router\n(.+?)\n\n.*?ANSWERED BY .*?\n(.+?)\n\n", screen, re.DOTALL)
    assert [(table.count("via 192.0.2."), shares.count("node-")) for table, shares in tables] == [
        (3, 3),
        (2, 2),
        (1, 1),
    ]
    assert screen.count("  kept    ") == 10, screen
    assert not [line for line in screen.splitlines() if len(line) > 80]


def test_a_lost_datagram_breaks_a_promise() -> None:
    gap, holder = Gap(began=0.0, seconds=0.003, lost=2), Holder(0.0, "node-1")
    report = {"192.0.2.128": Answers(sent=9, twice=0, longest_gap=0.003, gaps=(gap,), holders=(holder,))}
    assert not judge([*unnoticed("A drain", report)])


def test_an_interrupt_cleans_up() -> None:
    with subprocess.Popen(DEMO, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        assert demo.stdout
        while "mlbctl status" not in demo.stdout.readline():
            assert demo.poll() is None
        assert left_of(demo.pid)
        demo.send_signal(signal.SIGINT)
        screen, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130, screen
    assert not left_of(demo.pid)
