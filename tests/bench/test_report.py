"""A benchmark that always says ok is worse than none."""

from __future__ import annotations

import math

from .report import Row, Section, draw, percentile


def test_percentiles_are_samples_by_the_nearest_rank() -> None:
    samples = [float(number) for number in range(100, 0, -1)]
    assert [percentile(samples, percent) for percent in (50, 95, 99, 100)] == [50, 95, 99, 100]


def test_a_question_that_was_never_answered_is_the_slowest() -> None:
    assert percentile([1.0, math.inf, 2.0], 99) == math.inf
    assert percentile([1.0, math.inf, 2.0], 50) == 2.0


def test_a_limit_is_met_to_the_point_and_missed_beyond() -> None:
    assert not Row("memory", "MB", 90, limit=90).missed
    assert Row("memory", "MB", 90.1, limit=90).missed
    assert not Row("memory", "MB", 1e9).missed


def test_a_ratio_is_of_the_rival() -> None:
    assert not Row("answer", "us", 90, rival=15, ratio_limit=6).missed
    assert Row("answer", "us", 91, rival=15, ratio_limit=6).missed
    assert Row("answer", "us", math.inf, rival=15, ratio_limit=6).missed


def test_one_row_or_a_failure_makes_a_section_missed() -> None:
    good, bad = Row("start", "s", 1, limit=3), Row("start", "s", 4, limit=3)
    assert not Section("starts", [good]).missed
    assert Section("starts", [good, bad]).missed
    assert Section("cannot measure starts", failed=True).missed


def test_the_table_is_80_columns_wide_and_shows_every_figure() -> None:
    row = Row("NDP, both cores busy, p99 of 2,000", "us", 123_456, rival=1_234.5, ratio_limit=6)
    lines = draw([Section("An answer " * 12, [row, Row("change", "ms", 42.25, limit=50)])]).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-2].split()[-7:] == ["123,456", "us", "1,234", "us", "100.0x", "6x", "missed"]
    assert lines[-1].split() == ["change", "42.2", "ms", "50", "ms", "ok"]
