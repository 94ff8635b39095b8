"""The socket file. A lock beside it, which the kernel frees with the process, says whose it is: of two daemons started
at once one wins, and a socket file without a lock holder is a dead one's."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
from pathlib import Path

_BACKLOG = 128


class ControlError(Exception):
    """The control socket cannot be had; the text says why and what to do."""


class Listener:
    """A listening socket at `path`, mode 0660, of the group `gid` (None: nobody but root)."""

    def __init__(self, path: Path, gid: int | None) -> None:
        """Raises ControlError."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(path)
        except OSError as error:
            raise ControlError(f"cannot create the control socket {path}: {error.strerror}") from error
        try:
            _remove_stale(path)
            self.socket = _bind(path, gid)
        except (OSError, ControlError) as error:
            os.close(self._lock)
            if isinstance(error, ControlError):
                raise
            raise ControlError(f"cannot create the control socket {path}: {error.strerror or error}") from error

    def close(self) -> None:
        """The file goes while the lock is still held: it can only be our own."""
        self.socket.close()
        with contextlib.suppress(OSError):
            self.path.unlink()
        os.close(self._lock)


def _lock(path: Path) -> int:
    # The lock file stays for ever: removing it would let two daemons lock two files of one name.
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise _taken(path) from None
    return lock


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ControlError(f"cannot create the control socket {path}: something else has that name; move it away")
    # Somebody who listens without holding the lock: another program, or a daemon whose lock file was removed.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:  # its queue is full: it lives
            pass
    raise _taken(path)


def _taken(path: Path) -> ControlError:
    return ControlError(
        f"cannot create the control socket {path}: another mlbd answers there; stop it (systemctl stop mlbd), or give "
        "this one a `socket:` of its own"
    )


def _bind(path: Path, gid: int | None) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.bind(str(path))
        # Nobody can connect before listen(): the modes are right before the first one comes.
        os.chown(path, -1, 0 if gid is None else gid)
        path.chmod(0o660)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
