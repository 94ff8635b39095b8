"""Facts as the engine of node-1 would gather them: a real plan of real manifests, and drivers that say what they are
told to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import yaml

from mlbd.daemon.facts import Facts
from mlbd.drivers.addresses import AddressesStatus
from mlbd.drivers.firewall import FirewallStatus
from mlbd.drivers.reflex import ChildStatus
from mlbd.model import manifest
from mlbd.model.link import Link, unusable
from mlbd.model.settings import Settings
from mlbd.model.world import World
from mlbd.plan.plan import Plan, plan
from mlbd.proto.control import VipChanged
from mlbd.proto.neighbor.vip import State

from .objects import Manifest, balancer_class, node

MAC = "02:00:00:00:00:99"
ETH0 = Link(2, "eth0", bytes.fromhex("020000000001"))
LO = Link(1, "lo", b"", loopback=True)
NODES = (node("node-1", 11), node("node-2", 12))
CLASS = balancer_class("ingress", "192.0.2.100-192.0.2.103", default=True)


def world_of(*manifests: Manifest) -> World:
    contents = manifest.read(yaml.safe_dump_all(manifests).encode(), "test.yaml")
    assert not contents.problems
    kinds: dict[str, dict[Any, Any]] = {}
    for identity, found in contents.objects.items():
        kinds.setdefault(identity.world_field, {})[identity.key] = found
    return World(**kinds)


def planned(*manifests: Manifest, before: Plan | None = None) -> Plan:
    """What node-1 should do."""
    return plan(world_of(*manifests), "node-1", before)


def facts(*manifests: Manifest, states: Mapping[str, State] | None = None, **changed: Any) -> Facts:
    """`states` are the reflex's words of addresses; what is in conflict is with MAC on eth0. `changed` are fields."""
    world = world_of(*manifests)
    links = changed.get("links", (LO, ETH0))
    heard = {
        ip_address(text): VipChanged(ip_address(text), state, *((MAC, "eth0") if state is State.CONFLICT else ()))
        for text, state in (states or {}).items()
    }
    sound = Facts(
        settings=Settings(node="node-1"),
        pid=7,
        started=1000.0,
        ready=True,
        world=world,
        desired=plan(world, "node-1"),
        directories=(),
        found=(),
        links=links,
        usability={link.name: unusable(link) for link in links},
        addresses=AddressesStatus(frozenset(), {}, ""),
        firewall=FirewallStatus("", ""),
        reflex=ChildStatus(8, True, True, 0, 0.1, heard, {"answered": 5}, 0, {}),
    )
    return dataclasses.replace(sound, **changed)
