"""Every address of every Service: who holds it, and what this node does with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from mlbd.ctl.client import Client
from mlbd.ctl.errors import NotFound
from mlbd.ctl.output import Output, options
from mlbd.ctl.tables import Column, Screen, table

COLUMNS = (
    Column("SERVICE", repeats=True, elastic=True),
    Column("SOURCE", repeats=True, elastic=True),
    Column("ADDRESS"),
    Column("HOLDER", elastic=True),
    Column("HERE"),
    Column("REASON", elastic=True),
    Column("SLOT", right=True, wide=True),
    Column("PINNED", wide=True),
    Column("POLICY", repeats=True, wide=True),
    Column("PORTS", repeats=True, wide=True),
    Column("LINKS", wide=True),
    Column("ORDER", wide=True),
    Column("PEERS", repeats=True, wide=True),
    Column("MESSAGE", wide=True),
)


@click.command()
@click.argument("name", required=False)
@options
@click.pass_obj
def command(client: Client, name: str | None, output: Output) -> None:
    """The addresses of Services, and who holds each.

    NAME is NAMESPACE/NAME, or a NAME in any namespace. SOURCE is the class or pool they come from, HOLDER the node
    that should answer for an address, or the BGP peers that hear of it from this node, HERE what this node does with
    it: holding, advertised (to BGP peers), probing (asks whether somebody else has it), conflict (somebody else has
    it), standby (takes over when the holder dies), waiting (takes over once it has been back long enough), leaving
    (answers until another node does), silent (may hold it, but cannot announce it), none (may not hold it). REASON is
    why nobody has an address, or why this node does not answer for one that it should.
    """
    output.show(lambda: _fetch(client, name), draw, "No Service of type LoadBalancer is known.")


def _fetch(client: Client, name: str | None) -> Any:
    if name is None:
        return client.get("services")
    if "/" in name:
        return [client.get("services", *name.split("/", 1))]
    if services := [service for service in client.get("services") if service["name"] == name]:
        return services
    raise NotFound(f"cannot find a Service {name} in any namespace; `mlbctl services` lists all")


def draw(services: Any, screen: Screen, wide: bool) -> list[str]:
    return table(screen, COLUMNS, (row for service in services for row in _rows(service, wide)), wide)


def _rows(service: Any, wide: bool) -> Iterator[Sequence[str]]:
    name = f"{service['namespace']}/{service['name']}"
    source = service["source"] if wide else service["source"].rpartition(" ")[2]
    ports = ",".join(service["ports"])
    peers = ",".join(service["peers"])
    for slot in service["addresses"] or [_NO_SLOT]:
        holder = slot["holder"] or (peers if slot["address"] else "")
        yield (
            name,
            source,
            slot["address"] or "",
            holder,
            slot["state"] if slot["address"] else "",
            slot["reason"] or ("" if holder else service["reason"]),
            str(slot["slot"]),
            "yes" if slot["pinned"] else "",
            service["policy"],
            ports,
            ",".join(slot["links"]),
            ",".join(slot["order"]),
            peers,
            slot["message"] or ("" if holder else service["message"]),
        )


_NO_SLOT = {
    "slot": "",
    "address": None,
    "pinned": False,
    "holder": None,
    "order": (),
    "state": "",
    "links": (),
    "reason": "",
    "message": "",
}
