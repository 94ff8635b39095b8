"""Who may hold addresses, how many each does, and what is known of their lives."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import click

from mlbd.ctl import bfd
from mlbd.ctl.client import Client
from mlbd.ctl.errors import NotFound
from mlbd.ctl.output import Output, options
from mlbd.ctl.tables import Column, Screen, sentence, table
from mlbd.ctl.words import ago, compact, counted, interval, lasting

COLUMNS = (
    Column("NODE", repeats=True, elastic=True),
    Column("HERE", repeats=True),
    Column("STATE", repeats=True),
    Column("SINCE", repeats=True),
    Column("HOLDS", repeats=True, right=True),
    Column("CLASSES", repeats=True, elastic=True),
    Column("WHY NONE", repeats=True, elastic=True),
    Column("ADDRESSES", repeats=True, wide=True),
    Column("LINK", wide=True),
    Column("LOCAL", wide=True),
    Column("REMOTE", wide=True),
    Column("BFD", wide=True),
    Column("ITS BFD", wide=True),
    Column("SINCE", wide=True),
    Column("INTERVAL", right=True, wide=True),
    Column("DETECTION", right=True, wide=True),
    Column("UPS", right=True, wide=True),
    Column("DOWNS", right=True, wide=True),
    Column("DIAGNOSTIC", wide=True),
    Column("ITS DIAGNOSTIC", wide=True),
)
#: What a presence means, for the eyes of somebody who wonders.
MEANINGS = {
    "alive": "It is heard.",
    "down": "It should be heard and is not: it is off, it hangs, or the network between it and this node is cut. "
    "Other nodes hold what it held.",
    "drained": "It said itself that it holds nothing: it was drained, or mlbd ended there. Other nodes hold what it "
    "held.",
    "unwatched": "No address is known to watch it at: it counts as alive, and nobody takes over when it dies. Give its "
    "Node an InternalIP in status.addresses.",
    "apart": "It shares no class and no pool with this node, which need not know.",
}
HERE = "It is this node."
LOOKS_AWAY = "This node is drained and watches no other."
_LABEL = 11


@click.command()
@click.argument("name", required=False)
@options
@click.pass_obj
def command(client: Client, name: str | None, output: Output) -> None:
    """The nodes, who is alive, and how many addresses each holds.

    STATE is what this node knows of another's life: alive, down (not heard: off, hung or cut off), drained (it said
    itself that it holds nothing: it was drained, or mlbd ended there), unwatched (no address is known to watch it at,
    or this node is drained; it counts as alive), apart (it shares no class and no pool with this node). SINCE is how
    long. HERE marks the node that answers; WHY NONE says why a node may hold no address.

    With NAME, all about that node and its BFD sessions, in sentences; as a wide table, a line a session.
    """
    output.show(
        lambda: _fetch(client, name),
        draw if name is None or output.wide else draw_each,
        "No Node is known: put its manifest into a state directory.",
    )


def _fetch(client: Client, name: str | None) -> Any:
    nodes = client.get("nodes")
    if name is None:
        return nodes
    if found := [node for node in nodes if node["name"] == name]:
        return found
    raise NotFound(f"cannot find a node {name}; `mlbctl nodes` lists all")


def draw(nodes: Any, screen: Screen, wide: bool) -> list[str]:
    now = time.time()
    return table(screen, COLUMNS, (row for node in nodes for row in _rows(node, now, wide)), wide)


def _rows(node: Any, now: float, wide: bool) -> Iterator[Sequence[str]]:
    about = (
        node["name"],
        "yes" if node["me"] else "",
        node["presence"],
        compact(ago(_since(node), now)),
        str(node["holds"]),
        ",".join(node["classes"]),
        node["message"],
        ",".join(node["addresses"]),
    )
    sessions = (_session(session, now) for session in node["sessions"])
    for session in sessions if wide and node["sessions"] else [("",) * (len(COLUMNS) - len(about))]:
        yield *about, *session


def _session(session: Any, now: float) -> Sequence[str]:
    return (
        session["link"],
        session["local"],
        session["remote"],
        session["state"],
        session["remote_state"],
        compact(ago(session["since"], now)),
        compact(interval(session["interval"])),
        compact(interval(session["detection"])),
        str(session["ups"]),
        str(session["downs"]),
        session["diagnostic"],
        session["remote_diagnostic"],
    )


def _since(node: Any) -> float:
    """When its presence was last another: it is alive by its oldest session that is up, and else for as long as none
    is."""
    up = [session["since"] for session in node["sessions"] if session["state"] == "up"]
    return min(up) if up else max((session["since"] for session in node["sessions"]), default=0.0)


def draw_each(nodes: Any, screen: Screen, wide: bool) -> list[str]:
    now = time.time()
    return [line for node in nodes for line in _whole(node, now, screen)]


def _whole(node: Any, now: float, screen: Screen) -> Iterator[str]:
    yield screen.bold(f"{node['name']}: {lasting(node['presence'], _since(node), now)}")
    yield from sentence(screen, _meaning(node))
    for label, text in (*_facts(node), *(("BFD", bfd.in_words(session, now)) for session in node["sessions"])):
        yield from sentence(screen, f"{label:{_LABEL}}{text}")


def _meaning(node: Any) -> str:
    if node["me"]:
        return HERE
    looks_away = node["presence"] == "unwatched" and node["sessions"]
    return LOOKS_AWAY if looks_away else MEANINGS[node["presence"]]


def _facts(node: Any) -> Iterator[tuple[str, str]]:
    yield "Addresses", ", ".join(node["addresses"]) or "none are known"
    yield "Classes", ", ".join(node["classes"]) or "none"
    yield "Holds", counted(node["holds"], "address") + (f": {node['message']}" if node["message"] else "")
