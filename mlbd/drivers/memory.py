"""What must outlast a restart: a drain, how often this node failed lately, and whether it left its addresses in place.

One small file, replaced as a whole. A memory that cannot be read or kept is a Problem and never more: a node without
one still serves.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlbd.model.drain import Drain, flaw

#: Without a suffix: it is no manifest, also where the directory is a state directory too.
NAME = "memory"
#: For so long, in seconds, a failure counts.
LATELY = 600.0
#: More failures than this say nothing new.
FAILURES = 16
BOOT = Path("/proc/sys/kernel/random/boot_id")
_OCTETS = 64 * 1024
_LATEST = 2.0**36  # the year 4147


@dataclass(frozen=True, slots=True)
class _Kept:
    """`running` from a start to its clean stop. `failures`: the starts, in seconds since the epoch, that found the run
    before them without one. `forwarding`: the boot of the kernel that still has what that run programmed."""

    drain: Drain | None = None
    running: bool = False
    failures: tuple[float, ...] = ()
    forwarding: str = ""


class Memory:
    """In `directory`, which is made when it is written to first. Writes wait for the disk."""

    def __init__(self, directory: Path, boot: Path = BOOT) -> None:
        """`boot` is a file that has another text after each boot of the host."""
        self._file = directory / NAME
        self._boot = boot.read_text().strip()
        self._kept = _Kept()
        self._unread = ""
        self._unwritten = ""
        self._read()

    @property
    def drain(self) -> Drain | None:
        return self._kept.drain

    @property
    def forwarding(self) -> bool:
        """Whether the host still forwards what a run before started() announced: it was killed, or ended to be started
        again, and the host was not."""
        return self._kept.forwarding == self._boot

    @property
    def problem(self) -> str:
        """What is not known or not kept, and what to do; "" when all is well."""
        return self._unread or self._unwritten

    def remember_drain(self, since: float, reason: str) -> None:
        self._unread = ""  # what was kept before no longer matters
        self._keep(drain=Drain(since, reason))

    def forget_drain(self) -> None:
        self._unread = ""
        self._keep(drain=None)

    def started(self, now: float) -> int:
        """Notes that a run began at `now`, in seconds since the epoch. Returns how many runs ended lately without
        stopped(), the last one included, FAILURES at most. Nobody saw the moment of such an end: the start after it
        counts, and a start that would be in the future, by a clock that was set back, counts as now."""
        starts = [min(start, now) for start in self._kept.failures] + [now] * self._kept.running
        failures = tuple(start for start in starts if now - start < LATELY)[-FAILURES:]
        self._keep(running=True, failures=failures, forwarding=self._boot)
        return len(failures)

    def stopped(self, forwarding: bool = False) -> None:
        """The run ends cleanly; `forwarding`: what it announced over BGP stays in place for the next."""
        self._keep(running=False, forwarding=self._boot if forwarding else "")

    def retry(self) -> None:
        """Writes again what could not be written."""
        if self._unwritten:
            self._keep()

    def _read(self) -> None:
        try:
            self._kept = _parse(_octets(self._file))
        except (FileNotFoundError, NotADirectoryError):
            pass  # nothing to remember
        except OSError as error:
            self._unread = self._unknown(error.strerror or str(error))
        except (ValueError, RecursionError):
            self._unread = self._unknown("it is broken")

    def _unknown(self, why: str) -> str:
        return (
            f"cannot tell from {self._file} whether this node was drained before the restart: {why}; it is taken as "
            "not drained: `mlbctl drain` or `mlbctl undrain` says what it should be"
        )

    def _keep(self, **changed: Any) -> None:
        self._kept = dataclasses.replace(self._kept, **changed)
        try:
            _replace(self._file, json.dumps(dataclasses.asdict(self._kept)).encode())
            self._unwritten = ""
        except OSError as error:
            self._unwritten = (
                f"cannot keep a drain over a restart: {self._file}: {error.strerror}; make room there and let mlbd "
                "write, or set `data` to another directory"
            )


def _octets(file: Path) -> bytes:
    # Without O_NONBLOCK a FIFO of that name would hold up the start for ever.
    with open(file, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as opened:
        return opened.read(_OCTETS)


def _parse(data: bytes) -> _Kept:
    """Raises ValueError, or RecursionError for brackets without end."""
    match json.loads(data):
        case {"drain": drain, "running": bool(running), "failures": [*failures], **others}:
            forwarding = others.get("forwarding", "")
            if isinstance(forwarding, str):
                return _Kept(_drain(drain), running, tuple(map(_time, failures)), forwarding)
    raise ValueError("no memory of mlbd")


def _drain(value: Any) -> Drain | None:
    match value:
        case None:
            return None
        case {"since": since, "reason": str(reason)} if not flaw(reason):
            return Drain(_time(since), reason)
    raise ValueError("no drain")


def _time(value: Any) -> float:
    """Of what JSON calls a number, those that are a time people can be shown."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LATEST:
        return float(value)
    raise ValueError("no time")


def _replace(file: Path, data: bytes) -> None:
    """Whoever reads finds all of the old octets or all of the new ones, also after a loss of power."""
    file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.new")
    try:
        _write(new, data)
        new.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _write(file: Path, data: bytes) -> None:
    with open(file, "wb", opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW, 0o640)) as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
