from __future__ import annotations

import io
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlbd.drivers import journal, systemd
from mlbd.drivers.journal import REPEAT_SECONDS, REPEATS, Repetitions, connected_to_journal, fields, priority

PROGRAM = """
import logging
from mlbd.drivers import journal
journal.start()
about = journal.fields(service="shop/web", address="192.0.2.10", peer="198.51.100.9", node="node-1")
logging.getLogger("mlbd.test").warning("cannot %s", "do it\\nas asked", extra=about)
logging.getLogger("mlbd.test").debug("nobody wants to know")
try:
    raise ValueError("secret")
except ValueError:
    logging.getLogger("mlbd.test").exception("cannot go on")
for _ in range(100):
    logging.getLogger("mlbd.test").error("again")
"""


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


# To the journal


def entries(datagrams: list[bytes]) -> list[dict[str, str]]:
    """The native protocol of systemd-journald: NAME=value, or NAME, a length and a value of more than one line."""
    found = []
    for data in datagrams:
        entry, rest = {}, data
        while rest:
            line, _, rest = rest.partition(b"\n")
            name, equals, value = line.partition(b"=")
            if not equals:
                length = int.from_bytes(rest[:8], "little")
                value, rest = rest[8 : 8 + length], rest[8 + length + 1 :]
            entry[name.decode()] = value.decode()
        found.append(entry)
    return found


def log_to_a_journal(tmp_path: Path) -> list[dict[str, str]]:
    """What PROGRAM sends when its standard error is connected to a journal, which stands in the journal's own place, in
    a mount namespace."""
    received = tmp_path / "received"
    script = f"""
import os, socket, subprocess, sys
os.makedirs("/run/systemd/journal", exist_ok=True)
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind("/run/systemd/journal/socket")
journal.setblocking(False)
read, write = os.pipe()
status = os.fstat(write)
environment = dict(os.environ, JOURNAL_STREAM=f"{{status.st_dev}}:{{status.st_ino}}")
subprocess.run([sys.executable, "-c", {PROGRAM!r}], stderr=write, env=environment, check=True)
os.set_blocking(read, False)
os.close(write)
said = os.read(read, 65536)
assert not said, said.decode()
with open({str(received)!r}, "w") as file:
    while True:
        try:
            print(journal.recv(1 << 20).hex(), file=file)
        except BlockingIOError:
            break
"""
    # Private first, so that nothing of it is seen outside. In a chroot / is no mount point, but there /run is one.
    private = "(mount --make-rprivate / 2>/dev/null || mount --make-private /run)"
    inside = f'{private} && mount -t tmpfs none /run && exec "{sys.executable}" -c "$0"'
    unshare = ["unshare", "--mount", "--propagation", "unchanged"]
    subprocess.run([*unshare, "sh", "-c", inside, script], check=True, timeout=60)
    return entries([bytes.fromhex(line) for line in received.read_text().splitlines()])


def test_lines_reach_the_journal_with_their_fields(tmp_path: Path) -> None:
    asked, failed, *repeated = log_to_a_journal(tmp_path)
    assert (
        asked.items()
        >= {
            "MESSAGE": "cannot do it\nas asked",
            "PRIORITY": "4",
            "SYSLOG_IDENTIFIER": "mlbd",
            "LOGGER": "mlbd.test",
            "MLBD_SERVICE": "shop/web",
            "MLBD_ADDRESS": "192.0.2.10",
            "MLBD_PEER": "198.51.100.9",
            "MLBD_NODE": "node-1",
        }.items()
    )
    assert (failed["PRIORITY"], failed["MESSAGE"].splitlines()[0]) == ("3", "cannot go on")
    assert failed["MESSAGE"].endswith("ValueError: secret")
    assert not [name for name in failed if name.startswith("MLBD_")]
    assert [entry["MESSAGE"] for entry in repeated] == ["again"] * REPEATS


def test_levels_are_syslogs_numbers() -> None:
    levels = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
    assert [priority(level) for level in levels] == [7, 6, 4, 3, 2]


def test_a_stream_that_took_the_journals_place_is_not_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "a").open("w") as one, (tmp_path / "b").open("w") as other:
        status = os.fstat(one.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        assert connected_to_journal(one)
        assert not connected_to_journal(other)
        assert not connected_to_journal(io.StringIO())
        monkeypatch.setenv("JOURNAL_STREAM", "nonsense")
        assert not connected_to_journal(one)
        monkeypatch.delenv("JOURNAL_STREAM")
        assert not connected_to_journal(one)


# Elsewhere


def test_elsewhere_lines_are_readable() -> None:
    stream = io.StringIO()
    journal.start(stream=stream)
    logging.getLogger("mlbd.test").warning("cannot %s", "do it", extra=fields(service="shop/web", node="node-1"))
    logging.getLogger("mlbd.test").info("\x1b[2Jone\nline")
    logging.getLogger("mlbd.test").debug("nobody wants to know")
    first, second = stream.getvalue().splitlines()
    date, clock, rest = first.split(" ", 2)
    assert (len(date), len(clock)) == (10, 8)
    assert rest == "warning cannot do it service=shop/web node=node-1"
    assert second.endswith(" info \\x1b[2Jone\\x0aline")


def test_a_second_start_replaces_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()
    journal.start(stream=first)
    journal.start(logging.DEBUG, second)
    logging.getLogger("mlbd.test").debug("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


# The same line again and again


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def flood(clock: Clock) -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    handler = journal.Plain(stream)
    handler.addFilter(Repetitions(clock))
    log = logging.Logger("flood")
    log.addHandler(handler)
    return log, stream


def test_a_flood_of_one_line_is_held_back_and_counted(flood: tuple[logging.Logger, io.StringIO], clock: Clock) -> None:
    log, stream = flood
    for _ in range(1000):
        log.warning("cannot send to %s", "192.0.2.1")
    assert stream.getvalue().count("\n") == REPEATS
    log.warning("cannot send to %s", "192.0.2.2")
    assert stream.getvalue().count("\n") == REPEATS + 1
    clock.now = REPEAT_SECONDS
    log.warning("cannot send to %s", "192.0.2.1")
    log.warning("cannot send to %s", "192.0.2.1")
    *_, told, plain = stream.getvalue().splitlines()
    assert told.endswith(f"cannot send to 192.0.2.1 (said {1000 - REPEATS} more times in between)")
    assert plain.endswith("cannot send to 192.0.2.1")


def test_a_flood_of_different_lines_does_not_fill_the_memory() -> None:
    repetitions = Repetitions(Clock())
    for number in range(10_000):
        record = logging.LogRecord("flood", logging.INFO, "", 0, "line %d", (number,), None)
        assert repetitions.filter(record)
    assert len(repetitions._seen) == 512


# The supervisor


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


def test_the_supervisor_is_told(supervisor: socket.socket) -> None:
    systemd.ready("3 Services\nREADY=0")
    assert supervisor.recv(1000) == b"READY=1\nSTATUS=3 Services READY=0"
    systemd.status("turning")
    assert supervisor.recv(1000) == b"STATUS=turning"
    systemd.stopping()
    assert supervisor.recv(1000) == b"STOPPING=1"
    systemd.feed_watchdog()
    assert supervisor.recv(1000) == b"WATCHDOG=1"


def test_a_reload_carries_its_time(supervisor: socket.socket) -> None:
    systemd.reloading()
    systemd.reloading()
    first, second = supervisor.recv(1000), supervisor.recv(1000)
    for told in (first, second):
        assert told.startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    assert 0 < int(first.rpartition(b"=")[2]) <= int(second.rpartition(b"=")[2]) <= (uptime + 1) * 1e6


def test_without_a_supervisor_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd.ready("alone")


def test_a_supervisor_that_cannot_be_reached_is_only_a_log_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    systemd.stopping()
    assert "cannot tell systemd STOPPING=1" in caplog.text


@pytest.mark.parametrize(
    ("limit", "pid", "interval"),
    [
        ("10000000", "", 5.0),
        ("10000000", str(os.getpid()), 5.0),
        ("10000000", "1", None),
        ("0", "", None),
        ("", "", None),
        ("soon", "", None),
    ],
)
def test_watchdog_interval(monkeypatch: pytest.MonkeyPatch, limit: str, pid: str, interval: float | None) -> None:
    for name, value in (("WATCHDOG_USEC", limit), ("WATCHDOG_PID", pid)):
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    assert systemd.watchdog_interval() == interval
