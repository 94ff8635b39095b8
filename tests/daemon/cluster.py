"""Nodes with real daemons on one switch, and a client beside them."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlbd.ctl.errors import CtlError
from tests.lab import Host, Lab, Segment, wait_for
from tests.node import PROGRAMS, Node

from .frames import Asker, asking
from .objects import COUNT, OLDEST, balancer_class, node, service

CLIENT = 200
POOL = ("192.0.2.100-192.0.2.150", "2001:db8::100-2001:db8::1ff")


class Daemon(Node):
    """`number` is the last part of the host's own addresses."""

    def __init__(self, host: Host, number: int, state: Path | None = None, **settings: Any) -> None:
        super().__init__(host, state, **settings)
        self.number = number

    @property
    def mac(self) -> str:
        return self.host.links["eth0"].mac

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def start_under(self, *wrapper: str) -> None:
        """As `start`, but by a program that takes something away from it first."""
        with self.log.open("a") as log:
            program = (str(PROGRAMS / "mlbd"), "--config", str(self.config))
            self.process = self.host.spawn(*wrapper, *program, stderr=log)

    def run(self) -> None:
        self.start()
        self.wait_until_ready()

    def remove(self, name: str) -> None:
        (self.state / name).unlink()

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        """Afterwards the state directory holds what it held before."""
        before = {path: path.read_bytes() for path in self.state.iterdir()}
        yield
        for path in set(self.state.iterdir()) - before.keys():
            path.unlink()
        for path, octets in before.items():
            if not path.exists() or path.read_bytes() != octets:
                path.write_bytes(octets)

    def reflex(self) -> int:
        """The pid of the child that answers, once there is one."""
        return int(wait_for(lambda: self.get("status")["reflex"]["pid"], what="a reflex"))

    def problems(self, reason: str = "") -> list[Any]:
        return [problem for problem in self.get("problems") if reason in ("", problem["reason"])]

    def problem(self, reason: str) -> Any:
        """The one problem of that reason, which may be about to come."""
        (found,) = wait_for(lambda: self.problems(reason), what=f"the problem {reason}")
        return found

    def wait_until_well(self) -> None:
        try:
            wait_for(lambda: not self.problems(), what="the end of all problems")
        except AssertionError:
            raise AssertionError(f"{self.host.name} still has {self.problems()}") from None

    def service(self, name: str) -> Any:
        """What is known of a Service of the namespace `shop`, {} before it is."""
        with contextlib.suppress(CtlError):
            return self.get("services", "shop", name)
        return {}

    def addresses(self, name: str) -> list[str]:
        """Those that Service has, in slot order; waits until it has all it wants."""
        found = wait_for(lambda: self._assigned(name), what=f"addresses of {name}")
        return [slot["address"] for slot in found["addresses"]]

    def _assigned(self, name: str) -> Any:
        found = self.service(name)
        return found if found and found["assigned"] == found["wanted"] > 0 else None

    def holders(self, name: str) -> dict[str, str]:
        return {slot["address"]: slot["holder"] for slot in self.service(name)["addresses"]}

    def states(self, name: str) -> list[str]:
        return [slot["state"] for slot in self.service(name).get("addresses", ())]

    def wait_for_holding(self, *addresses: str, seconds: float = 10) -> None:
        wait_for(lambda: set(addresses) <= self.holds(), seconds, f"{addresses} held by {self.host.name}")

    def events(self, reason: str) -> list[Any]:
        return [event for event in self.client.lines("events", follow=False) if event["reason"] == reason]

    def address_events(self, reason: str, address: str) -> int:
        return len([event for event in self.events(reason) if event["address"] == address])

    @contextlib.contextmanager
    def following(self) -> Iterator[Callable[[str], list[str]]]:
        """`mlbctl events --follow` runs; what is given tells the reasons of an address's events so far."""
        line = (str(PROGRAMS / "mlbctl"), "--socket", str(self.socket), "events", "--follow", "-o", "json")
        told = self.directory / "events"
        with told.open("w") as stream, subprocess.Popen(line, stdout=stream) as follower:

            def reasons(address: str) -> list[str]:
                # Opened anew each time: a seek on `stream` would move where the follower writes.
                lines = told.read_text().splitlines(keepends=True)
                events = [json.loads(text) for text in lines if text.endswith("\n")]
                assert [event["number"] for event in events] == list(range(1, len(events) + 1)), "each once, in order"
                return [event["reason"] for event in events if event["address"] == address]

            try:
                yield reasons
            finally:
                follower.kill()

    def bound(self) -> set[str]:
        """The addresses on lo that a lone lo has not."""
        (link,) = json.loads(self.host.ip("-json", "address", "show", "dev", "lo"))
        return {entry["local"] for entry in link["addr_info"]} - {"127.0.0.1", "::1"}

    def tables(self) -> set[str]:
        listed = self.host.run("nft", "list", "tables").stdout.splitlines()
        return {line.removeprefix("table ") for line in listed}

    def memory(self, pid: int) -> int:
        """Resident, in KiB."""
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmRSS")))

    def assert_no_traceback(self) -> None:
        assert "Traceback" not in self.log.read_text()


@dataclass(frozen=True, slots=True)
class Cluster:
    """`nodes` read one state directory, that of the first."""

    lan: Segment
    nodes: tuple[Daemon, ...]
    client: Host
    asker: Asker

    @property
    def first(self) -> Daemon:
        return self.nodes[0]

    def by_name(self, name: str) -> Daemon:
        return next(node for node in self.nodes if node.host.name == name)

    def write(self, name: str, *manifests: dict[str, Any]) -> None:
        self.first.write(name, *manifests)

    def remove(self, name: str) -> None:
        self.first.remove(name)

    def holding(self) -> dict[str, str]:
        """Who says of itself that it holds an address, by address."""
        return {address: node.host.name for node in self.nodes for address in node.holds()}

    def wait_until_settled(self, *addresses: str, seconds: float = 10) -> None:
        """Each of them is held by one node, and all nodes know by which."""

        def is_settled() -> bool:
            told = {address: {self._told(node, address) for node in self.nodes} for address in addresses}
            holding = {address: {node.host.name for node in self.nodes if address in node.holds()} for address in told}
            return told == holding and all(len(names) == 1 for names in told.values())

        wait_for(is_settled, seconds, f"one holder of each of {addresses}")

    def _told(self, node: Daemon, address: str) -> str:
        slots = (slot for service in node.get("services") for slot in service["addresses"])
        return next((str(slot["holder"]) for slot in slots if slot["address"] == address), "")


@contextlib.contextmanager
def cluster(lab: Lab, count: int, **settings: Any) -> Iterator[Cluster]:
    """Nodes node-1 to node-`count`, running, with the default class `ingress`, and no Service yet."""
    lan, client = lab.segment("lan"), lab.host("client")
    client.connect(lan, "eth0", f"192.0.2.{CLIENT}/24", f"2001:db8::{CLIENT}/64")
    state = lab.directory / "state"
    nodes = tuple(_host(lab, lan, number, state, settings) for number in range(11, 11 + count))
    for each in nodes:
        each.write(f"{each.host.name}.yaml", node(each.host.name, each.number))
    nodes[0].write("class.yaml", ingress())
    for each in nodes:
        each.start()
    for each in nodes:
        each.wait_until_ready()
    with asking(client, f"192.0.2.{CLIENT}", f"2001:db8::{CLIENT}") as asker:
        yield Cluster(lan, nodes, client, asker)


@contextlib.contextmanager
def serving(lab: Lab, count: int, **settings: Any) -> Iterator[Cluster]:
    """Nodes that hold an address each of the Service `web`."""
    with cluster(lab, count, **{"holdDown": "0s", **settings}) as nodes:
        nodes.write("web.yaml", service("web", annotations={COUNT: str(count)}))
        nodes.wait_until_settled(*nodes.first.addresses("web"))
        yield nodes
        for each in nodes.nodes:
            each.assert_no_traceback()


def ingress(*pool: str, **spec: Any) -> dict[str, Any]:
    """The class of every cluster, older than anything a test adds."""
    found = balancer_class("ingress", *(pool or POOL), default=True, **spec)
    found["metadata"]["creationTimestamp"] = OLDEST
    return found


def _host(lab: Lab, lan: Segment, number: int, state: Path, settings: dict[str, Any]) -> Daemon:
    host = lab.host(f"node-{number - 10}")
    host.connect(lan, "eth0", f"192.0.2.{number}/24", f"2001:db8::{number}/64")
    return Daemon(host, number, state, **settings)
