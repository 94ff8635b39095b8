"""What follows from what the reflex says of addresses and sessions."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address

import pytest

from mlbd.daemon.drain import drain_status, moves
from mlbd.daemon.facts import Facts
from mlbd.model.desired import Vip
from mlbd.model.drain import Drain
from mlbd.model.link import Link
from mlbd.model.status import DrainStatus, Move, Presence, SessionStatus, VipState
from mlbd.proto.neighbor.vip import State

from .known import CHILD, CLASS, ETH0, NODES, NOW, facts, heard, on_links, session
from .objects import IPS, metallb, node, service

TEXT = "192.0.2.100"
ADDRESS = ip_address(TEXT)
WEB = service("web", annotations={IPS: TEXT})
TRIO = (*NODES, node("node-3", 13))
DRAIN = Drain(NOW - 60, "new fans")
UP, LOST = (
    session("node-2"),
    session("node-2", "down", remote_state="down", diagnostic="control detection time expired"),
)
LEFT = session("node-2", "down", remote_state="admin-down")
MINE = session("node-2", "admin-down", remote_state="up")


def known(
    *order: str, state: State | None = None, sessions: tuple[SessionStatus, ...] = (), **changed: object
) -> Facts:
    """Of node-1, with ADDRESS in that order of nodes."""
    found = facts(CLASS, *TRIO, WEB, states={TEXT: state} if state else {}, sessions=sessions, **changed)
    vip = dataclasses.replace(found.desired.vips[ADDRESS], order=order)
    return dataclasses.replace(found, desired=dataclasses.replace(found.desired, vips={ADDRESS: vip}))


def vip_of(found: Facts) -> Vip:
    return found.desired.vips[ADDRESS]


@pytest.mark.parametrize(
    ("sessions", "presence"),
    [
        ((), Presence.UNWATCHED),
        ((UP,), Presence.ALIVE),
        ((LOST,), Presence.DOWN),
        ((session("node-2", "init"),), Presence.DOWN),
        ((LOST, dataclasses.replace(UP, link="eth1")), Presence.ALIVE),
        ((LEFT,), Presence.DRAINED),
        ((MINE,), Presence.UNWATCHED),
        ((session("node-3", "down"),), Presence.UNWATCHED),
    ],
)
def test_presence(sessions: tuple[SessionStatus, ...], presence: Presence) -> None:
    assert known("node-1", sessions=sessions).presence("node-2") is presence


def test_presence_of_this_node_and_of_strangers() -> None:
    found = known("node-1")
    assert found.presence("node-1") is Presence.ALIVE
    assert dataclasses.replace(found, drain=DRAIN).presence("node-1") is Presence.DRAINED
    assert found.presence("node-9") is Presence.APART


@pytest.mark.parametrize(
    ("order", "state", "sessions", "holder"),
    [
        (("node-2", "node-1"), State.STANDBY, (UP,), "node-2"),
        (("node-2", "node-1"), State.STANDBY, (), "node-2"),
        (("node-2", "node-1"), State.HOLDING, (LOST,), "node-1"),
        (("node-2", "node-1"), State.PROBING, (LOST,), "node-1"),
        (("node-2", "node-1"), State.HOLDING, (UP,), "node-1"),
        (("node-1", "node-2"), State.LEAVING, (UP,), "node-1"),
        (("node-1", "node-2"), State.SILENT, (UP,), "node-2"),
        (("node-1", "node-2"), State.SILENT, (LOST,), None),
        (("node-1", "node-2"), State.CONFLICT, (UP,), None),
        (("node-1", "node-2"), None, (UP,), "node-1"),
        (("node-2", "node-3", "node-1"), State.STANDBY, (LEFT,), "node-3"),
        (("node-2",), None, (LOST,), None),
    ],
)
def test_holder(
    order: tuple[str, ...], state: State | None, sessions: tuple[SessionStatus, ...], holder: str | None
) -> None:
    found = known(*order, state=state, sessions=sessions)
    assert found.holder(vip_of(found)) == holder


def test_whom_this_node_waits_for_is_the_holder() -> None:
    waiting = on_links(TEXT, heard(TEXT, "eth0", State.WAITING, "node-3"))
    found = known("node-1", "node-2", "node-3", sessions=(UP,), reflex=waiting)
    assert found.holder(vip_of(found)) == "node-3"


def test_a_drained_node_holds_nothing() -> None:
    found = known("node-1", "node-2", state=State.STANDBY, sessions=(MINE,), drain=DRAIN)
    assert found.holder(vip_of(found)) == "node-2"


@pytest.mark.parametrize(
    ("order", "sessions", "heir"),
    [
        (("node-1", "node-2", "node-3"), (UP,), "node-2"),
        (("node-1", "node-2", "node-3"), (LOST,), "node-3"),
        (("node-1", "node-2"), (LEFT,), None),
        (("node-1",), (UP,), None),
    ],
)
def test_heir(order: tuple[str, ...], sessions: tuple[SessionStatus, ...], heir: str | None) -> None:
    found = known(*order, state=State.HOLDING, sessions=sessions)
    assert found.heir(vip_of(found)) == heir
    assert moves(found) == (Move(TEXT, ("shop/web",), heir),)


@pytest.mark.parametrize(
    ("one", "other", "whole"),
    [
        (State.STANDBY, State.HOLDING, VipState.HOLDING),
        (State.LEAVING, State.STANDBY, VipState.LEAVING),
        (State.CONFLICT, State.PROBING, VipState.CONFLICT),
        (State.CONFLICT, State.HOLDING, VipState.HOLDING),
        (State.WAITING, State.STANDBY, VipState.WAITING),
        (State.SILENT, State.STANDBY, VipState.STANDBY),
        (State.SILENT, State.SILENT, VipState.SILENT),
    ],
)
def test_of_several_links_the_most_is_told(one: State, other: State, whole: VipState) -> None:
    words = heard(TEXT, "eth0", one), heard(TEXT, "eth1", other)
    found = known("node-1", "node-2", reflex=on_links(TEXT, *words))
    assert found.vip_state(ADDRESS) is whole
    answering = [word.link for word in words if word.state in (State.HOLDING, State.LEAVING)]
    assert list(found.answering_links(ADDRESS)) == answering


def test_what_the_reflex_has_not_spoken_of() -> None:
    found = facts(CLASS, *NODES, WEB)
    assert found.vip_state(ADDRESS) is VipState.STANDBY
    assert facts(CLASS, *NODES, WEB, reflex=dataclasses.replace(CHILD, alive=False)).vip_state(ADDRESS) is (
        VipState.SILENT
    )
    assert facts(CLASS, *NODES, WEB, links=()).vip_state(ADDRESS) is VipState.SILENT
    assert found.vip_state(ip_address("192.0.2.101")) is VipState.NONE


def test_who_is_out_of_sight_is_lost_after_a_moment() -> None:
    recent = dataclasses.replace(LOST, since=NOW - 1)
    assert known("node-1", sessions=(LOST,)).lost("node-2")
    assert not known("node-1", sessions=(recent,)).lost("node-2")
    assert not known("node-1", sessions=(LOST,)).lost("node-3")


@pytest.mark.parametrize("dark", [dataclasses.replace(ETH0, up=False), dataclasses.replace(ETH0, carrier=False)])
def test_nobody_is_lost_behind_a_dark_link(dark: Link) -> None:
    assert not known("node-1", sessions=(LOST,), links=(dark,)).lost("node-2")
    assert known("node-1", sessions=(dataclasses.replace(LOST, link="eth1"),), links=(dark,)).lost("node-2")


def test_a_drain_moves_what_is_answered_for_in_the_order_of_addresses() -> None:
    both = service("web", dual=True, annotations={"network.deckhouse.io/l2-load-balancer-external-ips-count": "2"})
    pool = metallb("IPAddressPool", "all", addresses=["192.0.2.9/32", "192.0.2.10/32", "2001:db8:1::/127"])
    found = facts(pool, metallb("L2Advertisement", "all"), *NODES, both)
    texts = [str(address) for address in found.desired.vips]
    held = facts(pool, metallb("L2Advertisement", "all"), *NODES, both, states=dict.fromkeys(texts, State.HOLDING))
    assert [move.address for move in moves(held)] == ["192.0.2.9", "192.0.2.10", "2001:db8:1::", "2001:db8:1::1"]
    assert {move.to for move in moves(held)} == {"node-2"}
    assert moves(found) == ()


def test_a_drain_and_how_far_it_is() -> None:
    assert drain_status(known("node-1")) is None
    for done in (False, True):
        found = known("node-1", drain=DRAIN, drained=done)
        assert drain_status(found) == DrainStatus(NOW - 60, "new fans", done)
