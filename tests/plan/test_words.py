"""What a user is told of an address that cannot be had: whose it is, and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from mlbd.model.address import parse_address
from mlbd.model.core import Node, Port, TrafficPolicy
from mlbd.model.reference import Key
from mlbd.plan.plan import plan

from .builders import advertisement, nodes, pool, pool_class, service, world

OWN = Node(Key("", "node-1"), addresses=(parse_address("192.0.2.2"),))
PUBLIC = pool_class("public", "192.0.2.0/29", is_default=True)


def told(pins: str, *objects: Any, **fields: Any) -> list[str]:
    web = service(pins=pins, **fields)
    return [problem.message for problem in plan(world(*objects, web), "node-1").problems]


@pytest.mark.parametrize(
    ("pin", "what"),
    [
        ("192.0.2.0", "the network address of 192.0.2.0/29"),
        ("192.0.2.7", "the broadcast address of 192.0.2.0/29"),
        ("192.0.2.2", "node-1's InternalIP"),
    ],
)
def test_a_reserved_address_is_somebodys(pin: str, what: str) -> None:
    assert told(pin, OWN, PUBLIC) == [f"cannot give {pin}, it is {what}: ask for another one"]


def test_an_address_that_a_pool_avoids() -> None:
    avoiding = pool("office", "198.51.100.0/24", avoid_buggy_ips=True)
    named = {"metallb.io/address-pool": "office"}
    assert told("198.51.100.255", OWN, avoiding, advertisement(), notes=named) == [
        "cannot give 198.51.100.255, it is one that ends in .0 or .255, which IPAddressPool metallb-system/office "
        "avoids (avoidBuggyIPs): ask for another one"
    ]


def test_an_address_of_no_pool() -> None:
    assert told("203.0.113.1", OWN, pool("office", "198.51.100.0/24"), advertisement()) == [
        "cannot give 203.0.113.1, no pool that the Service may use has it: correct it, or add it to a pool"
    ]


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ({}, {}, "has it: ask for another one, or give both Services one sharing key"),
        ({}, {"share": "k"}, "has it and another sharing key, or none: give both one, or ask for another address"),
        (
            {"share": "k", "external_traffic_policy": TrafficPolicy.LOCAL, "selector": {"app": "old"}},
            {"share": "k"},
            "has it: to share it with externalTrafficPolicy Local give both this policy and equal selectors",
        ),
        (
            {"share": "k", "ports": (Port("TCP", 80),)},
            {"share": "k"},
            "has TCP/80 on it: change the port of one of them, or ask for another address",
        ),
    ],
)
def test_an_address_that_another_service_has(first: dict[str, Any], second: dict[str, Any], why: str) -> None:
    old = service("old", pins="192.0.2.5", created="2020-01-01T00:00:00Z", **first)
    assert f"cannot give 192.0.2.5, Service shop/old {why}" in told("192.0.2.5", *nodes(1), PUBLIC, old, **second)


def test_a_selector_that_nobody_wrote_endpoints_for() -> None:
    assert told("192.0.2.5", *nodes(1), PUBLIC, selector={"app": "web"}) == [
        "cannot announce it: it has a selector and no EndpointSlice of it is known: add one with a ready endpoint, or "
        "without Kubernetes take the selector out: then programs on the nodes themselves serve it"
    ]


def test_an_address_that_another_slot_has() -> None:
    assert told("192.0.2.5,192.0.2.5", *nodes(1), PUBLIC, count="2") == [
        "cannot give 192.0.2.5, another slot of this Service has it: ask for another one"
    ]


def test_a_long_text_is_quoted_in_part() -> None:
    (message,) = told("x" * 100_000, *nodes(1), PUBLIC)
    assert len(message) < 300
