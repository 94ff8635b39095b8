"""BGP sessions. There is none yet, and the question is already there."""

from __future__ import annotations

from typing import Any

import click

from mlbd.ctl.client import Client
from mlbd.ctl.output import Output, options
from mlbd.ctl.tables import Screen

NONE = "No sessions: mlbd does not speak BGP yet, BGPPeers are only read and checked."


@click.command()
@options
@click.pass_obj
def command(client: Client, output: Output) -> None:
    """BGP peers and their sessions."""
    output.show(lambda: client.get("peers"), draw, NONE)


def draw(peers: Any, screen: Screen, wide: bool) -> list[str]:
    return []
