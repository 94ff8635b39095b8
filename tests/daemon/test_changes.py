from __future__ import annotations

from ipaddress import ip_address

import pytest

from mlbd.daemon.changes import Change, link_changes, plan_changes, problem_changes, vip_change
from mlbd.model.link import Link, unusable
from mlbd.model.status import Problem, Severity
from mlbd.plan.plan import Plan
from mlbd.proto.control import ConflictSeen, VipChanged
from mlbd.proto.neighbor.vip import State

from .known import CLASS, ETH0, MAC, NODES, heard, planned
from .objects import EXCLUDED, IPS, node, service

WEB = service("web", annotations={IPS: "192.0.2.100"})
ADDRESS = ip_address("192.0.2.100")


def told(before: Plan, after: Plan) -> list[tuple[str, str]]:
    return [(change.reason, change.message) for change in plan_changes(before, after)]


def test_an_address_given_and_taken_back() -> None:
    without, given = planned(CLASS, *NODES), planned(CLASS, *NODES, WEB)
    assert list(plan_changes(without, given)) == [
        Change(
            "AddressAssigned",
            "Service shop/web",
            "192.0.2.100 is assigned from MetalLoadBalancerClass ingress",
            "shop/web",
            "192.0.2.100",
        )
    ]
    assert told(given, without) == [("AddressReleased", "192.0.2.100 is no longer the Service's and free again")]


def test_an_address_exchanged_for_another() -> None:
    moved = service("web", annotations={IPS: "192.0.2.101"})
    reasons = [(c.reason, c.address) for c in plan_changes(planned(CLASS, *NODES, WEB), planned(CLASS, *NODES, moved))]
    assert reasons == [("AddressReleased", "192.0.2.100"), ("AddressAssigned", "192.0.2.101")]


def test_a_holder_that_changes_is_a_move_and_nothing_else() -> None:
    both, (one, two) = planned(CLASS, *NODES, WEB), NODES
    holder = both.vips[ADDRESS].order[0]
    excluded = node(holder, 11, **{EXCLUDED: ""})
    rest = [each for each in (one, two) if each["metadata"]["name"] != holder]
    (other,) = (each["metadata"]["name"] for each in rest)
    moved = planned(CLASS, excluded, *rest, WEB)
    assert told(both, moved) == [("AddressMoved", f"192.0.2.100 moves from {holder} to {other}")]
    nobody = planned(CLASS, *(node(name, 11, **{EXCLUDED: ""}) for name in ("node-1", "node-2")), WEB)
    assert told(moved, nobody) == [("AddressMoved", f"192.0.2.100 moves from {other} to nobody")]
    assert told(nobody, moved) == [("AddressMoved", f"192.0.2.100 moves from nobody to {other}")]


def test_a_plan_that_was_made_anew_and_says_the_same_is_no_change() -> None:
    assert told(planned(CLASS, *NODES, WEB), planned(CLASS, *NODES, WEB)) == []


def test_a_problem_of_a_service_is_found_under_its_name() -> None:
    problem = Problem(Severity.ERROR, "Service shop/web", "NoReadyEndpoint", "cannot announce it")
    (come,) = problem_changes(frozenset(), frozenset({problem}))
    (gone,) = problem_changes(frozenset({problem}), frozenset())
    assert (come.service, gone.service) == ("shop/web", "shop/web")


def test_problems_that_come_and_go() -> None:
    one = Problem(Severity.ERROR, "b.yaml", "BrokenFile", "cannot read b.yaml")
    two = Problem(Severity.WARNING, "a.yaml", "ForeignKind", "cannot use it")
    assert list(problem_changes(frozenset(), frozenset({one, two}))) == [
        Change("ForeignKind", "a.yaml", "cannot use it", severity=Severity.WARNING),
        Change("BrokenFile", "b.yaml", "cannot read b.yaml", severity=Severity.ERROR),
    ]
    assert list(problem_changes(frozenset({one, two}), frozenset({two}))) == [
        Change("Resolved", "b.yaml", "no longer: cannot read b.yaml")
    ]


DOWN = unusable(Link(2, "eth0", ETH0.mac, up=False))


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ({}, {"eth0": None}, ["LinkUsable"]),
        ({}, {"eth0": DOWN}, []),
        ({"eth0": None}, {"eth0": DOWN}, ["LinkUnusable"]),
        ({"eth0": DOWN}, {"eth0": None}, ["LinkUsable"]),
        ({"eth0": None}, {}, ["LinkGone"]),
        ({"eth0": DOWN}, {}, []),
        ({"eth0": None}, {"eth0": None}, []),
        ({"eth0": DOWN}, {"eth0": DOWN}, []),
    ],
)
def test_links(before: dict[str, object], after: dict[str, object], wanted: list[str]) -> None:
    changes = list(link_changes(before, after))  # type: ignore[arg-type]
    assert [change.reason for change in changes] == wanted
    assert all(change.object == "link eth0" for change in changes)


@pytest.mark.parametrize(
    ("before", "state", "reason"),
    [
        (State.PROBING, State.HOLDING, "AddressAnnounced"),
        (State.PROBING, State.CONFLICT, "AddressConflict"),
        (State.CONFLICT, State.CONFLICT, None),
        (State.HOLDING, State.STANDBY, "AddressWithdrawn"),
        (State.HOLDING, State.SILENT, "AddressWithdrawn"),
        (None, State.STANDBY, None),
        (State.PROBING, State.SILENT, None),
        (None, State.PROBING, None),
    ],
)
def test_what_the_reflex_says_of_an_address(before: State | None, state: State, reason: str | None) -> None:
    change = vip_change(heard(str(ADDRESS), "eth0", state), "shop/web", before)
    assert (change and change.reason) == reason
    if change:
        assert (change.service, change.address) == ("shop/web", "192.0.2.100")


def test_whoever_claims_an_address_is_named() -> None:
    for report in (VipChanged(ADDRESS, "eth0", State.CONFLICT, MAC), ConflictSeen(ADDRESS, "eth0", MAC)):
        change = vip_change(report, "shop/web", State.HOLDING)
        assert change is not None
        assert f"{MAC} on eth0" in change.message
        assert change.severity is Severity.WARNING
