"""What it costs a whole mlbd to announce, beside one that has nobody to announce to."""

from __future__ import annotations

from functools import partial

from tests.bgp.frr import Frr
from tests.bgp.peer import Peer
from tests.lab import Lab, wait_for

from .bgp import LINK, MANY, NODE, NODE_AS, ROUTER_AS
from .bgp_daemon import daemon
from .report import Row, Section

ROUTERS = {f"router-{number}": f"192.0.2.{number}" for number in range(1, 5)}
LIMIT = 60
PATIENCE = 120


def measure() -> Section:
    alone, busy = _megabytes({}), _megabytes(ROUTERS)
    rows = [
        Row("without peers, RSS", "MB", alone),
        Row(f"with {len(ROUTERS)} peers, RSS", "MB", busy),
        Row("more", "MB", busy - alone, LIMIT),
    ]
    return Section(f"Memory of mlbd and reflex together, {MANY:,} routes", rows)


def _megabytes(routers: dict[str, str]) -> float:
    with Lab() as lab:
        lan, host = lab.segment("lan"), lab.host("node-1")
        host.connect(lan, LINK, f"{NODE}/24")
        tables = []
        for name, address in routers.items():
            router = lab.host(name)
            router.connect(lan, LINK, f"{address}/24")
            tables.append(Frr(router, ROUTER_AS, address, Peer(NODE_AS, NODE)))
        node = daemon(host, MANY, routers)
        node.start()
        node.wait_until_ready(PATIENCE)
        for table in tables:
            wait_for(partial(_has_all, table), PATIENCE, "all routes at a router")
        return sum(map(node.memory, host.pids())) * 1024 / 1e6


def _has_all(table: Frr) -> bool:
    return table.count(NODE) == MANY
