"""Which file's object counts, and what stays when a file goes bad."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlbd.model.assembly import Assembly, Origin
from mlbd.model.manifest import Contents, Identity, read
from mlbd.model.reference import Key, Reference
from mlbd.model.world import World

A, B, C = Origin(0, "a.yaml"), Origin(0, "b.yaml"), Origin(1, "a.yaml")


def node(name: str, rack: str = "a") -> str:
    return f"---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: {{rack: {rack}}}}}\n"


BAD = "---\napiVersion: v1\nkind: Node\nmetadata: {name: one, labels: {rack: 3}}\n"
NAMELESS = "---\napiVersion: v1\nkind: Node\nmetadata: {}\n"


class Files:
    def __init__(self) -> None:
        self.assembly = Assembly()

    def put(self, origin: Origin, text: str) -> None:
        source = f"{origin.directory}/{origin.name}"
        self.assembly.put(origin, source, read(text.encode(), source))

    def racks(self) -> dict[str, str]:
        self.assembly.commit()
        return {key.name: node.labels["rack"] for key, node in self.assembly.world.nodes.items()}

    def reasons(self) -> list[tuple[str, str]]:
        return [(problem.reason, problem.file) for problem in self.assembly.problems()]


def test_objects_come_change_and_go() -> None:
    files = Files()
    files.put(A, node("one") + node("two"))
    assert files.racks() == {"one": "a", "two": "a"}
    files.put(A, node("one", "b"))
    assert files.racks() == {"one": "b"}
    files.assembly.remove(A)
    assert files.racks() == {}
    files.assembly.remove(A)
    assert not files.assembly.commit()


def test_a_world_shares_what_did_not_change() -> None:
    files = Files()
    files.put(A, node("one"))
    files.put(B, "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
    assert files.assembly.commit()
    before = files.assembly.world
    files.put(A, node("one", "b"))
    assert files.assembly.commit()
    assert before.nodes[Key("", "one")].labels == {"rack": "a"}, "a World never changes"
    assert files.assembly.world.namespaces is before.namespaces
    assert files.assembly.world.nodes is not before.nodes


def test_the_same_text_again_is_no_change() -> None:
    files = Files()
    files.put(A, node("one"))
    assert files.assembly.commit()
    before = files.assembly.world
    files.put(A, "# a comment\n" + node("one"))
    assert not files.assembly.commit()
    assert files.assembly.world is before


def test_a_change_taken_back_before_the_commit_is_none() -> None:
    files = Files()
    files.put(A, node("one"))
    files.assembly.commit()
    files.put(B, node("two"))
    files.assembly.remove(B)
    assert not files.assembly.commit()


def test_the_first_file_wins_and_the_next_takes_over() -> None:
    files = Files()
    for origin, rack in ((C, "c"), (B, "b"), (A, "a")):
        files.put(origin, node("one", rack))
    assert files.racks() == {"one": "a"}
    assert files.reasons() == [("DuplicateObject", "0/b.yaml"), ("DuplicateObject", "1/a.yaml")]
    problem = files.assembly.problems()[0]
    assert problem.object == "Node one"
    assert "of 0/b.yaml: 0/a.yaml has it too" in problem.message
    files.assembly.remove(A)
    assert files.racks() == {"one": "b"}
    assert files.reasons() == [("DuplicateObject", "1/a.yaml")]
    files.assembly.remove(B)
    assert files.racks() == {"one": "c"}
    assert files.reasons() == []


def test_a_copied_file_tells_so_many_duplicates_and_counts_the_rest() -> None:
    files, text = Files(), "".join(node(f"n{n}") for n in range(100))
    files.put(A, text)
    files.put(B, text)
    files.put(C, text)
    for source in ("0/b.yaml", "1/a.yaml"):
        assert files.reasons().count(("DuplicateObject", source)) == 20
        assert files.reasons().count(("MoreProblems", source)) == 1
    assert len(files.reasons()) == 42


def test_a_bad_object_stays_as_it_was_last_good() -> None:
    files = Files()
    files.put(A, node("one") + node("two"))
    files.put(A, BAD + node("three"))
    assert files.racks() == {"one": "a", "three": "a"}
    (problem,) = files.assembly.problems()
    assert (problem.object, problem.field, problem.file) == ("Node one", "metadata.labels[rack]", "0/a.yaml")
    assert problem.message.endswith("; its last good version stays in force")
    files.put(A, BAD)
    assert files.racks() == {"one": "a"}, "bad twice is still bad"
    files.put(A, node("one", "b"))
    assert files.racks() == {"one": "b"}
    assert files.reasons() == []


def test_a_bad_object_that_never_was_good_is_none() -> None:
    files = Files()
    files.put(A, BAD)
    assert files.racks() == {}
    (problem,) = files.assembly.problems()
    assert "last good version" not in problem.message


def test_the_world_names_what_is_there_but_never_was_good() -> None:
    files = Files()
    one = Reference("Node", Key("", "one"))
    files.put(A, BAD)
    assert files.assembly.commit()
    assert files.assembly.world.refused == {one}
    assert not files.assembly.commit()
    files.put(B, node("one"))
    files.assembly.commit()
    assert not files.assembly.world.refused, "another file has it in a good version"
    files.assembly.remove(B)
    files.put(A, node("one"))
    files.put(A, BAD)
    files.assembly.commit()
    assert not files.assembly.world.refused, "its last good version stays in force"
    files.assembly.remove(A)
    files.put(A, BAD)
    files.assembly.remove(A)
    files.assembly.commit()
    assert not files.assembly.world.refused


def test_a_broken_file_keeps_all_it_had() -> None:
    files = Files()
    files.put(A, node("one") + node("two"))
    files.put(A, node("three") + "---\na: [")
    assert files.racks() == {"one": "a", "two": "a"}
    (problem,) = files.assembly.problems()
    assert problem.message.endswith("; its last good version stays in force")
    files.put(A, "")
    assert files.racks() == {}


def test_a_document_whose_name_is_lost_takes_no_object_away() -> None:
    files = Files()
    files.put(A, node("one") + node("two"))
    files.put(A, NAMELESS + node("two", "b"))
    assert files.racks() == {"one": "a", "two": "b"}


def test_counts() -> None:
    files = Files()
    files.put(A, node("one") + node("two"))
    files.put(B, node("one"))
    files.put(C, node("three"))
    assert (files.assembly.objects_of(0), files.assembly.objects_of(1)) == (3, 1)
    files.assembly.remove(A)
    assert (files.assembly.objects_of(0), files.assembly.objects_of(1)) == (1, 1)


operations = st.lists(
    st.tuples(st.sampled_from([A, B, C]), st.none() | st.dictionaries(st.sampled_from("xyz"), st.sampled_from("ab"))),
    max_size=12,
)


@given(operations)
def test_the_world_follows_from_the_files_alone(steps: list[tuple[Origin, dict[str, str] | None]]) -> None:
    files, now = Files(), dict[Origin, dict[str, str]]()
    for origin, nodes in steps:
        if nodes is None:
            files.assembly.remove(origin)
            now.pop(origin, None)
        else:
            files.put(origin, "".join(node(name, rack) for name, rack in nodes.items()))
            now[origin] = nodes
        wanted: dict[str, str] = {}
        for first in sorted(now):
            wanted = now[first] | wanted
        assert files.racks() == wanted
        assert len(files.reasons()) == sum(map(len, now.values())) - len(wanted)
        assert files.assembly.objects_of(0) == sum(len(found) for key, found in now.items() if key.directory == 0)


def test_nothing_is_an_empty_world() -> None:
    assembly = Assembly()
    assembly.put(A, "a", Contents(refused=frozenset((Identity("nodes", Key("", "x")),))))
    assert not assembly.commit()
    assert assembly.world == World()
