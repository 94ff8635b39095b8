"""The key that BFD packets are authenticated with, read from where the settings say it is."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from mlbd.model.settings import Authentication

#: Octets, RFC 5880 section 4.4; shorter keys are padded.
LONGEST = 20


class KeyUnreadable(Exception):
    """The text says why and what to do, and nothing of the key."""


def read_key(where: Authentication, environment: Mapping[str, str] = os.environ) -> bytes:
    """The 1 to 20 octets of the key, without the newline that an editor leaves at the end. Raises KeyUnreadable."""
    path = Path(where.key_file) if where.key_file else _credential(where.credential, environment)
    try:
        octets, mode = _read(path)
    except OSError as error:
        raise _unreadable(path, _why(where, path, error)) from None
    # What may be done with a credential is systemd's business.
    if where.key_file and mode & stat.S_IRWXO:
        raise _unreadable(path, f"everybody on this host has access to it: chmod o= {path}, and take another key")
    key = octets.removesuffix(b"\n")
    if not 1 <= len(key) <= LONGEST:
        found = f"more than {LONGEST} octets" if key else "nothing"
        raise _unreadable(path, f"it holds {found}: write 1 to {LONGEST} octets")
    return key


def _credential(name: str, environment: Mapping[str, str]) -> Path:
    if directory := environment.get("CREDENTIALS_DIRECTORY"):
        return Path(directory, name)
    raise KeyUnreadable(f"cannot read the BFD key: mlbd was given no credentials: {_load(name)}")


def _load(name: str) -> str:
    return f"add LoadCredential={name}:FILE to its unit (systemctl edit mlbd) and restart it"


def _read(path: Path) -> tuple[bytes, int]:
    """The octets, as many as tell a key from something longer, and the mode."""
    # Without O_NONBLOCK a FIFO would be waited for.
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return os.read(file, LONGEST + 2), os.fstat(file).st_mode
    finally:
        os.close(file)


def _why(where: Authentication, path: Path, error: OSError) -> str:
    match error:
        case FileNotFoundError() if where.credential:
            return f"there is no such credential: {_load(where.credential)}"
        case FileNotFoundError():
            return f"there is no such file: write 1 to {LONGEST} octets there"
        case PermissionError():
            return f"mlbd may not read it: chgrp mlbd {path}, chmod 640 {path}"
        case _:
            return f"{error.strerror}: write a plain file there"


def _unreadable(path: Path, why: str) -> KeyUnreadable:
    return KeyUnreadable(f"cannot read the BFD key in {path}: {why}")
