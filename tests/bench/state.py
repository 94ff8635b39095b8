"""State directories of any size: a fleet of nodes, classes and Services, one file an object.

Addresses are those set aside for benchmarks, 198.18.0.0/15 (RFC 2544) and 2001:2::/48 (RFC 5180).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

PREFIXES = (15, 48)
_NODES = IPv4Address("198.18.0.0")
_POOLS = IPv4Network("198.19.0.0/16")
_GROUP = "bench.mlbd.io/group"


def address_of(number: int) -> tuple[str, str]:
    """IPv4 and IPv6 of the `number`th host on the segment."""
    return str(_NODES + number), f"2001:2::{number:x}"


@dataclass(frozen=True, slots=True)
class Fleet:
    """`services` are dealt out to the `classes`; each class may use the nodes of one group, `nodes` are dealt out to
    the `groups`. Every tenth Service asks for three addresses when `several`, all others for one."""

    services: int
    classes: int = 1
    nodes: int = 5
    groups: int = 1
    several: bool = False

    def manifests(self) -> Iterator[tuple[str, Manifest]]:
        """Each object and the name of its file, without suffix."""
        for number in range(1, self.nodes + 1):
            yield f"node-{number}", self._node(number)
        for number, pool in zip(range(self.classes), self._pools(), strict=False):
            yield f"class-{number}", self._class(number, pool)
        for number in range(self.services):
            addresses = 3 if self.several and number % 10 == 0 else 1
            yield f"service-{number}", service(f"service-{number}", f"class-{number % self.classes}", addresses)

    def are_together(self, one: int, other: int) -> bool:
        """Whether two nodes are of the same group."""
        return one % self.groups == other % self.groups

    def _pools(self) -> Iterator[IPv4Network]:
        return _POOLS.subnets(prefixlen_diff=(self.classes - 1).bit_length())

    def _node(self, number: int) -> Manifest:
        addresses = [{"type": "InternalIP", "address": address} for address in address_of(number)]
        metadata = {"name": f"node-{number}", "labels": {_GROUP: str((number - 1) % self.groups)}}
        return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": {"addresses": addresses}}

    def _class(self, number: int, pool: IPv4Network) -> Manifest:
        return {
            "apiVersion": "network.deckhouse.io/v1alpha1",
            "kind": "MetalLoadBalancerClass",
            "metadata": {"name": f"class-{number}"},
            "spec": {
                "type": "L2",
                "nodeSelector": {_GROUP: str(number % self.groups)},
                "addressPool": [str(pool), f"2001:2:0:{number + 1:x}::/64"],
            },
        }


#: What issue after issue asks about: few nodes, of which one is this host; and a data centre.
THOUSAND = Fleet(1_000)
TEN_THOUSAND = Fleet(10_000, classes=50, nodes=100, groups=10, several=True)


def service(name: str, class_name: str, addresses: int = 1, dual_stack: bool = False) -> Manifest:
    """A Service that programs on the nodes serve, with `addresses` of each family."""
    families = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]} if dual_stack else {}
    count = {"network.deckhouse.io/l2-load-balancer-external-ips-count": str(addresses)}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "bench", "name": name, "annotations": count},
        "spec": {
            "type": "LoadBalancer",
            "loadBalancerClass": class_name,
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
            **families,
        },
    }


def as_yaml(manifest: Manifest) -> str:
    return yaml.dump(manifest, Dumper=yaml.CSafeDumper, sort_keys=False)


FORMATS: dict[str, Callable[[Manifest], str]] = {"yaml": as_yaml, "json": json.dumps}


def write(directory: Path, fleet: Fleet, suffix: str = "yaml") -> None:
    """The whole fleet as files; the directory need not exist."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, manifest in fleet.manifests():
        (directory / f"{name}.{suffix}").write_text(FORMATS[suffix](manifest))


def put(directory: Path, name: str, manifest: Manifest) -> float:
    """Add or replace one file by a rename, and return when: seconds since the epoch."""
    unfinished, target = directory / f".{name}", directory / f"{name}.yaml"
    unfinished.write_text(as_yaml(manifest))
    then = time.time()
    unfinished.rename(target)
    return then
