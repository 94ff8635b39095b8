"""Two nodes on two segments, where somebody asks on each; one of them holds both addresses of a Service on both."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.daemon.cluster import CLIENT, Daemon
from tests.daemon.frames import Asker, asking
from tests.daemon.objects import balancer_class, node, service
from tests.lab import Lab, Segment, wait_for

from .scene import SETTINGS, sees_all

#: Of each segment.
NETWORKS = ("192.0.2.", "2001:db8::"), ("198.51.100.", "2001:db8:1::")
NUMBERS = (11, 12)
VIRTUAL = ("192.0.2.100", "2001:db8::100")


@dataclass(frozen=True, slots=True)
class Twofold:
    """The askers are in the order of the segments, which are behind eth0 and eth1 of the nodes."""

    askers: tuple[Asker, Asker]
    holder: Daemon
    heir: Daemon

    @property
    def addresses(self) -> tuple[str, str]:
        return VIRTUAL

    def wait_for_holder(self, asker: Asker, mac: str) -> None:
        for address in VIRTUAL:
            asker.wait_for_holder(address, mac)


@contextlib.contextmanager
def twofold(lab: Lab) -> Iterator[Twofold]:
    segments = lab.segment("lan-0"), lab.segment("lan-1")
    nodes = [_daemon(lab, segments, number) for number in NUMBERS]
    nodes[0].write("nodes.yaml", *(_manifest(each) for each in nodes))
    nodes[0].write(
        "class.yaml", balancer_class("ingress", *(f"{address}-{address}" for address in VIRTUAL), default=True)
    )
    nodes[0].write("web.yaml", service("web", dual=True))
    for each in nodes:
        each.start()
    for each in nodes:
        each.wait_until_ready()
    wait_for(lambda: all(sees_all(each) for each in nodes), what="both in sight of each other")
    wait_for(lambda: any(each.holds() == set(VIRTUAL) for each in nodes), what="both addresses held by one")
    holder, heir = sorted(nodes, key=lambda each: len(each.holds()), reverse=True)
    with _asker(lab, segments[0], 0) as first, _asker(lab, segments[1], 1) as second:
        yield Twofold((first, second), holder, heir)


def _addresses(segment: int, number: int) -> list[str]:
    return [f"{network}{number}" for network in NETWORKS[segment]]


def _daemon(lab: Lab, segments: tuple[Segment, Segment], number: int) -> Daemon:
    host = lab.host(f"node-{number - 10}")
    for index, segment in enumerate(segments):
        ipv4, ipv6 = _addresses(index, number)
        host.connect(segment, f"eth{index}", f"{ipv4}/24", f"{ipv6}/64")
    return Daemon(host, number, lab.directory / "state", **SETTINGS)


def _manifest(daemon: Daemon) -> dict[str, Any]:
    addresses = [*_addresses(0, daemon.number), *_addresses(1, daemon.number)]
    found = node(daemon.host.name, daemon.number)
    found["status"]["addresses"] = [{"type": "InternalIP", "address": address} for address in addresses]
    return found


@contextlib.contextmanager
def _asker(lab: Lab, segment: Segment, index: int) -> Iterator[Asker]:
    host = lab.host(f"client-{index}")
    ipv4, ipv6 = _addresses(index, CLIENT)
    host.connect(segment, "eth0", f"{ipv4}/24", f"{ipv6}/64")
    with asking(host, ipv4, ipv6) as found:
        yield found
