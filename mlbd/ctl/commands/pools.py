"""Where addresses come from, and how many are left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from mlbd.ctl.client import Client
from mlbd.ctl.output import Output, options
from mlbd.ctl.tables import Column, Screen, table
from mlbd.ctl.words import addresses

COLUMNS = (
    Column("NAME", elastic=True),
    Column("KIND", elastic=True),
    Column("IPV4 USED", right=True),
    Column("OF", right=True),
    Column("IPV6 USED", right=True),
    Column("OF", right=True),
    Column("SERVICES", right=True),
    Column("NODES", right=True),
    Column("NODE NAMES", wide=True),
    Column("INTERFACES", wide=True),
    Column("RANGES", wide=True),
)


@click.command()
@options
@click.pass_obj
def command(client: Client, output: Output) -> None:
    """Classes and pools, and how many of their addresses are in use."""
    output.show(lambda: client.get("pools"), draw, "No class or pool is known: no Service can get an address.")


def draw(pools: Any, screen: Screen, wide: bool) -> list[str]:
    return table(screen, COLUMNS, map(_row, pools), wide)


def _row(pool: Any) -> Sequence[str]:
    return (
        pool["name"],
        pool["kind"],
        str(pool["used_ipv4"]),
        addresses(pool["total_ipv4"]),
        str(pool["used_ipv6"]),
        addresses(pool["total_ipv6"]),
        str(pool["services"]),
        str(len(pool["nodes"])),
        ",".join(pool["nodes"]),
        ",".join(pool["interfaces"]) or "all",
        ",".join(pool["ranges"]),
    )
