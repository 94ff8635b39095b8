"""Peers as a speaker is told of them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from typing import Any, Final

from mlbd.drivers.bgp.peering import Peering
from mlbd.proto.bgp.neighbor import Neighbor

ROUTER_AS: Final = 64500
NODE_AS: Final = 64512
NEIGHBOR: Final = Neighbor(NODE_AS, ROUTER_AS, IPv4Address("192.0.2.11"), hold_time=9)


def peering(address: str = "", *, neighbor: Neighbor = NEIGHBOR, passive: bool = False, **options: Any) -> Peering:
    """External unless its neighbor is internal."""
    remote = ip_address(address) if address else None
    return Peering(replace(neighbor, passive=passive), address=remote, **options)


def internal(address: str, **options: Any) -> Peering:
    return peering(address, neighbor=replace(NEIGHBOR, remote_as=NODE_AS), **options)
