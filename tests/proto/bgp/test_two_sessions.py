"""Two speakers under any order of events: they always find one connection, and exactly the routes arrive."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from mlbd.proto.bgp.messages import Attributes, Prefix
from mlbd.proto.bgp.neighbor import Neighbor, State

from .receiver import Receiver
from .wire import Side, Wire, updates

LONG = 250.0  # seconds in which every back-off and every timer has run out

prefixes = st.integers(0, 5).map(lambda number: IPv4Network((0x0A000000 + number, 32)))
attributes = st.builds(Attributes, communities=st.lists(st.integers(0, 3), max_size=2).map(tuple))
tables = st.dictionaries(prefixes, attributes, max_size=5)


@st.composite
def neighbors(draw: st.DrawFn) -> tuple[Neighbor, Neighbor]:
    passive = draw(st.sampled_from((None, "a", "b")))
    restart_time = draw(st.sampled_from((0, 120)))
    first, second = draw(st.permutations((IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2"))))
    holds = st.sampled_from((0, 3, 90))
    return (
        Neighbor(65001, 65002, first, hold_time=draw(holds), passive=passive == "a", restart_time=restart_time),
        Neighbor(65002, 65001, second, hold_time=draw(holds), passive=passive == "b", restart_time=restart_time),
    )


def heard_by(side: Side) -> dict[Prefix, Attributes]:
    [end] = side.open_ends()
    receiver = Receiver(65535)
    receiver.receive(updates(bytes(end.received)))
    assert receiver.ends == [(1, 1)]
    return {prefix: route.attributes for prefix, route in receiver.table.items()}


def assert_together(wire: Wire) -> None:
    assert [side.state for side in wire.sides] == [State.ESTABLISHED] * 2
    [one], [other] = (side.open_ends() for side in wire.sides)
    assert one.other is other


@settings(max_examples=100, deadline=None)
@given(neighbors(), st.randoms(use_true_random=False), st.lists(tables, min_size=1, max_size=4), st.integers(0, 60))
def test_they_always_meet(
    pair: tuple[Neighbor, Neighbor], random: Random, routes: list[dict[Prefix, Attributes]], chaos: int
) -> None:
    wire = Wire(*pair, random)
    for side in wire.sides:
        wire.do(side, side.session.start(0.0))
        wire.do(side, side.session.advertise(dict(routes[0]), 0.0))
    for _ in range(chaos):
        wire.step(haste=0.02)
        ends = [end for side in wire.sides for end in side.open_ends()]
        if ends and random.random() < 0.03:
            wire.lose(random.choice(ends))
    wire.settle(LONG)
    assert_together(wire)
    connections = len(wire.a.ends)
    for table in routes:
        wire.do(wire.a, wire.a.session.advertise(dict(table), wire.now))
        for _ in range(random.randint(0, 5)):
            wire.step()
    wire.settle(LONG)

    assert_together(wire)
    assert heard_by(wire.b) == routes[-1] and heard_by(wire.a) == routes[0]
    assert wire.b.session.status(wire.now).heard == len(routes[-1])
    assert len(wire.a.ends) == connections, "who has a session does not connect"
