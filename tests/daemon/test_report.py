from __future__ import annotations

import dataclasses
from ipaddress import ip_address

import mlbd
from mlbd.daemon.report import compose
from mlbd.model.drain import Drain
from mlbd.model.status import DirectoryStatus, DrainStatus, Presence, ReflexStatus, ServiceStatus, VipState
from mlbd.proto.neighbor.vip import State

from .known import CLASS, MAC, NODES, facts, session
from .objects import COUNT, EXCLUDED, IPS, Manifest, node, service

ME, _ = NODES
TEXT = "192.0.2.100"
WEB = service("web", ports=(80, 443), annotations={IPS: TEXT})


def web(*manifests: Manifest, state: State | None = State.HOLDING) -> ServiceStatus:
    states = {"192.0.2.100": state} if state else {}
    return next(s for s in compose(facts(CLASS, *manifests, states=states)).services if s.name == "web")


def test_the_head() -> None:
    directory = DirectoryStatus("/etc/mlbd/state.d", True, 3, 5)
    status = compose(facts(CLASS, *NODES, WEB, states={"192.0.2.100": State.HOLDING}, directories=(directory,)))
    assert (status.node, status.version, status.pid, status.started) == ("node-1", mlbd.__version__, 7, 1000.0)
    assert (status.ready, status.bind_addresses) == (True, True)
    assert (status.vips, status.holding) == (1, 1)
    assert status.state == (directory,)
    assert status.reflex == ReflexStatus(8, True, True, 0, {"answered": 5})
    assert status.problems == ()


def test_a_service_that_is_announced() -> None:
    found = web(ME, WEB)
    assert (found.namespace, found.name, found.source) == ("shop", "web", "MetalLoadBalancerClass ingress")
    assert (found.policy, found.ports) == ("Cluster", ("80/TCP", "443/TCP"))
    assert (found.wanted, found.assigned, found.announced) == (1, 1, True)
    assert (found.reason, found.message, found.refused_nodes) == ("", "", {})
    (address,) = found.addresses
    assert (address.address, address.family, address.pinned) == ("192.0.2.100", 4, True)
    assert (address.holder, address.order) == ("node-1", ("node-1",))
    assert (address.state, address.links) == (VipState.HOLDING, ("eth0",))


def test_links_are_those_where_it_is_announced_now() -> None:
    (address,) = web(ME, WEB, state=State.PROBING).addresses
    assert (address.state, address.links) == (VipState.PROBING, ())


def test_an_address_that_the_reflex_has_not_spoken_of_is_not_held() -> None:
    (address,) = web(ME, WEB, state=None).addresses
    assert address.state is VipState.STANDBY


def test_an_address_that_this_node_may_not_hold() -> None:
    excluded = node("node-1", 11, **{EXCLUDED: ""})
    found = web(excluded, NODES[1], WEB, state=None)
    (address,) = found.addresses
    assert (address.holder, address.state, address.message) == ("node-2", VipState.NONE, "")
    assert found.announced
    assert found.refused_nodes == {"node-1": f"the node has the label {EXCLUDED}: take it off"}


def test_a_conflict_is_why_the_service_is_not_announced() -> None:
    found = web(ME, WEB, state=State.CONFLICT)
    (address,) = found.addresses
    assert (found.announced, found.reason) == (False, "AddressConflict")
    assert MAC in found.message
    assert address.message == found.message


def test_silence_is_why_the_service_is_not_announced() -> None:
    found = web(ME, WEB, state=State.SILENT)
    assert (found.announced, found.reason) == (False, "NoUsableInterface")


def test_the_reason_stands_with_the_address_that_this_node_should_hold() -> None:
    (mine,) = web(ME, WEB, state=State.SILENT).addresses
    assert (mine.state, mine.reason) == (VipState.SILENT, "NoUsableInterface")
    known = facts(CLASS, *NODES, WEB, states={"192.0.2.100": State.SILENT})
    (holder, other) = known.desired.claims[ip_address("192.0.2.100")].order
    for name, reason in ((holder, "NoUsableInterface"), (other, "")):
        here = dataclasses.replace(known, settings=dataclasses.replace(known.settings, node=name))
        (address,) = compose(here).services[0].addresses
        assert (address.state, address.reason) == (VipState.SILENT, reason)


def test_without_a_reflex_that_is_the_reason() -> None:
    known = facts(CLASS, ME, WEB, states={"192.0.2.100": State.SILENT})
    dead = dataclasses.replace(known, reflex=dataclasses.replace(known.reflex, alive=False))
    (found,) = compose(dead).services
    assert (found.announced, found.reason) == (False, "ReflexFailed")
    assert "the reflex does not answer" in found.message


def test_without_a_reflex_an_address_that_it_never_spoke_of_is_silent() -> None:
    known = facts(CLASS, ME, WEB)
    dead = dataclasses.replace(known, reflex=dataclasses.replace(known.reflex, alive=False))
    (found,) = compose(dead).services
    assert (found.announced, found.addresses[0].state) == (False, VipState.SILENT)


def test_a_slot_without_an_address() -> None:
    greedy = service("web", annotations={COUNT: "5"})
    found = web(ME, greedy, state=None)
    assert (found.wanted, found.assigned, found.announced, found.reason) == (5, 4, False, "PoolExhausted")
    last = found.addresses[-1]
    assert (last.slot, last.address, last.holder, last.reason) == (4, None, None, "PoolExhausted")
    assert last.message


def test_a_service_that_nobody_may_announce() -> None:
    found = web(node("node-1", 11, **{EXCLUDED: ""}), WEB, state=None)
    assert (found.assigned, found.announced, found.reason) == (1, False, "NoEligibleNode")


def test_nodes() -> None:
    unavailable = node("node-3", 13)
    unavailable["status"]["conditions"] = [{"type": "NetworkUnavailable", "status": "True"}]
    excluded = node("node-2", 12, **{EXCLUDED: ""})
    one, two, three = compose(facts(CLASS, ME, excluded, unavailable, WEB)).nodes
    assert (one.name, one.me, one.holds, one.message) == ("node-1", True, 1, "")
    assert one.addresses == ("192.0.2.11", "2001:db8::11")
    assert (two.me, two.holds) == (False, 0)
    assert EXCLUDED in two.message
    assert "NetworkUnavailable" in three.message


def test_nodes_as_far_as_this_one_sees() -> None:
    lost, seen = session("node-2", "down"), session("node-3")
    trio = facts(CLASS, *NODES, node("node-3", 13), node("node-9", 19), WEB, states={TEXT: State.HOLDING})
    one, two, three, nine = compose(dataclasses.replace(trio, sessions=(lost, seen))).nodes
    assert [each.presence for each in (one, two, three)] == [Presence.ALIVE, Presence.DOWN, Presence.ALIVE]
    assert (one.sessions, two.sessions, three.sessions) == ((), (lost,), (seen,))
    assert [each.holds for each in (one, two, three, nine)] == [1, 0, 0, 0]


def test_an_address_is_held_by_whoever_lives() -> None:
    known = facts(CLASS, *NODES, WEB, states={TEXT: State.STANDBY}, sessions=(session("node-2", "down"),))
    first = known.desired.vips[ip_address(TEXT)].order[0]
    assert first == "node-2"
    (address,) = compose(known).services[0].addresses
    assert (address.holder, compose(known).holding) == ("node-1", 0)


def test_what_is_given_away_is_told_of_until_it_is_gone() -> None:
    excluded = node("node-1", 11, **{EXCLUDED: ""})
    known = facts(CLASS, excluded, NODES[1], WEB, states={TEXT: State.LEAVING})
    (address,) = compose(known).services[0].addresses
    assert (address.state, address.holder, address.links) == (VipState.LEAVING, "node-1", ("eth0",))
    assert compose(known).holding == 1


def test_a_drained_node() -> None:
    assert compose(facts(CLASS, *NODES)).drain is None
    drained = compose(facts(CLASS, *NODES, drain=Drain(1000.0, "new fans"), drained=True))
    assert drained.drain == DrainStatus(1000.0, "new fans", True)


def test_links() -> None:
    lo, eth0 = compose(facts(CLASS, ME, WEB, states={"192.0.2.100": State.HOLDING})).links
    assert (lo.name, lo.usable, lo.message, lo.holds) == ("lo", False, "is a loopback", 0)
    assert (eth0.index, eth0.mac, eth0.usable, eth0.message, eth0.holds) == (2, "02:00:00:00:00:01", True, "", 1)


def test_a_link_that_the_reflex_cannot_use_says_why() -> None:
    sound = facts(CLASS, ME)
    broken = dataclasses.replace(sound.reflex, problems={"eth0": "cannot open a packet socket on eth0"})
    _, eth0 = compose(dataclasses.replace(sound, reflex=broken)).links
    assert not eth0.usable
    assert eth0.message == "cannot open a packet socket on eth0"
