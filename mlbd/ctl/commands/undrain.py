"""Give this node its addresses back."""

from __future__ import annotations

from typing import Any

import click

from mlbd.ctl.client import Client
from mlbd.ctl.output import screen
from mlbd.ctl.tables import sentence
from mlbd.ctl.words import since


@click.command()
@click.pass_obj
def command(client: Client) -> None:
    """Let this node hold addresses again.

    It takes back those that it stands first for, each once it is ready to answer. For root and the admin group of
    mlbd.yaml.
    """
    drain = client.get("drain")["drain"]
    client.post("undrain")
    click.echo("\n".join(sentence(screen(), _outcome(drain))), err=True)


def _outcome(drain: Any) -> str:
    if not drain:
        return "This node is not drained: nothing is changed."
    was = since(drain["since"], drain["reason"])
    return f"This node was drained {was}; `mlbctl services` shows what it holds now."
