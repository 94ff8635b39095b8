"""Log lines with fields, for `journalctl MLBD_SERVICE=shop/web`: to the journal when standard error is connected to it,
else as readable lines on standard error.

    log.warning("cannot ...", extra=fields(service="shop/web", address="192.0.2.10"))
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TextIO

from systemd import journal

IDENTIFIER = "mlbd"
#: Of one line, this many in REPEAT_SECONDS are let through; how many were not is said with the next one.
REPEATS = 5
REPEAT_SECONDS = 30.0
#: Different lines whose repetitions are counted at once.
_LINES = 512
_PREFIX = "MLBD_"


def fields(*, service: str = "", address: str = "", peer: str = "", node: str = "") -> dict[str, str]:
    """What a line is about, for `extra`."""
    given = {"SERVICE": service, "ADDRESS": address, "PEER": peer, "NODE": node}
    return {f"{_PREFIX}{name}": value for name, value in given.items() if value}


def start(level: int = logging.INFO, stream: TextIO = sys.stderr) -> None:
    """Send the whole program's log lines where they belong. A second call replaces the first."""
    handler = Journal() if connected_to_journal(stream) else Plain(stream)
    handler.addFilter(Repetitions())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def connected_to_journal(stream: TextIO) -> bool:
    """systemd.exec(5), JOURNAL_STREAM: device and inode of the stream that it connected; another may have taken its
    place since."""
    try:
        told = os.environ.get("JOURNAL_STREAM", "")
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return told == f"{status.st_dev}:{status.st_ino}"


class Journal(logging.Handler):
    """systemd.journal-fields(7)."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(message)s"))  # the rest are fields; basicConfig would add its own

    def emit(self, record: logging.LogRecord) -> None:
        try:
            journal.send(
                self.format(record) + _repeated(record),
                PRIORITY=str(priority(record.levelno)),
                SYSLOG_IDENTIFIER=IDENTIFIER,
                LOGGER=record.name,
                CODE_FILE=record.pathname,
                CODE_LINE=record.lineno,
                CODE_FUNC=record.funcName,
                **_about(record),
            )
        except Exception:
            self.handleError(record)


class Plain(logging.StreamHandler[TextIO]):
    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(_PlainFormatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))


class _PlainFormatter(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:
        about = "".join(f" {name.removeprefix(_PREFIX).lower()}={value}" for name, value in _about(record).items())
        # One line stays one line, whatever a peer or a manifest put into it.
        text = (super().formatMessage(record) + _repeated(record) + about).translate(_ESCAPES)
        return text.replace(record.levelname, record.levelname.lower(), 1)


class Repetitions(logging.Filter):
    """Holds back a line that is said again and again, so that a flood of one cannot fill a disk or push out others."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: OrderedDict[tuple[str, int, str], _Repetition] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        line, now = (record.name, record.levelno, record.getMessage()), self._clock()
        seen = self._seen.get(line)
        if seen is None or now - seen.since >= REPEAT_SECONDS:
            record.held_back = seen.held_back if seen else 0
            seen = self._seen[line] = _Repetition(now)
        self._seen.move_to_end(line)
        if len(self._seen) > _LINES:
            self._seen.popitem(last=False)
        return seen.passes()


class _Repetition:
    __slots__ = ("count", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.count = 0

    @property
    def held_back(self) -> int:
        return max(0, self.count - REPEATS)

    def passes(self) -> bool:
        self.count += 1
        return self.count <= REPEATS


def priority(level: int) -> int:
    """syslog(3)'s number for a level of logging."""
    for limit, number in ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6)):
        if level >= limit:
            return number
    return 7


def _about(record: logging.LogRecord) -> dict[str, str]:
    return {name: str(value) for name, value in vars(record).items() if name.startswith(_PREFIX)}


def _repeated(record: logging.LogRecord) -> str:
    held_back: int = getattr(record, "held_back", 0)
    return f" (said {held_back} more times in between)" if held_back else ""


_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
