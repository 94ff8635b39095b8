"""Take the addresses off this node before it is worked on, or only see where they would go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from mlbd.ctl.client import Client
from mlbd.ctl.errors import Exit
from mlbd.ctl.output import Format, Output, format_option, screen
from mlbd.ctl.tables import Column, Screen, sentence, table
from mlbd.ctl.words import counted, since
from mlbd.model.drain import flaw
from mlbd.model.wording import listed

COLUMNS = (
    Column("ADDRESS"),
    Column("SERVICE", elastic=True),
    Column("TO"),
)
NOBODY = "nobody"
UNMOVED = "unmoved"
_WHY = "`mlbctl why {}` says who may"


def _reason(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    if wrong := flaw(value):
        raise click.BadParameter(wrong)
    return value


@click.command()
@click.option(
    "--reason", metavar="TEXT", default="", callback=_reason, help="Why, for `mlbctl status` and the journal."
)
@click.option("--simulate", is_flag=True, help="Change nothing, and show what would move where.")
@format_option
@click.pass_obj
def command(client: Client, reason: str, simulate: bool, format: Format) -> None:
    """Hand all addresses of this node to other nodes.

    It holds none from then on, over restarts too, until `mlbctl undrain`. BGP peers hear first that they should take
    other paths, then that there is no path here, and why. TO is the node that takes an address, or
    nobody, or "unmoved" when this node holds it still. Until that node announces, this one goes on answering. For
    root and the admin group of mlbd.yaml; --simulate is for all who may ask.

    Exits with 1 when nobody takes an address, or when this node still holds one after 5 seconds.
    """
    output = Output(format)
    before = client.get("drain")
    value = before if simulate else _drained(client, before, reason)
    if value["moves"] or not output.for_people:
        output.show(lambda: value, draw)
    if output.for_people:
        click.echo("\n".join(sentence(screen(), _forecast(value) if simulate else _outcome(value, before))), err=True)
    if _unserved(value) or not (simulate or _done(value)):
        raise click.exceptions.Exit(Exit.WRONG)


def _drained(client: Client, before: Any, reason: str) -> Any:
    """What there was to move, the drain, and the addresses that are left."""
    value = before | {"drain": client.post("drain", reason=reason)}
    left = [] if _done(value) else client.get("drain")["moves"]
    return value | {"left": [move["address"] for move in left]}


def _done(value: Any) -> bool:
    return bool(value["drain"] and value["drain"]["done"])


def _unserved(value: Any) -> list[str]:
    return [move["address"] for move in value["moves"] if move["to"] is None]


def draw(value: Any, screen: Screen, wide: bool) -> list[str]:
    left = frozenset(value.get("left", ()))
    return table(screen, COLUMNS, (_row(move, left) for move in value["moves"]), wide)


def _row(move: Any, left: frozenset[str]) -> Sequence[str]:
    to = UNMOVED if move["address"] in left else move["to"] or NOBODY
    return move["address"], ",".join(move["services"]), to


def _forecast(value: Any) -> str:
    moves, peers = value["moves"], value["peers"]
    if drain := value["drain"]:
        still = f" and still holds {counted(len(moves), 'address')}" if moves else ""
        return f"This node is drained already, {since(drain['since'], drain['reason'])}{still}."
    if not moves and not peers:
        return "This node holds no address: nothing would move."
    if alone := _unserved(value):
        return f"Nothing is changed. Nobody would hold {_named(alone)}: {_WHY.format(alone[0])}."
    hand = [f"hand {counted(len(moves), 'address')} to other nodes"] if moves else []
    withdraw = [f"withdraw all routes from {counted(len(peers), 'BGP peer')}"] if peers else []
    return f"Nothing is changed. A drain would {' and '.join(hand + withdraw)}."


def _outcome(value: Any, before: Any) -> str:
    drain, moves, peers = value["drain"], value["moves"], value["peers"]
    if not drain:
        return "This node is not drained: somebody ended the drain."
    if not drain["done"]:
        what = counted(len(value["left"]), "address") if value["left"] else "what it held"
        return f"This node is drained and still hands over {what}; `mlbctl drain` waits again."
    if alone := _unserved(value):
        return f"This node is drained. Nobody holds {_named(alone)}: {_WHY.format(alone[0])}."
    if before["drain"] and not moves:
        return f"This node is drained already, {since(drain['since'], drain['reason'])}; `mlbctl undrain` ends it."
    handed = [f"handed {counted(len(moves), 'address')} to other nodes"] if moves else []
    withdrew = [f"withdrew all routes from {counted(len(peers), 'BGP peer')}"] if peers else []
    what = " and ".join(handed + withdrew) or "held no address"
    return f"This node is drained and {what}; `mlbctl undrain` ends it."


def _named(addresses: list[str]) -> str:
    return listed(addresses, most=3)
