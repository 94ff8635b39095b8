"""The table, 80 columns wide, and the numbers in it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_WIDTH = 80


@dataclass(frozen=True, slots=True)
class Row:
    """A figure `reached` in `unit`; to reach is at most `limit` in the same unit, or at most `ratio_limit` times the
    figure of the `rival`. Without a limit the row only informs."""

    what: str
    unit: str
    reached: float
    limit: float | None = None
    rival: float | None = None
    ratio_limit: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.reached / self.rival if self.rival else None

    @property
    def missed(self) -> bool:
        over = self.limit is not None and self.reached > self.limit
        return over or (self.ratio is not None and self.ratio_limit is not None and self.ratio > self.ratio_limit)

    @property
    def judged(self) -> bool:
        return self.limit is not None or self.ratio_limit is not None


@dataclass(frozen=True, slots=True)
class Section:
    """`failed`: it could not be measured, and the title says why."""

    title: str
    rows: Sequence[Row] = ()
    failed: bool = False

    @property
    def missed(self) -> bool:
        return self.failed or any(row.missed for row in self.rows)


def percentile(samples: Sequence[float], percent: int) -> float:
    """By the nearest rank, so that a sample of infinity (no answer) is one."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def p50_and_p95(
    what: str, unit: str, samples: Sequence[float], limit: float | None = None, rival: Sequence[float] | None = None
) -> list[Row]:
    """The limit is for the p95."""
    return [
        Row(f"{what}, p50", unit, percentile(samples, 50), rival=percentile(rival, 50) if rival else None),
        Row(
            f"{what}, p95 of {len(samples)}",
            unit,
            percentile(samples, 95),
            limit,
            rival=percentile(rival, 95) if rival else None,
        ),
    ]


def draw(sections: Iterable[Section]) -> str:
    lines = [_line("", "reached", "rival", "ratio", "to reach", "")]
    for section in sections:
        lines += ["-" * _WIDTH, textwrap.fill(section.title, _WIDTH), *map(_row, section.rows)]
    return "\n".join(lines)


def _row(row: Row) -> str:
    verdict = ("missed" if row.missed else "ok") if row.judged else ""
    limit = f"{row.ratio_limit:g}x" if row.ratio_limit is not None else _figure(row.limit, row.unit)
    ratio = f"{row.ratio:.1f}x" if row.ratio is not None else ""
    return _line(f"  {row.what}", _figure(row.reached, row.unit), _figure(row.rival, row.unit), ratio, limit, verdict)


def _line(what: str, reached: str, rival: str, ratio: str, limit: str, verdict: str) -> str:
    return f"{what:<36}{reached:>11}{rival:>10}{ratio:>7}{limit:>9} {verdict:<6}".rstrip()


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if math.isinf(value):
        return "never"
    shown = f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:.3g}"
    return f"{shown} {unit}".rstrip()
