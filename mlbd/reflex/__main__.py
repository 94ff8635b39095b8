"""`python -m mlbd.reflex --fd N`: started by mlbd, ends with it.

It is its own process because CPython has one lock: whatever mlbd does, an answer here never waits for it.
"""

import gc
import os
import signal
import socket
import sys
import time
from typing import Final

from mlbd.reflex.loop import Loop

_PRIORITY: Final = 10  # below the kernel's own threads (50), above everything that is not real-time


def main() -> None:
    match sys.argv[1:]:
        case ["--fd", number] if number.isdecimal():
            control = socket.socket(fileno=int(number))
        case _:
            sys.exit("cannot start the reflex by hand: mlbd starts it with --fd")
    # Only the end of the control socket ends it: Ctrl-C or systemd reach the whole group, and mlbd may still
    # have something to withdraw.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    realtime = _take_priority()
    gc.freeze()
    Loop(control, _seconds).run(realtime)


def _take_priority() -> bool:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    except PermissionError:
        return False
    return True


def _seconds() -> float:
    """Time since boot, suspend included: a lease ends while the host sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


if __name__ == "__main__":
    main()
