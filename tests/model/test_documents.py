"""From octets to documents: Kubernetes' reading of YAML, and nothing but Unreadable for what is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlbd.model.documents import MAX_DEPTH, MAX_VALUES, Unreadable, read_documents
from mlbd.model.manifest import read


def values(text: str) -> list[Any]:
    return [document.value for document in read_documents(text.encode())]


SCALARS = [
    ("3", 3), ("-3", -3), ("+3", 3), ("0", 0), ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0),
    ("true", True), ("Yes", True), ("ON", True), ("false", False), ("no", False), ("Off", False),
    ("~", None), ("null", None), ("", None), ("y", "y"), ("yES", "yES"),
    ("64512:10", "64512:10"), ("12:30:45", "12:30:45"), ("2026-01-01", "2026-01-01"), ("010", "010"), ("0x1f", "0x1f"),
    ("1_000", "1_000"), ("192.0.2.1", "192.0.2.1"), ("192.0.2.1-192.0.2.9",) * 2, ("2001:db8::1",) * 2,
    (".inf", ".inf"), ("-x", "-x"), ('"3"', "3"), ("'true'", "true"), ("!!str 3", "3"),
    ("|\n  3\n", "3\n"), ("9" * 200, "9" * 200),
]  # fmt: skip


@pytest.mark.parametrize(("written", "meant"), SCALARS)
def test_scalars(written: str, meant: Any) -> None:
    (found,) = values(f"a: {written}")
    assert found == {"a": meant}
    assert type(found["a"]) is type(meant)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", []),
        ("---\n---\n# nothing\n", []),
        ("a: 1\n---\nb: 2\n", [{"a": 1}, {"b": 2}]),
        ('{"a": [1, null]}', [{"a": [1, None]}]),
        ('{"a": 1}\n---\n{"b": 2}', [{"a": 1}, {"b": 2}]),
        ("{a: b, c: [d, {e: f}]}", [{"a": "b", "c": ["d", {"e": "f"}]}]),
        ("\ufeffa: 1", [{"a": 1}]),
        ("a: &x [1]\nb: *x", [{"a": [1], "b": [1]}]),
        ("base: &x {a: 1, b: 2}\nown:\n  <<: *x\n  b: 3", [{"base": {"a": 1, "b": 2}, "own": {"a": 1, "b": 3}}]),
        ("o: {<<: [{a: 1}, {a: 2, b: 2}]}", [{"o": {"a": 1, "b": 2}}]),
        ('"<<": {a: 1}', [{"<<": {"a": 1}}]),
        (r'{"smile": "\ud83d\ude00"}', [{"smile": "😀"}]),
        ('\ufeff{"smile": "\\ud83d\\ude00"}', [{"smile": "😀"}]),
        ("on: 1", [{True: 1}]),
    ],
)
def test_documents(text: str, meant: list[Any]) -> None:
    assert values(text) == meant


def test_a_document_knows_its_line() -> None:
    assert [document.line for document in read_documents(b"# first\na: 1\n---\n\nb: 2\n")] == [2, 5]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"a: [1,\nb: 2\n  c: 3", "broken YAML in line 3, column "),
        (b"a: 1\n\tb: 2", "broken YAML in line 2, column 1: "),
        (b"ok: 1\nbad: \xff\xfe\n", "line 2 is not UTF-8 (octet 11)"),
        (b"a: \0", "a character that YAML does not allow"),
        (b"a: 1\nb: 2\na: 3", "line 3: the name a stands twice"),
        (b"a: {b: {c: 1, c: 2}}", "the name c stands twice"),
        (b'{"a": {"b": 1, "b": 2}}', "the name b stands twice"),
        (b"1: a\n1: b", "the name 1 stands twice"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b'[' * 100_000 + b"]" * 100_000, "nested too deep"),
        (b"- " * (MAX_DEPTH + 1) + b"1", "nested too deep"),
        (b"a: *x", "an alias"),
        (b"a: &x [*x]", "an alias"),
        (b"a: &x 1\n---\nb: *x", "an alias"),
        (b"a: !python/object:os.system x", "a tag"),
        (b"a: !!binary aGk=", "a tag"),
        (b"a: !map {}", "a tag"),
        (b"? [a]\n: b", "a mapping or list cannot be a name"),
        (b"a: {<<: 3}", "the merge key"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": "\\ud800"}', "half of a surrogate pair"),
        (b'"\\ud800"', "broken YAML"),
        (b'{"a": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
    ],
)  # fmt: skip
def test_what_is_no_document_says_where_and_why(data: bytes, problem: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_documents(data)
    assert problem in str(caught.value)


def test_the_deepest_nesting_is_read() -> None:
    assert values("- " * MAX_DEPTH + "1")


def test_aliases_cannot_grow_without_bound() -> None:
    laughs = ["a0: &a0 [" + "x, " * 9 + "x]"]
    laughs += [f"a{n}: &a{n} [" + f"*a{n - 1}, " * 9 + f"*a{n - 1}]" for n in range(1, 30)]
    with pytest.raises(Unreadable, match="more than 1000000 values"):
        read_documents("\n".join(laughs).encode())
    merged = ["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    with pytest.raises(Unreadable, match="more than 1000000 values"):
        read_documents("\n".join(merged).encode())


def test_a_file_holds_so_many_values() -> None:
    with pytest.raises(Unreadable, match=f"line {MAX_VALUES}: more than 1000000 values"):
        read_documents(b"- 1\n" * MAX_VALUES)


@pytest.mark.parametrize(
    "data",
    [b"[" + b"1," * MAX_VALUES + b"1]", b"[" + b"{}," * MAX_VALUES + b"{}]", b"[" + b"[]," * MAX_VALUES + b"1]",
     b"[" + b'{"a":1},' * (MAX_VALUES // 3) + b"1]"],
    ids=["numbers", "mappings", "lists", "names"],
)  # fmt: skip
def test_json_has_the_same_bound(data: bytes) -> None:
    with pytest.raises(Unreadable, match="more than 1000000 values"):
        read_documents(data)


def test_punctuation_in_the_texts_of_json_is_no_value() -> None:
    assert values(json.dumps({"a": "[{:,}]" * MAX_VALUES})) == [{"a": "[{:,}]" * MAX_VALUES}]


def test_an_alias_counts_as_all_that_it_stands_for() -> None:
    thousand = "- &a [" + "1," * 998 + "1]\n"
    assert len(values(thousand + "- *a\n" * 990)[0]) == 991
    with pytest.raises(Unreadable, match="line 1000: "):
        values(thousand + "- *a\n" * 1000)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, min_size=1), st.booleans())
def test_json_is_read_as_json_reads_it(value: Any, ascii_only: bool) -> None:
    try:
        data = json.dumps(value, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    try:
        assert [document.value for document in read_documents(data)] == [value]
    except Unreadable as refused:
        assert "surrogate" in str(refused) and "\\ud" in data.decode()


octets = st.binary(max_size=200) | st.text(alphabet="a:-? {}[],&*!|>'\"%@`#\n\t01<~é\x00", max_size=60).map(str.encode)


@given(octets)
@example(b"{")
@example(b"%YAML 3.0\n---\na")
@example(b"%TAG ! x\n%TAG ! y\n--- a")
@example(b"a: &a &b c")
def test_any_octets_are_documents_or_unreadable(data: bytes) -> None:
    try:
        read_documents(data)
    except Unreadable as refused:
        assert str(refused).isprintable()
    for problem in read(data, "a.yaml").problems:
        assert problem.message.startswith("cannot ")
