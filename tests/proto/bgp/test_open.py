"""The OPEN message: octets of the RFCs by hand, and every format that ends the session, with its NOTIFICATION."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import pytest
from hypothesis import given

from mlbd.proto.bgp.encoding import encode
from mlbd.proto.bgp.messages import BgpError, Capabilities, GracefulRestart, Message, Notification, Open
from mlbd.proto.bgp.numbers import Family, Role
from mlbd.proto.bgp.reader import Reader

from .octets import OPEN, capability, message, open_body, parameter
from .strategies import opens

IDENTIFIER = IPv4Address("192.0.2.1")
IPV4, IPV6 = Family.IPV4, Family.IPV6

MULTIPROTOCOL_IPV4 = capability(1, b"\0\1\0\1")

#: RFC 4271 4.2, RFC 5492 4 and the RFC of each capability, in the order of their codes.
EVERYTHING = Open(
    4_200_000_001,
    90,
    IDENTIFIER,
    Capabilities(
        families=frozenset(Family),
        asn=4_200_000_001,
        route_refresh=True,
        enhanced_refresh=True,
        extended_messages=True,
        extended_next_hop=frozenset({IPV4}),
        graceful_restart=GracefulRestart(120, restarted=True, notification=True, families={IPV4: True, IPV6: False}),
        role=Role.CUSTOMER,
    ),
)
EVERYTHING_OCTETS = bytes.fromhex(
    "ffffffffffffffffffffffffffffffff 004e 01"
    "04 5ba0 005a c0000201 31 02 2f"
    "01 04 0001 00 01  01 04 0002 00 01  02 00  05 06 0001 0001 0002  06 00  09 01 03"
    "40 0a c078 0001 01 80 0002 01 00  41 04 fa56ea01  46 00"
)


def read(octets: bytes) -> Message | None:
    reader = Reader()
    reader.feed(octets)
    return reader.next()


def read_open(body: bytes) -> Open:
    received = read(message(OPEN, body))
    assert isinstance(received, Open)
    return received


def test_an_open_is_the_octets_of_the_rfcs() -> None:
    assert encode(EVERYTHING).hex() == EVERYTHING_OCTETS.hex()
    assert read(EVERYTHING_OCTETS) == EVERYTHING


def test_without_capabilities_there_are_no_parameters() -> None:
    assert encode(Open(65001, 90, IDENTIFIER)) == message(OPEN, open_body())
    assert read_open(open_body()) == Open(65001, 90, IDENTIFIER, Capabilities(families=frozenset({IPV4})))


@given(opens())
def test_what_is_written_is_read(sent: Open) -> None:
    assert read(encode(sent)) == sent


def test_capabilities_may_come_in_several_parameters() -> None:
    body = open_body(parameter(capability(2)) + parameter(capability(70) + capability(6)))
    assert read_open(body).capabilities == Capabilities(
        families=frozenset({IPV4}), route_refresh=True, enhanced_refresh=True, extended_messages=True
    )


@pytest.mark.parametrize("short_length", [255, 13])
def test_extended_parameters(short_length: int) -> None:
    """RFC 9072 2: the length of one octet is ignored."""
    capabilities = MULTIPROTOCOL_IPV4 + capability(200, bytes(250)) + capability(201, bytes(250))
    extended = struct.pack("!BH", 2, len(capabilities)) + capabilities
    body = open_body(struct.pack("!BH", 255, len(extended)) + extended, length=short_length)
    assert read_open(body).capabilities == Capabilities(families=frozenset({IPV4}), unknown=(200, 201))


def test_extended_parameters_may_be_none() -> None:
    assert read_open(open_body(b"\xff\0\0")).capabilities == Capabilities(families=frozenset({IPV4}))


def test_what_is_unknown_is_kept_by_its_code() -> None:
    offered = capability(1, b"\0\1\0\x80") + capability(69, b"\0\1\1\1") + capability(73, b"\2rt\0") + capability(69)
    received = read_open(open_body(parameter(offered))).capabilities
    assert received == Capabilities(unknown=(69, 73))


def test_the_last_graceful_restart_holds() -> None:
    """RFC 4724 3."""
    offered = capability(64, b"\x80\x78\0\1\1\x80") + capability(64, b"\x40\x05\0\1\x85\x80\0\2\1\0")
    received = read_open(open_body(parameter(offered))).capabilities
    assert received.graceful_restart == GracefulRestart(5, notification=True, families={IPV6: False})


def test_the_same_role_twice_is_one() -> None:
    """RFC 9234 4.2."""
    assert read_open(open_body(parameter(capability(9, b"\0") * 2))).capabilities.role is Role.PROVIDER


MALFORMED = Notification(2, 0)
MISMATCH = Notification(2, 11)
BAD_PEER_AS = Notification(2, 2)


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        pytest.param(open_body(version=3), Notification(2, 1, b"\0\4"), id="version 3"),
        pytest.param(open_body(version=5, asn=0, hold_time=1), Notification(2, 1, b"\0\4"), id="version 5"),
        pytest.param(open_body(asn=0), BAD_PEER_AS, id="AS 0, RFC 7607"),
        pytest.param(open_body(parameter(capability(65, bytes(4)))), BAD_PEER_AS, id="AS 0 of four octets"),
        pytest.param(open_body(hold_time=1), Notification(2, 6), id="hold time 1"),
        pytest.param(open_body(hold_time=2), Notification(2, 6), id="hold time 2"),
        pytest.param(open_body(identifier=bytes(4)), Notification(2, 3), id="identifier 0, RFC 6286"),
        pytest.param(open_body(parameter(b"secret", kind=1)), Notification(2, 4), id="authentication parameter"),
        pytest.param(open_body(parameter(b"", kind=254)), Notification(2, 4), id="unknown parameter"),
        pytest.param(open_body(length=1), MALFORMED, id="parameters missing"),
        pytest.param(open_body(b"\2\0", length=0), MALFORMED, id="parameters behind their length"),
        pytest.param(open_body(b"\2\0\0", length=3), MALFORMED, id="parameter without a length"),
        pytest.param(open_body(b"\2\3\2\0"), MALFORMED, id="parameter longer than the message"),
        pytest.param(open_body(b"\xff\0"), MALFORMED, id="extended parameters without a length"),
        pytest.param(open_body(b"\xff\0\1\2"), MALFORMED, id="extended parameter without a length"),
        pytest.param(open_body(b"\xff\0\4\2\0\0"), MALFORMED, id="extended parameters missing"),
        pytest.param(open_body(parameter(b"\2")), MALFORMED, id="capability without a length"),
        pytest.param(open_body(parameter(b"\2\1")), MALFORMED, id="capability longer than its parameter"),
        pytest.param(open_body(parameter(capability(1, b"\0\1\1"))), MALFORMED, id="multiprotocol of 3 octets"),
        pytest.param(open_body(parameter(capability(2, b"\0"))), MALFORMED, id="route refresh with a value"),
        pytest.param(open_body(parameter(capability(5, bytes(5)))), MALFORMED, id="extended next hop of 5 octets"),
        pytest.param(open_body(parameter(capability(6, b"\0"))), MALFORMED, id="extended message with a value"),
        pytest.param(open_body(parameter(capability(9, b""))), MALFORMED, id="role of no octet"),
        pytest.param(open_body(parameter(capability(9, b"\5"))), MISMATCH, id="role 5"),
        pytest.param(open_body(parameter(capability(9, b"\0") + capability(9, b"\1"))), MISMATCH, id="two roles"),
        pytest.param(open_body(parameter(capability(64, b"\0"))), MALFORMED, id="graceful restart of 1 octet"),
        pytest.param(open_body(parameter(capability(64, bytes(5)))), MALFORMED, id="graceful restart of 5 octets"),
        pytest.param(open_body(parameter(capability(65, b"\0\1"))), MALFORMED, id="four-octet AS of 2 octets"),
        pytest.param(open_body(parameter(capability(70, b"\0"))), MALFORMED, id="enhanced refresh with a value"),
    ],
)
def test_what_ends_the_session(body: bytes, answer: Notification) -> None:
    with pytest.raises(BgpError) as raised:
        read(message(OPEN, body))
    assert raised.value.notification == answer


def test_hold_times_0_and_3_are_fine() -> None:
    assert [read_open(open_body(hold_time=seconds)).hold_time for seconds in (0, 3)] == [0, 3]
