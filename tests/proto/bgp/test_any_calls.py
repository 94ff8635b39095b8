"""Whatever a driver and a peer do, in any order: nothing is raised, and what is asked of the driver makes sense."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mlbd.proto.bgp.connection import CONGESTED
from mlbd.proto.bgp.messages import Attributes, Notification, Prefix
from mlbd.proto.bgp.neighbor import Neighbor, State
from mlbd.proto.bgp.notification import cease
from mlbd.proto.bgp.numbers import Cease, Family

from .octets import NOTIFICATION, ROUTE_REFRESH, UPDATE, message, update
from .opposite import IPV4_UNICAST, IPV6_UNICAST, KEEPALIVE_OCTETS, NEIGHBOR, REFRESH, Opposite, open_with, restart

NEIGHBORS = (
    NEIGHBOR,
    replace(NEIGHBOR, families=frozenset(Family), restart_time=120, max_prefixes=1),
    replace(NEIGHBOR, passive=True, hold_time=3),
)
OPENS = (
    open_with(IPV4_UNICAST, REFRESH),
    open_with(IPV4_UNICAST, identifier="192.0.2.3", hold_time=0),
    open_with(IPV4_UNICAST, restart(), hold_time=9),
)
SAID = (
    *OPENS,
    *(octets + KEEPALIVE_OCTETS for octets in OPENS),
    open_with(IPV6_UNICAST),
    open_with(asn=65002),
    KEEPALIVE_OCTETS,
    message(UPDATE, update()),
    message(UPDATE, update(withdrawn=b"\x08\x0a")),
    message(ROUTE_REFRESH, b"\0\1\0\1"),
    message(NOTIFICATION, b"\x06\x07"),
    message(NOTIFICATION, b"\x02\x01"),
)
ROUTES: tuple[dict[Prefix, Attributes], ...] = ({}, {IPv4Network("192.0.2.9/32"): Attributes()})
REASONS = (cease(Cease.ADMINISTRATIVE_SHUTDOWN, "memory"), cease(Cease.ADMINISTRATIVE_RESET))
connections = st.integers(1, 8)


class Anything(RuleBasedStateMachine):
    """`known` are the connections that the session was told of; Opposite sees that none is used after its end."""

    @initialize(neighbor=st.sampled_from(NEIGHBORS))
    def begin(self, neighbor: Neighbor) -> None:
        self.peer = Opposite(neighbor).start()
        self.known = 0

    @rule()
    def start(self) -> None:
        self.peer.start()

    @rule(reason=st.none() | st.sampled_from(REASONS))
    def stop(self, reason: Notification | None) -> None:
        self.peer.do(self.peer.session.stop(self.peer.now, reason))
        assert self.peer.is_in(State.IDLE) and self.peer.session.deadline() is None
        assert self.peer.closed == set(range(1, self.known + 1))

    @rule(reason=st.sampled_from(REASONS))
    def reset(self, reason: Notification) -> None:
        self.peer.do(self.peer.session.reset(self.peer.now, reason))

    @rule()
    def bfd_down(self) -> None:
        self.peer.do(self.peer.session.bfd_down(self.peer.now))

    @rule()
    def refresh(self) -> None:
        self.peer.do(self.peer.session.refresh(self.peer.now))

    @rule(routes=st.sampled_from(ROUTES))
    def advertise(self, routes: dict[Prefix, Attributes]) -> None:
        self.peer.do(self.peer.session.advertise(routes, self.peer.now))

    @rule()
    def connect(self) -> None:
        self.known += 1
        self.peer.connected(self.known)

    @rule()
    def accept(self) -> None:
        self.known += 1
        self.peer.accepted(self.known)

    @rule()
    def fail(self) -> None:
        self.peer.do(self.peer.session.failed(self.peer.now, "refused"))

    @rule(number=connections)
    def close(self, number: int) -> None:
        if number <= self.known and number not in self.peer.closed:
            self.peer.closed.add(number)
            self.peer.do(self.peer.session.closed(number, self.peer.now, "reset"))

    @rule(number=connections, octets=st.sampled_from(SAID) | st.binary(max_size=40))
    def hear(self, number: int, octets: bytes) -> None:
        self.peer.hears(octets, number)

    @rule(number=connections, pending=st.sampled_from((0, 1, CONGESTED)))
    def send(self, number: int, pending: int) -> None:
        self.peer.do(self.peer.session.sent(number, pending, self.peer.now))

    @rule(seconds=st.sampled_from((0, 1, 60, 600)), is_stuck=st.booleans())
    def wait(self, seconds: int, is_stuck: bool) -> None:
        self.peer.is_stuck = is_stuck
        self.peer.wait(seconds)

    @invariant()
    def what_is_told_is_so(self) -> None:
        states = [change.state for change in self.peer.changes]
        assert self.peer.is_in(states[-1] if states else State.IDLE)
        assert all(before is not after for before, after in pairwise(states))
        assert len(set(range(1, self.known + 1)) - self.peer.closed) <= 2


TestAnything = Anything.TestCase
TestAnything.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
