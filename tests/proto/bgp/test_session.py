"""One session from end to end: what is offered and agreed, two connections, routes, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network

import pytest

from mlbd.proto.bgp.connection import CONGESTED
from mlbd.proto.bgp.messages import Attributes, Notification, Prefix
from mlbd.proto.bgp.neighbor import State
from mlbd.proto.bgp.notification import cease
from mlbd.proto.bgp.numbers import Cease, Family, Role

from .octets import (
    EXTENDED,
    KEEPALIVE,
    NOTIFICATION,
    OPEN,
    OPTIONAL,
    ROUTE_REFRESH,
    TRANSITIVE,
    UPDATE,
    attribute,
    capability,
    message,
    update,
)
from .opposite import (
    ENHANCED,
    IPV4_UNICAST,
    IPV6_UNICAST,
    KEEPALIVE_OCTETS,
    NEIGHBOR,
    PATH,
    PATH_6,
    REFRESH,
    Opposite,
    open_with,
    restart,
)
from .receiver import Receiver

BOTH = replace(NEIGHBOR, families=frozenset(Family))
RESTARTING = replace(NEIGHBOR, restart_time=120)
GOOD = open_with(IPV4_UNICAST)
SHUTDOWN = cease(Cease.ADMINISTRATIVE_SHUTDOWN, "memory")
END_OF_RIB = (UPDATE, b"\0\0\0\0")
END_OF_RIB_6 = (UPDATE, b"\0\0\0\x07" + b"\x90\x0f\0\x03\0\x02\x01")


def hosts(count: int, *communities: int) -> dict[Prefix, Attributes]:
    attributes = Attributes(communities=communities)
    return {IPv4Network((0x0A000000 + number, 32)): attributes for number in range(count)}


def announced(said: list[tuple[int, bytes]]) -> Receiver:
    receiver = Receiver(65535)
    receiver.receive(message(kind, body) for kind, body in said if kind == UPDATE)
    return receiver


def advertise(peer: Opposite, routes: Mapping[Prefix, Attributes]) -> list[tuple[int, bytes]]:
    peer.do(peer.session.advertise(routes, peer.now))
    return peer.said()


def heard(*nlri: bytes, withdrawn: bytes = b"") -> bytes:
    """An UPDATE of the peer."""
    attributes = (
        attribute(TRANSITIVE, 1, b"\0")
        + attribute(TRANSITIVE, 2, b"\x02\x01\xfd\xe9")
        + attribute(TRANSITIVE, 3, b"\1\1\1\1")
    )
    return message(UPDATE, update(attributes if nlri else b"", b"".join(nlri), withdrawn))


# What is offered


def offered(peer: Opposite, number: int = 1) -> bytes:
    [(kind, body)] = peer.said(number)
    assert kind == OPEN
    return body


def test_an_open_is_the_first_word_on_every_connection() -> None:
    peer = Opposite(replace(BOTH, role=Role.CUSTOMER, hold_time=9)).start().connected().accepted()
    fixed = b"\x04" + b"\xfc\x00" + b"\x00\x09" + b"\xc0\x00\x02\x02" + b"\x1d" + b"\x02\x1b"
    features = REFRESH + capability(6) + capability(9, b"\x03") + capability(65, b"\0\0\xfc\0") + ENHANCED
    assert offered(peer, 1) == offered(peer, 2) == fixed + IPV4_UNICAST + IPV6_UNICAST + features


def test_over_ipv6_the_peer_may_be_the_next_hop_of_ipv4() -> None:
    assert capability(5, b"\0\1\0\1\0\2") in offered(Opposite(BOTH, PATH_6).start().connected())
    assert capability(5, b"\0\1\0\1\0\2") not in offered(Opposite(BOTH).start().connected())


@pytest.mark.parametrize("ours", Role)
@pytest.mark.parametrize("theirs", (None, *Role))
def test_roles_go_together_or_there_is_no_session(ours: Role, theirs: Role | None) -> None:
    """RFC 9234 4.2, table 2; a peer may say nothing of it."""
    pairs = {(0, 3), (3, 0), (1, 2), (2, 1), (4, 4)}
    peer = Opposite(replace(NEIGHBOR, role=ours)).start().connected()
    peer.hears(open_with(*(() if theirs is None else (capability(9, bytes((theirs,))),))))
    assert peer.is_in(State.OPEN_CONFIRM) is (theirs is None or (ours, theirs) in pairs)


def test_within_an_as_there_are_no_roles() -> None:
    peer = Opposite(replace(NEIGHBOR, remote_as=64512, role=Role.CUSTOMER)).start().connected()
    assert capability(9, b"\x03") not in offered(peer)
    assert peer.hears(open_with(capability(9, b"\x03"), asn=64512)).is_in(State.OPEN_CONFIRM)


@pytest.mark.parametrize(
    ("restarted", "first", "next_try", "later"),
    (
        (False, (0x40, b"\0\1\1\0"), (0x40, b"\0\1\1\0"), (0x40, b"\0\1\1\x80")),
        (True, (0xC0, b"\0\1\1\x80"), (0xC0, b"\0\1\1\x80"), (0x40, b"\0\1\1\x80")),
    ),
)
def test_graceful_restart_tells_what_is_still_forwarded(
    restarted: bool, first: tuple[int, bytes], next_try: tuple[int, bytes], later: tuple[int, bytes]
) -> None:
    """The kernel goes on forwarding when a session ends; the restart is over with the first session after it."""
    peer = Opposite(replace(NEIGHBOR, restart_time=120, restarted=restarted)).start()
    for number, flags in enumerate((first, next_try, later), 1):
        assert restart(*flags) in offered(peer.connected(number), number)
        if number == 2:
            peer.hears(GOOD + KEEPALIVE_OCTETS, number)
        peer.do(peer.session.closed(number, peer.now, "reset"))
        peer.wait(5)


# Two connections (RFC 4271 6.8). This end is 192.0.2.2; 1 is the connection that it opened, 2 the peer's.

HIGHER, LOWER = "192.0.2.3", "192.0.2.1"
COLLISION = (6, 7, b"")


@pytest.mark.parametrize(("identifier", "stays", "goes"), ((HIGHER, 2, 1), (LOWER, 1, 2)))
@pytest.mark.parametrize("first", (1, 2))
@pytest.mark.parametrize("confirmed", (False, True))
def test_the_connection_of_the_higher_identifier_stays(
    identifier: str, stays: int, goes: int, first: int, confirmed: bool
) -> None:
    """Whichever the OPEN comes on first, and whether the other has had its OPEN."""
    opening = open_with(IPV4_UNICAST, identifier=identifier)
    peer = Opposite().start().connected(1)
    if confirmed:
        peer.hears(opening, 1).accepted(2).hears(opening, 2)
    else:
        peer.accepted(2).hears(opening, first)
    assert peer.farewell(goes) == COLLISION and peer.closed == {goes}
    peer.hears(opening if not confirmed and first != stays else b"", stays).hears(KEEPALIVE_OCTETS, stays)
    assert peer.is_in(State.ESTABLISHED)
    assert peer.session.status(peer.now).failure is None, "it is no failure of the session"


@pytest.mark.parametrize("identifier", (HIGHER, LOWER))
def test_what_is_established_stays(identifier: str) -> None:
    opening = open_with(IPV4_UNICAST, identifier=identifier)
    peer = Opposite().established(IPV4_UNICAST, identifier=identifier).accepted(2).hears(opening, 2)
    assert peer.farewell(2) == COLLISION and peer.closed == {2} and peer.is_in(State.ESTABLISHED)


def test_a_peer_that_holds_an_earlier_session_says_so() -> None:
    """It is no collision of ours: there is no other connection."""
    peer = Opposite().start().connected().hears(GOOD).hears(message(NOTIFICATION, b"\x06\x07"))
    assert "earlier session" in peer.failure.text


def test_an_attempt_is_given_up_once_the_peers_connection_is_established() -> None:
    peer = Opposite().start().accepted(2).hears(GOOD + KEEPALIVE_OCTETS, 2)
    assert peer.is_in(State.ESTABLISHED) and peer.gave_up
    assert peer.connected(1).closed == {1} and peer.said(1) == []


def test_a_bad_open_does_not_harm_the_other_connection() -> None:
    peer = Opposite().start().connected(1).hears(GOOD).accepted(2)
    peer.hears(open_with(IPV4_UNICAST, asn=65002, identifier=HIGHER), 2)
    assert peer.farewell(2) == (2, 2, b"") and peer.is_in(State.OPEN_CONFIRM)


def test_a_peer_that_connects_twice_has_forgotten_the_first() -> None:
    peer = Opposite(replace(NEIGHBOR, passive=True)).start().accepted(2).accepted(3)
    assert peer.farewell(2) == COLLISION
    assert peer.hears(GOOD + KEEPALIVE_OCTETS, 3).is_in(State.ESTABLISHED)
    assert peer.session.status(peer.now).failure is None


def test_a_peer_that_preserves_forwarding_and_connects_anew_has_restarted() -> None:
    """RFC 4724 5: the old connection goes without a word."""
    peer = Opposite().established(IPV4_UNICAST, restart(), hold_time=0).wait(3600)
    peer.said()
    peer.accepted(2).wait(0.5)
    assert peer.closed == {1} and peer.said(1) == [] and peer.is_in(State.OPEN_SENT)
    assert "restarted" in peer.failure.text
    assert peer.hears(GOOD + KEEPALIVE_OCTETS, 2).is_in(State.ESTABLISHED)
    assert peer.connects == [1000], "a connection of our own would only be in the way"


@pytest.mark.parametrize("begin", ("never started", "stopped"))
def test_who_does_not_want_a_session_rejects_connections(begin: str) -> None:
    peer = Opposite()
    if begin == "stopped":
        peer.start().do(peer.session.stop(peer.now, SHUTDOWN))
    assert peer.accepted().farewell(2) == (6, 5, b"")
    assert peer.session.status(peer.now).counters["rejected"] == 1


# Routes


def test_the_routes_and_the_end_of_rib_follow_the_handshake() -> None:
    peer = Opposite(BOTH)
    assert advertise(peer, hosts(3)) == []
    said = peer.established(IPV4_UNICAST, IPV6_UNICAST).said()
    assert said[-2:] == [END_OF_RIB, END_OF_RIB_6]
    assert announced(said).table.keys() == hosts(3).keys()
    assert peer.session.status(peer.now).announced == 3


def test_there_is_no_end_of_rib_before_the_routes_are_known() -> None:
    peer = Opposite().established()
    assert [kind for kind, _ in peer.said()] == [OPEN, KEEPALIVE]
    assert advertise(peer, {}) == [END_OF_RIB]
    assert advertise(peer, {}) == []


def test_a_later_session_hears_all_again() -> None:
    peer = Opposite()
    advertise(peer, hosts(2))
    peer.established().do(peer.session.closed(1, peer.now, "reset"))
    peer.said()
    peer.wait(1).connected(2).hears(GOOD + KEEPALIVE_OCTETS, 2)
    assert announced(peer.said(2)).table.keys() == hosts(2).keys()


def test_what_a_peer_does_not_take_is_counted() -> None:
    peer = Opposite(BOTH).established(IPV4_UNICAST)
    advertise(peer, {**hosts(1), IPv6Network("2001:db8::1/128"): Attributes()})
    status = peer.session.status(peer.now)
    assert status.announced == 1 and list(status.left_out.values()) == [1]
    assert status.families == {Family.IPV4}


def test_a_slow_reader_hears_the_difference_once_it_reads() -> None:
    peer = Opposite().established()
    advertise(peer, hosts(1))
    peer.is_stuck = True
    peer.do(peer.session.sent(1, CONGESTED, peer.now))
    for number in range(100):
        assert advertise(peer, hosts(2, number)) == []
    peer.do(peer.session.sent(1, CONGESTED, peer.now))
    assert peer.said() == []
    peer.do(peer.session.sent(1, CONGESTED - 1, peer.now))
    [(kind, body)] = peer.said()
    receiver = announced([(kind, body)])
    assert {prefix: route.attributes for prefix, route in receiver.table.items()} == hosts(2, 99)


ASK, BEGIN, END = ((ROUTE_REFRESH, bytes((0, 1, subtype, 1))) for subtype in (0, 1, 2))


def test_route_refresh_tells_all_again() -> None:
    peer = Opposite().established(REFRESH)
    advertise(peer, hosts(3))
    said = peer.hears(message(*ASK)).said()
    assert announced(said).table.keys() == hosts(3).keys()
    assert [kind for kind, _ in said] == [UPDATE]


def test_enhanced_route_refresh_tells_where_it_begins_and_ends() -> None:
    peer = Opposite().established(REFRESH, ENHANCED)
    advertise(peer, hosts(3))
    begin, *routes, end = peer.hears(message(*ASK)).said()
    assert (begin, end) == (BEGIN, END) and announced(routes).table.keys() == hosts(3).keys()


def test_what_is_asked_for_before_it_is_known_comes_when_it_is() -> None:
    peer = Opposite().established(REFRESH, ENHANCED)
    peer.said()
    assert peer.hears(message(*ASK)).said() == []
    assert BEGIN in advertise(peer, hosts(3))


@pytest.mark.parametrize("body", (b"\0\2\0\1", b"\0\x19\0\x41", BEGIN[1], END[1], b"\0\1\x07\1"))
def test_other_route_refreshes_mean_nothing(body: bytes) -> None:
    peer = Opposite().established(REFRESH, ENHANCED)
    advertise(peer, hosts(3))
    assert peer.hears(message(ROUTE_REFRESH, body)).said() == [] and peer.is_in(State.ESTABLISHED)


@pytest.mark.parametrize(("capabilities", "asked"), (((REFRESH,), [ASK]), ((), [])))
def test_a_soft_reset_tells_all_again_and_asks(capabilities: tuple[bytes, ...], asked: list[tuple[int, bytes]]) -> None:
    peer = Opposite().established(*capabilities)
    advertise(peer, hosts(3))
    peer.do(peer.session.refresh(peer.now))
    said = peer.said()
    assert announced(said).table.keys() == hosts(3).keys()
    assert [message for message in said if message[0] == ROUTE_REFRESH] == asked


def test_messages_are_as_long_as_both_allow() -> None:
    long, short = Opposite().established(capability(6)), Opposite().established()
    assert len(advertise(long, hosts(5000))) < len(advertise(short, hosts(5000)))
    longest = message(UPDATE, update(attribute(EXTENDED | OPTIONAL, 99, bytes(65535 - 19 - 4 - 4))))
    assert long.hears(longest).is_in(State.ESTABLISHED) and len(longest) == 65535


# What is heard


def test_prefixes_are_counted_once_and_dropped() -> None:
    peer = Opposite(BOTH).established(IPV4_UNICAST, IPV6_UNICAST)
    peer.hears(heard(b"\x08\x0a", b"\x10\x0a\x01") + heard(b"\x08\x0a"))
    assert peer.session.status(peer.now).heard == 2
    peer.hears(heard(withdrawn=b"\x08\x0a\x08\x0b") + message(*END_OF_RIB))
    status = peer.session.status(peer.now)
    assert status.heard == 1
    assert (status.counters["update.received"], status.counters["endOfRib.received"]) == (4, 1)


def test_more_prefixes_than_allowed_end_the_session_for_long() -> None:
    peer = Opposite(replace(NEIGHBOR, max_prefixes=2)).established()
    peer.hears(heard(b"\x08\x0a", b"\x08\x0b"))
    assert peer.is_in(State.ESTABLISHED)
    peer.hears(heard(b"\x08\x0c"))
    assert peer.farewell() == (6, 1, b"\0\1\1\0\0\0\2")
    assert "more than 2 IPv4 prefixes" in peer.failure.text
    assert peer.accepted(2).farewell(2) == (6, 5, b"")
    assert peer.wait(299).connects == [1000]
    assert peer.wait(1).connects == [1000, 1300]


def test_tolerated_errors_are_counted() -> None:
    peer = Opposite().established().hears(message(UPDATE, update(attribute(TRANSITIVE, 1, b"\7"), b"\x08\x0a")))
    status = peer.session.status(peer.now)
    assert status.state is State.ESTABLISHED and status.counters["flaws"] > 0 and status.heard == 0


# The end


def hard(reason: Notification) -> tuple[int, int, bytes]:
    return 6, 9, bytes((reason.code, reason.subcode)) + reason.data


@pytest.mark.parametrize(
    ("reason", "is_hard"),
    (
        (SHUTDOWN, True),
        (cease(Cease.PEER_DE_CONFIGURED), True),
        (cease(Cease.OTHER_CONFIGURATION_CHANGE), False),
        (cease(Cease.ADMINISTRATIVE_RESET), False),
    ),
)
@pytest.mark.parametrize("agreed", (True, False))
def test_a_shutdown_is_a_hard_reset_where_a_notification_keeps_routes(
    reason: Notification, is_hard: bool, agreed: bool
) -> None:
    """RFC 8538 3."""
    peer = Opposite(RESTARTING).established(IPV4_UNICAST, restart(0x40 if agreed else 0))
    peer.do(peer.session.stop(peer.now, reason))
    plain = reason.code, reason.subcode, reason.data
    assert peer.farewell() == (hard(reason) if is_hard and agreed else plain)
    assert peer.is_in(State.IDLE) and peer.session.deadline() is None


def test_before_a_session_there_is_nothing_to_reset_hard() -> None:
    peer = Opposite(RESTARTING).start().connected().hears(open_with(IPV4_UNICAST, restart()))
    peer.do(peer.session.stop(peer.now, SHUTDOWN))
    assert peer.farewell() == (6, 2, b"\x06memory")


def test_a_graceful_restart_says_nothing() -> None:
    peer = Opposite(RESTARTING).established(IPV4_UNICAST, restart())
    peer.said()
    peer.do(peer.session.stop(peer.now, None))
    assert peer.closed == {1} and peer.said() == [] and peer.is_in(State.IDLE)


def test_a_reset_begins_anew_at_once() -> None:
    peer = Opposite().established()
    peer.do(peer.session.reset(peer.now, cease(Cease.ADMINISTRATIVE_RESET)))
    assert peer.farewell() == (6, 4, b"") and peer.connects == [1000, 1000] and peer.is_in(State.CONNECT)


def test_a_stopped_session_is_not_reset() -> None:
    peer = Opposite().established()
    peer.do(peer.session.stop(peer.now, SHUTDOWN))
    peer.do(peer.session.reset(peer.now, cease(Cease.ADMINISTRATIVE_RESET)))
    assert peer.wait(1000).connects == [1000]


@pytest.mark.parametrize("agreed", (True, False))
def test_bfd_down_ends_the_session_at_once(agreed: bool) -> None:
    """RFC 9384."""
    peer = Opposite(RESTARTING).established(IPV4_UNICAST, *((restart(),) if agreed else ()))
    peer.do(peer.session.bfd_down(peer.now))
    assert peer.farewell() == (hard(cease(Cease.BFD_DOWN)) if agreed else (6, 10, b""))
    assert "BFD Down" in peer.failure.text
    assert peer.wait(1).connects == [1000, 1001]


def test_stopping_gives_an_attempt_up() -> None:
    peer = Opposite().start()
    peer.do(peer.session.stop(peer.now, SHUTDOWN))
    assert peer.gave_up and peer.wait(1000).connects == [1000]
    assert peer.start().connects == [1000, 2000]


def test_a_connection_that_is_lost_is_lost_in_words() -> None:
    peer = Opposite().established()
    peer.do(peer.session.closed(1, peer.now, "Connection reset by peer"))
    assert peer.failure.text == "the connection was lost: Connection reset by peer"
    assert [change.state for change in peer.changes[-2:]] == [State.ESTABLISHED, State.IDLE]
    assert peer.changes[-1].failure == peer.failure
    counters = peer.session.status(peer.now).counters
    assert (counters["established"], counters["lost"]) == (1, 1)


def test_a_peer_that_hangs_up_without_a_word_is_told_of() -> None:
    peer = Opposite().start().connected()
    peer.do(peer.session.closed(1, peer.now, "closed by the peer"))
    assert "without a word" in peer.failure.text and peer.is_in(State.ACTIVE)
    assert peer.wait(1).connects == [1000, 1001]


def test_a_snapshot_tells_both_sides() -> None:
    peer = Opposite(replace(BOTH, hold_time=30)).established(IPV6_UNICAST, REFRESH, hold_time=9)
    status = peer.session.status(peer.now + 5)
    assert (status.since, status.hold_time, status.keepalive_time, status.retry) == (1000, 9, 3, None)
    assert status.path == PATH and status.families == {Family.IPV6}
    assert (status.remote_as, status.remote_identifier) == (65001, IPv4Address("192.0.2.1"))
    assert status.capabilities_sent and status.capabilities_sent.families == frozenset(Family)
    assert status.capabilities_received and status.capabilities_received.route_refresh
    assert dict(status.counters) == {"open.sent": 1, "open.received": 1} | {
        "keepalive.sent": 1,
        "keepalive.received": 1,
        "established": 1,
    }


def test_a_snapshot_before_a_session_tells_what_is_offered() -> None:
    peer = Opposite(replace(NEIGHBOR, hold_time=30)).start()
    peer.do(peer.session.failed(peer.now, "Connection refused"))
    status = peer.session.status(peer.now + 0.25)
    assert (status.state, status.hold_time, status.keepalive_time, status.retry) == (State.IDLE, 30, 10, 0.75)
    assert status.families == {Family.IPV4} and status.path is None
    assert peer.failure.text == "cannot connect: Connection refused" and status.failed_at == 1000
