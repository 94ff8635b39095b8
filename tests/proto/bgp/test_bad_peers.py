"""What a peer does wrong, and exactly the NOTIFICATION that the RFCs have for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlbd.proto.bgp.messages import Notification
from mlbd.proto.bgp.neighbor import Neighbor, Remote, State
from mlbd.proto.bgp.numbers import Family, Role

from .octets import (
    KEEPALIVE,
    NOTIFICATION,
    OPEN,
    ROUTE_REFRESH,
    UPDATE,
    capability,
    message,
    open_body,
    parameter,
    update,
)
from .opposite import IPV4_UNICAST, IPV6_UNICAST, KEEPALIVE_OCTETS, NEIGHBOR, Opposite, open_with

GOOD = open_with(IPV4_UNICAST)
BOTH = replace(NEIGHBOR, families=frozenset(Family))
INTERNAL = replace(NEIGHBOR, remote_as=Remote.INTERNAL)
EXTERNAL = replace(NEIGHBOR, remote_as=Remote.EXTERNAL)
CUSTOMER = replace(NEIGHBOR, role=Role.CUSTOMER)
NO_ATTRIBUTES = message(UPDATE, update(b"", b"\x08\x0a"))

OPEN_SENT = {
    "marker": (NEIGHBOR, b"\xff" * 15 + b"\xfe" + GOOD[16:], (1, 1, b"")),
    "garbage": (NEIGHBOR, b"GET / HTTP/1.1\r\n\r\n", (1, 1, b"")),
    "short": (NEIGHBOR, message(KEEPALIVE, length=18), (1, 2, b"\x00\x12")),
    "long": (NEIGHBOR, message(UPDATE, length=4097), (1, 2, b"\x10\x01")),
    "type": (NEIGHBOR, message(6), (1, 3, b"\x06")),
    "version": (NEIGHBOR, open_with(version=3), (2, 1, b"\x00\x04")),
    "AS": (NEIGHBOR, open_with(asn=65002), (2, 2, b"")),
    "AS of four octets": (NEIGHBOR, open_with(capability(65, b"\x00\x01\x00\x00")), (2, 2, b"")),
    "AS 0": (EXTERNAL, open_with(asn=0), (2, 2, b"")),
    "AS of an internal peer": (INTERNAL, open_with(asn=65001), (2, 2, b"")),
    "AS of an external peer": (EXTERNAL, open_with(asn=64512), (2, 2, b"")),
    "no identifier": (NEIGHBOR, open_with(identifier="0.0.0.0"), (2, 3, b"")),
    "our identifier": (INTERNAL, open_with(identifier="192.0.2.2", asn=64512), (2, 3, b"")),
    "our identifier outside": (NEIGHBOR, open_with(identifier="192.0.2.2"), (2, 3, b"")),
    "parameter": (NEIGHBOR, message(OPEN, open_body(parameter(b"", kind=1))), (2, 4, b"")),
    "hold time 1": (NEIGHBOR, open_with(hold_time=1), (2, 6, b"")),
    "hold time 2": (NEIGHBOR, open_with(hold_time=2), (2, 6, b"")),
    "no family": (NEIGHBOR, open_with(IPV6_UNICAST), (2, 7, IPV4_UNICAST)),
    "no family of two": (BOTH, open_with(capability(1, b"\x40\x04\x00\x47")), (2, 7, IPV4_UNICAST + IPV6_UNICAST)),
    "role": (CUSTOMER, open_with(capability(9, bytes((Role.PEER,)))), (2, 11, b"")),
    "KEEPALIVE": (NEIGHBOR, KEEPALIVE_OCTETS, (5, 1, bytes((KEEPALIVE,)))),
    "UPDATE": (NEIGHBOR, NO_ATTRIBUTES, (5, 1, bytes((UPDATE,)))),
    "ROUTE-REFRESH": (NEIGHBOR, message(ROUTE_REFRESH, b"\x00\x01\x00\x01"), (5, 1, bytes((ROUTE_REFRESH,)))),
}
OPEN_CONFIRM = {
    "marker": (b"\x00" * 19, (1, 1, b"")),
    "OPEN": (GOOD, (5, 2, bytes((OPEN,)))),
    "OPEN of another AS": (open_with(asn=65002), (5, 2, bytes((OPEN,)))),
    "UPDATE": (NO_ATTRIBUTES, (5, 2, bytes((UPDATE,)))),
    "ROUTE-REFRESH": (message(ROUTE_REFRESH, b"\x00\x01\x00\x01"), (5, 2, bytes((ROUTE_REFRESH,)))),
}
ESTABLISHED = {
    "marker": (b"\x00" * 19, (1, 1, b"")),
    "OPEN": (GOOD, (5, 3, bytes((OPEN,)))),
    "OPEN of version 3": (open_with(version=3), (5, 3, bytes((OPEN,)))),
    "UPDATE": (message(UPDATE, b"\xff\xff\x00\x00"), (3, 1, b"")),
    "ROUTE-REFRESH": (message(ROUTE_REFRESH, b"\x00\x01\x00"), (7, 1, message(ROUTE_REFRESH, b"\x00\x01\x00"))),
}


def assert_refused(peer: Opposite, answer: tuple[int, int, bytes]) -> None:
    assert peer.farewell() == answer
    change = peer.changes[-1]
    assert change.state is State.IDLE and change.failure is not None
    assert change.failure.notification == Notification(*answer) and not change.failure.received
    assert peer.session.status(peer.now).failure == change.failure


@pytest.mark.parametrize("fault", OPEN_SENT)
def test_instead_of_an_open(fault: str) -> None:
    neighbor, octets, answer = OPEN_SENT[fault]
    assert_refused(Opposite(neighbor).start().connected().hears(octets), answer)


@pytest.mark.parametrize("fault", OPEN_CONFIRM)
def test_instead_of_a_keepalive(fault: str) -> None:
    octets, answer = OPEN_CONFIRM[fault]
    assert_refused(Opposite().start().connected().hears(GOOD).hears(octets), answer)


@pytest.mark.parametrize("fault", ESTABLISHED)
def test_in_a_session(fault: str) -> None:
    octets, answer = ESTABLISHED[fault]
    assert_refused(Opposite().established(IPV4_UNICAST).hears(octets), answer)


@pytest.mark.parametrize("fault", OPEN_SENT)
def test_one_octet_at_a_time(fault: str) -> None:
    neighbor, octets, answer = OPEN_SENT[fault]
    peer = Opposite(neighbor).start().connected()
    for octet in octets:
        peer.hears(bytes((octet,)))
    assert_refused(peer, answer)


def test_nothing_is_read_behind_an_error() -> None:
    peer = Opposite().start().connected().hears(open_with(asn=65002) + GOOD + KEEPALIVE_OCTETS).hears(GOOD)
    assert_refused(peer, (2, 2, b""))


@pytest.mark.parametrize("before", (b"", GOOD, GOOD + KEEPALIVE_OCTETS))
def test_a_notification_is_never_answered(before: bytes) -> None:
    peer = Opposite().start().connected().hears(before)
    peer.said()
    peer.hears(message(NOTIFICATION, b"\x02\x02"))
    assert peer.said() == [] and 1 in peer.closed
    assert peer.failure.received and peer.failure.notification == Notification(2, 2)


@pytest.mark.parametrize(
    ("neighbor", "octets", "words"),
    (
        (NEIGHBOR, open_with(asn=65002), ("65002", "65001 is expected")),
        (INTERNAL, open_with(asn=65001), ("65001", "64512")),
        (NEIGHBOR, open_with(IPV6_UNICAST), ("this end has IPv4", "the peer IPv6")),
        (NEIGHBOR, open_with(hold_time=2), ("Unacceptable Hold Time", "1 or 2 seconds")),
        (CUSTOMER, open_with(capability(9, b"\x04")), ("role is peer", "customer", "provider")),
        (NEIGHBOR, message(NOTIFICATION, b"\x02\x02"), ("Bad Peer AS", "expects another AS")),
        (NEIGHBOR, message(NOTIFICATION, b"\x06\x02\x06memory"), ("Administrative Shutdown", "'memory'")),
    ),
)
def test_words_for_the_night(neighbor: Neighbor, octets: bytes, words: tuple[str, ...]) -> None:
    failure = Opposite(neighbor).start().connected().hears(octets).failure
    assert all(word in failure.text for word in words), failure
