"""When this end of a link speaks, and whom it takes for the other one."""

from __future__ import annotations

from ipaddress import IPv6Address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbd.proto.neighbor.router import RouterAdvertisement, RouterMessage, RouterSolicitation
from mlbd.proto.neighbor.unnumbered import Unnumbered

ROUTER, OTHER = IPv6Address("fe80::1"), IPv6Address("fe80::2")
MAC = bytes.fromhex("020000000001")
START = 100.0


def end() -> Unnumbered:
    return Unnumbered(lambda: 1.0, START)


def sent(link: Unnumbered, until: float) -> list[tuple[float, list[RouterMessage]]]:
    """All that is sent of its own accord up to then."""
    found = []
    while (now := link.deadline()) <= until:
        found.append((now, link.expire(now, MAC)))
    return found


def times(link: Unnumbered, until: float) -> list[float]:
    return [now - START for now, _ in sent(link, START + until)]


def test_each_second_until_somebody_is_heard() -> None:
    link = end()
    advertisement, solicitation = RouterAdvertisement(0, MAC), RouterSolicitation(MAC)
    assert sent(link, START + 2) == [(START + n, [advertisement, solicitation]) for n in range(3)]
    assert link.neighbor is None


def test_three_times_more_and_then_now_and_then() -> None:
    link = end()
    times(link, 5)
    link.receive(RouterAdvertisement(), ROUTER, START + 5.5)
    assert link.neighbor == ROUTER
    assert times(link, 35) == [5.5, 6.5, 7.5, 8.5, 18.5, 28.5]


def test_the_long_interval_varies() -> None:
    link = Unnumbered(lambda: 0.0, START)
    link.receive(RouterAdvertisement(), ROUTER, START)
    assert times(link, 20) == [0, 1, 2, 3, 10.5, 18]


def settled() -> Unnumbered:
    """Heard ROUTER just now, spoke last at 3 and will at 13."""
    link = end()
    link.receive(RouterAdvertisement(), ROUTER, START)
    times(link, 3)
    link.receive(RouterAdvertisement(), ROUTER, START + 3.1)
    return link


def test_one_that_advertises_itself_is_answered() -> None:
    link = settled()
    link.receive(RouterAdvertisement(), ROUTER, START + 6)
    assert times(link, 10) == [6]


def test_an_answer_is_not_answered() -> None:
    link = settled()
    link.receive(RouterAdvertisement(), ROUTER, START + 5.9)
    assert times(link, 12) == []


def test_who_asks_is_answered_at_once() -> None:
    link = settled()
    link.receive(RouterSolicitation(), OTHER, START + 4)
    assert times(link, 12) == [4]
    link.receive(RouterSolicitation(), OTHER, START + 4.0625)
    assert times(link, 12) == [pytest.approx(4.1)]
    assert link.neighbor == ROUTER


def test_who_is_heard_is_not_asked() -> None:
    link = settled()
    assert [len(messages) for _, messages in sent(link, START + 43)] == [1, 1, 1, 2]


def test_another_router_takes_the_place_only_of_a_silent_one() -> None:
    link = settled()
    link.receive(RouterAdvertisement(), OTHER, START + 33)
    assert link.neighbor == ROUTER
    link.receive(RouterAdvertisement(), OTHER, START + 33.1)
    assert link.neighbor == OTHER


@given(st.lists(st.tuples(st.floats(0, 0.5), st.booleans(), st.sampled_from([ROUTER, OTHER])), max_size=200))
def test_nobody_makes_it_speak_more_often_than_ten_times_a_second(heard: list[tuple[float, bool, IPv6Address]]) -> None:
    link, now, spoke = end(), START, []
    for after, solicits, source in heard:
        spoke += [at for at, _ in sent(link, now + after)]
        now += after
        link.receive(RouterSolicitation() if solicits else RouterAdvertisement(), source, now)
    assert all(later - earlier >= 0.099 for earlier, later in pairwise(spoke))


@given(st.floats(0, 20))
def test_two_of_them_do_not_answer_each_other_for_ever(later: float) -> None:
    a, b = Unnumbered(lambda: 0.5, START), Unnumbered(lambda: 0.5, START + later)
    ends = {a: (b, ROUTER), b: (a, OTHER)}
    count = 0
    while (now := min(a.deadline(), b.deadline())) < START + 1000:
        speaker = min(ends, key=Unnumbered.deadline)
        listener, address = ends[speaker]
        for message in speaker.expire(now, MAC):
            count += 1
            listener.receive(message, address, now)
    assert (a.neighbor, b.neighbor) == (OTHER, ROUTER)
    assert count < 300
