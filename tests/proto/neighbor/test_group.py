"""What a node may conclude from whom it sees; ETH0 and ETH1 are watched links, 0 is the way over several hops."""

from __future__ import annotations

import pytest

from mlbd.proto.neighbor.group import START_WINDOW, Group

ETH0, ETH1, HOPS = 2, 3, 0
HOLD_DOWN = 30.0
START = 1000.0
MAC, OTHER_MAC = bytes.fromhex("020000000002"), bytes.fromhex("020000000003")


def group(*places: tuple[str, int], failures: int = 0) -> Group:
    """Of node-1, with both links open, at START."""
    it = Group("node-1", failures, START)
    it.open({ETH0, ETH1}, START)
    it.watch(places, HOLD_DOWN, START)
    return it


def up(it: Group, node: str, link: int = ETH0, at: float = START) -> None:
    it.see(node, link, up=True, planned=False, now=at)


def down(it: Group, node: str, link: int = ETH0, at: float = START, planned: bool = False) -> None:
    it.see(node, link, up=False, planned=planned, now=at)


def test_nothing_is_concluded_before_anybody_is_watched() -> None:
    it = Group("node-1", 0, START)
    it.expire(START + 100)
    assert it.starting
    assert it.deadline(START + 100) is None
    it.watch((), HOLD_DOWN, START + 100)
    assert not it.starting, "alone"


def test_the_start_window_ends_when_all_are_seen() -> None:
    it = group(("node-2", ETH0), ("node-3", ETH0))
    up(it, "node-2", at=START + 0.1)
    assert it.starting
    up(it, "node-3", at=START + 0.2)
    assert not it.starting


def test_the_start_window_ends_after_a_second() -> None:
    it = group(("node-2", ETH0))
    assert it.deadline(START) == START + START_WINDOW
    it.expire(START + 0.9)
    assert it.starting
    it.expire(START + 1.0)
    assert not it.starting


def test_the_window_opens_again_for_whoever_is_watched_anew() -> None:
    it = group(("node-2", ETH0))
    up(it, "node-2")
    starting = []
    for names in (["node-2"], ["node-2", "node-3"], ["node-2"]):
        it.watch([(name, ETH0) for name in names], HOLD_DOWN, START + 50)
        starting.append(it.starting)
        up(it, "node-3")
        assert not it.starting
    assert starting == [False, True, False]


def test_the_window_opens_again_with_the_return_to_the_group() -> None:
    it = group(("node-2", ETH0))
    up(it, "node-2")
    down(it, "node-2", at=START + 60, planned=True)
    it.begin(START + 100)
    assert it.starting
    assert not it.drained("node-2", ETH0), "it was this node that took the session down"
    it.expire(START + 101)
    assert not it.starting


def test_after_a_freeze_the_window_opens_and_who_is_drained_stays_known() -> None:
    it = group(("node-2", ETH0))
    up(it, "node-2")
    down(it, "node-2", planned=True)
    it.frozen(START + 100)
    assert it.starting
    assert it.drained("node-2", ETH0)


def test_alive_is_decided_on_the_link_itself() -> None:
    it = group(("node-2", ETH0), ("node-2", ETH1))
    up(it, "node-2", ETH1)
    assert not it.alive("node-2", ETH0)
    assert it.alive("node-2", ETH1)


def test_without_a_session_on_the_link_any_other_counts() -> None:
    it = group(("node-2", HOPS), ("node-2", ETH1))
    assert not it.alive("node-2", ETH0)
    up(it, "node-2", HOPS)
    assert it.alive("node-2", ETH0)


def test_who_cannot_be_watched_is_alive_and_so_is_this_node() -> None:
    it = group(("node-2", ETH0))
    assert it.alive("node-3", ETH0)
    assert it.alive("node-1", ETH0)


def test_who_is_watched_no_longer_is_neither_known_nor_drained() -> None:
    it = group(("node-2", ETH0))
    down(it, "node-2", planned=True)
    it.watch((), HOLD_DOWN, START)
    it.watch([("node-2", ETH0)], HOLD_DOWN, START)
    assert not it.drained("node-2", ETH0)
    up(it, "node-9")
    it.watch([("node-9", ETH0)], HOLD_DOWN, START)
    assert not it.alive("node-9", ETH0), "a report about nobody that is watched"


def test_a_planned_end_is_drained_until_it_is_seen_again_and_no_failure() -> None:
    it = group(("node-2", ETH0))
    up(it, "node-2")
    down(it, "node-2", at=START + 10, planned=True)
    assert it.drained("node-2", ETH0)
    down(it, "node-2", at=START + 10.3)
    assert it.drained("node-2", ETH0), "the session ends after it said so"
    up(it, "node-2", at=START + 20)
    assert not it.drained("node-2", ETH0)
    assert not it.returned("node-2", ETH0, START + 20)
    assert not it.rejoined(ETH0, START + 20)


def test_a_failure_is_no_drain_and_the_node_returned_for_half_of_the_hold_down() -> None:
    it = group(("node-2", ETH0), ("node-3", ETH0))
    up(it, "node-2")
    up(it, "node-3")
    down(it, "node-2", at=START + 10)
    assert not it.drained("node-2", ETH0)
    assert not it.returned("node-2", ETH0, START + 10), "not yet"
    up(it, "node-2", at=START + 100)
    assert it.returned("node-2", ETH0, START + 114.9)
    assert not it.returned("node-2", ETH0, START + 115)
    assert not it.returned("node-3", ETH0, START + 100)


def test_a_node_that_left_on_purpose_did_not_fail_whatever_it_did_before() -> None:
    it = group(("node-2", ETH0))
    up(it, "node-2")
    down(it, "node-2", at=START + 10)
    up(it, "node-2", at=START + 11)
    down(it, "node-2", at=START + 12, planned=True)
    up(it, "node-2", at=START + 13)
    assert not it.returned("node-2", ETH0, START + 13)


def test_a_node_that_started_is_settled_after_its_hold_down() -> None:
    it = group()
    assert not it.settled(ETH0, START + 29.9)
    assert it.deadline(START) == START + 30
    assert it.settled(ETH0, START + 30)
    assert it.deadline(START + 30) is None
    assert not it.settled(99, START + 30), "a link that there never was"


@pytest.mark.parametrize(("failures", "doublings"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 4), (50, 4)])
def test_the_hold_down_doubles_with_each_failure_after_the_first(failures: int, doublings: int) -> None:
    it = group(failures=failures)
    settles = START + HOLD_DOWN * 2**doublings
    assert not it.settled(ETH0, settles - 0.1)
    assert it.settled(ETH0, settles)


def test_failures_of_all_kinds_add_up_and_are_forgiven_after_ten_minutes() -> None:
    it = group(failures=1)
    it.open({ETH1}, START + 100)
    it.open({ETH0, ETH1}, START + 110)
    assert not it.settled(ETH0, START + 169.9)
    assert it.settled(ETH0, START + 170), "two failures: 60 s"
    it.frozen(START + 200)
    assert not it.settled(ETH0, START + 319.9)
    assert it.settled(ETH0, START + 320), "three failures: 120 s"
    it.frozen(START + 805)
    assert not it.settled(ETH0, START + 834.9)
    assert it.settled(ETH0, START + 835), "all others are more than 600 s ago"


def test_a_carrier_lost_unsettles_its_own_link() -> None:
    it = group()
    it.open({ETH1}, START + 100)
    assert not it.settled(ETH0, START + 100), "there is none"
    it.open({ETH0, ETH1}, START + 100)
    assert not it.settled(ETH0, START + 129)
    assert it.settled(ETH0, START + 130)
    assert it.settled(ETH1, START + 100)


def test_a_freeze_unsettles_all_links_but_those_that_are_away() -> None:
    it = group()
    it.open({ETH1}, START + 100)
    it.frozen(START + 100)
    assert not it.settled(ETH1, START + 129)
    assert it.settled(ETH1, START + 130)
    assert not it.settled(ETH0, START + 1000)


def test_one_cut_off_from_several_others_is_not_settled_until_its_hold_down_after_it_rejoined() -> None:
    it = group(("node-2", ETH0), ("node-3", ETH0))
    up(it, "node-2")
    up(it, "node-3")
    down(it, "node-2", at=START + 100)
    assert it.settled(ETH0, START + 100)
    assert not it.rejoined(ETH0, START + 100), "one of two"
    down(it, "node-3", at=START + 100)
    assert it.rejoined(ETH0, START + 500)
    assert not it.settled(ETH0, START + 500)
    up(it, "node-3", at=START + 500)
    assert it.rejoined(ETH0, START + 529)
    assert not it.settled(ETH0, START + 529)
    assert it.settled(ETH0, START + 530)
    assert not it.rejoined(ETH0, START + 530)


@pytest.mark.parametrize("cause", ["carrier", "freeze"])
def test_one_failure_that_is_noticed_twice_counts_once(cause: str) -> None:
    it = group(("node-2", ETH0), ("node-3", ETH0))
    up(it, "node-2")
    up(it, "node-3")
    if cause == "carrier":
        it.open({ETH1}, START + 100)
    else:
        it.frozen(START + 100.3)
    for node in ("node-2", "node-3"):
        down(it, node, at=START + 100.3)
    it.open({ETH0, ETH1}, START + 110)
    up(it, "node-2", at=START + 111)
    settles = START + (140 if cause == "carrier" else 130.3)
    assert not it.settled(ETH0, settles - 0.1)
    assert it.settled(ETH0, settles)


def test_with_a_single_other_node_nobody_can_tell_who_was_cut_off() -> None:
    it = group(("node-2", ETH0), ("node-2", ETH1))
    up(it, "node-2")
    down(it, "node-2", at=START + 100)
    assert it.settled(ETH0, START + 100)
    assert not it.rejoined(ETH0, START + 100)
    up(it, "node-2", at=START + 200)
    assert not it.rejoined(ETH0, START + 200)
    assert not it.settled(ETH0, START + 229), "it does not insist on what the other took"
    assert it.settled(ETH0, START + 230)
    down(it, "node-2", at=START + 300)
    up(it, "node-2", at=START + 310)
    assert it.settled(ETH0, START + 340), "and it is no failure of its own"


def test_whose_mac_it_is() -> None:
    it = group(("node-2", ETH0), ("node-3", ETH0))
    it.learn("node-2", ETH0, MAC)
    assert it.who(MAC, ETH0, ()) == "node-2"
    assert it.who(MAC, ETH1, ()) is None, "learnt on another link"
    assert it.who(OTHER_MAC, ETH0, ()) is None
    it.learn("node-2", ETH0, OTHER_MAC)
    assert it.who(OTHER_MAC, ETH0, ()) == "node-2"
    assert it.who(MAC, ETH0, ()) is None, "a network card was replaced"


def test_an_unknown_mac_is_that_of_the_first_node_before_whose_mac_is_unknown_and_who_is_alive() -> None:
    it = group(("node-2", ETH0), ("node-3", ETH0), ("node-4", ETH0))
    up(it, "node-2")
    it.learn("node-2", ETH0, MAC)
    before = ("node-2", "node-3", "node-4")
    assert it.who(OTHER_MAC, ETH0, before) is None
    up(it, "node-4")
    assert it.who(OTHER_MAC, ETH0, before) == "node-4"
    up(it, "node-3")
    assert it.who(OTHER_MAC, ETH0, before) == "node-3"


def test_who_speaks_but_does_not_hear_is_alive_until_it_falls_silent() -> None:
    it = group(("node-2", ETH0), ("node-3", ETH0))
    up(it, "node-2")
    up(it, "node-3")
    it.unheard("node-2", ETH0, START + 100)
    assert it.alive("node-2", ETH0)
    assert not it.hears("node-2", ETH0)
    assert it.hears("node-3", ETH0)
    down(it, "node-2", at=START + 110)
    assert not it.alive("node-2", ETH0)


def test_whom_another_did_not_hear_was_away_itself() -> None:
    it = group(("node-2", ETH0), ("node-3", ETH0))
    up(it, "node-2")
    up(it, "node-3")
    it.unheard("node-2", ETH0, START + 100)
    up(it, "node-2", at=START + 105)
    assert it.hears("node-2", ETH0)
    assert not it.returned("node-2", ETH0, START + 105), "it was this node that was not heard"
    assert not it.settled(ETH0, START + 105 + HOLD_DOWN - 1)
    assert it.settled(ETH0, START + 105 + HOLD_DOWN)


def test_after_a_lost_carrier_the_window_lasts_although_all_seem_to_be_there() -> None:
    it = group(("node-2", ETH0))
    up(it, "node-2")
    it.open({ETH1}, START + 10)
    it.open({ETH0, ETH1}, START + 10.2)
    assert it.starting, "what it believes is old"
    it.expire(START + 10.2 + START_WINDOW)
    assert not it.starting
