"""BGP sessions: a line each, one in full, and a new beginning. What is wrong comes last, where eyes are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from mlbd.ctl import peer_in_full
from mlbd.ctl.client import Client
from mlbd.ctl.errors import CtlError, NotFound
from mlbd.ctl.output import Output, options, screen
from mlbd.ctl.tables import Column, Screen, sentence, table
from mlbd.ctl.words import ago, compact

COLUMNS = (
    Column("PEER", elastic=True),
    Column("ADDRESS", elastic=True),
    Column("AS", right=True),
    Column("STATE"),
    Column("SINCE"),
    Column("SENT", right=True),
    Column("BFD"),
    Column("WHY NOT", elastic=True),
    Column("FAMILIES", wide=True),
    Column("RECEIVED", right=True, wide=True),
    Column("LOCAL", wide=True),
    Column("LOCAL AS", right=True, wide=True),
    Column("HOLD", right=True, wide=True),
    Column("KEEPALIVE", right=True, wide=True),
    Column("UPS", right=True, wide=True),
    Column("LOSSES", right=True, wide=True),
    Column("ERROR SINCE", wide=True),
    Column("LAST ERROR", wide=True),
)
NONE = "No BGP session is asked of this node: put a BGPPeer that selects it into a state directory."


@click.command()
@click.argument("name")
@click.option("--soft", is_flag=True, help="Keep the session: all routes are sent again and asked for.")
@click.pass_obj
def reset(client: Client, name: str, soft: bool) -> None:
    """End the session with a peer and begin anew.

    The peer forgets the routes of this node meanwhile, unless --soft is given. For root and the admin group of
    mlbd.yaml.
    """
    peer = client.post("peers", name, "reset", **({"soft": "true"} if soft else {}))
    if soft and peer["state"] != "established":
        raise CtlError(
            f"cannot send {name} its routes again: the session is not established, it is {peer['state']}; "
            f"`mlbctl peers {name}` tells why"
        )
    click.echo("\n".join(sentence(screen(), _outcome(name, soft))), err=True)


def _outcome(name: str, soft: bool) -> str:
    if soft:
        return f"All routes are sent to {name} again, and its own are asked for."
    return f"The session with {name} is ended and begins anew; `mlbctl peers {name}` shows how it goes."


class _Peers(click.Command):
    """After the word `reset` it is that command; a peer of this name is shown by `peers -- reset`."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args[:1] == ["reset"]:
            return reset.make_context(f"{info_name} reset", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=_Peers, options_metavar="[reset] [OPTIONS]")
@click.argument("name", required=False)
@options
@click.pass_obj
def command(client: Client, name: str | None, output: Output) -> None:
    """BGP peers and their sessions.

    STATE is that of RFC 4271: idle, connect, active, open-sent, open-confirm, established; or listening, of a network
    whose hosts may connect. SINCE is how long a session has been established, or how long ago it was lost, SENT how
    many prefixes the peer hears from this node, WHY NOT why a session is not established, or what cannot be announced
    in it.

    With NAME, all about that session, in sentences. `mlbctl peers reset NAME` ends it and begins anew, with --soft it
    sends all routes again.
    """
    output.show(lambda: _fetch(client, name), draw if name is None or output.wide else peer_in_full.draw, NONE)


def _fetch(client: Client, name: str | None) -> Any:
    peers = client.get("peers")
    if name is None:
        return peers
    if found := [peer for peer in peers if peer["name"] == name or peer["name"].startswith(f"{name}/")]:
        return found
    raise NotFound(f"cannot find a BGP peer {name}; `mlbctl peers` lists all")


def draw(peers: Any, screen: Screen, wide: bool) -> list[str]:
    now = time.time()
    return table(screen, COLUMNS, (_row(peer, now) for peer in sorted(peers, key=_trouble)), wide)


def _trouble(peer: Any) -> int:
    return int(bool(peer["message"])) if _settled(peer) else 2


def _settled(peer: Any) -> bool:
    return peer["state"] in ("established", "listening")


def _row(peer: Any, now: float) -> Sequence[str]:
    timers, counters = peer["timers"], peer["counters"]
    return (
        peer["name"],
        peer["remote"],
        peer["remote_asn"],
        peer["state"],
        _since(peer, now),
        str(peer["sent"]),
        peer["bfd"],
        peer["message"] or ("" if _settled(peer) else peer["error"]),
        ",".join(peer["families"]),
        str(peer["received"]),
        peer["local"],
        str(peer["local_asn"]),
        f"{timers['hold']:g}s",
        f"{timers['keepalive']:.3g}s",
        str(counters.get("established", 0)),
        str(counters.get("lost", 0)),
        compact(ago(peer["error_at"] or 0.0, now)),
        peer["error"],
    )


def _since(peer: Any, now: float) -> str:
    match peer["state"]:
        case "established":
            return compact(ago(peer["since"], now))
        case "listening":
            return ""
    return compact(ago(peer["lost_at"], now)) if peer["lost_at"] else "never"
