from __future__ import annotations

import dataclasses
from ipaddress import ip_address
from typing import Any

import pytest

from mlbd.daemon.facts import Facts
from mlbd.daemon.problems import problems
from mlbd.drivers.addresses import AddressesStatus
from mlbd.drivers.firewall import FirewallStatus
from mlbd.model.drain import Drain
from mlbd.model.link import Link
from mlbd.model.settings import Liveness
from mlbd.model.status import Problem, SessionStatus, Severity
from mlbd.proto.control import ConflictSeen
from mlbd.proto.neighbor.vip import State

from .known import CLASS, ETH0, LO, MAC, NODES, NOW, facts, session
from .objects import COUNT, IPS, balancer_class, service

ME, _ = NODES
WEB = service("web", annotations={IPS: "192.0.2.100"})
ADDRESS = ip_address("192.0.2.100")
REFUSED = AddressesStatus(frozenset(), {ADDRESS: "cannot put it there"}, "")


def told(known: Facts) -> list[tuple[str, str]]:
    return [(problem.object, problem.reason) for problem in problems(known)]


def test_nothing_is_wrong() -> None:
    assert told(facts(CLASS, ME, WEB, states={"192.0.2.100": State.HOLDING})) == []


def test_what_reading_and_planning_found_is_passed_on() -> None:
    found = Problem(Severity.ERROR, "a.yaml", "BrokenFile", "cannot read a.yaml")
    assert told(facts(CLASS, ME, WEB, found=(found,))) == [("a.yaml", "BrokenFile")]
    assert told(facts(CLASS, ME, service("web", annotations={IPS: "198.51.100.1"}))) == [
        ("Service shop/web", "AddressOutsidePool")
    ]


def test_a_node_without_an_object() -> None:
    assert told(facts(CLASS, NODES[1])) == [("Node node-1", "NodeUnknown")]


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("firewall", FirewallStatus("cannot keep quiet", ""), ("mlbd", "KernelNotSilent")),
        ("firewall", FirewallStatus("", "cannot guard"), ("mlbd", "NoGuard")),
        ("addresses", AddressesStatus(frozenset(), {}, "cannot set it"), ("mlbd", "ArpAnnounce")),
        (
            "addresses",
            AddressesStatus(frozenset(), {ADDRESS: "cannot put"}, ""),
            ("Service shop/web", "AddressNotBound"),
        ),
    ],
)
def test_what_a_driver_could_not_do(field: str, value: Any, wanted: tuple[str, str]) -> None:
    assert told(facts(CLASS, ME, WEB, **{field: value})) == [wanted]


def test_a_firewall_that_has_nothing_to_do_is_not_missed() -> None:
    assert told(facts(CLASS, ME, firewall=FirewallStatus("cannot keep quiet", "cannot guard"))) == []


def test_the_reflex_and_its_links() -> None:
    sound = facts(CLASS, ME)
    broken = dataclasses.replace(sound.reflex, problems={"reflex": "cannot start", "eth0": "cannot open"})
    assert told(dataclasses.replace(sound, reflex=broken)) == [("mlbd", "ReflexFailed"), ("link eth0", "ReflexFailed")]


def test_an_address_of_somebody_else() -> None:
    (problem,) = problems(facts(CLASS, ME, WEB, states={"192.0.2.100": State.CONFLICT}))
    assert (problem.object, problem.reason) == ("Service shop/web", "AddressConflict")
    assert problem.message.startswith(f"cannot take 192.0.2.100: {MAC} on eth0 has it; ")


def test_an_address_without_a_link() -> None:
    chosen = balancer_class("ingress", "192.0.2.100/32", default=True, l2={"interfaces": ["bond1", "bond0"]})
    (problem,) = problems(facts(chosen, ME, WEB, states={"192.0.2.100": State.SILENT}))
    assert (problem.object, problem.reason) == ("Service shop/web", "NoUsableInterface")
    assert "no link among those wanted (bond0, bond1) is usable" in problem.message
    (problem,) = problems(facts(CLASS, ME, WEB, states={"192.0.2.100": State.SILENT}, links=(LO, DOWN)))
    assert "cannot announce 192.0.2.100: no link is usable; " in problem.message


def test_a_named_link_that_is_down_is_told_although_another_serves() -> None:
    chosen = balancer_class("ingress", "192.0.2.100/32", default=True, l2={"interfaces": ["eth0", "eth1", "bond0"]})
    links = (LO, ETH0, Link(3, "eth1", ETH0.mac, up=False))
    known = facts(chosen, ME, WEB, states={"192.0.2.100": State.HOLDING}, links=links)
    assert told(known) == [("link eth1", "LinkUnusable")], "of bond0, which this host lacks, nothing is said"


def test_a_lost_link_is_one_problem_of_a_service_with_several_addresses() -> None:
    twice = service("web", annotations={COUNT: "2", IPS: "192.0.2.100,192.0.2.101"})
    states = {"192.0.2.100": State.SILENT, "192.0.2.101": State.SILENT}
    (problem,) = problems(facts(CLASS, ME, twice, states=states, links=(LO, DOWN)))
    assert problem.message.startswith("cannot announce 192.0.2.100, 192.0.2.101: no link is usable; ")


def test_a_reflex_that_does_not_answer_is_one_problem() -> None:
    known = facts(CLASS, ME, WEB, states={"192.0.2.100": State.SILENT})
    reflex = dataclasses.replace(known.reflex, alive=False, problems={"reflex": "cannot reach the reflex"})
    assert told(dataclasses.replace(known, reflex=reflex)) == [("mlbd", "ReflexFailed")]


DOWN = Link(2, "eth0", ETH0.mac, up=False)


def test_silence_matters_to_the_node_that_stands_first() -> None:
    known = facts(CLASS, *NODES, WEB, states={"192.0.2.100": State.SILENT})
    first, second = (
        dataclasses.replace(known, settings=dataclasses.replace(known.settings, node=name))
        for name in known.desired.claims[ADDRESS].order
    )
    assert told(first) == [("Service shop/web", "NoUsableInterface")]
    assert told(second) == []
    assert told(dataclasses.replace(first, drain=Drain(NOW, ""))) == [], "it holds nothing, by order"
    cut_off = facts(
        CLASS,
        *NODES,
        WEB,
        states={"192.0.2.100": State.SILENT},
        sessions=(session("node-2", "down"),),
        links=(LO, DOWN),
    )
    assert cut_off.desired.claims[ADDRESS].order[0] == "node-2"
    assert told(cut_off) == [], "what others do is not to be seen from here"


def about_nodes(*sessions: SessionStatus, **changed: Any) -> list[tuple[str, str]]:
    return told(facts(CLASS, *NODES, WEB, states={"192.0.2.100": State.STANDBY}, sessions=sessions, **changed))


def test_a_node_that_is_down() -> None:
    lost = session("node-2", "down")
    assert about_nodes(lost) == [("Node node-2", "NodeDown")]
    assert about_nodes(dataclasses.replace(lost, since=NOW - 1)) == [], "it may only just have come"
    assert about_nodes(dataclasses.replace(lost, remote_state="admin-down")) == [], "it is drained"
    assert about_nodes(lost, links=(LO, DOWN)) == [], "it is this host that has no link"
    assert about_nodes(session("node-2")) == []


def contested(*seen: ConflictSeen) -> list[Problem]:
    return list(problems(facts(CLASS, ME, WEB, states={"192.0.2.100": State.HOLDING}, contests=seen)))


def test_who_claims_what_is_held_here() -> None:
    (problem,) = contested(ConflictSeen(ADDRESS, "eth0", MAC))
    assert (problem.object, problem.reason, problem.severity) == (
        "Service shop/web",
        "AddressContested",
        Severity.ERROR,
    )
    assert problem.message.startswith(f"cannot keep 192.0.2.100 to this node: {MAC} on eth0 claims it too; ")
    (problem,) = contested(ConflictSeen(ADDRESS, "eth0", MAC, "node-2", disputed=True))
    assert (problem.reason, problem.severity) == ("AddressDisputed", Severity.WARNING)
    assert problem.message.startswith("cannot agree with node-2 on who holds 192.0.2.100: ")
    assert contested(ConflictSeen(ADDRESS, "eth0", MAC, "node-2")) == [], "views differ for a moment"


def paced(interval: float, *sessions: SessionStatus, **changed: Any) -> list[str]:
    known = facts(CLASS, *NODES, sessions=sessions)
    settings = dataclasses.replace(known.settings, liveness=Liveness(interval, 3))
    reflex = dataclasses.replace(known.reflex, **changed)
    return [problem.reason for problem in problems(dataclasses.replace(known, settings=settings, reflex=reflex))]


def test_a_pace_that_an_ordinary_process_cannot_keep() -> None:
    assert paced(0.02, session("node-2"), realtime=False) == ["NotRealtime"]
    assert paced(0.1, session("node-2"), realtime=False) == []
    assert paced(0.02, session("node-2"), realtime=True) == []
    assert paced(0.02, realtime=False) == [], "nobody is watched"
    assert paced(0.02, session("node-2"), realtime=False, ready=False) == [], "it has not said yet"


def test_a_reflex_that_is_late() -> None:
    assert paced(0.1, session("node-2"), worst_lateness=100_001) == ["Late"]
    assert paced(0.1, session("node-2"), worst_lateness=100_000) == []
    assert paced(0.1, worst_lateness=200_000) == []


def test_an_address_that_nobody_is_left_for() -> None:
    drained = facts(
        CLASS,
        *NODES,
        WEB,
        states={"192.0.2.100": State.STANDBY},
        sessions=(session("node-2", "down"), session("node-2", "admin-down")),
        drain=Drain(NOW, ""),
    )
    assert ("Service shop/web", "NoNodeAlive") in told(drained)
    assert told(dataclasses.replace(drained, sessions=(session("node-2"),))) == []
    assert told(dataclasses.replace(drained, drain=None)) == [("Node node-2", "NodeDown")], "this one takes it"
