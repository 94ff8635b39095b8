"""The machine of one address: its table against the rules in prose, typed in by hand; its times."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import product

import pytest

from mlbd.proto.neighbor.link import Claim
from mlbd.proto.neighbor.vip import TRANSITIONS, Event, State, Vip

RULES = """
                STANDBY   PROBING   WAITING   HOLDING   LEAVING   CONFLICT  SILENT
TAKE            HOLDING   HOLDING   HOLDING   -         HOLDING   -         HOLDING
TAKE_UNKNOWN    PROBING   -         PROBING   -         -         -         PROBING
STAND_BY        -         STANDBY   STANDBY   -         HOLDING   STANDBY   STANDBY
WAIT            WAITING   WAITING   -         -         -         WAITING   WAITING
YIELD           -         -         -         STANDBY   STANDBY   -         -
LEAVE           -         STANDBY   STANDBY   LEAVING   -         STANDBY   STANDBY
UNCLAIMED       -         HOLDING   -         -         STANDBY   HOLDING   -
FOREIGN         -         CONFLICT  -         -         -         CONFLICT  -
DOUBT           -         -         -         PROBING   STANDBY   -         -
SILENCE         SILENT    SILENT    SILENT    SILENT    SILENT    SILENT    -
"""
"""An event a row, a state a column; where it leads, "-" for nowhere."""

HEADER, *ROWS = (line.split() for line in RULES.strip().splitlines())
TABLE = {(state, row[0]): target for row in ROWS for state, target in zip(HEADER, row[1:], strict=True)}


def vip(state: State = State.STANDBY) -> Vip:
    machine = Vip(Claim(ip_address("192.0.2.10"), (2,), ("node-1", "node-2")), 2)
    machine.state = state
    return machine


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_every_event_in_every_state(state: State, event: Event) -> None:
    target = TABLE[state.name, event.name]
    machine = vip(state)
    if state is State.CONFLICT:
        machine.expire(1000.0)  # before the next probe is sent nothing counts
    assert machine.handle(event, 1000.0) is (target != "-")
    assert machine.state is (state if target == "-" else State[target])


def test_the_table_has_nothing_else() -> None:
    assert len(TRANSITIONS) == sum(target != "-" for target in TABLE.values())


def test_what_is_known_to_be_ours_is_taken_at_once_and_what_is_not_is_probed() -> None:
    known, unknown = vip(), vip()
    known.known = True
    assert known.take(1000.0)
    assert unknown.take(1000.0)
    assert (known.state, unknown.state) == (State.HOLDING, State.PROBING)


@pytest.mark.parametrize("event", [Event.SILENCE, Event.DOUBT])
def test_silence_and_doubt_make_it_unknown(event: Event) -> None:
    machine = vip(State.HOLDING)
    machine.known = True
    machine.handle(event, 1000.0)
    assert not machine.known


def test_what_was_left_is_given_up_after_three_seconds() -> None:
    machine = vip(State.HOLDING)
    machine.handle(Event.LEAVE, 1000.0)
    assert machine.answering
    assert machine.due == 1003.0
    assert machine.expire(1003.0) is None
    assert machine.state is State.STANDBY
    assert machine.due is None


def test_another_node_is_believed_until_then_after_each_announcement_and_then_asked() -> None:
    machine = vip()
    machine.believe("node-2", 1010.0)
    machine.handle(Event.WAIT, 1000.0)
    assert machine.due == 1010.0
    machine.believe("node-2", 1040.0)
    assert machine.due == 1040.0
    assert machine.expire(1040.0) is None
    assert machine.state is State.PROBING
    assert not machine.known, "it is to be asked again"


def test_what_was_conceded_stays_so_until_something_changes() -> None:
    machine = vip()
    machine.concede("node-2", 1000.0)
    machine.believe("node-2", 1075.0)
    assert machine.other is not None
    assert machine.other.conceded == 1600.0
    machine.reclaim()
    assert machine.other.conceded < 0
    machine.concede("node-2", 1000.0)
    machine.believe("node-3", 1075.0)
    assert (machine.other.node, machine.other.conceded) == ("node-3", 1600.0)


def test_one_that_waits_asks_again_soon_but_not_about_what_it_conceded() -> None:
    waiting, conceded = vip(), vip()
    waiting.believe("node-2", 1045.0)
    conceded.concede("node-2", 1000.0)
    for machine in (waiting, conceded):
        machine.handle(Event.WAIT, 1000.0)
        machine.verify(1010.0)
    assert (waiting.due, conceded.due) == (1011.0, 1010.0)


def test_claims_are_counted_by_node_and_forgotten_after_a_pause_or_a_take_over() -> None:
    machine = vip()
    assert [machine.contest("node-2", at) for at in (1000.0, 1009.0, 1018.0, 1028.1)] == [1, 2, 3, 1]
    assert machine.contest("node-3", 1028.1) == 1
    machine.handle(Event.TAKE, 1029.0)
    assert machine.contest("node-2", 1029.0) == 1


def test_a_reminder_is_one_announcement_and_cuts_no_burst_short() -> None:
    machine = vip()
    machine.handle(Event.TAKE, 1000.0)
    machine.expire(1000.0)
    machine.remind(1000.5)
    times = []
    for _ in range(5):
        assert machine.due is not None
        times.append(round(machine.due, 1))
        machine.expire(machine.due)
    assert times[:4] == [1000.5, 1001.6, 1002.7, 1003.8]
    assert times[4] > 1005
    machine.remind(1010.0)
    machine.expire(1010.0)
    assert machine.due is not None
    assert machine.due > 1012
