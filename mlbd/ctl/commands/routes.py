"""What this node announces over BGP, route by route."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from mlbd.ctl.client import Client
from mlbd.ctl.output import Output, options
from mlbd.ctl.tables import Column, Screen, table

COLUMNS = (
    Column("PEER", repeats=True, elastic=True),
    Column("PREFIX"),
    Column("NEXT HOP", elastic=True),
    Column("SERVICES", elastic=True),
    Column("COMMUNITIES", elastic=True),
    Column("LOCAL PREF", right=True),
)


@click.command()
@click.option("--peer", metavar="NAME", help="Only what this peer hears.")
@options
@click.pass_obj
def command(client: Client, peer: str | None, output: Output) -> None:
    """The routes that this node announces over BGP.

    NEXT HOP is there as long as the session is established. SERVICES are those that a prefix is announced for,
    COMMUNITIES and LOCAL PREF (told to internal peers only) what is said of it. Routes of peers are counted by
    `mlbctl peers` and never used.
    """
    query = {} if peer is None else {"peer": peer}
    to = "" if peer is None else f" to {peer}"
    output.show(lambda: client.get("routes", **query), draw, f"No route is announced over BGP{to}.")


def draw(routes: Any, screen: Screen, wide: bool) -> list[str]:
    return table(screen, COLUMNS, map(_row, routes), wide)


def _row(route: Any) -> Sequence[str]:
    preference = route["local_pref"]
    return (
        route["peer"],
        route["prefix"],
        route["next_hop"],
        ",".join(route["services"]),
        ",".join(route["communities"]),
        "" if preference is None else str(preference),
    )
