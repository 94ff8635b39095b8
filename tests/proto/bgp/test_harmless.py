from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from .harmless import check

CAPTURED = [bytes.fromhex(case["octets"]) for case in json.loads(Path(__file__).with_name("captures.json").read_text())]


@given(st.integers(0, 255), st.binary(max_size=300) | st.sampled_from(CAPTURED))
def test_any_octets(choice: int, octets: bytes) -> None:
    check(bytes((choice,)) + octets)


@given(st.integers(0, 255), st.sampled_from(CAPTURED), st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255))))
def test_what_others_send_with_some_octets_changed(choice: int, octets: bytes, changes: list[tuple[int, int]]) -> None:
    changed = bytearray(octets)
    for place, value in changes:
        changed[place % len(octets)] = value
    check(bytes((choice,)) + changed)
    check(bytes((choice,)) + changed[19:])
