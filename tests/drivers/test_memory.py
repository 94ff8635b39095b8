from __future__ import annotations

import json
import os
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlbd.drivers.memory import FAILURES, LATELY, NAME, Memory
from mlbd.model.drain import REASON_CHARACTERS, Drain
from tests.lab import command

NOW = 1795356187.5
DRAIN = Drain(NOW, "kernel update")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "lib" / "mlbd"


# The drain


def test_a_new_node_is_not_drained(data: Path) -> None:
    memory = Memory(data)
    assert (memory.drain, memory.problem) == (None, "")
    assert not data.exists()


def test_a_drain_outlasts_the_process_until_it_is_forgotten(data: Path) -> None:
    Memory(data).remember_drain(DRAIN.since, DRAIN.reason)
    memory = Memory(data)
    assert memory.drain == DRAIN
    memory.started(NOW)
    memory.stopped()
    assert Memory(data).drain == DRAIN
    memory.forget_drain()
    assert Memory(data).drain is None


@pytest.mark.parametrize("reason", ["", "ж" * REASON_CHARACTERS, 'a "b" \\ c'])
def test_any_reason_that_may_be_given_is_kept(data: Path, reason: str) -> None:
    Memory(data).remember_drain(NOW, reason)
    assert Memory(data).drain == Drain(NOW, reason)


def test_what_is_made_is_for_mlbd_and_its_group(data: Path) -> None:
    Memory(data).started(NOW)
    assert stat.S_IMODE(data.stat().st_mode) == 0o750
    assert stat.S_IMODE((data / NAME).stat().st_mode) == 0o640
    assert [file.name for file in data.iterdir()] == [NAME]


# Failures


def test_clean_stops_are_no_failures(data: Path) -> None:
    for start in range(5):
        memory = Memory(data)
        assert memory.started(NOW + start) == 0
        memory.stopped()


def test_runs_that_ended_without_a_stop_add_up_and_age(data: Path) -> None:
    assert [Memory(data).started(NOW + 100 * start) for start in range(4)] == [0, 1, 2, 3]
    memory = Memory(data)
    assert memory.started(NOW + 300 + LATELY - 100) == 2  # that of 300, and the run that ended now
    memory.stopped()
    assert Memory(data).started(NOW + 300 + LATELY - 100 + LATELY) == 0


def test_a_host_that_was_off_for_long_failed_now(data: Path) -> None:
    Memory(data).started(NOW)
    assert Memory(data).started(NOW + 100 * LATELY) == 1


def test_a_failure_in_the_future_is_one_of_now(data: Path) -> None:
    Memory(data).started(NOW)
    Memory(data).started(NOW)
    past = NOW - 1e6
    assert Memory(data).started(past) == 2
    Memory(data).stopped()
    assert Memory(data).started(past + LATELY) == 0


def test_a_crash_loop_does_not_grow_the_file(data: Path) -> None:
    counts = [Memory(data).started(NOW + start) for start in range(50)]
    assert counts[-1] == FAILURES
    assert len(json.loads((data / NAME).read_bytes())["failures"]) == FAILURES


def test_a_failure_is_counted_in_a_drained_node_too(data: Path) -> None:
    memory = Memory(data)
    memory.started(NOW)
    memory.remember_drain(DRAIN.since, DRAIN.reason)
    again = Memory(data)
    assert (again.started(NOW), again.drain) == (1, DRAIN)


# What the host still forwards


def test_a_killed_run_and_one_that_is_restarted_leave_their_addresses(data: Path) -> None:
    assert not Memory(data).forwarding
    Memory(data).started(NOW)
    memory = Memory(data)
    assert memory.forwarding
    memory.started(NOW)
    memory.stopped(forwarding=True)
    assert Memory(data).forwarding
    memory.stopped()
    assert not Memory(data).forwarding


def test_nothing_is_forwarded_after_a_boot(data: Path, tmp_path: Path) -> None:
    boots = [tmp_path / "first", tmp_path / "second"]
    for boot in boots:
        boot.write_text(f"{boot}\n")
    Memory(data, boots[0]).started(NOW)
    assert Memory(data, boots[0]).forwarding
    assert not Memory(data, boots[1]).forwarding


# What is not as it should be

GOOD = {"drain": {"since": NOW, "reason": "x"}, "running": True, "failures": [NOW]}
WRONG: list[dict[str, object]] = [
    {"drain": True},
    {"drain": {"since": NOW}},
    {"drain": {"since": "yesterday", "reason": ""}},
    {"drain": {"since": 1e300, "reason": ""}},
    {"drain": {"since": 10**400, "reason": ""}},
    {"drain": {"since": float("nan"), "reason": ""}},
    {"drain": {"since": -1, "reason": ""}},
    {"drain": {"since": True, "reason": ""}},
    {"drain": {"since": NOW, "reason": 7}},
    {"drain": {"since": NOW, "reason": "x\n"}},
    {"drain": {"since": NOW, "reason": "x" * (REASON_CHARACTERS + 1)}},
    {"running": 1},
    {"failures": {}},
    {"forwarding": None},
    {"failures": [None]},
]
NO_JSON = (b"", b"{", b"\xff\xfe", b"null", b"[" * 65536, b"\0" * 4096)
BROKEN = [*NO_JSON, *(json.dumps(GOOD | wrong).encode() for wrong in WRONG)]


def test_what_breaks_it_here_is_what_is_broken(data: Path) -> None:
    data.mkdir(parents=True)
    (data / NAME).write_text(json.dumps(GOOD))
    assert Memory(data).drain == Drain(NOW, "x")
    assert Memory(data).started(NOW) == 2


@pytest.mark.parametrize("octets", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_memory_is_not_drained_and_says_so(data: Path, octets: bytes) -> None:
    data.mkdir(parents=True)
    (data / NAME).write_bytes(octets)
    memory = Memory(data)
    assert memory.drain is None
    assert memory.started(NOW) == 0
    assert memory.problem.startswith(f"cannot tell from {data / NAME} whether this node was drained")
    assert "it is broken; it is taken as not drained: `mlbctl drain`" in memory.problem
    memory.remember_drain(NOW, "")
    assert memory.problem == Memory(data).problem == ""
    assert Memory(data).drain == Drain(NOW, "")


@pytest.mark.parametrize("kind", ["directory", "fifo", "loop"])
def test_something_else_of_that_name(data: Path, kind: str) -> None:
    data.mkdir(parents=True)
    match kind:
        case "directory":
            (data / NAME).mkdir()
        case "fifo":
            os.mkfifo(data / NAME)
        case "loop":
            (data / NAME).symlink_to(NAME)
    memory = Memory(data)
    assert memory.drain is None
    assert memory.problem.startswith("cannot tell from ")
    memory.forget_drain()
    assert memory.problem.startswith("cannot keep a drain") == (kind == "directory")


def test_a_directory_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    memory = Memory(tmp_path / "file")
    assert (memory.drain, memory.problem) == (None, "")
    memory.remember_drain(NOW, "")
    assert memory.drain == Drain(NOW, "")
    assert memory.problem.startswith("cannot keep a drain over a restart: ")
    assert memory.problem.endswith("set `data` to another directory")


@contextmanager
def mounted(path: Path, options: str) -> Iterator[Path]:
    path.mkdir(parents=True)
    command("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path))
    try:
        yield path
    finally:
        command("umount", str(path))


def test_a_full_file_system_keeps_what_was_kept_and_says_so(data: Path) -> None:
    with mounted(data, "size=8k") as full:  # two pages: the old memory and a new one
        Memory(full).remember_drain(NOW, "old")
        (full / "other").write_bytes(b"x" * 4096)
        memory = Memory(full)
        memory.remember_drain(NOW, "new")
        assert memory.drain == Drain(NOW, "new")
        assert memory.problem.startswith(f"cannot keep a drain over a restart: {full / NAME}: No space left on device")
        assert Memory(full).drain == Drain(NOW, "old")
        assert sorted(file.name for file in full.iterdir()) == [NAME, "other"]
        memory.retry()
        assert memory.problem
        (full / "other").unlink()
        memory.retry()
        assert memory.problem == ""
        assert Memory(full).drain == Drain(NOW, "new")


def test_a_read_only_file_system_still_tells_what_it_knows(data: Path) -> None:
    with mounted(data, "size=64k") as fixed:
        Memory(fixed).remember_drain(DRAIN.since, DRAIN.reason)
        command("mount", "-o", "remount,ro", str(fixed))
        memory = Memory(fixed)
        assert (memory.drain, memory.problem) == (DRAIN, "")
        memory.started(NOW)
        assert "Read-only file system" in memory.problem
        memory.forget_drain()
        assert memory.drain is None
        assert "Read-only file system" in memory.problem


def test_whenever_it_is_killed_all_of_the_old_or_all_of_the_new_is_there(data: Path) -> None:
    reasons = {"a" * REASON_CHARACTERS, "b"}
    Memory(data).remember_drain(NOW, "b")
    for kill in range(20):
        if not (child := os.fork()):
            memory = Memory(data)
            while True:
                for reason in reasons:
                    memory.remember_drain(NOW, reason)
        time.sleep(0.005 * kill)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        memory = Memory(data)
        assert memory.problem == ""
        assert memory.drain is not None
        assert memory.drain.reason in reasons
