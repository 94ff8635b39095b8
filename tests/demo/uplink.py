"""A router with FRR on the nodes' switch, as etc/state.d/bgp.yaml has it, and a client on its other side."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.bgp.frr import Frr
from tests.bgp.peer import Peer, fib
from tests.lab import Host, Lab, Segment

EXAMPLE = Path(__file__).parents[2] / "etc/state.d/bgp.yaml"
SERVICE = Path(__file__).parent / "everywhere.yaml"
ADDRESS = "198.51.100.1"
ROUTER, ROUTER_AS, NODE_AS, PASSWORD = "192.0.2.1", 64500, 64512, "known-to-both-ends"
_CLIENT, _GATEWAY, _NETWORK = "203.0.113.2", "203.0.113.1", "203.0.113.0/24"
#: Which next hop is a matter of addresses and ports, not of addresses alone (ip-sysctl, fib_multipath_hash_policy).
_SYSCTLS = {"net/ipv4/ip_forward": "1", "net/ipv4/fib_multipath_hash_policy": "1"}


@dataclass(frozen=True, slots=True)
class Uplink:
    router: Frr
    client: Host

    def next_hops(self) -> frozenset[str]:
        """To whom the router's kernel sends what is for the address."""
        return fib(self.router.host).get(f"{ADDRESS}/32", frozenset())

    def is_ready(self) -> bool:
        """Its kernel forwards to every node, and BFD would notice the loss of one."""
        nodes = [peer.address for peer in self.router.peers]
        return self.next_hops() == {*nodes} and all(self.router.session(node).bfd == "up" for node in nodes)

    def shown(self) -> str:
        """As ip(8) prints it."""
        return self.router.host.ip("route", "show", ADDRESS)


def build(lab: Lab, switch: Segment, nodes: dict[str, Host]) -> Uplink:
    """`nodes` are by address; they answer by way of the router."""
    outside, router, client = lab.segment("outside"), lab.host("router"), lab.host("visitor")
    router.connect(switch, "eth0", f"{ROUTER}/24")
    router.connect(outside, "eth1", f"{_GATEWAY}/24")
    client.connect(outside, "eth0", f"{_CLIENT}/24")
    for key, value in _SYSCTLS.items():
        router.sysctl(key, value)
    client.ip("route", "add", "default", "via", _GATEWAY)
    for host in nodes.values():
        host.ip("route", "add", _NETWORK, "via", ROUTER)
    peers = (Peer(NODE_AS, address, families=(4, 6), password=PASSWORD, bfd=True) for address in nodes)
    return Uplink(Frr(router, ROUTER_AS, ROUTER, *peers), client)


def tell(state: Path) -> None:
    """Into that state directory: the example, without the "#" of its lines, and the Service."""
    (state / EXAMPLE.name).write_text(re.sub(r"(?m)^#(?=\S|  )", "", EXAMPLE.read_text()))
    shutil.copy(SERVICE, state)
