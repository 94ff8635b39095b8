"""The supervisor, told how we are: sd_notify(3). Where there is none (NOTIFY_SOCKET is not set) nothing happens."""

from __future__ import annotations

import logging
import os
import time

from systemd import daemon

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
