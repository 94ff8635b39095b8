"""BGP sessions. Every daemon of today answers with none: BGP is not spoken yet, and the question is already there."""

from __future__ import annotations

from typing import Any

import click

from mlbd.ctl.client import Client
from mlbd.ctl.output import Output, options
from mlbd.ctl.tables import Column, Screen, table

COLUMNS = (Column("PEER"), Column("STATE"))


@click.command()
@options
@click.pass_obj
def command(client: Client, output: Output) -> None:
    """BGP peers and their sessions."""
    output.show(lambda: client.get("peers"), draw, "No BGP peers are configured.")


def draw(peers: Any, screen: Screen, wide: bool) -> list[str]:
    return table(screen, COLUMNS, ((peer["name"], peer["state"]) for peer in peers), wide)
