"""Manifests judged before they are put where mlbd reads them, in a pipeline or on a desk: no daemon is needed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import click

from mlbd.ctl.errors import Exit
from mlbd.ctl.output import Output, format_option
from mlbd.ctl.tables import Screen, sentence
from mlbd.ctl.words import counted, told
from mlbd.model import manifest
from mlbd.model.reference import Reference
from mlbd.model.status import Problem, Severity
from mlbd.model.wording import displayed


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@format_option
def command(files: tuple[str, ...], **options: Any) -> None:
    """Say what is wrong with manifests, without a daemon.

    FILE is a manifest, a directory of them (*.yaml, *.yml, *.json), or - for standard input. Exits with 1 when
    anything is wrong. Overlapping pools and the like show only beside all other objects: `mlbctl status` has them.
    """
    output = Output(options["format"])
    checked = _Checked()
    for source, data in _sources(files):
        checked.add(source, data)
    nothing = f"Nothing is wrong with {counted(checked.objects, 'object')} in {counted(checked.files, 'file')}."
    if output.show(lambda: [asdict(problem) for problem in checked.problems], draw, nothing):
        raise click.exceptions.Exit(Exit.WRONG)


class _Checked:
    """What the files hold together: an object that stands in two of them is one too many."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.files = 0
        self._places: dict[manifest.Identity, str] = {}

    @property
    def objects(self) -> int:
        return len(self._places)

    def add(self, source: str, data: bytes | str) -> None:
        """`data` is a file's octets, or why it has none."""
        self.files += 1
        if isinstance(data, str):
            message = f"cannot read {source}: {data}"
            self.problems.append(Problem(Severity.ERROR, source, "BrokenFile", message, file=source))
            return
        contents = manifest.read(data, source)
        self.problems += contents.problems
        for identity in contents.objects:
            if (first := self._places.setdefault(identity, source)) != source:
                self._twice(identity, first, source)

    def _twice(self, identity: manifest.Identity, first: str, second: str) -> None:
        kind = next(kind for kind, world_field in manifest.WORLD_FIELDS.items() if world_field == identity.world_field)
        reference = str(Reference(kind, identity.key))
        message = f"cannot use {reference}: it stands in {first} too, take one out"
        self.problems.append(Problem(Severity.ERROR, reference, "DuplicateObject", message, file=second))


def _sources(files: tuple[str, ...]) -> Iterator[tuple[str, bytes | str]]:
    """Each file's name with its octets, or with why it has none."""
    for name in files:
        if name == "-":
            yield "standard input", _read(sys.stdin.buffer)
            continue
        path = Path(name)
        inside = sorted(path.iterdir()) if path.is_dir() else []
        manifests = [file for file in inside if manifest.is_manifest(file.name)]
        for file in manifests if path.is_dir() else [path]:
            yield displayed(file), _contents(file)


def _contents(path: Path) -> bytes | str:
    try:
        with path.open("rb") as file:
            return _read(file)
    except OSError as error:
        return f"{error.strerror}"


def _read(file: BinaryIO) -> bytes | str:
    data = file.read(manifest.MAX_FILE_SIZE + 1)
    return (
        data
        if len(data) <= manifest.MAX_FILE_SIZE
        else f"it has more than {manifest.MAX_FILE_SIZE >> 20} MiB, split it"
    )


def draw(problems: Any, screen: Screen, wide: bool) -> list[str]:
    return [line for problem in problems for line in sentence(screen, _text(problem))]


def _text(problem: Any) -> str:
    """As compilers do, so that editors find the place: file, line, severity, what is wrong."""
    file = problem["file"]
    place = f"{file}:{problem['line']}" if problem["line"] else file
    return f"{place}: {problem['severity']}: {told(problem).replace(f' {file}:', ' this file:')}"
