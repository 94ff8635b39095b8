"""The state machine against RFC 4271 itself, typed in from its text."""

from __future__ import annotations

import pytest

from mlbd.proto.bgp.fsm import Do, Event, transition
from mlbd.proto.bgp.neighbor import State

# Rows are the events of 8.1, columns the states of 8.2.2, DelayOpen is FALSE, DampPeerOscillations TRUE. "." is no
# change; without a state behind ">" it is Idle. Event 29 is of RFC 9687 4.3, which has it in Established only; 100 and
# 101 are a ROUTE-REFRESH, of which no RFC says more than that it is a message (RFC 6608 4: unexpected where the session
# is not Established; RFC 7313 5: its error has a NOTIFICATION).
RFC_4271 = """
event Idle            Connect         Active          OpenSent            OpenConfirm           Established
1     connect>Connect .               .               .                   .                     .
2     .               drop            drop            cease               cease                 cease
4     listen>Active   .               .               .                   .                     .
6     connect>Connect .               .               .                   .                     .
7     listen>Active   .               .               .                   .                     .
8     .               drop            drop            cease               cease                 cease
9     .               connect>Connect connect>Connect fsm                 fsm                   fsm
10    .               drop            drop            hold                hold                  hold
11    .               drop            drop            fsm                 keepalive>OpenConfirm keepalive>Established
16    .               open>OpenSent   open>OpenSent   .                   .                     .
17    .               open>OpenSent   open>OpenSent   .                   .                     .
18    .               drop            drop            drop>Active         drop                  drop
19    .               drop            drop            confirm>OpenConfirm collision             collision
21    .               drop            drop            error               error                 fsm
22    .               drop            drop            error               error                 fsm
23    .               drop            drop            cease               cease                 cease
24    .               drop            drop            drop                drop                  drop
25    .               drop            drop            fsm                 drop                  drop
26    .               drop            drop            fsm                 establish>Established hear>Established
27    .               drop            drop            fsm                 fsm                   take>Established
28    .               drop            drop            fsm                 fsm                   error
29    .               drop            drop            fsm                 fsm                   error
100   .               drop            drop            fsm                 fsm                   take>Established
101   .               drop            drop            fsm                 fsm                   error
"""
STATES = dict(zip(RFC_4271.split()[1:7], State, strict=True))
WORDS = {
    "connect": Do.CONNECT,
    "listen": Do.LISTEN,
    "open": Do.SEND_OPEN,
    "confirm": Do.CONFIRM,
    "establish": Do.ESTABLISH,
    "keepalive": Do.SEND_KEEPALIVE,
    "hear": Do.HEAR,
    "take": Do.TAKE,
    "drop": Do.DROP,
    "cease": Do.NOTIFY,
    "hold": Do.NOTIFY,
    "error": Do.NOTIFY,
    "fsm": Do.FSM_ERROR,
}
# Where it is done in another way, for the reason at the head of the module.
OTHERWISE = {
    (State.OPEN_SENT, Event.NOTIFICATION): "drop",
    (State.ESTABLISHED, Event.BGP_HEADER_ERROR): "error",
    (State.OPEN_CONFIRM, Event.BGP_OPEN): "fsm",
    (State.ESTABLISHED, Event.BGP_OPEN): "fsm",
}


def cells() -> list[tuple[State, Event, str]]:
    rows = [line.split() for line in RFC_4271.strip().splitlines()[1:]]
    return [(state, Event(int(row[0])), word) for row in rows for state, word in zip(State, row[1:], strict=True)]


@pytest.mark.parametrize(("state", "event", "cell"), cells())
def test_every_pair(state: State, event: Event, cell: str) -> None:
    word, _, after = OTHERWISE.get((state, event), cell).partition(">")
    expected = (Do.NOTHING, state) if word == "." else (WORDS[word], STATES[after or "Idle"])
    assert transition(state, event) == expected


def test_the_rows_above_are_every_pair_there_is() -> None:
    assert [(state, event) for state, event, _ in cells()] == [(state, event) for event in Event for state in State]


def test_differences_from_the_rfc_are_differences() -> None:
    table = {(state, event): cell for state, event, cell in cells()}
    assert all(table[pair] != word for pair, word in OTHERWISE.items())
