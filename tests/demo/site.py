"""Three nodes and a client on one switch, with the state of etc/state.d, and programs on every node that answer.
A router stands there too, of which nobody has been told yet."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from pathlib import Path

from tests import traffic, webserver
from tests.lab import Host, Lab, wait_for
from tests.node import Node

from . import uplink
from .uplink import Uplink

PROJECT = Path(__file__).parents[2]
STATE = PROJECT / "etc/state.d"
SERVICE = ("default", "web")
NODES = {"node-1": 11, "node-2": 12, "node-3": 13}  # the last number of the addresses in etc/state.d/nodes.yaml
CLIENT = 200
HOLD_DOWN = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client met at an address."""

    address: str
    node: str
    mac: str


@dataclass(frozen=True, slots=True)
class Site:
    """`more` is a state directory beside that of etc/, empty at first."""

    nodes: tuple[Node, ...]
    client: Host
    uplink: Uplink
    more: Path

    def start(self) -> None:
        """Returns when every address is announced."""
        for node in self.nodes:
            serve(node.host)
            node.start()
        for node in self.nodes:
            node.wait_until_ready()
        wanted = len(self.addresses())
        wait_for(lambda: sum(len(node.holds()) for node in self.nodes) >= wanted, what="every address announced")

    def introduce(self) -> None:
        """The nodes are told of the router; returns when it is ready for all of them."""
        uplink.tell(self.more)
        wait_for(self.uplink.is_ready, 20, "three next hops in the router's kernel, and BFD with each")

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
    more = lab.directory / "more"
    more.mkdir()
    nodes = tuple(Node(hosts[name], more) for name in NODES)
    for node in nodes:
        node.configure(holdDown=f"{HOLD_DOWN}s", state=[str(STATE), str(more)])
    by_address = {f"192.0.2.{number}": hosts[name] for name, number in NODES.items()}
    return Site(nodes, hosts["client"], uplink.build(lab, lan, by_address), more)


def serve(host: Host) -> None:
    """The programs whose addresses are announced."""
    webserver.serve(host)
    traffic.serve(host)
