"""Three nodes under observation: a client that sends without a pause, and a host that asks who has what."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from mlbd.ctl.errors import CtlError
from tests.daemon.cluster import Cluster, Daemon, cluster
from tests.daemon.objects import COUNT, OLDEST, service
from tests.lab import Host, Lab, wait_for
from tests.traffic import PORT, Answers, serve, traffic

from .voices import Stretch, Voices, listening

SENDER = 210
METRICS_PORT = 7472
#: Seconds in which a lost node is noticed and replaced; three packets of BFD are 0.3 s, a busy machine needs more.
DARK = 1.0
#: Seconds. A question is answered at once, but the machine that asks may be late itself. Less than a round of
#: announcements, which is what a mistake costs at least.
AT_ONCE = 0.4
#: Seconds, with time to spare, from one round of announcements to the next.
A_ROUND = 1.5
#: Seconds of observation before and after what happens.
QUIET = 0.1
#: The hold-down, doubled by the many faults of a run, 16 times at most, still is no time to wait for.
SETTINGS: dict[str, Any] = {"holdDown": "100ms", "metrics": f"127.0.0.1:{METRICS_PORT}"}


@dataclass(slots=True)
class Observation:
    """What the client and the asker met, by address; there when the observation is over."""

    report: dict[str, Answers] = field(default_factory=dict)
    voices: dict[str, Voices] = field(default_factory=dict)

    def lost(self, addresses: Collection[str], since: float = 0.0) -> dict[str, int]:
        """The datagrams not answered, in gaps that began later than that (time.monotonic()); empty when there are
        none."""
        gaps = {address: [gap for gap in self.report[address].gaps if gap.began > since] for address in addresses}
        return {address: sum(gap.lost for gap in found) for address, found in gaps.items() if found}

    def dark(self, addresses: Collection[str]) -> float:
        """The longest gap of any of them, in seconds."""
        return max((gap.seconds for address in addresses for gap in self.report[address].gaps), default=0.0)

    def servants(self, addresses: Collection[str]) -> set[str]:
        """The nodes that the client met at any of them."""
        return {holder.node for address in addresses for holder in self.report[address].holders}

    def doubled(self, limit: float, began: float = 0.0, ended: float = float("inf")) -> dict[str, list[Stretch]]:
        """When more than one node answered, for longer than `limit` seconds, of what was asked in that time (seconds
        since the epoch); empty when there was no such time."""
        return _long({a: voices.between(began, ended).doubled() for a, voices in self.voices.items()}, limit)

    def silent(self, limit: float) -> dict[str, list[Stretch]]:
        """When nobody answered on the wire for longer than that."""
        return _long({address: voices.silent() for address, voices in self.voices.items()}, limit)


def _long(stretches: dict[str, list[Stretch]], limit: float) -> dict[str, list[Stretch]]:
    found = {address: [one for one in each if one.seconds > limit] for address, each in stretches.items()}
    return {address: each for address, each in found.items() if each}


@dataclass(frozen=True, slots=True)
class Scene:
    """The Service `web` has an address of each family for each node: `home` tells whose each is when all is well."""

    cluster: Cluster
    sender: Host
    home: dict[str, str]

    @property
    def nodes(self) -> tuple[Daemon, ...]:
        return self.cluster.nodes

    @property
    def addresses(self) -> list[str]:
        return list(self.home)

    def of(self, node: Daemon) -> list[str]:
        """Its IPv4 address, its IPv6 address."""
        return [address for address, name in self.home.items() if name == node.host.name]

    def others(self, node: Daemon) -> list[str]:
        return [address for address in self.home if address not in self.of(node)]

    def heir(self, address: str) -> Daemon:
        """Who holds it when its node is lost."""
        (order,) = (slot["order"] for slot in slots(self.nodes[0]) if slot["address"] == address)
        return self.cluster.by_name(order[1])

    def reconfigure(self, node: Daemon, **changed: Any) -> None:
        """For its next start."""
        node.configure(**SETTINGS | changed)

    def holder(self, address: str) -> str:
        """The node that answers on the wire, or all that do."""
        macs = self.cluster.asker.who_has(address)
        return "+".join(node.host.name for node in self.nodes if node.mac in macs)

    def wait_until_home(self, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while strays := self._strays():
            assert time.monotonic() < deadline, f"not at home after {seconds} s: {strays}, but {self.home}"

    def wait_until_left(self, node: Daemon, seconds: float = 20) -> None:
        """Others answer for its addresses."""

        def is_left(address: str) -> bool:
            holder = self.holder(address)
            return bool(holder) and node.host.name not in holder

        wait_for(lambda: all(map(is_left, self.of(node))), seconds, f"the addresses of {node.host.name} moved")

    def timeline(self, since: float) -> str:
        """What the nodes tell of what happened later than that (seconds since the epoch), in order."""
        told = [(event["time"], node.host.name, event) for node in self.nodes for event in events(node, since)]
        return "\n".join(
            f"{at - since:8.3f} {name} {event['reason']} {event['address'] or event['object']}: {event['message']}"
            for at, name, event in sorted(told, key=lambda entry: entry[0])
        )

    @contextlib.contextmanager
    def observed(self) -> Iterator[Observation]:
        """Each address, for the length of the block."""
        seen = Observation()
        with listening(self.cluster.asker, self.addresses) as voices, traffic(self.sender, self.addresses) as flow:
            time.sleep(QUIET)
            yield seen
            time.sleep(QUIET)
        seen.report, seen.voices = flow.report, voices

    def _strays(self) -> dict[str, str]:
        found = {address: self.holder(address) for address in self.home}
        return {address: name for address, name in found.items() if name != self.home[address]}


@contextlib.contextmanager
def scene(lab: Lab) -> Iterator[Scene]:
    with cluster(lab, 3, **SETTINGS) as three:
        sender = lab.host("sender")
        sender.connect(three.lan, "eth0", f"192.0.2.{SENDER}/24", f"2001:db8::{SENDER}/64")
        for node in three.nodes:
            serve(node.host)
        three.write("web.yaml", web())
        three.first.addresses("web")
        found = Scene(three, sender, {slot["address"]: slot["order"][0] for slot in slots(three.first)})
        found.wait_until_home()
        wait_for(lambda: all(sees_all(node) for node in three.nodes), what="everybody in sight of everybody")
        yield found


def web(**spec: Any) -> dict[str, Any]:
    """The Service that is watched: three addresses of each family."""
    wanted = service("web", dual=True, annotations={COUNT: "3"}, **spec)
    wanted["metadata"]["creationTimestamp"] = OLDEST
    wanted["spec"]["ports"] = [{"name": "echo", "port": PORT, "protocol": "UDP"}]
    return wanted


def slots(node: Daemon) -> Any:
    return node.service("web")["addresses"]


def events(node: Daemon, since: float) -> Iterator[Any]:
    """Later than that (seconds since the epoch); none of a daemon that is not there."""
    with contextlib.suppress(CtlError):
        yield from (event for event in node.client.lines("events", follow=False) if event["time"] > since)


def sees_all(node: Daemon) -> bool:
    with contextlib.suppress(CtlError):
        return all(other["presence"] == "alive" for other in node.get("nodes"))
    return False


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
