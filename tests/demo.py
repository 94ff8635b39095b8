"""`make demo`: three nodes and a client on one switch, the state of etc/state.d, and who answers for what."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from . import webserver
from .lab import Host, Lab, LabError, wait_for
from .node import PROGRAMS, Node

PROJECT = Path(__file__).parent.parent
STATE = PROJECT / "etc/state.d"
SERVICE = ("default", "web")
NODES = {"node-1": 11, "node-2": 12, "node-3": 13}  # the last number of the addresses in etc/state.d/nodes.yaml
CLIENT = 200
ADDRESSES_WANTED = 6


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client met at an address."""

    address: str
    node: str
    mac: str


def main() -> int:
    if os.geteuid() != 0:
        sys.exit("cannot build the network of the demo: network namespaces need root")
    try:
        with Lab() as lab:
            return demo(lab)
    except KeyboardInterrupt:
        print("\nInterrupted; everything is cleaned up.")
        return 130
    except (AssertionError, LabError) as error:
        print(f"The demo failed; everything is cleaned up: {error}")
        return 1


def demo(lab: Lab) -> int:
    say("Three nodes and a client on one switch, each a network namespace.")
    nodes, client = build(lab)
    say(f"A real mlbd and a web server on every node; the state is {STATE.relative_to(PROJECT)}/*.yaml.\n")
    for node in nodes:
        webserver.serve(node.host)
        node.start()
    for node in nodes:
        node.wait_until_ready()
    wait_for(lambda: sum(len(node.holds()) for node in nodes) >= ADDRESSES_WANTED, what="every address announced")
    healthy = show(nodes[0], "status") and show(nodes[0], "services")
    say("The client fetches every address:\n")
    answers = [fetch(client, address) for address in addresses(nodes[0])]
    draw(answers)
    if not healthy:
        say("Not as it should be: mlbctl found something wrong, see above.")
        return 1
    return verdict(answers, nodes)


def build(lab: Lab) -> tuple[list[Node], Host]:
    lan = lab.segment("switch")
    hosts = {name: lab.host(name) for name in (*NODES, "client")}
    for name, host in hosts.items():
        number = NODES.get(name, CLIENT)
        host.connect(lan, "eth0", f"192.0.2.{number}/24", f"2001:db8::{number}/64")
    return [Node(hosts[name], STATE) for name in NODES], hosts["client"]


def addresses(node: Node) -> list[str]:
    return [slot["address"] for slot in node.get("services", *SERVICE)["addresses"]]


def fetch(client: Host, address: str) -> Answer:
    """Also who, on the wire, the client takes the address to be."""
    connection = http.client.HTTPConnection(address, webserver.PORT, timeout=5)
    try:
        with client.enter():
            connection.connect()
        connection.request("GET", "/")
        name = connection.getresponse().read().decode()
    except OSError as error:
        name = f"nobody ({error.strerror or error})"
    finally:
        connection.close()
    neighbours = json.loads(client.ip("-json", "neighbour", "show", address))
    return Answer(address, name, next((entry["lladdr"] for entry in neighbours if "lladdr" in entry), "none"))


def show(node: Node, *argv: str) -> bool:
    """Whether mlbctl found everything well."""
    say(f"$ mlbctl {' '.join(argv)}   # on {node.host.name}")
    line = (str(PROGRAMS / "mlbctl"), "--socket", str(node.socket), *argv)
    done = subprocess.run(line, check=False)
    print()
    return done.returncode == 0


def draw(answers: list[Answer]) -> None:
    print(f"  {'ADDRESS':<24}{'ANSWERED BY':<14}WITH MAC")
    for answer in answers:
        print(f"  {answer.address:<24}{answer.node:<14}{answer.mac}")
    print()


def verdict(answers: list[Answer], nodes: list[Node]) -> int:
    macs = {node.host.name: node.host.links["eth0"].mac for node in nodes}
    wrong = [answer.address for answer in answers if macs.get(answer.node) != answer.mac]
    for family, sign in (("IPv4", "."), ("IPv6", ":")):
        holders = {answer.node for answer in answers if sign in answer.address}
        if holders != macs.keys():
            wrong.append(f"{family} as a whole, answered by {', '.join(sorted(holders)) or 'nobody'}")
    if wrong:
        print(f"Not as it should be: {'; '.join(wrong)}.")
        return 1
    print("In each family the three addresses stand on three different nodes.")
    return 0


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
