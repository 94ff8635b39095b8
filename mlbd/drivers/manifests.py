"""The state directories: the files in them as one World, kept up to date as they change.

inotify says which file changed; that file alone is read and parsed again. Bursts of changes become one new World.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mlbd.model.assembly import Assembly, Origin
from mlbd.model.manifest import Contents, read
from mlbd.model.reference import Reference
from mlbd.model.status import DirectoryStatus, Problem, Severity
from mlbd.model.wording import displayed
from mlbd.model.world import World

from .directory import Signature, Unusable, Watch, list_manifests, read_manifest

#: How long a burst may take to arrive, in seconds, before what came is read.
_SETTLE = 0.002
#: How long to read files, in seconds, before other tasks have their turn.
_SLICE = 0.005


class Manifests:
    """`scan` reads everything and may take long; `run` follows the changes and calls `on_change` after each batch that
    made a difference to what `current` answers. While it runs, `refresh` has everything looked at again."""

    def __init__(self, directories: Sequence[Path], on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._assembly = Assembly()
        self._directories = [_Directory(path) for path in directories]
        self._changed: set[Origin] = set()
        self._stale: set[int] = set()
        self._wake = asyncio.Event()
        self._problems: tuple[Problem, ...] = ()
        self._refreshes: set[asyncio.Future[None]] = set()

    def current(self) -> tuple[World, tuple[Problem, ...], tuple[DirectoryStatus, ...]]:
        statuses = (
            DirectoryStatus(
                path=displayed(directory.watch.path),
                present=directory.present,
                files=len(directory.signatures),
                objects=self._assembly.objects_of(index),
            )
            for index, directory in enumerate(self._directories)
        )
        return self._assembly.world, self._problems, tuple(statuses)

    def source_of(self, reference: Reference) -> str:
        """The file that an object comes from; "" when there is no such object."""
        return self._assembly.source_of(reference)

    def scan(self) -> None:
        """Reads every file that changed since it was last read, the first time all of them."""
        for index in range(len(self._directories)):
            for origin in self._look(index):
                self._read(origin)
        self._commit()

    async def refresh(self) -> None:
        """As `scan`, in slices; returns when `current` answers what was read. Only while `run` does its work."""
        done = asyncio.get_running_loop().create_future()
        self._refreshes.add(done)
        self._stale.update(range(len(self._directories)))
        self._wake.set()
        await done

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._work())
            for index, directory in enumerate(self._directories):
                tasks.create_task(self._follow(index, directory.watch))

    async def _follow(self, index: int, watch: Watch) -> None:
        async for name in watch.changes():
            if name is None:
                self._stale.add(index)
            else:
                self._changed.add(Origin(index, name))
            self._wake.set()

    async def _work(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            await self._wake.wait()
            await asyncio.sleep(_SETTLE)
            self._wake.clear()
            refreshes, self._refreshes = self._refreshes, set()
            since = now()
            for origin in self._take():
                self._read(origin)
                if now() - since > _SLICE:
                    await asyncio.sleep(0)
                    since = now()
            if self._commit():
                self._on_change()
            for done in refreshes:
                if not done.done():  # who waited may have been cancelled
                    done.set_result(None)

    def _take(self) -> set[Origin]:
        """The files to read now, and none of them twice."""
        stale, self._stale = self._stale, set()
        changed, self._changed = self._changed, set()
        return changed.union(*(self._look(index) for index in stale))

    def _look(self, index: int) -> set[Origin]:
        return {Origin(index, name) for name in self._directories[index].look()}

    def _read(self, origin: Origin) -> None:
        directory = self._directories[origin.directory]
        path = directory.watch.path / origin.name
        source = displayed(path)
        try:
            data, directory.signatures[origin.name] = read_manifest(path)
        except FileNotFoundError:
            directory.signatures.pop(origin.name, None)
            self._assembly.remove(origin)
        except (OSError, Unusable) as error:
            directory.signatures[origin.name] = None
            self._assembly.put(origin, source, _unreadable(source, error))
        else:
            self._assembly.put(origin, source, read(data, source))

    def _commit(self) -> bool:
        """Whether there is anything new to tell."""
        before = self._problems
        of_directories = (problem for directory in self._directories for problem in directory.problems())
        self._problems = (*of_directories, *self._assembly.problems())
        return self._assembly.commit() or self._problems != before


class _Directory:
    """What is known of a directory: the files that were read, with None for one that could not be."""

    def __init__(self, path: Path) -> None:
        self.watch = Watch(path)
        self.signatures: dict[str, Signature | None] = {}
        self._failure: OSError | None = None

    @property
    def present(self) -> bool:
        return self._failure is None

    def look(self) -> set[str]:
        """Names of the files that came, went or changed since they were read. When the directory cannot be listed, what
        it held stays: one that is moved or unmounted for a moment must not take its Services down."""
        try:
            found = list_manifests(self.watch.path)
        except OSError as error:
            self._failure = error
            return set()
        self._failure = None
        changed = {name for name, signature in found.items() if signature != self.signatures.get(name)}
        return changed | (self.signatures.keys() - found.keys())

    def problems(self) -> Iterator[Problem]:
        source = displayed(self.watch.path)
        kept = "what it held before stays in force, " if self.signatures else ""
        if isinstance(self._failure, FileNotFoundError):
            message = f"cannot find the state directory {source}: {kept}create it or take it out of the settings"
            yield Problem(Severity.WARNING, source, "MissingDirectory", message, file=source)
        elif self._failure is not None:
            advice = "make it a directory that mlbd may list"
            message = f"cannot list the state directory {source}: {self._failure.strerror}: {kept}{advice}"
            yield Problem(Severity.ERROR, source, "UnreadableDirectory", message, file=source)
        if self.watch.trouble:
            message = f"cannot notice changes in {source}: {self.watch.trouble}; until then reload mlbd after a change"
            yield Problem(Severity.WARNING, source, "UnwatchedDirectory", message, file=source)


def _unreadable(source: str, error: OSError | Unusable) -> Contents:
    reason = f"{error.strerror}: let mlbd read it or take it away" if isinstance(error, OSError) else str(error)
    problem = Problem(Severity.ERROR, source, "UnreadableFile", f"cannot read {source}: {reason}", file=source)
    return Contents(problems=(problem,), complete=False)
