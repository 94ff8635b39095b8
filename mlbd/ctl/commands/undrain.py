"""Give this node its addresses back."""

from __future__ import annotations

import click

from mlbd.ctl.client import Client
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
    if drain:
        was = since(drain["since"], drain["reason"])
        click.echo(f"This node was drained {was}; `mlbctl services` shows what it holds now.", err=True)
    else:
        click.echo("This node is not drained: nothing is changed.", err=True)
