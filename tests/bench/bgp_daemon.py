"""A whole mlbd on the host beside the routers, with Services out of a pool that BGP announces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.daemon.cluster import Daemon
from tests.lab import Host

from . import state
from .bgp import NODE, NODE_AS, ROUTER, ROUTER_AS
from .state import Manifest

_NAMESPACE = "metallb-system"


def metallb(kind: str, name: str, version: str = "v1beta1", **spec: Any) -> Manifest:
    return {
        "apiVersion": f"metallb.io/{version}",
        "kind": kind,
        "metadata": {"namespace": _NAMESPACE, "name": name},
        "spec": spec,
    }


def service(name: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "bench", "name": name},
        "spec": {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]},
    }


def peer(name: str, address: str, bfd: bool) -> Manifest:
    profile = {"bfdProfile": "quick"} if bfd else {}
    times = {"holdTime": "9s", "keepaliveTime": "3s", "connectTime": "1s"}
    return metallb(
        "BGPPeer", name, "v1beta2", myASN=NODE_AS, peerASN=ROUTER_AS, peerAddress=address, **times, **profile
    )


def daemon(host: Host, services: int, routers: Mapping[str, str] | None = None, bfd: bool = False) -> Daemon:
    """Not started yet. `routers` are addresses by the name of the BGPPeer; by default the one of an Uplink."""
    found = Daemon(host, int(NODE.rpartition(".")[2]))
    for name, manifest in _objects({"router": ROUTER} if routers is None else routers, bfd):
        state.put(found.state, name, manifest)
    for number in range(services):
        state.put(found.state, f"service-{number}", service(f"service-{number}"))
    return found


def _objects(routers: Mapping[str, str], bfd: bool) -> Iterable[tuple[str, Manifest]]:
    addresses = [{"type": "InternalIP", "address": NODE}]
    metadata = {"name": "node-1"}
    yield "node", {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": {"addresses": addresses}}
    yield "pool", metallb("IPAddressPool", "pool", addresses=["198.18.0.0/16"])
    yield "advertisement", metallb("BGPAdvertisement", "all", ipAddressPools=["pool"])
    yield "profile", metallb("BFDProfile", "quick", receiveInterval=50, transmitInterval=50, detectMultiplier=3)
    for name, address in routers.items():
        yield f"peer-{name}", peer(name, address, bfd)
