from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from mlbd.ctl.tables import Column, Screen, sentence, table
from mlbd.ctl.words import addresses, clock, counted, duration, interval, printable, subject, told

COLUMNS = (Column("NAME", repeats=True, elastic=True), Column("N", right=True), Column("MORE", wide=True))


def test_columns_are_as_wide_as_their_longest_cell() -> None:
    assert table(Screen(), COLUMNS, [("a", "1", "x"), ("much longer", "100", "")]) == [
        "NAME           N",
        "a              1",
        "much longer  100",
    ]


def test_wide_has_more_columns_and_no_end() -> None:
    name = "n" * 100
    assert table(Screen(40), COLUMNS, [(name, "1", "")], wide=True)[1] == f"{name}  1  -"


@pytest.mark.parametrize("width", range(1, 40))
def test_only_elastic_columns_give_way_and_only_so_far(width: int) -> None:
    columns = (Column("A", elastic=True), Column("FIXED"), Column("B", elastic=True))
    head, line = table(Screen(width), columns, [("a" * 20, "0123456789", "b" * 12)])
    assert "0123456789" in line
    assert max(len(head), len(line)) <= max(width, 8 + 2 + 10 + 2 + 8)
    assert ("…" in line) == (len(line) < 46)


def test_repeated_cells_are_blank_only_at_a_terminal_and_within_one_thing() -> None:
    columns = (Column("A", repeats=True), Column("B", repeats=True), Column("C"))
    rows = [("x", "1", "c"), ("x", "1", "c"), ("y", "1", "c")]
    assert table(Screen(80, terminal=True), columns, rows)[1:] == ["x  1  c", "      c", "y  1  c"]
    assert table(Screen(), columns, rows)[1:] == ["x  1  c", "x  1  c", "y  1  c"]


def test_sentences_wrap_but_never_break_a_word() -> None:
    words = "a command-with-dashes and a-very-long-word-that-has-no-place"
    assert sentence(Screen(24), words, "  ") == [
        "  a command-with-dashes",
        "    and",
        "    a-very-long-word-that-has-no-place",
    ]
    assert sentence(Screen(), words) == [words]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (192, "3m 12s"),
        (3600, "1h"),
        (3605, "1h"),
        (18_120, "5h 2m"),
        (86_400 * 12 + 4 * 3600 + 59, "12d 4h"),
        (86_400 * 100, "100d"),
    ],
)
def test_durations_in_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_times_are_local() -> None:
    assert os.environ["TZ"] == "CET-1"
    assert clock(1795356187.9) == "Nov 22 15:03:07"


def test_words() -> None:
    assert [counted(number, "file") for number in (0, 1, 2)] == ["no files", "1 file", "2 files"]
    assert [counted(number, "address") for number in (0, 1, 2)] == ["no addresses", "1 address", "2 addresses"]
    assert [interval(seconds) for seconds in (0.02, 0.3, 1.5, 30)] == ["20 ms", "300 ms", "1.5 s", "30 s"]
    assert [addresses(total) for total in (0, 254, 2**20, 2**62, 2**63 - 1)] == ["0", "254", "2^20", "2^62", "2^63+"]


def test_control_characters_are_spelled_out() -> None:
    assert printable("a\x1b[2J\n\x9b\u202eb\u00e9…") == "a\\u001b[2J\\u000a\\u009b\\u202eb\u00e9…"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("cannot do it", "Node a: cannot do it (spec.x in a.yaml)"),
        ("cannot use Node a: spec.x is no list", "cannot use Node a: spec.x is no list (a.yaml)"),
        ("cannot use spec.x of Node a in a.yaml: no list", "cannot use spec.x of Node a in a.yaml: no list"),
        ("cannot use it, there is a Node a", "Node a: cannot use it, there is a Node a (spec.x in a.yaml)"),
    ],
)
def test_problems_name_object_field_and_file_once(message: str, text: str) -> None:
    assert told({"object": "Node a", "field": "spec.x", "message": message}, "a.yaml") == text


def test_annotations_go_by_their_name() -> None:
    problem = {"object": "Service a", "field": "metadata.annotations[x.io/count]", "message": "cannot read 'b'"}
    assert told(problem) == "Service a: cannot read 'b' (annotation x.io/count)"


def test_what_is_about_mlbd_need_not_say_so() -> None:
    assert subject("mlbd", "cannot guard VIPs") == ""


def test_a_command_is_never_broken() -> None:
    text = "cannot see: `journalctl -u mlbd` tells"
    assert sentence(Screen(24), text) == ["cannot see:", "  `journalctl -u mlbd`", "  tells"]
    assert sentence(Screen(), text) == [text]
