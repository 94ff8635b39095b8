"""How every command shows its answer: -o and --watch, and where the words go."""

from __future__ import annotations

import functools
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import click

from .errors import CtlError, Exit
from .tables import Screen

WATCH_SECONDS = 2.0


class Format(StrEnum):
    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


#: Draws a value: (value, screen, wide) -> lines.
Draw = Callable[[Any, Screen, bool], list[str]]


@dataclass(frozen=True, slots=True)
class Output:
    format: Format
    watch: bool = False

    @property
    def wide(self) -> bool:
        return self.format is Format.WIDE

    @property
    def for_people(self) -> bool:
        return self.format in (Format.TABLE, Format.WIDE)

    def show(self, fetch: Callable[[], Any], draw: Draw, empty: str = "") -> Any:
        """Fetch and print once, or with --watch again and again; returns the value. A value without anything in it is
        `empty`, a sentence on standard error, to people, and [] to programs."""
        if self.watch:
            self._watch(fetch, draw, empty)
        value = fetch()
        if self.for_people and empty and not value:
            click.echo(empty, err=True)
        else:
            click.echo(self.text(value, draw, screen()))
        return value

    def text(self, value: Any, draw: Draw, on: Screen) -> str:
        match self.format:
            case Format.JSON:
                return json.dumps(value, indent=2)
            case Format.YAML:
                return _yaml(value)
        return "\n".join(draw(value, on, self.wide))

    def _watch(self, fetch: Callable[[], Any], draw: Draw, empty: str) -> None:
        """Until Ctrl-C. What cannot be fetched now may be there again in a moment, so an error is only shown."""
        paint = _full_screen() if sys.stdout.isatty() else click.echo
        with until_interrupted():
            while True:
                try:
                    value = fetch()
                    paint(empty if self.for_people and empty and not value else self.text(value, draw, screen()))
                except CtlError as error:
                    paint(f"mlbctl: {error.message}")
                time.sleep(WATCH_SECONDS)


@contextmanager
def until_interrupted() -> Iterator[None]:
    """For what has no other end: Ctrl-C is then no failure."""
    try:
        yield
    except KeyboardInterrupt:
        raise click.exceptions.Exit(Exit.OK) from None


def screen() -> Screen:
    """Standard output as it is now: a terminal has a width, and colours unless NO_COLOR is set (no-color.org)."""
    if not sys.stdout.isatty():
        return Screen()
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return Screen(shutil.get_terminal_size().columns, True, not plain)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command -o and --watch; it gets them as one `output`."""

    @click.option("-w", "--watch", is_flag=True, help=f"Show it again every {WATCH_SECONDS:.0f} seconds, until Ctrl-C.")
    @format_option
    @functools.wraps(command)
    def with_output(*args: Any, format: Format, watch: bool, **kwargs: Any) -> Any:
        return command(*args, output=Output(format, watch), **kwargs)

    return with_output


def format_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "-o",
        "--output",
        "format",
        type=click.Choice([format.value for format in Format]),
        callback=lambda ctx, parameter, value: Format(value),
        default=Format.TABLE.value,
        show_default=True,
        help="A table, one with more columns, or all there is as JSON or YAML.",
    )(command)


def _yaml(value: Any) -> str:
    import yaml  # only those who ask for YAML wait for it

    return yaml.dump(value, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False).rstrip()


def _full_screen() -> Callable[[str], None]:
    """Draws in place on the terminal's second page, which is gone with the program."""
    from rich.live import Live
    from rich.text import Text

    live = Live(screen=True, auto_refresh=False)
    live.start()
    click.get_current_context().call_on_close(live.stop)

    def paint(text: str) -> None:
        live.update(Text.from_ansi(text, no_wrap=True, overflow="crop"), refresh=True)

    return paint
