"""A World out of many files: which file's object counts, and what stays in force when a file goes bad.

Of objects with one kind and name the one in the first file counts, by the order of the directories and then of the
file names; the others are Problems. An object that turned bad stays as its file last had it.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from .manifest import WORLD_FIELDS, Contents, Identity
from .problems import FileProblems
from .reference import Key, Reference
from .status import Problem, Severity
from .world import Object, World

Member = TypeVar("Member")


_KINDS = {world_field: kind for kind, world_field in WORLD_FIELDS.items()}


class Origin(NamedTuple):
    """A file: its directory's place in the settings and its name. They sort by precedence."""

    directory: int
    name: str


@dataclass(frozen=True, slots=True)
class _File:
    source: str
    objects: Mapping[Identity, Object]
    problems: tuple[Problem, ...] = ()
    refused: frozenset[Identity] = frozenset()  # those of which no good version is known


_ABSENT = _File("", {})


class Assembly:
    """Files are put in and removed one by one; `commit` makes a World of them."""

    def __init__(self) -> None:
        self.world = World()
        self._files: dict[Origin, _File] = {}
        self._claims: dict[Identity, list[Origin]] = {}
        self._contested: set[Identity] = set()
        self._troubled: set[Origin] = set()
        self._counts: Counter[int] = Counter()
        self._changes: dict[str, dict[Key, Object | None]] = {}

    def put(self, origin: Origin, source: str, contents: Contents) -> None:
        """A file's new contents; `source` is what Problems call the file."""
        self._replace(origin, _merged(self._files.get(origin, _ABSENT), source, contents))

    def remove(self, origin: Origin) -> None:
        if origin in self._files:
            self._replace(origin, _ABSENT)
            del self._files[origin]

    def source_of(self, reference: Reference) -> str:
        """What Problems call the file of an object; "" when there is no such object."""
        identity = Identity(WORLD_FIELDS.get(reference.kind, ""), reference.key)
        claims = self._claims.get(identity)
        return self._files[claims[0]].source if claims else ""

    def objects_of(self, directory: int) -> int:
        return self._counts[directory]

    def problems(self) -> tuple[Problem, ...]:
        of_files = (problem for origin in sorted(self._troubled) for problem in self._files[origin].problems)
        return (*of_files, *self._duplicates())

    def commit(self) -> bool:
        """Whether there is a new World."""
        changed: dict[str, Any] = {}
        for world_field, changes in self._changes.items():
            changed[world_field] = _changed(getattr(self.world, world_field), changes)
        self._changes = {}
        if (refused := self._refused()) != self.world.refused:
            changed["refused"] = refused
        if changed:
            self.world = replace(self.world, **changed)
        return bool(changed)

    def _refused(self) -> frozenset[Reference]:
        """What no file has in a good version."""
        identities = {identity for origin in self._troubled for identity in self._files[origin].refused}
        return frozenset(Reference(_KINDS[each.world_field], each.key) for each in identities - self._claims.keys())

    def _replace(self, origin: Origin, file: _File) -> None:
        before = self._files.get(origin, _ABSENT).objects
        self._files[origin] = file
        _member(self._troubled, origin, bool(file.problems))
        self._counts[origin.directory] += len(file.objects) - len(before)
        for identity in before.keys() - file.objects.keys():
            self._claims[identity].remove(origin)
        for identity in file.objects.keys() - before.keys():
            insort(self._claims.setdefault(identity, []), origin)
        for identity in before.keys() | file.objects.keys():
            self._settle(identity)

    def _settle(self, identity: Identity) -> None:
        """Notes the object that counts from now on, if it is another one than the World's."""
        claims = self._claims[identity]
        winner = self._files[claims[0]].objects[identity] if claims else None
        if not claims:
            del self._claims[identity]
        _member(self._contested, identity, len(claims) > 1)
        changes = self._changes.setdefault(identity.world_field, {})
        if winner is getattr(self.world, identity.world_field).get(identity.key):
            changes.pop(identity.key, None)
        else:
            changes[identity.key] = winner
        if not changes:
            del self._changes[identity.world_field]

    def _duplicates(self) -> Iterator[Problem]:
        files: dict[str, FileProblems] = {}
        for identity in sorted(self._contested):
            first, *others = (self._files[origin] for origin in self._claims[identity])
            about = _reference(identity, first.objects[identity])
            why = f"{first.source} has it too and comes first, take one of them out"
            for other in others:
                failure = f"cannot use {about} of {other.source}"
                file = files.setdefault(other.source, FileProblems(other.source))
                file.add(Severity.ERROR, about, "DuplicateObject", failure, why)
        return chain.from_iterable(file.all() for file in files.values())


def _changed(objects: Mapping[Key, Object], changes: Mapping[Key, Object | None]) -> dict[Key, Object]:
    copy = dict(objects)
    for key, found in changes.items():
        if found is None:
            copy.pop(key, None)
        else:
            copy[key] = found
    return copy


def _member(members: set[Member], one: Member, belongs: bool) -> None:
    if belongs:
        members.add(one)
    else:
        members.discard(one)


def _merged(before: _File, source: str, contents: Contents) -> _File:
    """The new contents, with the last good version of what is bad in them. An object that did not change stays the
    same one, so that `is` tells what did."""
    kept = {
        identity: found
        for identity, found in before.objects.items()
        if identity in contents.refused or (not contents.complete and identity not in contents.objects)
    }
    objects = {
        identity: before.objects[identity] if before.objects.get(identity) == found else found
        for identity, found in contents.objects.items()
    }
    problems = tuple(_with_consequence(problem, kept) for problem in contents.problems)
    return _File(source, kept | objects, problems, contents.refused - kept.keys())


def _with_consequence(problem: Problem, kept: Mapping[Identity, Object]) -> Problem:
    """The Problem of an object or of a whole file says so when what was there before stays in force."""
    about = {_reference(identity, found) for identity, found in kept.items()}
    if problem.object in about or (about and problem.object == problem.file and problem.severity is Severity.ERROR):
        return replace(problem, message=f"{problem.message}; its last good version stays in force")
    return problem


def _reference(identity: Identity, found: Object) -> str:
    """The classes of the model have the names of their kinds."""
    return str(Reference(type(found).__name__, identity.key))
