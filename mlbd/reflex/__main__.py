"""`python -m mlbd.reflex --fd N --node NAME --failures N`: started by mlbd, ends with it.

It is its own process because CPython has one lock: whatever mlbd does, an answer here never waits for it.
"""

import contextlib
import gc
import os
import signal
import socket
import sys
import time
from typing import Final

from mlbd.reflex.loop import Loop

# Any real-time priority comes before all ordinary processes, and the lowest leaves room for the kernel's own threads.
_LOWEST: Final = os.sched_param(1)
_MOST_FAVOURED: Final = -20


def main() -> None:
    match sys.argv[1:]:
        case ["--fd", number, "--node", node, "--failures", failures] if number.isdecimal() and failures.isdecimal():
            control = socket.socket(fileno=int(number))
        case _:
            sys.exit("cannot start the reflex by hand: mlbd starts it with --fd")
    # Only the end of the control socket ends it: Ctrl-C or systemd reach the whole group, and mlbd may still
    # have something to withdraw.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    realtime = _take_priority()
    gc.freeze()
    Loop(control, _seconds, node, int(failures)).run(realtime)


def _take_priority() -> bool:
    """Whether it runs in real time. Else it is at least favoured: which counts little where the kernel groups processes
    by session (sched(7), the autogroup feature), measured as 6 ms instead of 0.1 ms to an answer under load."""
    try:
        # RESET_ON_FORK: nothing that it might ever start inherits this.
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, _LOWEST)
        return True
    except PermissionError:
        pass
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _MOST_FAVOURED)
    return False


def _seconds() -> float:
    """Time since boot, suspend included: a lease ends while the host sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


if __name__ == "__main__":
    main()
