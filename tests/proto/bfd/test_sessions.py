"""Which packet is whose, and many sessions behind one deadline."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbd.proto.bfd.packet import Diagnostic, DropReason, Packet, State, encode
from mlbd.proto.bfd.session import Send
from mlbd.proto.bfd.sessions import Arrival, Sessions
from mlbd.proto.bfd.watch import Watch
from tests.proto.bfd.pair import WATCH, A, B

C, LL = ip_address("192.0.2.3"), ip_address("fe80::2")
WATCHES = [
    WATCH,
    replace(WATCH, link=3),
    replace(WATCH, link=0, minimum_ttl=254),
    replace(WATCH, remote=C),
    replace(WATCH, local=ip_address("fe80::1"), remote=LL),
]
DOWN = Packet(State.DOWN, Diagnostic.NONE, 3, 99, 0, 1_000_000, 100_000)


def sessions() -> Sessions:
    machine = Sessions(random.Random(5).random)
    machine.watch(WATCHES, 0.0)
    return machine


def heard(machine: Sessions) -> list[int]:
    """Which of WATCHES received something."""
    return [index for index, status in enumerate(machine.status()) if status.received]


@pytest.mark.parametrize(
    ("arrival", "index"),
    [
        (Arrival(B, A, 2, 255), 0),
        (Arrival(B, A, 3, 255), 1),
        (Arrival(B, A, 2, 254, multihop=True), 2),
        (Arrival(C, A, 2, 255), 3),
        (Arrival(LL, ip_address("fe80::1"), 2, 255), 4),
    ],
)
def test_a_packet_finds_its_session_by_path_then_by_discriminator(arrival: Arrival, index: int) -> None:
    machine = sessions()
    machine.receive(encode(DOWN), arrival, 1.0)
    assert heard(machine) == [index]
    discriminator = machine.status()[index].local_discriminator
    machine.receive(encode(DOWN._replace(state=State.INIT, your_discriminator=discriminator)), arrival, 1.0)
    assert machine.status()[index].state is State.UP
    assert not machine.drops


@pytest.mark.parametrize(
    ("arrival", "factor", "reason"),
    [
        (Arrival(B, A, 4, 255), 0, DropReason.NO_SESSION),
        (Arrival(ip_address("192.0.2.4"), A, 2, 255), 0, DropReason.NO_SESSION),
        (Arrival(B, A, 2, 255), 2, DropReason.NO_SESSION),
        (Arrival(B, A, 3, 255), 1, DropReason.ANOTHER_PATH),
        (Arrival(C, A, 2, 255), 1, DropReason.ANOTHER_PATH),
        (Arrival(B, A, 2, 255, multihop=True), 1, DropReason.ANOTHER_PATH),
        (Arrival(B, A, 2, 254), 1, DropReason.TTL),
        (Arrival(B, A, 2, 254), 0, DropReason.TTL),
        (Arrival(B, A, 0, 253, multihop=True), 0, DropReason.TTL),
    ],
)
def test_what_is_nobodys_changes_nothing(arrival: Arrival, factor: int, reason: DropReason) -> None:
    """Your Discriminator is the first session's times `factor`."""
    machine = sessions()
    before = machine.status()
    yours = before[0].local_discriminator * factor % 2**32
    assert machine.receive(encode(DOWN._replace(your_discriminator=yours)), arrival, 1.0) == []
    assert machine.drops == Counter([reason])
    assert [replace(status, dropped=0) for status in machine.status()] == before


@given(st.binary(max_size=60))
def test_no_octets_raise_or_create_a_session(octets: bytes) -> None:
    machine = sessions()
    machine.receive(octets, Arrival(B, A, 2, 255), 1.0)
    assert len(machine.status()) == len(WATCHES)


def test_discriminators_are_random_unique_and_not_zero() -> None:
    numbers = iter([0.0, 0.5, 0.1, 0.5, 0.25, 0.1])
    machine = Sessions(lambda: next(numbers))
    machine.watch(WATCHES[:2], 0.0)
    assert [status.local_discriminator for status in machine.status()] == [2**31, 2**30]


def test_watching_again_keeps_sessions_and_replaces_the_set() -> None:
    machine = sessions()
    before = {status.watch.path: status.local_discriminator for status in machine.status()}
    assert machine.watch(WATCHES, 1.0) == []
    renamed = replace(WATCHES[0], peer="other")
    actions = machine.watch([renamed, WATCHES[1]], 1.0)
    assert {action.watch for action in actions if isinstance(action, Send)} == set(WATCHES[2:])
    assert len(actions) == len(WATCHES) - 2
    after = machine.status()
    assert [status.watch for status in after] == [renamed, WATCHES[1]]
    assert all(before[status.watch.path] == status.local_discriminator for status in after)


def test_exactly_those_are_admin_down_that_should_be() -> None:
    """Whether they were watched before or not."""
    machine = sessions()
    later = replace(WATCH, link=9)
    disabled = [WATCHES[0], WATCHES[2], later]
    machine.watch([*WATCHES, later], 1.0, {watch.key for watch in disabled})
    assert [status.watch for status in machine.status() if status.state is State.ADMIN_DOWN] == disabled
    machine.watch([*WATCHES, later], 2.0, {later.key})
    assert [status.watch for status in machine.status() if status.state is State.ADMIN_DOWN] == [later]
    assert machine.watch([*WATCHES, later], 3.0, {later.key}) == []


def bring_up(machine: Sessions, watch: Watch, now: float) -> None:
    """And let its Poll Sequence end."""
    arrival = Arrival(watch.remote, watch.local, watch.link, 255, multihop=watch.link == 0)
    (discriminator,) = (status.local_discriminator for status in machine.status() if status.watch == watch)
    init = DOWN._replace(state=State.INIT, required_min_rx=10_000, your_discriminator=discriminator)
    machine.receive(encode(init), arrival, now)
    for final in (True, False):
        machine.receive(encode(init._replace(state=State.UP, final=final)), arrival, now)


def due(machine: Sessions) -> float:
    deadline = machine.deadline()
    assert deadline is not None
    return deadline


def said(machine: Sessions, watch: Watch, until: float) -> int:
    """How many packets it sends, driven by its deadlines alone."""
    number = 0
    while (now := due(machine)) < until:
        number += sum(action.watch == watch for action in machine.expire(now) if isinstance(action, Send))
    return number


def test_admin_down_is_repeated_to_who_wanted_to_hear_nothing() -> None:
    """An end that demands silence gets no packets while all is well (RFC 5880 6.6)."""
    machine = sessions()
    bring_up(machine, WATCH, 0.0)
    yours = machine.status()[0].local_discriminator
    patient = DOWN._replace(state=State.UP, multiplier=60, demand=True, your_discriminator=yours)
    machine.receive(encode(patient), Arrival(B, A, 2, 255), 0.0)
    assert said(machine, WATCH, 5.0) == 0
    machine.watch(WATCHES, 5.0, {WATCH.key})
    assert said(machine, WATCH, 10.0) >= 5


@pytest.mark.parametrize("watch", WATCHES)
def test_who_comes_up_is_served_before_the_others(watch: Watch) -> None:
    machine = sessions()
    bring_up(machine, watch, 0.01)
    assert 0.08 < due(machine) <= 0.11


@pytest.mark.parametrize("watch", WATCHES)
def test_who_becomes_faster_is_served_before_the_others(watch: Watch) -> None:
    machine = sessions()
    for each in WATCHES:
        bring_up(machine, each, 0.01)
    faster = replace(watch, desired_min_tx=20_000)
    machine.watch([faster if each is watch else each for each in WATCHES], 0.01)
    assert 0.02 < due(machine) <= 0.03


def test_everybody_is_served_in_time_whatever_came_meanwhile() -> None:
    """One deadline for all: driven only by it, no session is ever late or forgotten."""
    machine = sessions()
    chance = random.Random(1)
    now, sent = 0.0, Counter[int]()
    while now < 60:
        assert due(machine) > now
        if chance.random() < 0.5 and now + 0.05 < due(machine):
            now += 0.05
            machine.receive(encode(DOWN), Arrival(B, A, chance.choice([2, 3]), 255), now)
            continue
        now = due(machine)
        for action in machine.expire(now):
            if isinstance(action, Send):
                sent[WATCHES.index(action.watch)] += 1
        assert all(status.transmit_interval == 1_000_000 for status in machine.status())
    assert all(60 <= sent[index] <= 85 for index in range(len(WATCHES)))
