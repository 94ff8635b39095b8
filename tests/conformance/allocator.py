"""allocator-*.json: mlbd.plan.allocator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbd.model.address import parse_address
from mlbd.model.core import IPFamilyPolicy
from mlbd.model.desired import Refusal
from mlbd.model.reference import Key
from mlbd.plan.allocator import Allocator, Applicant
from mlbd.plan.sharing import Tenant
from mlbd.plan.usage import MOST

from .vocabulary import families, ports, source, sources

Case = Mapping[str, Any]

FAMILIES = {"ipv4": (4,), "ipv6": (6,), "dual": (4, 6)}


def sequence(case: Case, _: Case) -> None:
    _run(case, Allocator(sources(case["pools"])))


def _run(case: Case, allocator: Allocator) -> None:
    for number, step in enumerate(case["steps"]):
        told = f"step {number}: {step['name']}"
        applicant = _applicant(step)
        held_before = applicant.key in allocator.allocations
        refusal = _do(step, applicant, allocator)
        assert (refusal is None) == (step["expect"] == "ok"), f"{told}: {refusal}"
        held = allocator.allocations.get(applicant.key)
        given = [str(address) for address in held.addresses] if held else []
        if "expectAssigned" in step:
            assert sorted(given) == sorted(step["expectAssigned"]), told
        if "expectIPsSubsetOf" in step and refusal is None:
            assert given and set(given) <= set(step["expectIPsSubsetOf"]), told
            strict = applicant.policy is not IPFamilyPolicy.PREFER_DUAL_STACK
            if step.get("family") == "dual" and strict and not held_before:  # what it holds it keeps
                assert held is not None and held.families == (4, 6), told
        if "expectCounters" in step:
            assert _counters(case["pools"][0]["name"], allocator) == step["expectCounters"], told


def _applicant(step: Case) -> Applicant:
    wanted = step["service"]
    key = Key(wanted.get("namespace") or "", wanted["key"])
    tenant = Tenant(
        key, frozenset(ports(step.get("ports"))), step.get("sharingKey") or "", step.get("backendKey") or ""
    )
    primary = (*families(wanted.get("ipFamilies")), 4)[0]
    policy = IPFamilyPolicy(wanted.get("ipFamilyPolicy") or "SingleStack")
    return Applicant(tenant, wanted.get("labels") or {}, FAMILIES.get(step.get("family", ""), (4,)), policy, primary)


def _do(step: Case, applicant: Applicant, allocator: Allocator) -> Refusal | None:
    match step["op"]:
        case "assign":
            return allocator.assign(applicant, [parse_address(text) for text in step["ips"]])
        case "allocate":
            return allocator.allocate(applicant)
        case "allocateFromPool":
            return allocator.allocate_from(applicant, step["pool"])
        case "unassign":
            allocator.unassign(applicant.key)
            return None
        case op:
            raise AssertionError(f"unknown op {op}")


def _counters(name: str, allocator: Allocator) -> dict[str, int]:
    pool = allocator.pools[name]
    held = {a for each in allocator.allocations.values() if each.pool == name for a in each.addresses}
    used = {family: sum(address.version == family for address in held) for family in (4, 6)}
    return {
        "inUse": len(held),
        "assignedIPv4": used[4],
        "assignedIPv6": used[6],
        "availableIPv4": pool.capacity[4] - used[4],
        "availableIPv6": pool.capacity[6] - used[6],
    }


def pool_change(case: Case, _: Case) -> None:
    allocator = Allocator(sources(case["poolsBefore"]))
    for name, addresses in case["assignedBefore"].items():
        applicant = Applicant(Tenant(Key("", name)))
        assert allocator.assign(applicant, [parse_address(text) for text in addresses]) is None
    allocator.set_pools(sources(case["poolsAfter"]))
    owners = {name: allocator.allocations.get(Key("", name)) for name in case["expectPoolOf"]}
    assert {name: held.pool if held else "" for name, held in owners.items()} == case["expectPoolOf"]


def capacity(case: Case, _: Case) -> None:
    if "steps" not in case:
        found = source(case["pool"]).capacity
        total = min(sum(found.values()), MOST)
        assert {"total": total, "ipv4": min(found[4], MOST), "ipv6": min(found[6], MOST)} == case["expect"]
        return
    allocator = Allocator(sources(case["pools"]))
    assert sum(sum(pool.capacity.values()) for pool in allocator.pools.values()) == case["expectCapacity"]
    _run(case, allocator)
    allocator.set_pools({})
    assert not allocator.pools and not allocator.allocations
