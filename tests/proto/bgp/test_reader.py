"""The stream: framing, the header's errors (RFC 4271 6.1), any split of any octets."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbd.proto.bgp.encoding import encode
from mlbd.proto.bgp.messages import BgpError, Keepalive, Message, Notification, Open, RouteRefresh, Update
from mlbd.proto.bgp.negotiated import Negotiated
from mlbd.proto.bgp.numbers import Family
from mlbd.proto.bgp.reader import Reader

from .octets import KEEPALIVE, NOTIFICATION, OPEN, ROUTE_REFRESH, UPDATE, message, open_body
from .strategies import messages, negotiations

NEGOTIATED = Negotiated(65001, internal=False)
EXTENDED = Negotiated(65001, internal=False, longest_received=65535)


def read_all(chunks: list[bytes], negotiated: Negotiated | None = None) -> list[Message]:
    """Raises BgpError."""
    reader, found = Reader(), []
    reader.negotiated = negotiated
    for chunk in chunks:
        reader.feed(chunk)
        while received := reader.next():
            found.append(received)
    return found


def split(octets: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(octets), *(cut % (len(octets) + 1) for cut in cuts)})
    return [octets[start:end] for start, end in pairwise(places)]


@given(st.lists(messages, max_size=5), st.lists(st.integers(0, 2**20), max_size=10))
def test_what_is_written_is_read_however_it_is_split(sent: list[Message], cuts: list[int]) -> None:
    octets = b"".join(encode(one) for one in sent if not isinstance(one, Update))
    assert read_all(split(octets, cuts)) == sent


def answer(octets: bytes, negotiated: Negotiated | None = None) -> Notification:
    with pytest.raises(BgpError) as raised:
        read_all([octets], negotiated)
    return raised.value.notification


def bad_length(length: int) -> Notification:
    return Notification(1, 2, length.to_bytes(2, "big"))


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        pytest.param(b"\xff" * 15 + b"\xfe", Notification(1, 1), id="marker"),
        pytest.param(b"GET / HTTP/1.0\r\n", Notification(1, 1), id="another protocol"),
        pytest.param(b"\0", Notification(1, 1), id="the first octet is enough"),
        pytest.param(message(KEEPALIVE, length=18), bad_length(18), id="length 18"),
        pytest.param(message(KEEPALIVE, length=0), bad_length(0), id="length 0"),
        pytest.param(message(UPDATE, length=4097), bad_length(4097), id="length 4097"),
        pytest.param(message(UPDATE, length=65535), bad_length(65535), id="length 65535"),
        pytest.param(message(0), Notification(1, 3, b"\0"), id="type 0"),
        pytest.param(message(6), Notification(1, 3, b"\6"), id="type 6"),
        pytest.param(message(255), Notification(1, 3, b"\xff"), id="type 255"),
        pytest.param(message(OPEN, length=28), bad_length(28), id="OPEN of 28"),
        pytest.param(message(UPDATE, length=22), bad_length(22), id="UPDATE of 22"),
        pytest.param(message(NOTIFICATION, length=20), bad_length(20), id="NOTIFICATION of 20"),
        pytest.param(message(KEEPALIVE, b"\0"), bad_length(20), id="KEEPALIVE of 20"),
    ],
)
def test_errors_of_the_header(octets: bytes, expected: Notification) -> None:
    assert answer(octets) == expected


def test_an_error_waits_for_no_more_than_the_header() -> None:
    assert answer(message(OPEN, length=4000)[:16] + b"\x10\x01\x02") == bad_length(4097)


def test_extended_messages() -> None:
    """RFC 8654 4: all but OPEN and KEEPALIVE may be long then."""
    withdrawn = b"\x20\xc0\x00\x02\x01" * 13000
    body = len(withdrawn).to_bytes(2, "big") + withdrawn + bytes(2)
    octets = message(UPDATE, body)
    (received,) = read_all([octets], EXTENDED)
    assert isinstance(received, Update)
    assert len(received.withdrawn[Family.IPV4]) == 13000
    assert answer(octets, NEGOTIATED) == bad_length(len(octets))
    assert answer(message(OPEN, length=4097), EXTENDED) == bad_length(4097)
    assert answer(message(KEEPALIVE, length=4097), EXTENDED) == bad_length(4097)


def test_a_message_of_4096_octets_is_fine() -> None:
    assert read_all([message(NOTIFICATION, bytes(4077))]) == [Notification(0, 0, bytes(4075))]


def test_the_data_of_a_notification_is_cut() -> None:
    assert encode(Notification(3, 5, bytes(5000))) == message(NOTIFICATION, b"\3\5" + bytes(4075))


def test_an_update_before_its_time_is_not_looked_into() -> None:
    """It is an error of the state machine (RFC 4271 8.2.2), whatever is in it."""
    assert read_all([message(UPDATE, b"\xff" * 4)]) == [Update()]


def test_route_refresh() -> None:
    octets = [message(ROUTE_REFRESH, body) for body in (b"\0\1\0\1", b"\0\2\1\1", b"\0\1\2\x80", b"\0\1\7\1")]
    assert read_all(octets) == [
        RouteRefresh(Family.IPV4),
        RouteRefresh(Family.IPV6, 1),
        RouteRefresh(None, 2),
        RouteRefresh(Family.IPV4, 7),
    ]


def test_a_route_refresh_of_no_family_is_not_sent() -> None:
    with pytest.raises(ValueError, match="without a family"):
        encode(RouteRefresh(None))


@pytest.mark.parametrize("body", [b"", b"\0\1\0", b"\0\1\1\1\0", b"\0\1\2"], ids=bytes.hex)
def test_a_route_refresh_of_another_length_is_sent_back(body: bytes) -> None:
    """RFC 7313 5."""
    octets = message(ROUTE_REFRESH, body)
    assert answer(octets) == Notification(7, 1, octets)


@given(
    st.lists(
        st.binary(max_size=200)
        | st.builds(message, st.integers(0, 6), st.binary(max_size=200))
        | st.builds(lambda body: message(OPEN, open_body(body)), st.binary(max_size=100)),
        max_size=10,
    ),
    st.lists(st.integers(0, 2**12), max_size=20),
    st.none() | negotiations,
)
def test_no_octets_do_harm(parts: list[bytes], cuts: list[int], negotiated: Negotiated | None) -> None:
    """Only BgpError comes of it, and its NOTIFICATION can be sent."""
    try:
        read_all(split(b"".join(parts), cuts), negotiated)
    except BgpError as error:
        assert read_all([encode(error.notification)]) == [error.notification]


def test_it_holds_no_more_than_one_message() -> None:
    reader = Reader()
    for _ in range(100):
        reader.feed(message(KEEPALIVE) * 50)
        assert [reader.next() for _ in range(50)] == [Keepalive()] * 50
        assert reader.next() is None
    reader.feed(message(OPEN, open_body()))
    assert isinstance(reader.next(), Open)
