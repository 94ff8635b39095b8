"""Have mlbd read everything again, although it notices changes by itself."""

from __future__ import annotations

from typing import Any

import click

from mlbd.ctl.client import Client
from mlbd.ctl.errors import Exit
from mlbd.ctl.output import Format, Output, format_option

from .status import draw, healthy


@click.command()
@format_option
@click.pass_obj
def command(client: Client, format: Format) -> None:
    """Read settings and state directories again.

    For root and the admin group of mlbd.yaml; changed files are noticed without it. Prints the status that follows,
    and exits as `mlbctl status` does.
    """
    summary: Any = Output(format).show(lambda: client.post("reload"), draw)
    if not healthy(summary):
        raise click.exceptions.Exit(Exit.WRONG)
