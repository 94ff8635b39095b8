"""The lines between mlbd and the reflex."""

from __future__ import annotations

import json
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbd.proto.bfd.authentication import Authentication, AuthenticationType
from mlbd.proto.bfd.watch import Watch
from mlbd.proto.control import (
    Claims,
    ConflictSeen,
    Drain,
    Drained,
    Links,
    Order,
    Ping,
    Pong,
    ProblemChanged,
    Ready,
    Report,
    SessionReport,
    Unreadable,
    VipChanged,
    Watches,
)
from mlbd.proto.lines import (
    CLAIMS_PER_LINE,
    MAX_LINE,
    OCTETS_PER_LINE,
    LineBuffer,
    claim_lines,
    decode_order,
    decode_report,
    encode,
)
from mlbd.proto.neighbor.link import Claim, Link
from mlbd.proto.neighbor.vip import State

V4, V6 = ip_address("192.0.2.10"), ip_address("2001:db8::10")
CLAIM = Claim(V4, (2, 3), ("node-1", "node-2"))
KEY = b"correct horse"

numbers = st.integers(0, 2**32 - 1)
names = st.text(max_size=20)
addresses = st.ip_addresses()
macs = st.binary(min_size=6, max_size=6)
counters = st.dictionaries(names, numbers, max_size=4)
claims = st.builds(Claim, addresses, st.lists(numbers, max_size=3).map(tuple), st.lists(names, max_size=4).map(tuple))
authentications = st.builds(
    Authentication,
    st.sampled_from([AuthenticationType.KEYED_SHA1, AuthenticationType.METICULOUS_KEYED_SHA1]),
    st.integers(0, 255),
    st.binary(min_size=1, max_size=20),
)
watches = st.builds(
    Watch,
    peer=names,
    local=addresses,
    remote=addresses,
    link=numbers,
    desired_min_tx=numbers,
    required_min_rx=numbers,
    multiplier=st.integers(1, 255),
    passive=st.booleans(),
    minimum_ttl=st.integers(0, 255),
    authentication=st.none() | authentications,
)
orders: st.SearchStrategy[Order] = st.one_of(
    st.builds(Links, st.lists(st.builds(Link, numbers, names, macs), max_size=3).map(tuple)),
    st.builds(Claims, st.lists(claims, max_size=3).map(tuple), st.lists(addresses, max_size=3).map(tuple)),
    st.builds(
        Watches,
        st.lists(watches, max_size=3).map(tuple),
        st.floats(0, 1e6),
        st.lists(watches, max_size=3).map(tuple),
    ),
    st.builds(Drain, st.booleans()),
    st.builds(Ping, numbers),
)
reports: st.SearchStrategy[Report] = st.one_of(
    st.builds(Ready, st.booleans()),
    st.builds(Pong, numbers, counters, numbers),
    st.builds(VipChanged, addresses, names, st.sampled_from(State), st.none() | names, st.none() | names),
    st.builds(ConflictSeen, addresses, names, names, st.none() | names, st.booleans()),
    st.builds(
        SessionReport,
        names,
        numbers,
        addresses,
        addresses,
        names,
        names,
        names,
        names,
        numbers,
        numbers,
        numbers,
        numbers,
        st.booleans(),
        st.booleans(),
    ),
    st.just(Drained()),
    st.builds(ProblemChanged, names, st.none() | names),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("192.0.2.1"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
FIELDS_OF = {
    "links": ["links"],
    "claims": ["set", "drop"],
    "watch": ["watches", "holdDown", "routers"],
    "drain": ["drained"],
    "ping": ["n"],
    "ready": ["realtime"],
    "pong": ["n", "counters", "lateness"],
    "vip": ["address", "link", "state", "mac", "node"],
    "conflict": ["address", "link", "mac", "node", "disputed"],
    "session": ["peer", "link", "local", "remote", "interval", "router", "failed"],
    "drained": [],
    "problem": ["subject", "problem"],
    "x": [],
}


@given(orders)
def test_orders_survive(order: Order) -> None:
    line = encode(order)
    assert line.index(b"\n") == len(line) - 1
    assert decode_order(line) == order


@given(reports)
def test_reports_survive(report: Report) -> None:
    line = encode(report)
    assert line.index(b"\n") == len(line) - 1
    assert decode_report(line) == report


def test_the_form_of_a_claim() -> None:
    assert json.loads(encode(Claims((CLAIM,), (V6,)))) == {
        "op": "claims",
        "set": [{"address": "192.0.2.10", "links": [2, 3], "order": ["node-1", "node-2"]}],
        "drop": ["2001:db8::10"],
    }


def keyed(key: bytes) -> Watches:
    authentication = Authentication(AuthenticationType.KEYED_SHA1, 7, key)
    watch = Watch("node-2", V4, V4 + 1, 2, 100_000, 100_000, 3, authentication=authentication)
    return Watches((watch,), 30.0)


def test_the_key_of_a_watch_is_shown_nowhere() -> None:
    order = decode_order(encode(keyed(KEY)))
    assert order == keyed(KEY)
    for text in (repr(order), str(order), f"{order}"):
        assert str(KEY) not in text
        assert KEY.decode() not in text
        assert KEY.hex() not in text


@pytest.mark.parametrize("spoilt", [KEY.hex() + "0", KEY.hex() + "zz", KEY.hex() * 2], ids=["odd", "no hex", "long"])
def test_a_key_that_cannot_be_read_is_not_told(spoilt: str) -> None:
    read = decode_order(encode(keyed(KEY)).replace(KEY.hex().encode(), spoilt.encode()))
    assert isinstance(read, Unreadable)
    assert KEY.hex() not in read.reason
    assert KEY.decode() not in read.reason


@given(st.binary(max_size=200))
def test_any_octets_are_read_or_unreadable(line: bytes) -> None:
    assert isinstance(decode_order(line), Order | Unreadable)
    assert isinstance(decode_report(line), Report | Unreadable)


@given(st.data(), st.sampled_from(sorted(FIELDS_OF)))
def test_any_json_is_read_or_unreadable(data: st.DataObject, op: str) -> None:
    fields = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS_OF[op], values)))
    line = json.dumps({"op": op, **fields}).encode()
    assert isinstance(decode_order(line), Order | Unreadable)
    assert isinstance(decode_report(line), Report | Unreadable)


def test_infinity_is_unreadable() -> None:
    assert isinstance(decode_order(b'{"op":"ping","n":Infinity}'), Unreadable)


def test_json_too_deep_is_unreadable() -> None:
    assert isinstance(decode_order(b"[" * 100_000), Unreadable)


def test_many_claims_are_many_lines_and_drops_come_first() -> None:
    claims = [Claim(V4 + i, (2,), ("a",)) for i in range(100)]
    lines = [decode_order(line) for line in claim_lines(claims, [V4])]
    assert lines[0] == Claims(dropped=(V4,))
    assert all(isinstance(line, Claims) and len(line.wanted) <= CLAIMS_PER_LINE for line in lines)
    assert [c for line in lines if isinstance(line, Claims) for c in line.wanted] == claims


@pytest.mark.parametrize("nodes", [100, 1_500, 6_000])
def test_claims_on_many_nodes_are_short_lines(nodes: int) -> None:
    """Thousands of names in the order of each: what is too long to be read would never be held."""
    order = tuple(f"worker-{i:04}.cluster.example" for i in range(nodes))
    claims = [Claim(V4 + i, (2,), order) for i in range(100)]
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
