"""The lines between mlbd and the reflex."""

from __future__ import annotations

import json
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbd.proto.control import (
    CLAIMS_PER_LINE,
    MAX_LINE,
    OCTETS_PER_LINE,
    Claims,
    ConflictSeen,
    LineBuffer,
    LinkChanged,
    Links,
    Order,
    Ping,
    Pong,
    Ready,
    Report,
    Start,
    Unreadable,
    VipChanged,
    claim_lines,
    decode_order,
    decode_report,
    encode,
)
from mlbd.proto.neighbor.link import Claim, Link
from mlbd.proto.neighbor.vip import State

V4, V6 = ip_address("192.0.2.10"), ip_address("2001:db8::10")
CLAIM = Claim(V4, (2, 3), ("node-1", "node-2"), True)

ORDERS: list[Order] = [
    Start("node-1"),
    Links((Link(2, "eth0", bytes.fromhex("020000000001")),)),
    Claims((CLAIM, Claim(V6, (), (), False)), (V4, V6)),
    Ping(7),
]
REPORTS: list[Report] = [
    Ready(True),
    Pong(7, {"answered": 3}, 120),
    VipChanged(V4, State.HOLDING),
    VipChanged(V6, State.CONFLICT, "02:00:00:00:00:99", "eth0"),
    ConflictSeen(V4, "02:00:00:00:00:99", "eth0"),
    LinkChanged(2, "eth0", "cannot open"),
    LinkChanged(2, "eth0", None),
]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("192.0.2.1"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
keys = ["node", "links", "set", "drop", "n", "address", "state", "mac", "link", "counters", "lateness", "index", "name"]
ops = st.sampled_from(["start", "links", "claims", "ping", "ready", "pong", "vip", "conflict", "link", "x"])


@pytest.mark.parametrize("order", ORDERS, ids=repr)
def test_orders_survive(order: Order) -> None:
    assert decode_order(encode(order)) == order


@pytest.mark.parametrize("report", REPORTS, ids=repr)
def test_reports_survive(report: Report) -> None:
    assert decode_report(encode(report)) == report


def test_the_form_of_a_claim() -> None:
    assert json.loads(encode(Claims((CLAIM,), (V6,)))) == {
        "op": "claims",
        "set": [{"address": "192.0.2.10", "links": [2, 3], "order": ["node-1", "node-2"], "probe": True}],
        "drop": ["2001:db8::10"],
    }


@given(st.binary(max_size=200))
def test_any_octets_are_read_or_unreadable(line: bytes) -> None:
    assert isinstance(decode_order(line), Order | Unreadable)
    assert isinstance(decode_report(line), Report | Unreadable)


@given(ops, st.dictionaries(st.sampled_from(keys), values))
def test_any_json_is_read_or_unreadable(op: str, fields: dict[str, object]) -> None:
    line = json.dumps({"op": op, **fields}).encode()
    assert isinstance(decode_order(line), Order | Unreadable)
    assert isinstance(decode_report(line), Report | Unreadable)


def test_infinity_is_unreadable() -> None:
    assert isinstance(decode_order(b'{"op":"ping","n":Infinity}'), Unreadable)


def test_json_too_deep_is_unreadable() -> None:
    assert isinstance(decode_order(b"[" * 100_000), Unreadable)


def test_many_claims_are_many_lines_and_drops_come_first() -> None:
    claims = [Claim(V4 + i, (2,), ("a",), True) for i in range(100)]
    lines = [decode_order(line) for line in claim_lines(claims, [V4])]
    assert lines[0] == Claims(dropped=(V4,))
    assert all(isinstance(line, Claims) and len(line.wanted) <= CLAIMS_PER_LINE for line in lines)
    assert [c for line in lines if isinstance(line, Claims) for c in line.wanted] == claims


@pytest.mark.parametrize("nodes", [100, 1_500, 6_000])
def test_claims_on_many_nodes_are_short_lines(nodes: int) -> None:
    """Thousands of names in the order of each: what is too long to be read would never be held."""
    order = tuple(f"worker-{i:04}.cluster.example" for i in range(nodes))
    claims = [Claim(V4 + i, (2,), order, True) for i in range(100)]
    lines = claim_lines(claims, ())
    longest = max(OCTETS_PER_LINE + 100, len(encode(Claims((claims[-1],)))))
    assert max(map(len, lines)) <= longest < MAX_LINE
    assert [c for line in map(decode_order, lines) if isinstance(line, Claims) for c in line.wanted] == claims


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line)), st.integers(1, 7))
def test_lines_come_whole_however_they_are_cut(lines: list[bytes], size: int) -> None:
    octets = b"".join(line + b"\n" for line in lines)
    buffer = LineBuffer()
    assert [line for at in range(0, len(octets), size) for line in buffer.feed(octets[at : at + size])] == lines


@pytest.mark.parametrize("cut", [MAX_LINE + 2, 1 << 16])
def test_an_endless_line_is_unreadable_once_and_the_next_one_read(cut: int) -> None:
    octets = b"1" * (3 * MAX_LINE) + b"\n" + encode(Ping(7))
    buffer = LineBuffer()
    lines = []
    for at in range(0, len(octets), cut):
        lines += buffer.feed(octets[at : at + cut])
        assert len(buffer._rest) <= MAX_LINE
    too_long, ping = map(decode_order, lines)
    assert too_long == Unreadable("cannot read a line of mlbd: ValueError('it has more than 1048576 octets')")
    assert ping == Ping(7)


def test_a_line_that_is_too_long_is_unreadable() -> None:
    line = b" " * MAX_LINE + encode(Ping(7))
    (found,) = LineBuffer().feed(line)
    assert isinstance(decode_order(found), Unreadable)
    assert isinstance(decode_report(found), Unreadable)
