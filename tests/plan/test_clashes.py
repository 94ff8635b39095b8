"""Objects that cannot both stand: which one is refused, and that it is told truthfully why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlbd.model.address import parse_range
from mlbd.model.deckhouse import MetalLoadBalancerPool
from mlbd.model.desired import Desired
from mlbd.model.metallb import IPAddressPool
from mlbd.model.reference import Key
from mlbd.plan.plan import plan

from .builders import advertisement, labelled, nodes, pool_class, service, world

OLD, YOUNG = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"


def ranges(text: str) -> Any:
    return (parse_range(text),)


def told(planned: Desired) -> dict[str, str]:
    return {problem.object: f"{problem.reason}: {problem.message}" for problem in planned.problems}


ONE = IPAddressPool(Key("a", "same"), ranges("192.0.2.0/28"))
TWO = IPAddressPool(Key("b", "same"), ranges("192.0.2.16/28"))
THREE = MetalLoadBalancerPool(Key("", "same"), ranges("192.0.2.32/28"))


def duplicate(later: str, first: str, why: str) -> str:
    return f"DuplicateName: cannot use {later}, {first} has that name too and {why}: rename one"


def test_of_pools_of_one_name_the_first_stands_and_each_other_is_told() -> None:
    planned = plan(world(*nodes(1), replace(TWO, created=OLD), ONE, replace(THREE, created=YOUNG)), "node-1")
    assert [each.ranges for each in planned.pools] == [("192.0.2.16/28",)]
    first = "IPAddressPool b/same"
    assert told(planned) == {
        "IPAddressPool a/same": duplicate(
            "IPAddressPool a/same", first, "is taken for older, for only it has a creationTimestamp"
        ),
        "MetalLoadBalancerPool same": duplicate("MetalLoadBalancerPool same", first, "is older"),
    }


def test_of_namesakes_without_a_date_the_namespace_decides() -> None:
    (later,) = told(plan(world(*nodes(1), TWO, ONE), "node-1")).items()
    why = "comes first by namespace (neither has a creationTimestamp)"
    assert later == ("IPAddressPool b/same", duplicate("IPAddressPool b/same", "IPAddressPool a/same", why))


def test_of_namesakes_of_one_namespace_and_age_the_kind_decides() -> None:
    bare = replace(ONE, key=Key("", "same"), created=OLD)
    (later,) = told(plan(world(*nodes(1), replace(THREE, created=OLD), bare), "node-1")).items()
    why = "comes first by kind (both are of one age)"
    assert later == ("MetalLoadBalancerPool same", duplicate("MetalLoadBalancerPool same", "IPAddressPool same", why))


def test_a_class_and_a_pool_of_one_name_are_two() -> None:
    assert not told(plan(world(*nodes(1), ONE, pool_class("same", "198.51.100.0/28")), "node-1"))


def test_the_labels_of_a_refused_namesake_select_nothing() -> None:
    selector = advertisement(pool_selectors=(labelled(tier="gold"),))
    web = service()
    for first, later, claims in (({"tier": "gold"}, {}, 1), ({}, {"tier": "gold"}, 0)):
        pools = replace(ONE, labels=first), replace(TWO, labels=later)
        assert len(plan(world(*nodes(1), *pools, selector, web), "node-1").claims) == claims


@pytest.mark.parametrize(
    ("first", "later", "why"),
    [
        (OLD, YOUNG, "is older"),
        (YOUNG, "", "is taken for older, for only it has a creationTimestamp"),
        (OLD, OLD, "comes first by name (both are of one age)"),
        ("", "", "comes first by name (neither has a creationTimestamp)"),
    ],
)
def test_why_the_first_of_two_stands_is_said_as_it_is(first: str, later: str, why: str) -> None:
    classes = [
        pool_class("alpha", "10.0.0.0/24", created=first, is_default=True),
        pool_class("beta", "10.0.0.128/32", created=later, is_default=True),
    ]
    found = [problem.message for problem in plan(world(*nodes(1), *classes), "node-1").problems]
    assert found == [
        f"cannot be the default class, alpha is and {why}: set isDefault on one only",
        "cannot use MetalLoadBalancerClass beta, 10.0.0.128/32 overlaps 10.0.0.0/24 of MetalLoadBalancerClass alpha, "
        f"which {why}: take it out of one",
    ]
