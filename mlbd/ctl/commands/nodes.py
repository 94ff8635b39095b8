"""Who may hold addresses, and how many each does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from mlbd.ctl.client import Client
from mlbd.ctl.output import Output, options
from mlbd.ctl.tables import Column, Screen, table

COLUMNS = (
    Column("NODE", elastic=True),
    Column("HERE"),
    Column("HOLDS", right=True),
    Column("CLASSES", elastic=True),
    Column("WHY NONE", elastic=True),
    Column("ADDRESSES", wide=True),
)


@click.command()
@options
@click.pass_obj
def command(client: Client, output: Output) -> None:
    """The nodes, and how many addresses each holds.

    Also the classes that a node belongs to, and why it may hold none. HERE marks the node that answers.
    """
    output.show(lambda: client.get("nodes"), draw, "No Node is known: put its manifest into a state directory.")


def draw(nodes: Any, screen: Screen, wide: bool) -> list[str]:
    return table(screen, COLUMNS, map(_row, nodes), wide)


def _row(node: Any) -> Sequence[str]:
    return (
        node["name"],
        "yes" if node["me"] else "",
        str(node["holds"]),
        ",".join(node["classes"]),
        node["message"],
        ",".join(node["addresses"]),
    )
