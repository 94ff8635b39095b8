"""Several announcers on one segment, one fault at a time; VIP is node a's, then b's, then c's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mlbd.proto.neighbor.vip import State
from tests.proto.neighbor.segment import HOLD_DOWN, Node, Segment

VIP, VIP6 = "192.0.2.10", "2001:db8::10"
ORDER = ("a", "b", "c")
ORDERS: dict[str, tuple[str, ...]] = {VIP: ORDER, VIP6: ("b", "c", "a")}


def group(*names: str, seed: int = 0, settled: bool = True) -> Segment:
    segment = Segment(names or ORDER, ORDERS, seed)
    for node in segment.nodes.values():
        node.start()
    segment.run(60 if settled else 2)
    return segment


def holders(segment: Segment, address: str = VIP) -> list[str]:
    return [node.name for node in segment.nodes.values() if node.answers(address)]


def seconds_dark(segment: Segment, seconds: float, address: str = VIP) -> float:
    """For how long nobody answered in the next seconds."""
    dark, last = 0.0, segment.now

    def look() -> None:
        nonlocal dark, last
        dark += (segment.now - last) * was_dark[0]
        last, was_dark[0] = segment.now, not holders(segment, address)

    was_dark = [not holders(segment, address)]
    segment.after = look
    segment.run(seconds)
    segment.after = lambda: None
    return dark


@pytest.mark.parametrize("seed", range(5))
def test_all_starting_together_serve_within_two_seconds_each_its_own(seed: int) -> None:
    segment = group(seed=seed, settled=False)
    assert (holders(segment), holders(segment, VIP6)) == (["a"], ["b"])
    assert not any(
        node.states(address).count(State.HOLDING) > 1 for node in segment.nodes.values() for address in ORDERS
    )


def test_one_alone_serves_everything() -> None:
    segment = Segment(ORDER, ORDERS)
    segment["c"].start()
    segment.run(2)
    assert (holders(segment), holders(segment, VIP6)) == (["c"], ["c"])


@pytest.mark.parametrize("fault", ["kill", "freeze", "unplug"])
def test_a_lost_holder_is_replaced_by_the_next_and_only_its_own_addresses_move(fault: str) -> None:
    segment = group()
    a = segment["a"]
    faults: dict[str, Callable[[], None]] = {"kill": a.kill, "freeze": a.freeze, "unplug": a.unplug}
    faults[fault]()
    assert seconds_dark(segment, 2) < 0.35
    assert holders(segment) == ["b"]
    assert segment["b"].states(VIP6) == [State.PROBING, State.HOLDING]


@pytest.mark.parametrize(
    ("leave", "come"), [(Node.kill, Node.start), (Node.freeze, Node.thaw), (Node.unplug, Node.plug)]
)
def test_one_that_returns_waits_for_its_hold_down_and_takes_over_without_a_gap(
    leave: Callable[[Node], None], come: Callable[[Node], None]
) -> None:
    segment = group()
    a = segment["a"]
    leave(a)
    segment.run(5)
    come(a)
    assert seconds_dark(segment, HOLD_DOWN - 0.1) == 0
    assert holders(segment) == ["b"]
    assert a.state(VIP) is State.WAITING
    assert seconds_dark(segment, 1) == 0
    assert holders(segment) == ["a"]


def test_one_that_fails_again_and_again_waits_ever_longer() -> None:
    segment = group()
    for seconds in (30, 60, 120, 240):
        segment["a"].unplug()
        segment.run(1)
        segment["a"].plug()
        segment.run(seconds - 0.1)
        assert holders(segment) == ["b"]
        segment.run(2)
        assert holders(segment) == ["a"]


def test_whoever_waits_takes_over_when_the_holder_dies() -> None:
    segment = group()
    segment["a"].kill()
    segment.run(5)
    segment["a"].start(1)
    segment.run(5)
    segment["b"].kill()
    assert seconds_dark(segment, 2) < 0.35
    assert holders(segment) == ["a"]


def test_a_drain_moves_everything_without_a_gap_and_undrain_moves_it_back() -> None:
    segment = group()
    segment["a"].drain(True)
    assert seconds_dark(segment, 5) == 0
    assert holders(segment) == ["b"]
    assert segment["a"].states(VIP)[-2:] == [State.LEAVING, State.STANDBY]
    segment["a"].drain(False)
    assert seconds_dark(segment, 5) < 0.2, "it asks once more whether somebody took over"
    assert holders(segment) == ["a"]


def test_one_alone_has_nobody_to_wait_for_when_it_is_drained() -> None:
    segment = group()
    for node in segment.nodes.values():
        node.claim({VIP: ("a",), VIP6: ("b",)})
    segment["a"].drain(True)
    assert holders(segment) == []


def test_one_that_is_to_stay_before_anybody_took_over_goes_on() -> None:
    segment = group("a", "b")
    segment["b"].kill()
    segment["a"].drain(True)
    segment["a"].drain(False)
    assert seconds_dark(segment, 5) < 0.2, "it asks once more whether somebody took over"
    assert holders(segment) == ["a"]


def test_when_all_are_drained_nobody_answers() -> None:
    segment = group()
    for node in segment.nodes.values():
        node.drain(True)
    segment.run(5)
    assert holders(segment) == []


def test_a_daemon_not_heard_from_hands_over_and_comes_back_like_one_that_failed() -> None:
    segment = group()
    segment["a"].lose_lease(True)
    assert seconds_dark(segment, 5) < 0.1
    assert holders(segment) == ["b"]
    assert State.HOLDING not in segment["c"].states(VIP)
    segment["a"].lose_lease(False)
    segment.run(HOLD_DOWN - 0.1)
    assert holders(segment) == ["b"]
    segment.run(1)
    assert holders(segment) == ["a"]


def test_a_move_has_two_holders_only_until_one_hears_of_the_other() -> None:
    segment = group("a", "b")
    segment["a"].lose_lease(True)
    segment.run(5)
    segment["a"].lose_lease(False)
    segment.run(HOLD_DOWN)
    assert holders(segment) == ["a", "b"]
    segment.run(0.01)
    assert holders(segment) == ["a"]


def test_a_new_order_moves_the_address_without_a_gap() -> None:
    segment = group()
    for node in segment.nodes.values():
        node.claim({VIP: ("c", "a", "b"), VIP6: ORDERS[VIP6]})
    assert seconds_dark(segment, 2) == 0
    assert holders(segment) == ["c"]


def test_one_that_is_not_in_the_list_any_more_leaves_without_a_gap() -> None:
    segment = group()
    for node in segment.nodes.values():
        node.claim({VIP: ("b", "c"), VIP6: ORDERS[VIP6]})
    assert seconds_dark(segment, 5) == 0
    assert holders(segment) == ["b"]


@pytest.mark.parametrize("seed", range(5))
def test_one_cut_off_serves_its_side_and_gives_in_when_it_is_back(seed: int) -> None:
    """What the others took meanwhile they keep until its hold-down is over."""
    segment = group(seed=seed)
    for other in ("b", "c"):
        segment.cut("a", other)
        segment.cut(other, "a")
    segment.run(5)
    assert holders(segment) == ["a", "b"]
    segment.heal()
    assert seconds_dark(segment, 3) == 0
    assert holders(segment) == ["b"]
    segment.run(HOLD_DOWN + 1)
    assert holders(segment) == ["a"]


@pytest.mark.parametrize("seed", range(5))
def test_of_two_that_were_cut_off_from_each_other_the_first_goes_on(seed: int) -> None:
    segment = group("a", "b", seed=seed)
    segment.cut("a", "b")
    segment.cut("b", "a")
    segment.run(5)
    assert holders(segment) == ["a", "b"]
    segment.heal()
    assert seconds_dark(segment, 3) == 0
    assert holders(segment) == ["a"]


@pytest.mark.parametrize("seed", range(5))
def test_when_a_switch_fails_one_of_them_goes_on(seed: int) -> None:
    """All were cut off from all: whoever speaks first, and nobody stays without."""
    segment = group(seed=seed)
    for sender in ORDER:
        for receiver in ORDER:
            segment.cut(sender, receiver)
    segment.run(5)
    assert holders(segment) == ["a", "b", "c"]
    segment.heal()
    assert seconds_dark(segment, 5) == 0
    assert len(holders(segment)) == 1
    segment.run(HOLD_DOWN + 10)
    assert holders(segment) == ["a"]


@pytest.mark.parametrize("seed", range(5))
def test_two_survivors_that_were_cut_off_do_not_both_give_in(seed: int) -> None:
    segment = group(seed=seed)
    segment["c"].kill()
    segment.run(2)
    segment.cut("a", "b")
    segment.cut("b", "a")
    segment.run(5)
    segment.heal()
    assert seconds_dark(segment, 5) == 0
    assert holders(segment) == ["a"]


def test_what_was_conceded_is_not_claimed_as_soon_as_the_path_is_healed() -> None:
    segment = group()
    segment.cut("a", "b")
    segment.run(10)
    assert holders(segment) == ["b"]
    segment.heal()
    segment.run(HOLD_DOWN / 2 - 1)
    assert holders(segment) == ["b"]
    segment.run(HOLD_DOWN + 20)
    assert holders(segment) == ["a"]


@pytest.mark.parametrize("seed", range(5))
def test_a_single_path_cut_and_healed_leaves_the_first(seed: int) -> None:
    """Node c sees both, so none of them was cut off."""
    segment = group(seed=seed)
    segment.cut("a", "b")
    segment.cut("b", "a")
    segment.run(5)
    assert holders(segment) == ["a", "b"]
    segment.heal()
    assert seconds_dark(segment, 3) == 0
    assert holders(segment) == ["a"]


@pytest.mark.parametrize(("names", "deaf"), [("ab", "b"), ("ab", "a"), ("abc", "b"), ("abc", "a")])
def test_a_path_cut_one_way_leaves_one_holder(names: str, deaf: str) -> None:
    """Whoever hears the other gives in: its burst of announcements settles it, or the next refresh."""
    segment = group(*names)
    talker = "b" if deaf == "a" else "a"
    segment.cut(talker, deaf)
    segment.run(32)
    assert len(holders(segment)) == 1
    segment.run(120)
    assert len(holders(segment)) == 1
    segment.heal()
    assert seconds_dark(segment, 60) == 0
    assert holders(segment) == ["a"]


@pytest.mark.parametrize("node", ["a", "b", "c"])
def test_a_node_with_another_list_does_not_hold_it_twice_for_long(node: str) -> None:
    segment = group()
    segment[node].claim({VIP: (node,), VIP6: (node,)})
    segment.run(6)
    assert len(holders(segment)) == len(holders(segment, VIP6)) == 1
    told = [each for other in segment.nodes.values() for each in other.contested() if each.disputed]
    assert told
    for each in segment.nodes.values():
        each.claim(ORDERS)
    segment.run(700)
    assert (holders(segment), holders(segment, VIP6)) == (["a"], ["b"])


@pytest.mark.parametrize("seed", range(5))
def test_nodes_with_other_lists_do_not_take_an_address_from_each_other_for_ever(seed: int) -> None:
    segment = group(seed=seed)
    for node in segment.nodes.values():
        node.claim({VIP: (node.name,), VIP6: (node.name,)})
    for sender in ORDER:
        for receiver in ORDER:
            segment.cut(sender, receiver)
    segment.run(5)
    segment.heal()
    segment.run(20)
    assert len(holders(segment)) == 1
    assert max(node.states(VIP).count(State.HOLDING) for node in segment.nodes.values()) <= 4


def test_a_freeze_too_short_to_be_noticed_changes_nothing() -> None:
    segment = group()
    segment["a"].freeze()
    segment.run(0.15)
    segment["a"].thaw()
    segment.run(5)
    assert holders(segment) == ["a"]
    assert segment["a"].states(VIP) == [State.PROBING, State.HOLDING]


def test_a_thawed_node_asks_before_it_answers_again() -> None:
    segment = group()
    segment["a"].freeze()
    segment.run(5)
    segment["a"].thaw()
    segment.run(5)
    assert segment["a"].states(VIP)[2:] == [State.PROBING, State.WAITING]
    assert holders(segment) == ["b"]
