"""mlbctl as a user meets it: the installed program, at a terminal or in a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import NamedTuple

MLBCTL = Path(sys.executable).with_name("mlbctl")


class Ran(NamedTuple):
    status: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TZ": "UTC", "TERM": "xterm", **more}


def piped(socket: Path, *arguments: str, stdin: bytes = b"") -> Ran:
    """Standard output and error are pipes."""
    argv = [str(MLBCTL), "--socket", str(socket), *arguments]
    done = subprocess.run(argv, input=stdin, capture_output=True, env=environment(), timeout=60)
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def at_terminal(socket: Path, *arguments: str, columns: int = 80, **env: str) -> str:
    """All that a terminal of that width would be sent."""
    process, terminal = start_at_terminal(socket, *arguments, columns=columns, **env)
    shown = b""
    try:
        while data := os.read(terminal, 65536):
            shown += data
    except OSError:  # EIO: the program has closed its side
        pass
    os.close(terminal)
    process.wait(60)
    return shown.decode().replace("\r\n", "\n")


def start_at_terminal(
    socket: Path, *arguments: str, columns: int = 80, **env: str
) -> tuple[subprocess.Popen[bytes], int]:
    """The program, and the terminal's other side to read from."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    argv = [str(MLBCTL), "--socket", str(socket), *arguments]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=environment(**env))
    os.close(theirs)
    return process, ours
