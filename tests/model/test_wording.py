from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlbd.model.wording import displayed, listed


@pytest.mark.parametrize(
    ("values", "text"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c"), ("abcd", "a, b, c and d")],
)
def test_listed(values: list[str], text: str) -> None:
    assert listed(values) == text
    assert listed(iter(values), "or") == text.replace(" and ", " or ")


def test_listed_is_cut_when_there_are_more_than_asked_for() -> None:
    assert listed("abc", most=3) == "a, b and c"
    assert listed("abcde", most=3) == "a, b, c and 2 more"


def test_a_path_is_shown_whatever_its_octets_are() -> None:
    assert displayed(Path("/srv/ä b.yaml")) == "/srv/ä b.yaml"
    assert displayed(Path(os.fsdecode(b"/srv/\xff.yaml"))) == "/srv/\\xff.yaml"
