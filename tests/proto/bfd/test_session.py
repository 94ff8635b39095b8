"""A session of each side, joined by a wire: what RFC 5880 6.5 to 6.8.18 wants, seen from outside."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from mlbd.proto.bfd.authentication import Authentication, AuthenticationType
from mlbd.proto.bfd.packet import Diagnostic, DropReason, Packet, State, encode
from mlbd.proto.bfd.session import Send
from tests.proto.bfd.pair import WATCH, End, Pair, mirrored, up

NONE, EXPIRED = Diagnostic.NONE, Diagnostic.CONTROL_DETECTION_TIME_EXPIRED
SIGNALED, BY_WILL = Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN
FAST, SLOWER = replace(WATCH, desired_min_tx=20_000), replace(WATCH, desired_min_tx=300_000)


def gaps(end: End, since: float) -> list[float]:
    """Between periodic packets: Finals do not count."""
    times = [time for time, packet in end.since(since) if not packet.final]
    return [later - sooner for sooner, later in pairwise(times)]


def deliver(pair: Pair, **fields: Any) -> None:
    """A packet to a such as b could send now, but for `fields`."""
    a, b = pair.a.status, pair.b.status
    packet = Packet(b.state, NONE, 3, b.local_discriminator, a.local_discriminator, 100_000, 100_000)
    octets = encode(packet._replace(**fields))
    pair.do(pair.a, pair.a.sessions.receive(octets, pair.a.arrival(), pair.now))


def test_two_ends_come_up_at_once_and_then_send_as_fast_as_agreed() -> None:
    pair = Pair()
    pair.run(0.01)
    assert (pair.a.state, pair.b.state) == (State.UP, State.UP)
    pair.run(3)
    assert pair.a.status.transmit_interval == 100_000
    assert pair.a.status.detection_time == 300_000
    assert pair.a.reasons()[-1] == (State.UP, NONE, State.INIT)
    assert (pair.a.status.ups, pair.a.status.downs) == (1, 0)
    assert (pair.a.status.sent, pair.b.status.sent) == (len(pair.a.sent), len(pair.b.sent))
    assert pair.a.status.received == len(pair.b.sent)


def test_who_is_up_does_not_wait_for_the_slow_timer() -> None:
    pair = Pair()
    pair.run(0.01)
    begin = pair.now
    pair.run(1)
    assert pair.a.since(begin)[0][0] <= begin + 0.1
    assert max(gaps(pair.a, begin)) <= 0.1001
    pair.a.reaches_other = False
    pair.run(0.4)
    assert pair.b.state is State.DOWN


def test_an_end_alone_says_down_once_a_second_and_knows_nobody() -> None:
    pair = Pair(start=False)
    pair.start(pair.a)
    pair.run(60)
    assert pair.a.sent[0][0] == 1000
    assert all(0.75 <= gap <= 1 for gap in gaps(pair.a, 0))
    packets = {packet for _, packet in pair.a.sent}
    assert packets == {Packet(State.DOWN, NONE, 3, pair.a.status.local_discriminator, 0, 1_000_000, 100_000)}


@pytest.mark.parametrize(("multiplier", "longest"), [(3, 1.0), (2, 1.0), (1, 0.9)])
def test_jitter(multiplier: int, longest: float) -> None:
    pair = up(replace(WATCH, multiplier=multiplier))
    begin = pair.now
    pair.run(60)
    shares = [gap / 0.1 for gap in gaps(pair.a, begin)]
    assert 0.75 <= min(shares) < 0.77
    assert longest - 0.02 < max(shares) <= longest + 1e-9


@pytest.mark.parametrize(
    ("a", "b", "interval", "detection"),
    [
        ((20_000, 50_000, 3), (20_000, 20_000, 3), 20_000, 150_000),
        ((20_000, 50_000, 3), (100_000, 70_000, 5), 70_000, 500_000),
        ((2_000_000, 20_000, 3), (20_000, 20_000, 4), 2_000_000, 80_000),
    ],
)
def test_the_slower_wish_wins_in_each_direction(
    a: tuple[int, int, int], b: tuple[int, int, int], interval: int, detection: int
) -> None:
    pair = up(
        replace(WATCH, desired_min_tx=a[0], required_min_rx=a[1], multiplier=a[2]),
        replace(mirrored(WATCH), desired_min_tx=b[0], required_min_rx=b[1], multiplier=b[2]),
    )
    assert (pair.a.status.transmit_interval, pair.a.status.detection_time) == (interval, detection)


def test_silence_is_noticed_after_the_detection_time_and_told_at_once() -> None:
    pair = up()
    pair.a.reaches_other = False
    cut = pair.now
    pair.run(0.5)
    time, change = pair.b.log[-1]
    assert (change.state, change.diagnostic, change.remote_state) == (State.DOWN, EXPIRED, State.UP)
    assert 0.2 <= time - cut <= 0.302
    said_at, said = pair.b.since(time)[0]
    assert (said_at, said.state, said.diagnostic, said.your_discriminator) == (time, State.DOWN, EXPIRED, 0)
    assert pair.a.reasons()[-1] == (State.DOWN, SIGNALED, State.DOWN)


def test_after_a_cut_both_ends_slow_down_and_come_back() -> None:
    pair = up()
    pair.a.reaches_other = pair.b.reaches_other = False
    pair.run(10)
    begin = pair.now
    pair.run(20)
    assert min(gaps(pair.a, begin)) >= 0.75
    assert pair.a.status.remote_discriminator == 0
    pair.a.reaches_other = pair.b.reaches_other = True
    pair.run(2)
    assert (pair.a.state, pair.b.state) == (State.UP, State.UP)
    assert (pair.a.status.ups, pair.a.status.downs) == (2, 1)
    assert pair.a.status.transmit_interval == 100_000
    assert pair.a.status.diagnostic is NONE
    pair.run(1)
    pair.b.reaches_other = False
    pair.run(0.302)
    assert pair.a.reasons()[-1] == (State.DOWN, EXPIRED, State.UP)


def test_an_end_that_is_heard_but_does_not_hear_never_comes_up() -> None:
    pair = Pair(start=False)
    pair.b.reaches_other = False
    pair.start(pair.a)
    pair.start(pair.b)
    pair.run(20)
    assert (pair.a.state, pair.b.state) == (State.DOWN, State.INIT)


def test_admin_down_is_told_at_once_and_is_not_a_failure() -> None:
    pair = up()
    pair.disable(pair.a)
    pair.run(0.002)
    assert pair.a.reasons()[-1] == (State.ADMIN_DOWN, BY_WILL, State.UP)
    assert pair.b.reasons()[-1] == (State.DOWN, SIGNALED, State.ADMIN_DOWN)
    assert pair.b.log[-1][1].remote_diagnostic is BY_WILL
    begin = pair.now
    pair.run(30)
    assert pair.a.state is State.ADMIN_DOWN
    assert 30 <= len(pair.a.since(begin)) <= 42
    pair.disable(pair.a, False)
    pair.run(2)
    assert (pair.a.state, pair.b.state) == (State.UP, State.UP)


def test_admin_down_behind_a_failure_is_told_too() -> None:
    pair = up()
    pair.a.reaches_other = False
    pair.run(2)
    pair.disable(pair.a)
    pair.a.reaches_other = True
    pair.run(2)
    assert pair.b.reasons()[-2:] == [(State.DOWN, EXPIRED, State.UP), (State.DOWN, EXPIRED, State.ADMIN_DOWN)]


def failures(end: End) -> int:
    return sum(change.failed for _, change in end.log)


@pytest.mark.parametrize(
    ("state", "diagnostic", "failure"),
    [
        (State.DOWN, NONE, True),
        (State.DOWN, EXPIRED, True),
        (State.DOWN, Diagnostic.CONCATENATED_PATH_DOWN, True),
        (State.DOWN, BY_WILL, False),
        (State.ADMIN_DOWN, BY_WILL, False),
        (State.ADMIN_DOWN, NONE, False),
    ],
)
def test_what_the_other_side_wanted_is_no_failure(state: State, diagnostic: Diagnostic, failure: bool) -> None:
    pair = up()
    deliver(pair, state=state, diagnostic=diagnostic)
    assert (pair.a.state, failures(pair.a)) == (State.DOWN, failure)


def test_silence_is_a_failure_of_who_was_up() -> None:
    pair = up()
    deliver(pair, state=State.UP, diagnostic=BY_WILL)  # it came back from that and still says why it was down
    pair.a.reaches_other = pair.b.reaches_other = False
    pair.run(10)
    assert failures(pair.a) == failures(pair.b) == 1


def test_who_was_never_up_or_wants_the_end_itself_has_not_failed() -> None:
    pair = Pair(start=False)
    pair.b.reaches_other = False
    pair.start(pair.a)
    pair.start(pair.b)
    deliver(pair, state=State.DOWN, your_discriminator=0)
    pair.run(10)
    assert [state for state, _, _ in pair.a.reasons()] == [State.INIT, State.DOWN]
    assert failures(pair.a) == 0
    pair = up()
    pair.disable(pair.a)
    pair.run(10)
    assert failures(pair.a) == failures(pair.b) == 0


def test_a_poll_is_answered_at_once_and_does_not_move_the_periodic_packets() -> None:
    pair = up()
    due = pair.a.sessions.deadline()
    deliver(pair, poll=True)
    _, answer = pair.a.sent[-1]
    assert (answer.final, answer.poll, answer.state) == (True, False, State.UP)
    assert pair.a.sessions.deadline() == due


def test_poll_and_final_are_never_both_set() -> None:
    pair = up()
    pair.b.reaches_other = False
    pair.watch(pair.a, FAST)
    deliver(pair, poll=True)
    assert [(packet.poll, packet.final) for _, packet in pair.a.sent[-2:]] == [(True, False), (False, True)]


def test_an_admin_down_end_discards_polls() -> None:
    pair = up()
    pair.disable(pair.a)
    pair.run(3)
    deliver(pair, poll=True)
    assert not pair.a.sent[-1][1].final


def test_sending_faster_and_waiting_longer_hold_at_once() -> None:
    pair = up()
    pair.b.reaches_other = False
    pair.watch(pair.a, replace(FAST, required_min_rx=500_000))
    assert pair.a.sent[-1][1].poll
    assert pair.a.status.detection_time == 1_500_000
    deliver(pair, required_min_rx=10_000)
    assert pair.a.status.transmit_interval == 20_000


def test_sending_slower_holds_when_the_final_has_come() -> None:
    pair = up()
    pair.b.reaches_other = False
    pair.watch(pair.a, SLOWER)
    assert pair.a.sent[-1][1].desired_min_tx == 300_000
    pair.run(0.25)
    assert pair.a.sent[-1][1].poll
    assert pair.a.status.transmit_interval == 100_000
    deliver(pair, final=True)
    assert pair.a.status.transmit_interval == 300_000
    pair.run(0.29)
    assert not pair.a.sent[-1][1].poll


def test_waiting_for_less_long_holds_when_the_final_has_come() -> None:
    pair = up(replace(WATCH, required_min_rx=400_000))
    assert pair.a.status.detection_time == 1_200_000
    pair.b.reaches_other = False
    pair.watch(pair.a, WATCH)
    assert pair.a.sent[-1][1].required_min_rx == 100_000
    assert pair.a.status.detection_time == 1_200_000
    deliver(pair, final=True)
    assert pair.a.status.detection_time == 300_000


def test_a_faster_wish_of_ours_is_served_from_the_last_packet_on() -> None:
    pair = up(WATCH, replace(mirrored(WATCH), required_min_rx=20_000))
    pair.watch(pair.a, FAST)
    begin = pair.now
    pair.run(0.2)
    assert max(gaps(pair.a, begin)) <= 0.0201
    assert len(gaps(pair.a, begin)) >= 9


def test_nothing_is_kept_back_once_the_session_is_down() -> None:
    pair = up(replace(WATCH, desired_min_tx=2_000_000, required_min_rx=400_000), mirrored(WATCH))
    pair.run(3)
    pair.b.reaches_other = False
    pair.watch(pair.a, replace(WATCH, desired_min_tx=2_000_000))
    assert pair.a.status.detection_time == 1_200_000
    deliver(pair, state=State.DOWN)
    assert pair.a.status.detection_time == 300_000


def test_who_goes_down_during_a_poll_slows_down_at_once() -> None:
    pair = up()
    pair.b.reaches_other = False
    pair.watch(pair.a, SLOWER)
    deliver(pair, state=State.DOWN)
    assert pair.a.sent[-1][1].desired_min_tx == 1_000_000


def test_a_second_change_waits_for_the_final_and_a_packet_behind_it() -> None:
    pair = up()
    pair.b.reaches_other = False
    pair.watch(pair.a, SLOWER)
    pair.watch(pair.a, replace(SLOWER, desired_min_tx=500_000))
    assert pair.a.sent[-1][1].desired_min_tx == 300_000
    deliver(pair, final=True)
    assert (pair.a.sent[-1][1].desired_min_tx, pair.a.status.transmit_interval) == (300_000, 300_000)
    deliver(pair)
    assert (pair.a.sent[-1][1].desired_min_tx, pair.a.sent[-1][1].poll) == (500_000, True)
    assert pair.a.status.transmit_interval == 300_000
    deliver(pair, final=True)
    assert pair.a.status.transmit_interval == 500_000


def test_a_final_that_nobody_asked_for_changes_nothing() -> None:
    pair = up()
    before = pair.a.status
    deliver(pair, final=True)
    assert replace(pair.a.status, received=before.received) == before


def test_every_poll_is_answered_although_it_repeats_the_last() -> None:
    pair = up()
    answered = len(pair.a.sent)
    for _ in range(3):
        deliver(pair, poll=True)
    assert [packet.final for _, packet in pair.a.sent[answered:]] == [True] * 3


def test_a_final_that_repeats_the_last_answers_a_new_poll() -> None:
    pair = up()
    pair.b.reaches_other = False
    deliver(pair, final=True)
    deliver(pair, final=True)
    pair.watch(pair.a, SLOWER)
    deliver(pair, final=True)
    assert pair.a.status.transmit_interval == 300_000


def test_what_meant_nothing_in_admin_down_means_something_afterwards() -> None:
    pair = Pair()
    pair.b.reaches_other = False
    pair.disable(pair.a)
    deliver(pair)
    deliver(pair)
    pair.disable(pair.a, False)
    deliver(pair)
    assert pair.a.state is State.INIT


def test_who_is_heard_again_is_known_again() -> None:
    pair = up()
    pair.b.reaches_other = False
    pair.disable(pair.a)
    deliver(pair, state=State.UP)
    deliver(pair, state=State.UP)
    pair.run(1)
    assert pair.a.status.remote_discriminator == 0
    deliver(pair, state=State.UP)
    assert pair.a.status.remote_discriminator == pair.b.status.local_discriminator


def test_every_change_is_negotiated_without_a_flap() -> None:
    pair = up()
    for watch in (FAST, SLOWER, replace(WATCH, required_min_rx=20_000, multiplier=5), WATCH):
        pair.watch(pair.a, watch)
        pair.run(5)
        assert pair.b.status.detection_time == watch.multiplier * max(watch.desired_min_tx, 100_000)
        assert pair.a.status.detection_time == 3 * max(watch.required_min_rx, 100_000)
        assert not pair.a.sent[-1][1].poll
    assert len(pair.a.log) == len(pair.b.log) == 2


def test_a_faster_wish_of_the_other_side_is_honoured_from_the_last_packet_on() -> None:
    pair = up(FAST, replace(mirrored(WATCH), required_min_rx=5_000_000))
    last = pair.a.sent[-1][0]
    pair.run(1)
    assert pair.a.sent[-1][0] == last
    deliver(pair, required_min_rx=20_000)
    due = pair.a.sessions.deadline()
    assert due is not None
    assert due <= pair.now


def test_a_wish_for_no_packets_is_granted_until_the_detection_time_is_over() -> None:
    pair = up()
    begin = pair.now
    pair.b.reaches_other = False
    deliver(pair, required_min_rx=0)
    assert pair.a.status.transmit_interval is None
    pair.run(0.29)
    assert pair.a.since(begin) == []
    pair.run(5)
    assert len(pair.a.since(begin)) >= 5


def test_demand_stops_periodic_packets_but_neither_polls_nor_detection() -> None:
    pair = up()
    pair.b.reaches_other = False
    begin = pair.now
    deliver(pair, demand=True)
    pair.run(0.1)
    assert pair.a.since(begin) == []
    pair.watch(pair.a, replace(WATCH, multiplier=5))
    pair.run(0.15)
    assert len(pair.a.since(begin)) >= 2
    assert all(packet.poll for _, packet in pair.a.since(begin))
    deliver(pair, demand=True, final=True)
    ended = pair.now
    pair.run(0.25)
    assert pair.a.since(ended) == []
    pair.run(0.1)
    assert pair.a.reasons()[-1] == (State.DOWN, EXPIRED, State.UP)
    assert pair.a.since(ended)


def test_demand_of_who_is_not_up_is_nothing() -> None:
    pair = up()
    pair.b.reaches_other = False
    for _ in range(3):
        deliver(pair, demand=True, state=State.DOWN, desired_min_tx=3_000_000, final=True)
    begin = pair.now
    pair.run(8)
    assert len(pair.a.since(begin)) >= 8


def test_a_passive_end_waits_to_be_spoken_to() -> None:
    pair = Pair(replace(WATCH, passive=True), mirrored(WATCH), start=False)
    pair.start(pair.a)
    pair.run(5)
    assert pair.a.sent == []
    pair.start(pair.b)
    pair.run(1)
    assert (pair.a.state, pair.b.state) == (State.UP, State.UP)
    pair.b.reaches_other = False
    pair.run(1)
    spoken = len(pair.a.sent)
    pair.run(5)
    assert len(pair.a.sent) == spoken


def test_two_passive_ends_stay_silent() -> None:
    pair = Pair(replace(WATCH, passive=True))
    pair.run(10)
    assert pair.a.sent == pair.b.sent == []
    assert pair.a.sessions.deadline() is None


def test_an_end_that_began_anew_is_noticed_at_once() -> None:
    pair = up()
    reborn = End(mirrored(WATCH), 3)
    pair.b = reborn
    pair.start(reborn)
    pair.run(0.01)
    assert pair.a.reasons()[-3:] == [
        (State.UP, NONE, State.INIT),
        (State.DOWN, SIGNALED, State.DOWN),
        (State.UP, NONE, State.INIT),
    ]
    assert pair.a.status.remote_discriminator == reborn.status.local_discriminator


def test_multiplier_one_bears_no_lost_packet_and_needs_none() -> None:
    pair = up(replace(WATCH, multiplier=1))
    pair.run(120)
    assert len(pair.a.log) == 2


def test_the_bits_we_never_set() -> None:
    pair = up()
    pair.run(2)
    assert not any(packet.control_plane_independent or packet.demand for _, packet in pair.a.sent)
    assert {packet.required_min_echo_rx for _, packet in pair.a.sent} == {0}


@pytest.mark.parametrize("kind", list(AuthenticationType))
def test_authenticated_ends_come_up_survive_a_restart_and_refuse_replay(kind: AuthenticationType) -> None:
    pair = up(replace(WATCH, authentication=Authentication(kind, 1, b"secret")))
    assert pair.a.sessions.receive(pair.b.octets[0], pair.a.arrival(), pair.now) == []
    assert pair.a.sessions.drops == {DropReason.AUTHENTICATION_SEQUENCE: 1}
    pair.b = End(pair.b.watch, 3)
    pair.start(pair.b)
    pair.run(5)
    assert (pair.a.state, pair.b.state) == (State.UP, State.UP)
    assert pair.a.status.downs == 1


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        (Authentication(AuthenticationType.KEYED_SHA1, 1, b"other"), DropReason.AUTHENTICATION_DIGEST),
        (None, DropReason.AUTHENTICATION_MISSING),
    ],
)
def test_ends_that_do_not_share_a_key_stay_down(theirs: Authentication | None, reason: DropReason) -> None:
    ours = Authentication(AuthenticationType.KEYED_SHA1, 1, b"secret")
    pair = Pair(replace(WATCH, authentication=ours), replace(mirrored(WATCH), authentication=theirs))
    pair.run(10)
    assert (pair.a.state, pair.b.state) == (State.DOWN, State.DOWN)
    assert set(pair.a.sessions.drops) == {reason}
    assert pair.a.status.dropped == pair.a.sessions.drops[reason] >= 10
    if theirs is None:
        assert set(pair.b.sessions.drops) == {DropReason.AUTHENTICATION_UNEXPECTED}


def test_a_new_key_on_both_sides_is_taken_up() -> None:
    pair = up(replace(WATCH, authentication=Authentication(AuthenticationType.KEYED_SHA1, 1, b"secret")))
    fresh = replace(WATCH, authentication=Authentication(AuthenticationType.METICULOUS_KEYED_SHA1, 2, b"better"))
    pair.watch(pair.a, fresh)
    pair.watch(pair.b, mirrored(fresh))
    pair.run(3)
    assert (pair.a.state, len(pair.a.log)) == (State.UP, 2)
    assert pair.a.octets[-1][24:27] == bytes([AuthenticationType.METICULOUS_KEYED_SHA1, 28, 2])


def test_sequence_numbers_bind_for_twice_the_detection_time() -> None:
    pair = up(replace(WATCH, authentication=Authentication(AuthenticationType.KEYED_SHA1, 1, b"secret")))
    pair.b.reaches_other = False
    pair.run(0.45)
    assert pair.a.reasons()[-1] == (State.DOWN, EXPIRED, State.UP)
    pair.b = End(pair.b.watch, 3)
    pair.start(pair.b)
    pair.run(0.01)
    assert pair.a.sessions.drops == {DropReason.AUTHENTICATION_SEQUENCE: 1}
    pair.run(2)
    assert pair.a.sessions.drops == {DropReason.AUTHENTICATION_SEQUENCE: 1}
    assert pair.a.state is State.UP


def test_a_session_that_is_dropped_says_admin_down_once() -> None:
    pair = up()
    actions = pair.a.sessions.watch([], pair.now)
    pair.do(pair.a, actions)
    assert [type(action) for action in actions] == [Send]
    assert pair.a.sent[-1][1].state is State.ADMIN_DOWN
    assert pair.a.sessions.deadline() is None
    pair.run(0.01)
    assert pair.b.reasons()[-1] == (State.DOWN, SIGNALED, State.ADMIN_DOWN)


def test_one_that_does_not_hear_us_and_then_falls_silent_is_told_of_twice() -> None:
    pair = Pair()
    pair.run(5)
    pair.a.reaches_other = False
    while pair.a.state is State.UP:
        pair.run(0.001)
    assert pair.a.reasons()[-1] == (State.DOWN, SIGNALED, State.DOWN)
    pair.b.reaches_other = False
    pair.run(10)
    assert pair.a.reasons()[-1][:2] == (State.DOWN, Diagnostic.CONTROL_DETECTION_TIME_EXPIRED)
