"""`mlbd`, started. While its modules are read in the collector rests: all that they make stays, and looking through it
again and again is a sixth of the time to the first SYN. The engine wakes it after the first turn."""

from __future__ import annotations

import gc
import sys


def main() -> int:
    gc.disable()
    from .command import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
