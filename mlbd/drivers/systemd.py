"""The supervisor, told how we are: sd_notify(3). Where there is none (NOTIFY_SOCKET is not set) nothing happens."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from pathlib import Path

from systemd import daemon

#: Seconds for an answer of systemd.
_PATIENCE = 1.0

log = logging.getLogger(__name__)


def ready(status: str) -> None:
    """Also ends a reload."""
    _notify("READY=1", f"STATUS={_one_line(status)}")


def status(text: str) -> None:
    """The line that `systemctl status mlbd` shows."""
    _notify(f"STATUS={_one_line(text)}")


def reloading() -> None:
    """With its time, by which systemd tells the READY of this reload from an older one (Type=notify-reload)."""
    _notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def stopping() -> None:
    _notify("STOPPING=1")


async def restarting() -> bool:
    """Whether this stop is half of a restart: the job that systemd runs for the unit tells. False also when there is no
    telling: then it is a stop."""
    if "NOTIFY_SOCKET" not in os.environ:
        return False
    unit = Path("/proc/self/cgroup").read_text().strip().rpartition("/")[2]
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            jobs = await _output("systemctl", "list-jobs", "--plain", "--no-legend")
            return any(job[1:3] == [unit, "restart"] for job in map(str.split, jobs.splitlines()))
    return False


async def _output(*command: str) -> str:
    child = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        told, _ = await child.communicate()
    except asyncio.CancelledError:
        child.kill()
        await child.wait()
        raise
    return told.decode(errors="replace")


def feed_watchdog() -> None:
    _notify("WATCHDOG=1")


def watchdog_interval() -> float | None:
    """How often to feed, in seconds: twice as often as is asked for, as sd_watchdog_enabled(3) advises. None: not asked
    for, or not from this process."""
    limit, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not (limit.isascii() and limit.isdigit() and int(limit)) or pid not in ("", str(os.getpid())):
        return None
    return int(limit) / 2_000_000


def _notify(*assignments: str) -> None:
    try:
        daemon.notify("\n".join(assignments))
    except OSError as error:
        log.warning("cannot tell systemd %s: %s", assignments[0], error.strerror)


def _one_line(text: str) -> str:
    return " ".join(text.split())
