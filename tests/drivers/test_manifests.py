"""State directories as users and tools treat them: real files, real inotify."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlbd.drivers.manifests import Manifests
from mlbd.model.status import DirectoryStatus, Problem
from mlbd.model.world import World

DEADLINE = 20.0


def node(name: str, rack: str = "a") -> str:
    return f"---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: {{rack: {rack}}}}}\n"


class State:
    """Manifests over `first` and `second`, and what they say."""

    def __init__(self, base: Path) -> None:
        self.first, self.second = base / "first", base / "second"
        self.first.mkdir()
        self.second.mkdir()
        self.told = asyncio.Event()
        self.times_told = 0
        self.manifests = Manifests([self.first, self.second], self._tell)

    def _tell(self) -> None:
        self.times_told += 1
        self.told.set()

    @property
    def world(self) -> World:
        return self.manifests.current()[0]

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self.manifests.current()[1]

    @property
    def directories(self) -> tuple[DirectoryStatus, ...]:
        return self.manifests.current()[2]

    def racks(self) -> dict[str, str]:
        return {key.name: node.labels["rack"] for key, node in self.world.nodes.items()}

    def reasons(self) -> list[str]:
        return [problem.reason for problem in self.problems]

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not holds():
                self.told.clear()
                await self.told.wait()

    async def until_racks(self, **racks: str) -> None:
        await self.until(lambda: self.racks() == racks)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path)


def follow(state: State, story: Callable[[], Coroutine[None, None, None]]) -> None:
    """Tells the story while the directories are followed."""

    async def play() -> None:
        state.manifests.scan()
        running = asyncio.create_task(state.manifests.run())
        try:
            await ready(state)
            await story()
        finally:
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

    asyncio.run(play())


async def ready(state: State) -> None:
    """Until a change in either directory is noticed, so that a story tests watching and not the first look."""
    for directory in (state.first, state.second):
        if directory.is_dir() and not directory.is_symlink():
            mark = directory / "zz-ready.yaml"
            mark.write_text(node("ready"))
            await state.until(lambda: "ready" in state.racks())
            mark.unlink()
            await state.until(lambda: "ready" not in state.racks())
    state.times_told = 0


def replace(path: Path, text: str) -> None:
    """As mlbd-sync, rsync and most editors write."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text)
    temporary.rename(path)


def test_scan_reads_manifests_and_nothing_else(state: State) -> None:
    for name in ("a.yaml", "b.yml", "c.json"):
        (state.first / name).write_text(node(name[0]))
    for name in (".d.yaml", "e.yaml~", "f.txt", "#g.yaml#", "h.yaml.swp", "i.yaml.tmp"):
        (state.first / name).write_text(node(name[1]))
    (state.first / "j.yaml").mkdir()
    (state.first / "j.yaml" / "k.yaml").write_text(node("k"))
    (state.second / "l.yaml").write_text(node("l") + node("m"))
    state.manifests.scan()
    assert set(state.racks()) == set("abclm")
    assert state.problems == ()
    assert state.directories == (
        DirectoryStatus(path=str(state.first), present=True, files=3, objects=3),
        DirectoryStatus(path=str(state.second), present=True, files=1, objects=2),
    )


def test_scan_again_reads_what_changed(state: State) -> None:
    (state.first / "a.yaml").write_text(node("one"))
    (state.first / "b.yaml").write_text(node("two"))
    state.manifests.scan()
    world = state.world
    state.manifests.scan()
    assert state.world is world
    replace(state.first / "a.yaml", node("one", "b"))
    (state.first / "b.yaml").unlink()
    state.manifests.scan()
    assert state.racks() == {"one": "b"}


def test_a_file_is_written_replaced_and_deleted(state: State) -> None:
    async def story() -> None:
        (state.first / "a.yaml").write_text(node("one"))
        await state.until_racks(one="a")
        (state.first / "a.yaml").write_text(node("one", "b"))
        await state.until_racks(one="b")
        replace(state.first / "a.yaml", node("one", "c"))
        await state.until_racks(one="c")
        (state.first / "a.yaml").rename(state.second / "b.yaml")
        await state.until(lambda: state.directories[1].files == 1 and state.directories[0].files == 0)
        await state.until_racks(one="c")
        (state.second / "b.yaml").rename(state.second / "b.off")
        await state.until_racks()
        (state.second / "b.off").rename(state.second / "b.json")
        await state.until_racks(one="c")
        (state.second / "b.json").unlink()
        await state.until_racks()

    follow(state, story)


def test_a_file_is_not_read_before_it_is_closed(state: State) -> None:
    async def story() -> None:
        with (state.first / "a.yaml").open("w") as file:
            file.write("---\napiVersion: v1\nkind: No")
            file.flush()
            (state.first / "b.yaml").write_text(node("two"))
            await state.until_racks(two="a")
            assert state.problems == ()
            file.seek(0)
            file.write(node("one"))
        await state.until_racks(one="a", two="a")

    follow(state, story)


def test_only_the_changed_file_is_parsed_again(state: State) -> None:
    async def story() -> None:
        (state.first / "a.yaml").write_text(node("one"))
        (state.first / "b.yaml").write_text(node("two"))
        await state.until_racks(one="a", two="a")
        before = dict(state.world.nodes)
        replace(state.first / "b.yaml", node("two", "b"))
        await state.until_racks(one="a", two="b")
        assert [key.name for key, found in state.world.nodes.items() if found is not before[key]] == ["two"]

    follow(state, story)


def test_a_burst_is_few_changes(state: State) -> None:
    async def story() -> None:
        for number in range(1000):
            replace(state.first / f"{number}.yaml", node(f"node-{number}"))
        await state.until(lambda: len(state.world.nodes) == 1000)
        assert state.times_told < 50
        shutil.rmtree(state.first)
        await state.until_racks()

    follow(state, story)


def test_links_to_files(state: State, tmp_path: Path) -> None:
    async def story() -> None:
        (tmp_path / "elsewhere").write_text(node("one"))
        (state.first / "a.yaml").symlink_to(tmp_path / "elsewhere")
        await state.until_racks(one="a")
        (tmp_path / "other").write_text(node("two"))
        (state.first / "b.yaml").hardlink_to(tmp_path / "other")
        await state.until_racks(one="a", two="a")
        (state.first / "nowhere.yaml").symlink_to(tmp_path / "nowhere")
        (state.first / "a.yaml").unlink()
        await state.until_racks(two="a")
        assert state.problems == ()

    follow(state, story)


def test_a_configmap_volume_is_exchanged_as_a_whole(state: State) -> None:
    def version(name: str, rack: str) -> None:
        (state.first / name).mkdir()
        (state.first / name / "a.yaml").write_text(node("one", rack))
        (state.first / name / "b.yaml").write_text(node("two", rack))
        (state.first / "..data_tmp").symlink_to(name)
        (state.first / "..data_tmp").rename(state.first / "..data")

    async def story() -> None:
        version("..2026_1", "a")
        for name in ("a.yaml", "b.yaml"):
            (state.first / name).symlink_to(f"..data/{name}")
        await state.until_racks(one="a", two="a")
        version("..2026_2", "b")
        shutil.rmtree(state.first / "..2026_1")
        await state.until_racks(one="b", two="b")
        assert state.problems == ()

    follow(state, story)


def test_a_directory_appears_later(state: State, tmp_path: Path) -> None:
    shutil.rmtree(state.first)
    state.first = tmp_path / "deep" / "er" / "state.d"
    state.manifests = Manifests([state.first, state.second], state._tell)

    async def story() -> None:
        (problem,) = state.problems
        assert problem.reason == "MissingDirectory"
        assert problem.severity.value == "warning"
        assert problem.message.startswith(f"cannot find the state directory {state.first}: create it")
        assert not state.directories[0].present
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "er").mkdir()
        state.first.mkdir()
        (state.first / "a.yaml").write_text(node("one"))
        await state.until_racks(one="a")
        assert state.problems == ()
        assert state.directories[0].present

    follow(state, story)


def test_a_directory_is_removed_and_made_again(state: State) -> None:
    async def story() -> None:
        for rack in ("a", "b", "c"):
            if not state.first.exists():
                state.first.mkdir()
            (state.first / "a.yaml").write_text(node("one", rack))
            await state.until_racks(one=rack)
            await state.until(lambda: not state.problems)
            shutil.rmtree(state.first)
            await state.until_racks()
            await state.until(lambda: state.reasons() == ["MissingDirectory"])

    follow(state, story)


def test_a_directory_moved_away_keeps_its_objects_until_the_next_one(state: State, tmp_path: Path) -> None:
    async def story() -> None:
        (state.first / "a.yaml").write_text(node("one"))
        await state.until_racks(one="a")
        state.first.rename(tmp_path / "away")
        await state.until(lambda: state.reasons() == ["MissingDirectory"])
        assert state.racks() == {"one": "a"}
        assert "what it held before stays in force" in state.problems[0].message
        (tmp_path / "away" / "a.yaml").write_text(node("one", "c"))
        (tmp_path / "next").mkdir()
        (tmp_path / "next" / "b.yaml").write_text(node("two"))
        (tmp_path / "next").rename(state.first)
        await state.until_racks(two="a")
        assert state.problems == ()

    follow(state, story)


def test_a_parent_is_exchanged(state: State, tmp_path: Path) -> None:
    (tmp_path / "parent" / "state").mkdir(parents=True)
    (tmp_path / "parent2" / "state").mkdir(parents=True)
    (tmp_path / "parent" / "state" / "a.yaml").write_text(node("one", "a"))
    (tmp_path / "parent2" / "state" / "a.yaml").write_text(node("one", "b"))
    state.first = tmp_path / "parent" / "state"
    state.manifests = Manifests([state.first, state.second], state._tell)

    async def story() -> None:
        await state.until_racks(one="a")
        (tmp_path / "parent").rename(tmp_path / "parent1")
        (tmp_path / "parent2").rename(tmp_path / "parent")
        await state.until_racks(one="b")

    follow(state, story)


def test_a_directory_behind_links_that_are_exchanged(state: State, tmp_path: Path) -> None:
    for version in ("v1", "v2", "v3"):
        (tmp_path / version / "state").mkdir(parents=True)
        (tmp_path / version / "state" / "a.yaml").write_text(node("one", version))
    (tmp_path / "now").symlink_to("v1")
    (tmp_path / "link").symlink_to(tmp_path / "now" / ".." / "now" / "state")
    state.first = tmp_path / "link"
    state.manifests = Manifests([state.first, state.second], state._tell)

    async def story() -> None:
        await state.until_racks(one="v1")
        (tmp_path / "new").symlink_to("v2")
        (tmp_path / "new").rename(tmp_path / "now")
        await state.until_racks(one="v2")
        (tmp_path / "v2" / "state" / "a.yaml").write_text(node("one", "x"))
        await state.until_racks(one="x")
        (tmp_path / "link").unlink()
        (tmp_path / "link").symlink_to(tmp_path / "v3" / "state")
        await state.until_racks(one="v3")
        (tmp_path / "link").unlink()
        (tmp_path / "link").symlink_to("link")
        await state.until(lambda: state.reasons() == ["UnreadableDirectory"])
        (tmp_path / "link").unlink()
        (tmp_path / "link").mkdir()
        await state.until_racks()

    follow(state, story)


def test_a_directory_becomes_a_link_and_a_file(state: State, tmp_path: Path) -> None:
    async def story() -> None:
        (state.first / "a.yaml").write_text(node("one"))
        await state.until_racks(one="a")
        (tmp_path / "target").mkdir()
        (tmp_path / "target" / "a.yaml").write_text(node("one", "b"))
        state.first.rename(tmp_path / "old")
        state.first.symlink_to(tmp_path / "target")
        await state.until_racks(one="b")
        state.first.unlink()
        state.first.write_text("no directory")
        await state.until(lambda: state.reasons() == ["UnreadableDirectory"])
        assert state.racks() == {"one": "b"}
        state.first.unlink()
        state.first.mkdir()
        await state.until_racks()
        assert state.problems == ()

    follow(state, story)


def test_a_way_through_a_file_is_no_directory(state: State, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    state.first = tmp_path / "file" / "state"
    state.manifests = Manifests([state.first, state.second], state._tell)

    async def story() -> None:
        assert state.reasons() == ["UnreadableDirectory"]
        (tmp_path / "file").unlink()
        state.first.mkdir(parents=True)
        (state.first / "a.yaml").write_text(node("one"))
        await state.until_racks(one="a")

    follow(state, story)


def test_a_lost_event_costs_nothing(state: State) -> None:
    """More events than the kernel's queue holds, while nobody takes any: it drops them and says so."""

    async def story() -> None:
        limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
        noise = [state.first / ".x", state.first / ".y"]
        for number in range(limit // 2 + 100):
            noise[number % 2].touch()
            noise[number % 2].unlink()
        (state.first / "a.yaml").write_text(node("one"))
        await state.until_racks(one="a")

    follow(state, story)


BAD = [
    ("metadata: {name: one, labels: {rack: [", "BrokenFile"),
    ("---\napiVersion: v1\nkind: Node\nmetadata: {name: one, labels: {rack: 3}}\n", "InvalidObject"),
    ("---\napiVersion: v1\nkind: Node\nmetadata: {labels: {}}\n", "InvalidDocument"),
    ("\udcff\udcfe", "BrokenFile"),
]


@pytest.mark.parametrize(("text", "reason"), BAD)
def test_a_bad_file_keeps_its_last_good_objects(state: State, text: str, reason: str) -> None:
    async def story() -> None:
        file = state.first / "a.yaml"
        replace(file, node("one"))
        await state.until_racks(one="a")
        file.write_bytes(os.fsencode(text))
        await state.until(lambda: state.reasons() == [reason])
        assert state.racks() == {"one": "a"}
        (problem,) = state.problems
        assert problem.file == str(file)
        assert problem.message.startswith("cannot ")
        replace(file, node("one", "b"))
        await state.until_racks(one="b")
        assert state.problems == ()
        file.write_bytes(os.fsencode(text))
        await state.until(lambda: state.reasons() == [reason])
        file.unlink()
        await state.until_racks()
        assert state.problems == ()

    follow(state, story)


def test_a_huge_file_is_not_read(state: State) -> None:
    async def story() -> None:
        file = state.first / "a.yaml"
        replace(file, node("one"))
        await state.until_racks(one="a")
        with file.open("r+b") as huge:
            huge.truncate(100 << 20)
        await state.until(lambda: state.reasons() == ["UnreadableFile"])
        assert "it has 100 MiB, more than the 16 MiB that are read" in state.problems[0].message
        assert state.racks() == {"one": "a"}

    follow(state, story)


def test_what_is_no_file_is_not_waited_for(state: State) -> None:
    os.mkfifo(state.first / "a.yaml")
    (state.first / "b.yaml").write_text(node("two"))
    state.manifests.scan()
    assert state.racks() == {"two": "a"}
    (problem,) = state.problems
    assert problem.message.startswith(f"cannot read {state.first}/a.yaml: it is no regular file")


@contextmanager
def nobody() -> Iterator[None]:
    """Root may read everything; user 65534 may not."""
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_may_not_be_read_keeps_what_it_had(state: State, tmp_path: Path) -> None:
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    (state.first / "a.yaml").write_text(node("one"))
    (state.second / "b.yaml").write_text(node("two"))
    state.manifests.scan()
    replace(state.first / "a.yaml", node("one", "b"))
    (state.first / "a.yaml").chmod(0o600)
    state.second.chmod(0o700)
    with nobody():
        state.manifests.scan()
    assert state.racks() == {"one": "a", "two": "a"}
    assert state.reasons() == ["UnreadableDirectory", "UnreadableFile"]
    assert all("Permission denied" in problem.message for problem in state.problems)
    state.manifests.scan()
    assert state.racks() == {"one": "b", "two": "a"}
    assert state.problems == ()


def test_permission_given_is_noticed(state: State, tmp_path: Path) -> None:
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    (state.first / "a.yaml").write_text(node("one"))
    (state.first / "a.yaml").chmod(0)
    for path in (state.first, state.second, state.first / "a.yaml"):
        os.chown(path, 65534, 65534)

    async def story() -> None:
        assert state.reasons() == ["UnreadableFile"]
        (state.first / "a.yaml").chmod(0o600)
        await state.until_racks(one="a")
        assert state.problems == ()

    with nobody():
        follow(state, story)


def test_one_object_in_two_files(state: State) -> None:
    async def story() -> None:
        (state.second / "a.yaml").write_text(node("one", "second"))
        await state.until_racks(one="second")
        (state.first / "z.yaml").write_text(node("one", "first"))
        await state.until_racks(one="first")
        (problem,) = state.problems
        assert problem.object == "Node one"
        assert str(state.second / "a.yaml") in problem.message
        assert str(state.first / "z.yaml") in problem.message
        (state.first / "z.yaml").unlink()
        await state.until_racks(one="second")
        assert state.problems == ()

    follow(state, story)


def test_a_file_name_of_any_octets(state: State) -> None:
    (state.first / os.fsdecode(b"\xff.yaml")).write_text("a: [")
    state.manifests.scan()
    (problem,) = state.problems
    assert problem.file.endswith("/\\xff.yaml")
    assert problem.message.encode()


def test_the_same_again_tells_nobody(state: State) -> None:
    async def story() -> None:
        (state.first / "a.yaml").write_text(node("one"))
        await state.until_racks(one="a")
        told = state.times_told
        for number in range(20):  # long enough for several batches, each of which could tell
            replace(state.first / "a.yaml", node("one") + f"# comment {number}\n")
            await asyncio.sleep(0.01)
        (state.second / "b.yaml").write_text(node("two"))
        await state.until_racks(one="a", two="a")
        assert state.times_told == told + 1

    follow(state, story)


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's own limit is shared by the whole machine; a missing inotify stands for it."""

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlbd.drivers.directory.Inotify", refuse)


@pytest.mark.usefixtures("unwatched")
def test_without_watches_changes_wait_for_a_refresh(state: State) -> None:
    async def story() -> None:
        assert "max_user_watches" in state.problems[0].message
        (state.first / "a.yaml").write_text(node("one"))
        await state.manifests.refresh()
        assert state.racks() == {"one": "a"}
        assert state.times_told == 1

    refresh_in(state, story)


@pytest.mark.usefixtures("unwatched")
def test_while_a_refresh_reads_others_have_their_turn(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlbd.drivers.manifests._SETTLE", 0)
    monkeypatch.setattr("mlbd.drivers.manifests._SLICE", 0)
    seen: list[int] = []

    async def beat() -> None:
        while True:
            seen.append(len(state.world.nodes))
            await asyncio.sleep(0)

    async def story() -> None:
        for number in range(100):
            (state.first / f"{number}.yaml").write_text(node(f"node-{number}"))
        beating = asyncio.create_task(beat())
        await state.manifests.refresh()
        beating.cancel()
        assert len(state.world.nodes) == 100
        assert seen.count(0) >= 100  # nothing of it before all of it

    refresh_in(state, story)


@pytest.mark.usefixtures("unwatched")
def test_a_refresh_that_nobody_waits_for_any_more(state: State) -> None:
    async def story() -> None:
        impatient = asyncio.create_task(state.manifests.refresh())
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        (state.first / "a.yaml").write_text(node("one"))
        await asyncio.gather(*(state.manifests.refresh() for _ in range(3)))
        assert state.racks() == {"one": "a"}

    refresh_in(state, story)


def refresh_in(state: State, story: Callable[[], Coroutine[None, None, None]]) -> None:
    """Tells the story while nothing but a refresh looks at the directories."""

    async def play() -> None:
        state.manifests.scan()
        running = asyncio.create_task(state.manifests.run())
        try:
            async with asyncio.timeout(DEADLINE):
                await state.until(lambda: state.reasons() == ["UnwatchedDirectory"] * 2)
                state.times_told = 0
                await story()
        finally:
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

    asyncio.run(play())
