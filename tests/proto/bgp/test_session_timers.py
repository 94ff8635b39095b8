"""When a session says something, and when it has had enough (RFC 4271 8, 10, RFC 9687)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from mlbd.proto.bgp.messages import Notification
from mlbd.proto.bgp.neighbor import State

from .octets import KEEPALIVE, NOTIFICATION, UPDATE, message, update
from .opposite import IPV4_UNICAST, KEEPALIVE_OCTETS, NEIGHBOR, Opposite, open_with

END_OF_RIB = message(UPDATE, update())


def attempts(peer: Opposite, count: int) -> list[float]:
    """The pauses before attempts that are refused as soon as they are made."""
    begun = len(peer.connects)
    for _ in range(count):
        peer.do(peer.session.failed(peer.now, "refused"))
        due = peer.session.deadline()
        assert due is not None
        peer.wait(due - peer.now)
    return [after - before for before, after in pairwise(peer.connects[begun - 1 :])]


def test_the_first_attempt_is_at_once_and_the_back_off_doubles() -> None:
    assert attempts(Opposite().start(), 9) == [1, 2, 4, 8, 16, 32, 64, 120, 120]


@pytest.mark.parametrize(("longest", "pauses"), ((5.0, [1, 2, 4, 5, 5]), (0.5, [0.5, 0.5, 0.5])))
def test_the_back_off_ends_at_the_connect_retry_time(longest: float, pauses: list[float]) -> None:
    assert attempts(Opposite(replace(NEIGHBOR, connect_retry_time=longest)).start(), len(pauses)) == pauses


def test_the_back_off_begins_anew_with_a_start() -> None:
    peer = Opposite().start()
    attempts(peer, 5)
    peer.do(peer.session.reset(peer.now, Notification(6, 4)))
    assert attempts(peer, 3) == [1, 2, 4]


def test_jitter_takes_a_quarter_at_most() -> None:
    assert attempts(Opposite(random=lambda: 0.0).start(), 3) == [0.75, 1.5, 3]


def test_an_attempt_that_nobody_answers_is_begun_anew() -> None:
    peer = Opposite().start().wait(25)
    assert peer.connects == [1000, 1010, 1020] and peer.is_in(State.CONNECT)
    assert "no answer" in peer.failure.text


def test_who_is_passive_never_connects() -> None:
    peer = Opposite(replace(NEIGHBOR, passive=True)).start().wait(1000)
    assert peer.connects == [] and peer.is_in(State.ACTIVE)
    peer.accepted().hears(open_with(IPV4_UNICAST) + KEEPALIVE_OCTETS, 2)
    assert peer.is_in(State.ESTABLISHED)
    peer.do(peer.session.closed(2, peer.now, "reset"))
    peer.wait(1000)
    assert peer.connects == [] and peer.is_in(State.ACTIVE)
    assert peer.accepted(3).hears(open_with(IPV4_UNICAST), 3).is_in(State.OPEN_CONFIRM)


def test_a_lasting_session_is_opened_anew_at_once() -> None:
    peer = Opposite().start()
    attempts(peer, 5)
    peer.connected().hears(open_with(IPV4_UNICAST, hold_time=0) + KEEPALIVE_OCTETS).wait(3600)
    peer.do(peer.session.closed(1, peer.now, "reset"))
    assert peer.wait(0).connects[-1] == peer.now and peer.is_in(State.CONNECT)
    assert attempts(peer, 3) == [1, 2, 4]


def test_a_session_that_does_not_last_is_not() -> None:
    peer = Opposite().start()
    for number in range(1, 5):
        peer.connected(number).hears(open_with(IPV4_UNICAST) + KEEPALIVE_OCTETS, number)
        peer.hears(message(NOTIFICATION, b"\x06\x04"), number)
        due = peer.session.deadline()
        assert due is not None
        peer.wait(due - peer.now)
    assert peer.connects == [1000, 1001, 1003, 1007, 1015]


def test_a_peer_that_sends_nothing_has_four_minutes() -> None:
    peer = Opposite().start().connected().wait(239)
    assert peer.is_in(State.OPEN_SENT)
    assert peer.wait(1).farewell() == (4, 0, b"")
    assert "no OPEN" in peer.failure.text


def test_a_peer_that_never_confirms_has_the_hold_time() -> None:
    peer = Opposite().start().connected().hears(open_with(IPV4_UNICAST, hold_time=30)).wait(29)
    assert peer.is_in(State.OPEN_CONFIRM)
    assert peer.wait(1).farewell() == (4, 0, b"")


@pytest.mark.parametrize("octets", (KEEPALIVE_OCTETS, END_OF_RIB))
def test_the_hold_timer_begins_anew_with_what_is_heard(octets: bytes) -> None:
    peer = Opposite().established(hold_time=30).wait(29).hears(octets).wait(29)
    assert peer.is_in(State.ESTABLISHED)
    peer.said()
    assert peer.wait(1).farewell() == (4, 0, b"")
    assert "nothing was heard from the peer for 30 s" in peer.failure.text


def test_an_octet_is_no_message() -> None:
    peer = Opposite().established(hold_time=30)
    for octet in KEEPALIVE_OCTETS[:-1]:
        peer.hears(bytes((octet,))).wait(1)
    peer.said()
    assert peer.wait(12).farewell() == (4, 0, b"")


@pytest.mark.parametrize(
    ("ours", "theirs", "asked", "every"),
    ((90, 90, None, 30), (90, 9, None, 3), (9, 90, None, 3), (90, 90, 10.0, 10), (90, 9, 10.0, 3), (3, 90, None, 1)),
)
def test_keepalives_come_in_a_third_of_the_agreed_hold_time(
    ours: int, theirs: int, asked: float | None, every: float
) -> None:
    peer = Opposite(replace(NEIGHBOR, hold_time=ours, keepalive_time=asked)).established(hold_time=theirs)
    status = peer.session.status(peer.now)
    assert (status.hold_time, status.keepalive_time) == (min(ours, theirs), every)
    peer.said()
    for _ in range(4):
        assert peer.wait(every - 0.1).said() == []
        assert peer.wait(0.1).said() == [(KEEPALIVE, b"")]
        peer.hears(KEEPALIVE_OCTETS)


def test_keepalives_have_jitter_but_are_never_within_a_second() -> None:
    long, short = (Opposite(random=lambda: 0.0).established(hold_time=hold) for hold in (90, 3))
    long.said(), short.said()
    assert long.wait(22.4).said() == [] and long.wait(0.1).said() == [(KEEPALIVE, b"")]
    assert short.wait(0.9).said() == [] and short.wait(0.1).said() == [(KEEPALIVE, b"")]


@pytest.mark.parametrize(("ours", "theirs"), ((0, 90), (90, 0), (0, 0)))
def test_without_a_hold_time_there_is_silence(ours: int, theirs: int) -> None:
    peer = Opposite(replace(NEIGHBOR, hold_time=ours)).established(hold_time=theirs)
    peer.said()
    assert peer.wait(100_000).said() == [] and peer.is_in(State.ESTABLISHED)


@pytest.mark.parametrize(("hold", "patience"), ((90, 480), (900, 1800)))
def test_a_peer_that_never_reads_is_left_though_it_is_heard(hold: int, patience: int) -> None:
    peer = Opposite(replace(NEIGHBOR, hold_time=hold)).established(hold_time=hold)
    peer.said()
    peer.is_stuck = True
    peer.wait(hold / 3)  # a KEEPALIVE is stuck
    for _ in range(patience - 1):
        peer.wait(1).hears(KEEPALIVE_OCTETS)
    assert peer.is_in(State.ESTABLISHED)
    assert peer.wait(1).farewell() == (8, 0, b"")


def test_a_peer_that_reads_a_little_is_not() -> None:
    peer = Opposite().established()
    peer.is_stuck = True
    for pending in range(2000, 0, -1):
        peer.wait(1).hears(KEEPALIVE_OCTETS)
        peer.do(peer.session.sent(1, pending, peer.now))
    assert peer.is_in(State.ESTABLISHED)


def test_a_version_that_is_refused_is_not_tried_faster() -> None:
    peer = Opposite().start()
    for number in range(1, 4):
        peer.connected(number).hears(message(NOTIFICATION, b"\x02\x01\x00\x03"), number).wait(2 ** (number - 1))
    assert peer.connects == [1000, 1001, 1003, 1007]
