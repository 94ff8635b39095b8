"""The demands of ARCHITECTURE.md on placement, each as a property."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from math import ceil
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbd.plan.placement import Candidates, digest, orders

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.", min_size=1, max_size=20)
NODES = st.sets(NAMES, min_size=1, max_size=12)
SEEDS = st.builds("{}/{}".format, NAMES, NAMES)
COUNTS = st.integers(1, 9)
SUBSETS = st.data()

Orders = tuple[tuple[str, ...], ...]


def place(nodes: Collection[str], seed: str, count: int, eligible: Collection[str] | None = None) -> Orders:
    candidates = Candidates.of(nodes)
    return orders(candidates, seed, count, candidates.able(nodes if eligible is None else eligible))


def heads(placed: Orders) -> list[str]:
    return [order[0] for order in placed]


def is_spread(holders: Sequence[str], able: int) -> bool:
    load = Counter(holders)
    return len(load) == min(len(holders), able) and max(load.values()) <= ceil(len(holders) / able)


@given(NODES, SEEDS, COUNTS, SUBSETS)
@settings(max_examples=300)
def test_slots_of_a_service_spread_over_whoever_is_eligible(
    nodes: set[str], seed: str, count: int, data: st.DataObject
) -> None:
    eligible = data.draw(st.sets(st.sampled_from(sorted(nodes)), min_size=1))
    placed = place(nodes, seed, count, eligible)
    assert all(sorted(order) == sorted(eligible) for order in placed)
    assert is_spread(heads(placed), len(eligible))


def test_without_eligible_nodes_the_lists_are_empty() -> None:
    assert place(["a", "b"], "shop/web", 3, []) == ((), (), ())
    assert place([], "shop/web", 2) == ((), ())


@given(NODES, SEEDS, COUNTS)
@settings(max_examples=200)
def test_a_node_that_stops_being_eligible_moves_only_what_it_held(nodes: set[str], seed: str, count: int) -> None:
    before = heads(place(nodes, seed, count))
    for lost in nodes if len(nodes) > 1 else ():
        after = heads(place(nodes, seed, count, nodes - {lost}))
        assert [new for new, old in zip(after, before, strict=True) if old != lost] == [n for n in before if n != lost]


@given(NODES, SEEDS, COUNTS)
@settings(max_examples=200)
def test_the_slots_of_a_dead_node_spread_over_the_survivors(nodes: set[str], seed: str, count: int) -> None:
    placed = place(nodes, seed, count)
    for dead in nodes if len(nodes) > 1 else ():
        survivors = [next(node for node in order if node != dead) for order in placed]
        assert is_spread(survivors, len(nodes) - 1)


@given(st.sets(NAMES, min_size=6, max_size=12), SEEDS, st.sets(st.integers(0, 2), min_size=2, max_size=3))
@settings(max_examples=100)
def test_nodes_that_die_together_have_different_heirs(nodes: set[str], seed: str, dying: set[int]) -> None:
    placed = place(nodes, seed, 3)
    dead = {placed[slot][0] for slot in dying}
    assert is_spread([next(node for node in order if node not in dead) for order in placed], len(nodes) - len(dead))


@given(NODES, SEEDS, COUNTS, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_the_order_of_the_nodes_means_nothing(nodes: set[str], seed: str, count: int, random: Random) -> None:
    shuffled = sorted(nodes)
    random.shuffle(shuffled)
    assert place(shuffled, seed, count) == place(nodes, seed, count)


def moved(before: Sequence[str], after: Sequence[str], changed: str) -> tuple[int, int]:
    """Slots that left or joined the changed node, and slots that moved between the others."""
    pairs = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    own = sum(changed in pair for pair in pairs)
    return own, len(pairs) - own


@pytest.mark.parametrize(
    ("count", "nodes", "extra"),
    [(1, 5, 0.0), (2, 3, 0.35), (2, 5, 0.15), (3, 4, 0.4), (3, 6, 0.25), (3, 20, 0.1), (5, 6, 0.55), (5, 20, 0.15)],
)
def test_a_node_that_comes_or_goes_moves_little_besides_its_share(count: int, nodes: int, extra: float) -> None:
    """`extra`: what may move between the other nodes, as a part of what the node itself gains or loses."""
    names = [f"node-{number}" for number in range(nodes)]
    own = others = 0
    for service in range(300):
        without = heads(place(names[:-1], f"shop/web-{service}", count))
        mine, theirs = moved(without, heads(place(names, f"shop/web-{service}", count)), names[-1])
        own, others = own + mine, others + theirs
    share = 300 * count / nodes
    assert abs(own - share) < 0.25 * share
    assert others <= extra * own


@pytest.mark.parametrize(
    "scheme",
    ["shop/web-{}", "tenant-{}/web", "{}/ingress", "default/a{:06d}", "team-a/{:x}", "n/svc-{}-prod", "default/svc-{}"],
)
@pytest.mark.parametrize("nodes", ["node-{}", "worker-{}.example.org", "{}", "k8s-a{:04d}", "n{}"])
def test_a_thousand_single_services_are_even_within_a_fifth(scheme: str, nodes: str) -> None:
    names = [nodes.format(number) for number in range(5)]
    load = Counter(heads(place(names, scheme.format(number), 1))[0] for number in range(1000))
    assert max(load.values()) <= 240, load


def test_the_vips_of_a_dead_node_fall_evenly_to_the_others() -> None:
    names = [f"node-{number}" for number in range(5)]
    orders_of_all = [place(names, f"shop/web-{number}", 1)[0] for number in range(2000)]
    heirs = Counter(order[1] for order in orders_of_all if order[0] == "node-3")
    assert set(heirs) == set(names) - {"node-3"}
    assert max(heirs.values()) < 1.4 * sum(heirs.values()) / 4


def test_more_slots_leave_the_lower_ones_mostly_where_they_are() -> None:
    names = [f"node-{number}" for number in range(8)]
    stayed = sum(
        old == new
        for service in range(200)
        for old, new in zip(
            heads(place(names, f"shop/web-{service}", 3)), heads(place(names, f"shop/web-{service}", 4)), strict=False
        )
    )
    assert stayed > 0.85 * 600


@given(NODES, SEEDS, st.integers(1, 4))
@settings(max_examples=100)
def test_preferred_nodes_come_first_unless_that_would_crowd_them(nodes: set[str], seed: str, count: int) -> None:
    weights = {name: digest(name) % 3 * 50 for name in nodes}
    candidates = Candidates.of(nodes, weights)
    placed = orders(candidates, seed, count, candidates.able(nodes))
    assert is_spread(heads(placed), len(nodes))
    best = sorted(weights.values(), reverse=True)[: min(count, len(nodes))]
    assert sorted({name: weights[name] for name in heads(placed)}.values(), reverse=True) == best
    if count == 1:
        assert [weights[name] for name in placed[0]] == sorted(weights.values(), reverse=True)


def test_the_hash_is_the_same_everywhere() -> None:
    """Typed in: another value here would move every VIP of every cluster at an upgrade."""
    assert digest("node-1") == 0x2B32659480A38C09
    assert place(["node-1", "node-2", "node-3"], "shop/web", 2) == (
        ("node-2", "node-1", "node-3"),
        ("node-3", "node-1", "node-2"),
    )
