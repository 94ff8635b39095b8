"""What mlbctl ends with: a number for scripts and one kind sentence, with what to do, for people."""

from __future__ import annotations

from enum import IntEnum
from typing import IO, Any

import click


class Exit(IntEnum):
    OK = 0
    WRONG = 1  # asked and answered, and the answer is that something is wrong
    USAGE = 2  # click's own
    UNREACHABLE = 4
    DENIED = 5
    NOT_FOUND = 6


class CtlError(click.ClickException):
    """The command cannot be done; the text starts with "cannot" and ends with what to do."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"mlbctl: {self.message}", err=True, file=file)


class Unreachable(CtlError):
    exit_code = Exit.UNREACHABLE


class Denied(CtlError):
    exit_code = Exit.DENIED


class NotFound(CtlError):
    exit_code = Exit.NOT_FOUND
