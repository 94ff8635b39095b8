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
from mlbd.model.status import SessionStatus
from mlbd.model.world import World
from mlbd.plan.plan import Plan, plan
from mlbd.proto.control import SessionReport, VipChanged
from mlbd.proto.neighbor.vip import State

from .objects import Manifest, balancer_class, node

MAC = "02:00:00:00:00:99"
ETH0 = Link(2, "eth0", bytes.fromhex("020000000001"))
LO = Link(1, "lo", b"", loopback=True)
NOW = 5000.0
CHILD = ChildStatus(8, True, True, 0, 0.1, {}, {}, {"answered": 5}, 0, {})
NODES = (node("node-1", 11), node("node-2", 12))
CLASS = balancer_class("ingress", "192.0.2.100-192.0.2.103", default=True)


def world_of(*manifests: Manifest) -> World:
    contents = manifest.read(yaml.safe_dump_all(manifests).encode(), "test.yaml")
    assert not contents.problems
    kinds: dict[str, Any] = {}
    for identity, found in contents.objects.items():
        kinds.setdefault(identity.world_field, {})[identity.key] = found
    return World(**kinds)


def planned(*manifests: Manifest, before: Plan | None = None) -> Plan:
    """What node-1 should do."""
    return plan(world_of(*manifests), "node-1", before)


def facts(*manifests: Manifest, states: Mapping[str, State] | None = None, **changed: Any) -> Facts:
    """`states` are the reflex's words of addresses on eth0; `changed` are fields."""
    world = world_of(*manifests)
    links = changed.get("links", (LO, ETH0))
    vips = {ip_address(text): {"eth0": heard(text, "eth0", state)} for text, state in (states or {}).items()}
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
        reflex=CHILD,
        now=NOW,
    )
    spoken = dataclasses.replace(sound, reflex=dataclasses.replace(CHILD, vips=vips))
    return dataclasses.replace(spoken, **changed)


def heard(address: str, link: str, state: State, node: str | None = None) -> VipChanged:
    """A word of the reflex; what is in conflict is with MAC."""
    return VipChanged(ip_address(address), link, state, MAC if state is State.CONFLICT else None, node)


def on_links(address: str, *words: VipChanged) -> ChildStatus:
    return dataclasses.replace(CHILD, vips={ip_address(address): {word.link: word for word in words}})


def session(peer: str, state: str = "up", **changed: Any) -> SessionStatus:
    """On eth0, as it is since long before NOW."""
    known = SessionStatus(peer, "eth0", "192.0.2.11", "192.0.2.12", state, interval=0.1, detection=0.3, since=NOW - 600)
    return dataclasses.replace(known, **changed)


def session_report(state: str, **changed: Any) -> SessionReport:
    """What the reflex says of the session to node-2 on eth0, which it has seen."""
    ends = ip_address("192.0.2.11"), ip_address("192.0.2.12")
    said = SessionReport("node-2", 2, *ends, state, "", "down", "", 100_000, 300_000, ups=1, downs=0)
    return dataclasses.replace(said, **changed)
