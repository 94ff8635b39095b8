"""Where this node can announce."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from mlbd.ctl.client import Client
from mlbd.ctl.output import Output, options
from mlbd.ctl.tables import Column, Screen, table

COLUMNS = (
    Column("LINK"),
    Column("STATE"),
    Column("HOLDS", right=True),
    Column("MAC"),
    Column("WHY UNUSABLE", elastic=True),
    Column("INDEX", right=True, wide=True),
    Column("ADDRESSES", wide=True),
)


@click.command()
@options
@click.pass_obj
def command(client: Client, output: Output) -> None:
    """The links of this node, and which can announce.

    Also how many addresses each announces, and why the others cannot.
    """
    output.show(lambda: client.get("links"), draw, "This node has no links.")


def draw(links: Any, screen: Screen, wide: bool) -> list[str]:
    return table(screen, COLUMNS, map(_row, links), wide)


def _row(link: Any) -> Sequence[str]:
    return (
        link["name"],
        "usable" if link["usable"] else "unusable",
        str(link["holds"]),
        link["mac"],
        link["message"],
        str(link["index"]),
        ",".join(link["addresses"]),
    )
