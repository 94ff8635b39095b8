"""Tables for eyes and for grep. On a terminal: bold heads, colours, a repeated cell left blank, long texts cut at its
width. Piped: the same words plain and in full, and every line complete.

Not rich's tables: a thousand rows take it a third of a second, and these a few milliseconds.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import click

from .words import printable

#: Words of states and severities that have a colour.
_COLOURS = {
    "holding": "green",
    "advertised": "green",
    "established": "green",
    "usable": "green",
    "alive": "green",
    "up": "green",
    "standby": "cyan",
    "drained": "cyan",
    "listening": "cyan",
    "admin-down": "cyan",
    "waiting": "yellow",
    "leaving": "yellow",
    "probing": "yellow",
    "warning": "yellow",
    "unwatched": "yellow",
    "init": "yellow",
    "connect": "yellow",
    "active": "yellow",
    "open-sent": "yellow",
    "open-confirm": "yellow",
    "silent": "red",
    "conflict": "red",
    "error": "red",
    "unusable": "red",
    "down": "red",
    "idle": "red",
    "nobody": "red",
    "unmoved": "red",
}
_NARROWEST = 8
_GAP = "  "
_COMMAND = re.compile("`[^`]*`")
_NO_BREAK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Screen:
    """Where text will stand: `width` in columns (None: no end), whether it is a terminal, and whether with colours."""

    width: int | None = None
    terminal: bool = False
    colour: bool = False

    def bold(self, text: str) -> str:
        return click.style(text, bold=True) if self.colour else text

    def coloured(self, text: str) -> str:
        """With the colour of the state or severity that it is."""
        return click.style(text, fg=_COLOURS[text]) if self.colour and text in _COLOURS else text


@dataclass(frozen=True, slots=True)
class Column:
    """`repeats`: said once for consecutive rows on a terminal. `elastic`: may be cut. `right`: of numbers. `wide`: only
    where the user asked for more."""

    title: str
    repeats: bool = False
    elastic: bool = False
    right: bool = False
    wide: bool = False


def table(screen: Screen, columns: Sequence[Column], rows: Iterable[Sequence[str]], wide: bool = False) -> list[str]:
    """Lines: a head, then one a row. Rows have a cell for every column, the wide ones too; an empty one is a dash."""
    chosen = [i for i, column in enumerate(columns) if wide or not column.wide]
    shown = [columns[i] for i in chosen]
    cells = [[printable(row[i]) or "-" for i in chosen] for row in rows]
    widths = _widths(None if wide else screen.width, shown, cells)
    lines = [screen.bold(_line(Screen(), shown, widths, [column.title for column in shown]))]
    above: list[str] = []
    for row in cells:
        lines.append(_line(screen, shown, widths, _unrepeated(shown, row, above) if screen.terminal else row))
        above = row
    return lines


def sentence(screen: Screen, text: str, indent: str = "") -> list[str]:
    """`text` wrapped to the screen, further lines two columns deeper, a command in ` ` on one of them; on no terminal
    one line."""
    text = printable(text)
    if screen.width is None:
        return [indent + text]
    lines = textwrap.wrap(
        _COMMAND.sub(lambda command: command[0].replace(" ", _NO_BREAK), text),
        screen.width,
        initial_indent=indent,
        subsequent_indent=indent + _GAP,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_NO_BREAK, " ") for line in lines]


def _widths(limit: int | None, columns: Sequence[Column], cells: list[list[str]]) -> list[int]:
    """The widths of the longest cells; beyond `limit` the widest elastic columns give way."""
    widths = [max(map(len, column)) for column in zip([column.title for column in columns], *cells, strict=True)]
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - limit if limit else 0
    elastic = [i for i, column in enumerate(columns) if column.elastic]
    for _ in range(excess):
        widest = max(elastic, key=lambda i: widths[i], default=None)
        if widest is None or widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
    return widths


def _line(screen: Screen, columns: Sequence[Column], widths: list[int], row: Sequence[str]) -> str:
    return _GAP.join(map(_cell, [screen] * len(row), columns, widths, row)).rstrip()


def _cell(screen: Screen, column: Column, width: int, text: str) -> str:
    cut = text if len(text) <= width else text[: width - 1] + "…"
    blank = " " * (width - len(cut))
    return blank + cut if column.right else screen.coloured(cut) + blank


def _unrepeated(columns: Sequence[Column], row: list[str], above: list[str]) -> list[str]:
    """Blank where it says what the row above says, but only in rows about the same thing."""
    if not above or row[0] != above[0]:
        return row
    return [
        "" if column.repeats and cell == old else cell for column, cell, old in zip(columns, row, above, strict=True)
    ]
