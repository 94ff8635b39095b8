from __future__ import annotations

from ipaddress import ip_address

import pytest

from mlbd.daemon.changes import Change, link_changes, plan_changes, problem_changes, session_change, vip_change
from mlbd.model.link import Link, Unusable, unusable
from mlbd.model.status import Problem, Severity
from mlbd.plan.plan import Plan
from mlbd.proto.control import ConflictSeen, SessionReport, VipChanged
from mlbd.proto.neighbor.vip import State

from .known import CLASS, ETH0, MAC, NODES, heard, planned, session_report
from .objects import EXCLUDED, IPS, metallb, node, service

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


def test_what_goes_over_to_bgp_moves_to_nobody_and_says_nothing() -> None:
    pool = metallb("IPAddressPool", "public", addresses=["192.0.2.100/32"])
    peer = metallb("BGPPeer", "tor", myASN=64512, peerASN=64500, peerAddress="192.0.2.1")
    web, peer = service("web"), peer | {"apiVersion": "metallb.io/v1beta2"}
    layer2 = planned(*NODES, pool, peer, metallb("L2Advertisement", "public"), web)
    routed = planned(*NODES, pool, peer, metallb("BGPAdvertisement", "public"), web)
    assert layer2.vips[ADDRESS].order and not routed.vips[ADDRESS].order
    assert told(layer2, routed) == told(routed, layer2) == []


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
def test_links(before: dict[str, Unusable | None], after: dict[str, Unusable | None], wanted: list[str]) -> None:
    changes = list(link_changes(before, after))
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
        (State.HOLDING, State.LEAVING, None),
        (State.LEAVING, State.HOLDING, None),
        (State.LEAVING, State.STANDBY, "AddressWithdrawn"),
        (State.HOLDING, State.WAITING, "AddressAwaited"),
        (State.WAITING, State.WAITING, None),
        (State.WAITING, State.HOLDING, "AddressAnnounced"),
        (State.HOLDING, State.CONFLICT, "AddressConflict"),
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


def test_whom_this_node_waits_for_is_named() -> None:
    change = vip_change(heard(str(ADDRESS), "eth0", State.WAITING, "node-2"), "shop/web", State.PROBING)
    assert change is not None
    assert change.message == "192.0.2.100 stays with node-2 on eth0 until this node has been up for its hold-down"


@pytest.mark.parametrize(
    ("node", "disputed", "reason", "severity"),
    [
        (None, False, "AddressDefended", Severity.WARNING),
        ("node-2", False, "AddressDefended", None),
        ("node-2", True, "AddressDisputed", Severity.WARNING),
    ],
)
def test_claims_to_what_is_held_here(node: str | None, disputed: bool, reason: str, severity: Severity | None) -> None:
    change = vip_change(ConflictSeen(ADDRESS, "eth0", MAC, node, disputed), "shop/web", None)
    assert change is not None
    assert (change.reason, change.severity, change.address) == (reason, severity, "192.0.2.100")
    assert (node or MAC) in change.message and "on eth0" in change.message


WARNING = Severity.WARNING


@pytest.mark.parametrize(
    ("report", "link", "wanted"),
    [
        (session_report("up"), "eth0", ("NodeSeen", "node-2 is seen on eth0", None)),
        (session_report("up"), "", ("NodeSeen", "node-2 is seen from 192.0.2.11 to 192.0.2.12", None)),
        (
            session_report("down", remote_state="admin-down"),
            "eth0",
            ("NodeLeft", "node-2 took itself out of the group: it is drained or was stopped", None),
        ),
        (
            session_report("down"),
            "eth0",
            ("NodeLost", "node-2 is not seen on eth0 any more (no reason given): others take its addresses", WARNING),
        ),
        (
            session_report("down", diagnostic="control detection time expired"),
            "eth0",
            (
                "NodeLost",
                "node-2 is not seen on eth0 any more (control detection time expired): others take its addresses",
                WARNING,
            ),
        ),
    ],
)
def test_nodes_that_come_and_go(report: SessionReport, link: str, wanted: tuple[str, str, Severity | None]) -> None:
    change = session_change(report, link)
    assert (change.reason, change.message, change.severity) == wanted
    assert change.object == "Node node-2"
