"""What the conformance cases leave open: which pool among equals, and that a working table fills without scanning."""

from __future__ import annotations

from typing import Any

from mlbd.model.address import parse_address, parse_range
from mlbd.model.core import IPFamilyPolicy
from mlbd.model.reference import Key, Reference
from mlbd.plan.allocator import Allocator, Applicant
from mlbd.plan.convergence import converge
from mlbd.plan.sharing import Tenant
from mlbd.plan.sources import Scope, Source

from .builders import service


def source(name: str, *ranges: str, scope: Scope | None = None) -> Source:
    return Source(Reference("IPAddressPool", Key("", name)), tuple(map(parse_range, ranges)), scope=scope)


def allocator(*sources: Source) -> Allocator:
    return Allocator({each.reference.key.name: each for each in sources})


def applicant(name: str, share: str = "", **fields: Any) -> Applicant:
    return Applicant(Tenant(Key("shop", name), sharing_key=share), **fields)


def given(table: Allocator, name: str) -> list[str]:
    held = table.allocations.get(Key("shop", name))
    return [str(address) for address in held.addresses] if held else []


def test_open_pools_are_tried_by_name() -> None:
    table = allocator(source("z", "192.0.2.0/32"), source("a", "198.51.100.0/32"))
    assert table.allocate(applicant("one")) is None and table.allocate(applicant("two")) is None
    assert (given(table, "one"), given(table, "two")) == (["198.51.100.0"], ["192.0.2.0"])
    refusal = table.allocate(applicant("three"))
    assert refusal is not None and refusal.reason == "NoAddress"


def test_pools_kept_for_the_service_come_first_by_priority_and_fall_through() -> None:
    late, soon, never = Scope(0), Scope(5), Scope(1, frozenset(("other",)))
    table = allocator(
        source("open", "192.0.2.0/32"),
        source("late", "192.0.2.1/32", scope=late),
        source("soon", "192.0.2.2/32", scope=soon),
        source("never", "192.0.2.3/32", scope=never),
    )
    for name in ("one", "two", "three"):
        assert table.allocate(applicant(name)) is None
    assert [given(table, name)[0][-1] for name in ("one", "two", "three")] == ["2", "1", "0"]
    assert table.allocate(applicant("four")) is not None


def test_the_lowest_free_address_is_given_again_after_it_was_freed() -> None:
    table = allocator(source("pool", "192.0.2.0/24"))
    for number in range(5):
        table.allocate(applicant(f"s{number}"))
    assert table.unassign(Key("shop", "s1")) and not table.unassign(Key("shop", "s1"))
    table.allocate(applicant("new"))
    assert given(table, "new") == ["192.0.2.1"]


def test_a_refusal_changes_nothing() -> None:
    table = allocator(source("pool", "192.0.2.0/31"))
    table.allocate(applicant("one"))
    table.allocate(applicant("two"))
    assert table.assign(applicant("one"), [parse_address("192.0.2.1")]) is not None
    assert given(table, "one") == ["192.0.2.0"]


def test_services_of_one_key_share_the_lowest_address() -> None:
    table = allocator(source("pool", "192.0.2.0/24"))
    for name in ("one", "two"):
        assert table.allocate(applicant(name, share="k")) is None
    assert given(table, "one") == given(table, "two") == ["192.0.2.0"]


def test_a_full_large_pool_fills_in_one_pass() -> None:
    table = allocator(source("pool", "10.0.0.0/18"))
    for number in range(3000):
        assert table.allocate(applicant(f"s{number}")) is None
    assert given(table, "s2999") == [str(parse_address("10.0.11.183"))]


def test_a_service_that_prefers_two_families_settles_with_single_stack_cluster_ips() -> None:
    """MetalLB alternates between one and two addresses for ever."""
    table = allocator(source("pool", "192.0.2.0/24", "2001:db8::/64"))
    web = service(cluster_ips=("10.0.0.1",), ip_family_policy=IPFamilyPolicy.PREFER_DUAL_STACK)
    first = converge(web, table)
    held = service(
        cluster_ips=("10.0.0.1",),
        ip_family_policy=IPFamilyPolicy.PREFER_DUAL_STACK,
        ingress=tuple(str(address) for address in first.addresses),
    )
    assert converge(held, table).addresses == first.addresses
    assert len(first.addresses) == 1


def test_a_second_family_is_added_from_the_same_pool() -> None:
    table = allocator(source("pool", "192.0.2.0/24", "2001:db8::/64"), source("other", "2001:db8:1::/64"))
    web = service(
        cluster_ips=("10.0.0.1", "fd00::1"),
        ip_family_policy=IPFamilyPolicy.PREFER_DUAL_STACK,
        ingress=("192.0.2.9",),
    )
    assert [str(address) for address in converge(web, table).addresses] == ["192.0.2.9", "2001:db8::"]


def test_a_service_that_asks_for_another_address_moves_to_it() -> None:
    table = allocator(source("pool", "192.0.2.0/24"))
    web = service(cluster_ips=("10.0.0.1",), ingress=("192.0.2.9",), load_balancer_ip="192.0.2.20")
    assert [str(address) for address in converge(web, table).addresses] == ["192.0.2.20"]
