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

# Not SCHED_FIFO: the kernel wakes a real-time task on the processor where it slept, an ordinary one where the frame
# came in. On an idle virtual machine that doubles the time to an answer (median 0.11 to 0.25 ms); on a busy one the
# medians are equal and real-time has the shorter tail, which matters to liveness, not to a neighbour that asks.
_MOST_FAVOURED: Final = -20


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
    prioritized = _take_priority()
    gc.freeze()
    Loop(control, _seconds).run(prioritized)


def _take_priority() -> bool:
    try:
        os.setpriority(os.PRIO_PROCESS, 0, _MOST_FAVOURED)
    except PermissionError:
        return False
    return True


def _seconds() -> float:
    """Time since boot, suspend included: a lease ends while the host sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


if __name__ == "__main__":
    main()
