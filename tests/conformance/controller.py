"""controller-*.json: mlbd.plan.convergence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlbd.model.address import parse_address
from mlbd.model.reference import Key
from mlbd.plan.allocator import Allocator
from mlbd.plan.convergence import Converged, converge
from mlbd.plan.sources import owner

from .vocabulary import service, sources

Case = Mapping[str, Any]

#: Where MetalLB notes the pool; a Service that lacks it is written once more.
ALLOCATED_FROM = "metallb.io/ip-allocated-from-pool"


def converge_once(case: Case, document: Case) -> None:
    _check(case, *_converge("test", case["in"], Allocator(sources(document["pools"]))))


def _converge(name: str, wanted: Case | None, allocator: Allocator) -> tuple[Converged, bool, str]:
    """The outcome, whether the object is to be written, and the controller's verdict on the event."""
    key = Key("", name)
    before = allocator.allocations.get(key)
    if wanted is None:
        return Converged(), False, "ReprocessAll" if allocator.unassign(key) else "Success"
    outcome = converge(service(key, wanted), allocator)
    after = allocator.allocations.get(key)
    shown = [*(wanted.get("statusIPs") or ()), *(wanted.get("statusHostnames") or ())]
    noted = (wanted.get("annotations") or {}).get(ALLOCATED_FROM, "")
    changed = [str(address) for address in outcome.addresses] != shown or noted != outcome.pool
    rekeyed = before is not None and after is not None and _keys(before) != _keys(after)
    if rekeyed or (not outcome.addresses and _of_use_to_others(wanted.get("statusIPs") or (), allocator)):
        return outcome, changed, "ReprocessAll"
    return outcome, changed, "ErrorNoRetry" if outcome.failed else "Success"


def _of_use_to_others(texts: Sequence[str], allocator: Allocator) -> bool:
    return bool(texts) and owner(allocator.pools.values(), [parse_address(text) for text in texts]) is not None


def _keys(allocation: Any) -> tuple[str, str]:
    return allocation.tenant.sharing_key, allocation.tenant.backend_key


def _check(case: Case, outcome: Converged, changed: bool, result: str) -> None:
    if "expectUpdate" in case:
        assert changed is case["expectUpdate"], outcome
    if "expectStatusIPs" in case:
        assert [str(address) for address in outcome.addresses] == case["expectStatusIPs"], outcome
    if "expectWarningEvent" in case:
        assert (outcome.warning is not None) is case["expectWarningEvent"], outcome
    if "expectResult" in case:
        assert result == case["expectResult"], outcome


def flow(case: Case, _: Case) -> None:
    allocator: Allocator | None = None
    for step in case["steps"]:
        if step["op"] == "service":
            nothing = Converged(), False, "Success"  # before the pools are known nobody is touched
            _check(step, *(_converge(step["key"], step["in"], allocator) if allocator else nothing))
        elif step["pools"] is None:  # the last good pools stay
            assert step.get("expectResult", "ErrorNoRetry") != "ReprocessAll"
        else:
            allocator = allocator or Allocator({})
            allocator.set_pools(sources(step["pools"]))
            assert step.get("expectResult", "ReprocessAll") == "ReprocessAll"
