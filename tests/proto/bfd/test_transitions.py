"""The state machine against RFC 5880 itself, typed in from its text."""

from __future__ import annotations

import pytest

from mlbd.proto.bfd.packet import Diagnostic, State
from mlbd.proto.bfd.transitions import RECEIVED, TRANSITIONS, Event

# Rows are bfd.SessionState, columns what happens: a received state (the pseudo code of 6.8.6 and the figure of 6.2),
# the Detection Time running out (6.8.4, "Init or Up"), and the two halves of 6.8.16. "/n" is the diagnostic that is
# set; 6.8.6 and 6.8.16 set none on the way up, and 6.8.1 (bfd.LocalDiag is the reason for the most recent change) makes
# it 0 where a session is Up or enabled.
RFC_5880 = """
            AdminDown  Down     Init   Up     timer    disable      enable
Down        Down       Init     Up/0   Down   Down     AdminDown/7  Down
Init        Down/3     Init     Up/0   Up/0   Down/1   AdminDown/7  Init
Up          Down/3     Down/3   Up     Up     Down/1   AdminDown/7  Up
AdminDown   AdminDown  AdminDown AdminDown AdminDown AdminDown AdminDown Down/0
"""
STATES = {"AdminDown": State.ADMIN_DOWN, "Down": State.DOWN, "Init": State.INIT, "Up": State.UP}
EVENTS = {
    "AdminDown": Event.RECEIVED_ADMIN_DOWN,
    "Down": Event.RECEIVED_DOWN,
    "Init": Event.RECEIVED_INIT,
    "Up": Event.RECEIVED_UP,
    "timer": Event.DETECTION_TIME_EXPIRED,
    "disable": Event.DISABLE,
    "enable": Event.ENABLE,
}


def cells() -> list[tuple[State, Event, State, Diagnostic | None]]:
    header, *rows = (line.split() for line in RFC_5880.strip().splitlines())
    found = []
    for name, *outcomes in rows:
        for column, outcome in zip(header, outcomes, strict=True):
            state, _, code = outcome.partition("/")
            found.append((STATES[name], EVENTS[column], STATES[state], Diagnostic(int(code)) if code else None))
    return found


@pytest.mark.parametrize(("state", "event", "after", "diagnostic"), cells())
def test_every_pair(state: State, event: Event, after: State, diagnostic: Diagnostic | None) -> None:
    assert TRANSITIONS.get((state, event), (state, None)) == (after, diagnostic)


def test_the_rows_above_are_every_pair_there_is() -> None:
    assert {(state, event) for state, event, _, _ in cells()} == {(state, event) for state in State for event in Event}


def test_received_states_are_their_events() -> None:
    assert {state.name: RECEIVED[state].name for state in State} == {
        "ADMIN_DOWN": "RECEIVED_ADMIN_DOWN",
        "DOWN": "RECEIVED_DOWN",
        "INIT": "RECEIVED_INIT",
        "UP": "RECEIVED_UP",
    }
