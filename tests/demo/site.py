"""Three nodes and a client on one switch, with the state of etc/state.d, and programs on every node that answer."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from pathlib import Path

from tests import traffic, webserver
from tests.lab import Host, Lab, wait_for
from tests.node import Node

PROJECT = Path(__file__).parents[2]
STATE = PROJECT / "etc/state.d"
SERVICE = ("default", "web")
NODES = {"node-1": 11, "node-2": 12, "node-3": 13}  # the last number of the addresses in etc/state.d/nodes.yaml
CLIENT = 200
HOLD_DOWN = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client met at an address."""

    address: str
    node: str
    mac: str


@dataclass(frozen=True, slots=True)
class Site:
    nodes: tuple[Node, ...]
    client: Host

    def start(self) -> None:
        """Returns when every address is announced."""
        for node in self.nodes:
            serve(node.host)
            node.start()
        for node in self.nodes:
            node.wait_until_ready()
        wanted = len(self.addresses())
        wait_for(lambda: sum(len(node.holds()) for node in self.nodes) >= wanted, what="every address announced")

    def addresses(self) -> list[str]:
        return [slot["address"] for slot in self.nodes[0].get("services", *SERVICE)["addresses"]]

    def fetch(self, address: str) -> Answer:
        """Also who, on the wire, the client takes the address to be."""
        connection = http.client.HTTPConnection(address, webserver.PORT, timeout=5)
        try:
            with self.client.enter():
                connection.connect()
            connection.request("GET", "/")
            name = connection.getresponse().read().decode()
        except OSError as error:
            name = f"nobody ({error.strerror or error})"
        finally:
            connection.close()
        neighbours = json.loads(self.client.ip("-json", "neighbour", "show", address))
        return Answer(address, name, next((entry["lladdr"] for entry in neighbours if "lladdr" in entry), "none"))

    def expected_mac(self, answer: Answer) -> str:
        return next((node.host.links["eth0"].mac for node in self.nodes if node.host.name == answer.node), "")


def build(lab: Lab) -> Site:
    """No daemon is started yet."""
    lan = lab.segment("switch")
    hosts = {name: lab.host(name) for name in (*NODES, "client")}
    for name, host in hosts.items():
        number = NODES.get(name, CLIENT)
        host.connect(lan, "eth0", f"192.0.2.{number}/24", f"2001:db8::{number}/64")
    return Site(tuple(Node(hosts[name], STATE, holdDown=f"{HOLD_DOWN}s") for name in NODES), hosts["client"])


def serve(host: Host) -> None:
    """The programs whose addresses are announced."""
    webserver.serve(host)
    traffic.serve(host)
