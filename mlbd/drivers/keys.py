"""The keys that BFD packets and the TCP segments of BGP are signed with, read from where the settings say they are."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from mlbd.model.settings import KeySource

#: Octets of a BFD key (RFC 5880 4.4; shorter ones are padded), and of one of TCP-MD5 in Linux (tcp(7)).
BFD_LONGEST = 20
MD5_LONGEST = 80


class KeyUnreadable(Exception):
    """The text says why and what to do, and nothing of the key."""


def read_key(where: KeySource, what: str, longest: int, environment: Mapping[str, str] = os.environ) -> bytes:
    """The 1 to `longest` octets of the key, without the newline that an editor leaves at the end; `what` is what it is
    called in the text of an error. Raises KeyUnreadable."""
    try:
        return _read_key(where, longest, environment)
    except KeyUnreadable as error:
        raise KeyUnreadable(f"cannot read the {what}{error}") from None


def _read_key(where: KeySource, longest: int, environment: Mapping[str, str]) -> bytes:
    path = Path(where.file) if where.file else _credential(where.credential, environment)
    try:
        octets, mode = _read(path, longest)
    except OSError as error:
        raise _unreadable(path, _why(where, path, longest, error)) from None
    # What may be done with a credential is systemd's business.
    if where.file and mode & stat.S_IRWXO:
        raise _unreadable(path, f"everybody on this host has access to it: chmod o= {path}, and take another key")
    key = octets.removesuffix(b"\n")
    if not 1 <= len(key) <= longest:
        found = f"more than {longest} octets" if key else "nothing"
        raise _unreadable(path, f"it holds {found}: write 1 to {longest} octets")
    return key


def _credential(name: str, environment: Mapping[str, str]) -> Path:
    if directory := environment.get("CREDENTIALS_DIRECTORY"):
        return Path(directory, name)
    raise KeyUnreadable(f": mlbd was given no credentials: {_load(name)}")


def _load(name: str) -> str:
    return f"add LoadCredential={name}:FILE to its unit (systemctl edit mlbd) and restart it"


def _read(path: Path, longest: int) -> tuple[bytes, int]:
    """The octets, as many as tell a key from something longer, and the mode."""
    # Without O_NONBLOCK a FIFO would be waited for.
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return os.read(file, longest + 2), os.fstat(file).st_mode
    finally:
        os.close(file)


def _why(where: KeySource, path: Path, longest: int, error: OSError) -> str:
    match error:
        case FileNotFoundError() if where.credential:
            return f"there is no such credential: {_load(where.credential)}"
        case FileNotFoundError():
            return f"there is no such file: write 1 to {longest} octets there"
        case PermissionError():
            return f"mlbd may not read it: chgrp mlbd {path}, chmod 640 {path}"
        case _:
            return f"{error.strerror}: write a plain file there"


def _unreadable(path: Path, why: str) -> KeyUnreadable:
    return KeyUnreadable(f" in {path}: {why}")
