"""One state directory: its files, and when they change.

inotify follows inodes, but a directory in the settings is a path: it may not exist yet, be moved away, or be reached
over symbolic links that are exchanged. So besides the directory itself each directory and link on the way to it is
watched for its end or move, and the last one that exists for the appearance of the next.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from asyncinotify import Event, Inotify, Mask

from mlbd.model.manifest import MAX_FILE_SIZE, is_manifest

#: As many links as the kernel follows in one lookup.
_MAX_LINKS = 40
#: Between attempts when the kernel has no watch left to give, in seconds.
_RETRY = 10.0

_GONE = Mask.DELETE_SELF | Mask.MOVE_SELF
_APPEARS = _GONE | Mask.CREATE | Mask.MOVED_TO
_CONTENT = _APPEARS | Mask.MOVED_FROM | Mask.DELETE | Mask.CLOSE_WRITE | Mask.ATTRIB | Mask.ONLYDIR


class Signature(NamedTuple):
    """What differs when a file was written to or replaced."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


class Unusable(Exception):
    """A file that is there but not to be read; the text says why."""


def list_manifests(directory: Path) -> dict[str, Signature]:
    """Raises OSError when the directory cannot be listed."""
    found = {}
    with os.scandir(directory) as entries:
        for entry in entries:
            if is_manifest(entry.name):
                try:
                    status = entry.stat()
                except OSError:
                    continue  # gone meanwhile, or a link to nothing
                if not stat.S_ISDIR(status.st_mode):
                    found[entry.name] = _signature(status)
    return found


def read_manifest(path: Path) -> tuple[bytes, Signature]:
    """Raises OSError or Unusable. Never waits, whatever stands there: a FIFO opens at once with O_NONBLOCK."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unusable("it is no regular file: put a file there or give it another name")
        if status.st_size > MAX_FILE_SIZE:
            size, limit = status.st_size >> 20, MAX_FILE_SIZE >> 20
            raise Unusable(f"it has {size} MiB, more than the {limit} MiB that are read: split it")
        return file.read(MAX_FILE_SIZE), _signature(status)


def _signature(status: os.stat_result) -> Signature:
    return Signature(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _trouble(error: OSError) -> str:
    if error.errno in (errno.EMFILE, errno.ENOSPC):
        return f"{error.strerror}: raise fs.inotify.max_user_instances and fs.inotify.max_user_watches"
    return f"{error.strerror}: let mlbd read every directory on the way"


class Watch:
    """`trouble` says why changes are not noticed at the moment, "" when they are."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.trouble = ""

    async def changes(self) -> AsyncIterator[str | None]:
        """Names of files that changed or went; None: the whole directory must be looked at again, first of all once
        it is watched, so that nothing falls between."""
        while True:
            try:
                with Inotify() as inotify:
                    async for name in self._until_moved(inotify):
                        self.trouble = ""
                        yield name
            except FileNotFoundError:
                pass  # the way changed while it was walked: walk it again
            except OSError as error:
                self.trouble = _trouble(error)
                yield None
                await asyncio.sleep(_RETRY)

    async def _until_moved(self, inotify: Inotify) -> AsyncIterator[str | None]:
        """Changes for as long as the path leads where it led at first."""
        awaited = self._arm(inotify)
        if awaited is not None and awaited.is_dir():
            return  # it appeared while the watches were set
        yield None
        async for event in inotify:
            if event.name is None:
                return  # something watched ended or moved, or the kernel's queue overflowed
            if awaited is not None:
                if event.name.name == awaited.name:
                    return
            elif event.name.name.startswith(".."):
                yield None  # Kubernetes exchanges the link ..data under all files of a mounted volume at once
            elif self._is_complete(event, event.name.name):
                yield event.name.name

    def _is_complete(self, event: Event, name: str) -> bool:
        """A new file is complete when it is closed after writing; a link, which nobody writes, at once."""
        if Mask.ISDIR in event.mask or not is_manifest(name):
            return False
        if Mask.CREATE not in event.mask:
            return True
        try:
            status = (self.path / name).lstat()
        except OSError:
            return False
        return stat.S_ISLNK(status.st_mode) or status.st_nlink > 1

    def _arm(self, inotify: Inotify) -> Path | None:
        """Watches the way to the directory and the directory. Answers the first path on the way that does not exist,
        None when all do."""
        place, rest, links = Path("/"), list(reversed(self.path.parts[1:])), 0
        while rest:
            step = place / rest[-1]
            try:
                inotify.add_watch(step, _GONE | Mask.DONT_FOLLOW)
                target = step.readlink() if step.is_symlink() else None
            except (FileNotFoundError, NotADirectoryError):
                inotify.add_watch(place, _APPEARS)
                return step
            rest.pop()
            if target is None:
                place = step
            elif (links := links + 1) <= _MAX_LINKS:
                rest += reversed(target.parts[1:] if target.is_absolute() else target.parts)
                place = Path("/") if target.is_absolute() else place
            else:
                return step
        try:
            inotify.add_watch(place, _CONTENT)
        except NotADirectoryError:
            return place
        return None
