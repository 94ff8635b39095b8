"""Several real nodes and a client on one segment, and a Service with an address of each family for every node."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.daemon.cluster import Daemon
from tests.lab import Host, Lab, wait_for
from tests.traffic import PORT, serve

from . import state
from .state import Fleet

_CLIENT = 0xFF00
_SERVICE = "echo"


@dataclass(frozen=True, slots=True)
class Group:
    """The hosts are wired and answer datagrams (tests/traffic.py); no daemon is started yet."""

    client: Host
    hosts: tuple[Host, ...]
    nodes: tuple[Daemon, ...]

    def start(self, *wrapper: str, **settings: Any) -> None:
        """mlbd on every host, by `wrapper` if any; returns when each node has an address of each family and sees all
        others."""
        for node in self.nodes:
            node.configure(**settings)
            node.start_under(*wrapper)
        for node in self.nodes:
            node.wait_until_ready()
        for node in self.nodes:
            wait_for(partial(self._is_whole, node), 60, f"{node.host.name} at work among all others")

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def addresses(self) -> list[str]:
        """All of the Service, as many as there are nodes in each family."""
        slots = self.nodes[0].get("services", "bench", _SERVICE)["addresses"]
        return [slot["address"] for slot in slots]

    def _is_whole(self, node: Daemon) -> bool:
        others = [other for other in node.get("nodes") if not other["me"]]
        seen = all(session["state"] == "up" for other in others for session in other["sessions"])
        return len(node.holds()) == 2 and len(others) == len(self.nodes) - 1 and seen


def group(lab: Lab, count: int) -> Group:
    lan, shared = lab.segment("lan"), lab.directory / "state"
    hosts = tuple(lab.host(f"node-{number}") for number in range(1, count + 1))
    client = lab.host("client")
    for number, host in [*enumerate(hosts, 1), (_CLIENT, client)]:
        prefixed = zip(state.address_of(number), state.PREFIXES, strict=True)
        host.connect(lan, "eth0", *(f"{address}/{prefix}" for address, prefix in prefixed))
    _write(shared, count)
    for host in hosts:
        serve(host)
    return Group(client, hosts, tuple(Daemon(host, number, shared) for number, host in enumerate(hosts, 1)))


def _write(directory: Path, count: int) -> None:
    state.write(directory, Fleet(0, nodes=count))
    wish = state.service(_SERVICE, "class-0", count, dual_stack=True)
    wish["spec"]["ports"] = [{"name": "echo", "port": PORT, "protocol": "UDP"}]
    state.put(directory, _SERVICE, wish)
