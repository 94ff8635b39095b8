"""Every way to be malformed that RFC 4271 6.3 and RFC 7606 name, with its outcome and its NOTIFICATION."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbd.proto.bgp.messages import BgpError, Notification, Update
from mlbd.proto.bgp.negotiated import Negotiated
from mlbd.proto.bgp.numbers import Family
from mlbd.proto.bgp.update import decode_update

from .octets import BOTH, EXTENDED, OPTIONAL, PARTIAL, WELL_KNOWN, attribute, update
from .strategies import negotiations

IPV4, IPV6 = Family.IPV4, Family.IPV6

EXTERNAL = Negotiated(65001, internal=False, families=frozenset(Family))
INTERNAL = replace(EXTERNAL, internal=True)
TWO_OCTETS = replace(EXTERNAL, four_octet_as=False)
OVER_IPV6 = replace(EXTERNAL, extended_next_hop=frozenset({IPV4}))
ONLY_IPV4 = replace(EXTERNAL, families=frozenset({IPV4}))
ONLY_IPV6 = replace(EXTERNAL, families=frozenset({IPV6}))

NLRI = bytes.fromhex("18c63364")
NLRI6 = bytes.fromhex("3020010db80001")
NEXT_HOP6 = bytes.fromhex("20010db8000000000000000000000001")
LINK_LOCAL = bytes.fromhex("fe800000000000000000000000000001")

ORIGIN = attribute(WELL_KNOWN, 1, b"\0")
AS_PATH = attribute(WELL_KNOWN, 2, bytes.fromhex("0201 0000fde9"))
AS_PATH_OF_TWO = attribute(WELL_KNOWN, 2, bytes.fromhex("0201 fde9"))
NEXT_HOP = attribute(WELL_KNOWN, 3, b"\xc0\0\2\1")
LOCAL_PREF = attribute(WELL_KNOWN, 5, b"\0\0\0\x64")


def usual(negotiated: Negotiated) -> dict[int, bytes]:
    """The attributes that a route must have, by type."""
    found = {1: ORIGIN, 2: AS_PATH if negotiated.four_octet_as else AS_PATH_OF_TWO, 3: NEXT_HOP}
    return found | ({5: LOCAL_PREF} if negotiated.internal else {})


def with_(negotiated: Negotiated, octets: bytes) -> bytes:
    """The usual attributes, this one in the place of its kind or behind them."""
    return b"".join((usual(negotiated) | {octets[1]: octets}).values())


def mp_reach(next_hop: bytes = NEXT_HOP6, nlri: bytes = NLRI6, afi: int = 2, safi: int = 1) -> bytes:
    head = afi.to_bytes(2, "big") + bytes((safi, len(next_hop)))
    return attribute(OPTIONAL, 14, head + next_hop + b"\0" + nlri)


def mp_unreach(nlri: bytes = NLRI6, afi: int = 2, safi: int = 1) -> bytes:
    return attribute(OPTIONAL, 15, afi.to_bytes(2, "big") + bytes((safi,)) + nlri)


def path(*octets: str) -> bytes:
    return attribute(WELL_KNOWN, 2, bytes.fromhex("".join(octets)))


def answer(body: bytes, negotiated: Negotiated = EXTERNAL) -> Notification:
    with pytest.raises(BgpError) as raised:
        decode_update(body, negotiated)
    return raised.value.notification


# What is well


@pytest.mark.parametrize("negotiated", [EXTERNAL, INTERNAL, TWO_OCTETS])
def test_a_route(negotiated: Negotiated) -> None:
    body = update(b"".join(usual(negotiated).values()), NLRI)
    assert decode_update(body, negotiated) == Update(announced={IPV4: (NLRI,)})


def test_a_route_of_ipv6() -> None:
    for next_hop in (NEXT_HOP6, NEXT_HOP6 + LINK_LOCAL):
        body = update(mp_reach(next_hop) + ORIGIN + AS_PATH)
        assert decode_update(body, EXTERNAL) == Update(announced={IPV6: (NLRI6,)})


def test_ipv4_over_ipv6() -> None:
    """RFC 8950, and the NEXT_HOP of RFC 4760 too."""
    for next_hop in (NEXT_HOP6, NEXT_HOP6 + LINK_LOCAL, b"\xc0\0\2\1"):
        body = update(mp_reach(next_hop, NLRI, afi=1) + ORIGIN + AS_PATH)
        assert decode_update(body, OVER_IPV6) == Update(announced={IPV4: (NLRI,)})


def test_everything_in_one_message() -> None:
    attributes = mp_unreach() + ORIGIN + AS_PATH + NEXT_HOP + mp_reach(nlri=b"\0")
    body = update(attributes, NLRI + b"\0", withdrawn=b"\x20\xc0\0\2\1")
    assert decode_update(body, EXTERNAL) == Update(
        announced={IPV4: (NLRI, b"\0"), IPV6: (b"\0",)}, withdrawn={IPV4: (b"\x20\xc0\0\2\1",), IPV6: (NLRI6,)}
    )


@pytest.mark.parametrize(
    ("body", "negotiated", "expected"),
    [
        (update(), EXTERNAL, Update(end_of_rib=IPV4)),
        (update(mp_unreach(b"")), EXTERNAL, Update(end_of_rib=IPV6)),
        (update(mp_unreach(b"", afi=1)), EXTERNAL, Update(end_of_rib=IPV4)),
        (update(), ONLY_IPV6, Update()),
        (update(mp_unreach(b"")), ONLY_IPV4, Update()),
        (update(ORIGIN + mp_unreach(b"")), EXTERNAL, Update()),
        (update(mp_unreach(b""), withdrawn=NLRI), EXTERNAL, Update(withdrawn={IPV4: (NLRI,)})),
    ],
)
def test_end_of_rib(body: bytes, negotiated: Negotiated, expected: Update) -> None:
    """RFC 4724 2: of an agreed family, and nothing else in the message."""
    assert decode_update(body, negotiated) == expected


def test_what_was_not_agreed_is_passed_over() -> None:
    body = update(mp_reach() + mp_unreach() + ORIGIN + AS_PATH)
    assert decode_update(body, ONLY_IPV4) == Update()
    assert decode_update(update(ORIGIN + AS_PATH + NEXT_HOP, NLRI, NLRI), ONLY_IPV6) == Update()
    body = update(mp_reach(bytes(24), b"\xff", safi=128) + mp_unreach(b"\xff", afi=25, safi=70) + ORIGIN + AS_PATH)
    assert decode_update(body, EXTERNAL) == Update()


@pytest.mark.parametrize(
    ("negotiated", "octets"),
    [
        pytest.param(EXTERNAL, attribute(WELL_KNOWN | EXTENDED, 1, b"\0"), id="length of two octets"),
        pytest.param(EXTERNAL, attribute(WELL_KNOWN | PARTIAL | 0x0F, 1, b"\2"), id="flags that are ignored"),
        pytest.param(EXTERNAL, path(), id="empty AS_PATH"),
        pytest.param(EXTERNAL, path("0202 0000fde9 fa56ea01", "0201 0000fdea"), id="two segments"),
        pytest.param(EXTERNAL, attribute(OPTIONAL, 4, bytes(4)), id="MULTI_EXIT_DISC"),
        pytest.param(EXTERNAL, attribute(WELL_KNOWN, 6), id="ATOMIC_AGGREGATE"),
        pytest.param(EXTERNAL, attribute(BOTH, 7, b"\0\0\xfd\xe9\xc0\0\2\1"), id="AGGREGATOR"),
        pytest.param(EXTERNAL, attribute(BOTH, 8, bytes(4)), id="COMMUNITIES"),
        pytest.param(EXTERNAL, attribute(BOTH, 16, bytes(16)), id="EXTENDED_COMMUNITIES"),
        pytest.param(EXTERNAL, attribute(BOTH, 25, bytes(20)), id="IPV6_EXTENDED_COMMUNITIES"),
        pytest.param(EXTERNAL, attribute(BOTH | EXTENDED, 32, bytes(1200)), id="LARGE_COMMUNITIES"),
        pytest.param(EXTERNAL, attribute(BOTH, 35, b"\0\0\xfd\xe9"), id="ONLY_TO_CUSTOMER"),
        pytest.param(EXTERNAL, attribute(OPTIONAL, 26, b"\1\0\x0b" + bytes(8)), id="unknown, optional"),
        pytest.param(EXTERNAL, attribute(BOTH, 255), id="unknown, optional and transitive"),
        pytest.param(EXTERNAL, attribute(BOTH, 255) * 2, id="unknown, twice"),
        pytest.param(
            EXTERNAL, attribute(BOTH, 8, bytes(4)) + attribute(BOTH, 8, b"\0"), id="the second COMMUNITIES is ignored"
        ),
        pytest.param(EXTERNAL, attribute(WELL_KNOWN, 5, b"\0"), id="LOCAL_PREF of an external peer is ignored"),
        pytest.param(EXTERNAL, attribute(OPTIONAL, 9, b"\0"), id="ORIGINATOR_ID of an external peer is ignored"),
        pytest.param(EXTERNAL, attribute(OPTIONAL, 10), id="CLUSTER_LIST of an external peer is ignored"),
        pytest.param(EXTERNAL, attribute(BOTH, 17, b"\0"), id="AS4_PATH between those of four octets is ignored"),
        pytest.param(EXTERNAL, attribute(BOTH, 18, b"\0"), id="AS4_AGGREGATOR between those of four octets is ignored"),
        pytest.param(TWO_OCTETS, attribute(BOTH, 7, b"\xfd\xe9\xc0\0\2\1"), id="AGGREGATOR of two octets"),
        pytest.param(TWO_OCTETS, attribute(BOTH, 17, AS_PATH[3:] + b"\1\1\0\0\0\1"), id="AS4_PATH"),
        pytest.param(TWO_OCTETS, attribute(BOTH, 18, b"\0\0\xfd\xe9\xc0\0\2\1"), id="AS4_AGGREGATOR"),
        pytest.param(INTERNAL, attribute(OPTIONAL, 9, bytes(4)), id="ORIGINATOR_ID"),
        pytest.param(INTERNAL, attribute(OPTIONAL, 10, bytes(8)), id="CLUSTER_LIST"),
        pytest.param(INTERNAL, path("0301 0000fde9", "0201 0000fdea"), id="AS_CONFED_SEQUENCE"),
    ],
)
def test_what_is_no_flaw(negotiated: Negotiated, octets: bytes) -> None:
    assert decode_update(update(with_(negotiated, octets), NLRI), negotiated) == Update(announced={IPV4: (NLRI,)})


def test_bits_behind_the_prefix_are_irrelevant() -> None:
    body = update(ORIGIN + AS_PATH + NEXT_HOP, b"\x14\xc6\x33\x6f", withdrawn=b"\1\xff")
    assert decode_update(body, EXTERNAL) == Update(
        announced={IPV4: (b"\x14\xc6\x33\x60",)}, withdrawn={IPV4: (b"\1\x80",)}
    )


# Attribute discard: the route stays


DISCARDED = [
    pytest.param(EXTERNAL, attribute(WELL_KNOWN, 6, b"\0"), id="ATOMIC_AGGREGATE of 1 octet, 7.6"),
    pytest.param(EXTERNAL, attribute(BOTH, 7, bytes(6)), id="AGGREGATOR of 6 octets, 7.7"),
    pytest.param(TWO_OCTETS, attribute(BOTH, 7, bytes(8)), id="AGGREGATOR of 8 octets, 7.7"),
    pytest.param(EXTERNAL, attribute(BOTH, 7, b"\0\0\0\0\xc0\0\2\1"), id="AGGREGATOR of AS 0, RFC 7607"),
    pytest.param(TWO_OCTETS, attribute(BOTH, 17), id="AS4_PATH of no octet, RFC 6793 6"),
    pytest.param(TWO_OCTETS, attribute(BOTH, 17, b"\2\1\0\1"), id="AS4_PATH cut, RFC 6793 6"),
    pytest.param(TWO_OCTETS, attribute(BOTH, 17, b"\5\1\0\1\0\0"), id="AS4_PATH of segment 5, RFC 6793 6"),
    pytest.param(TWO_OCTETS, attribute(BOTH, 17, b"\2\0"), id="AS4_PATH of no AS, RFC 6793 6"),
    pytest.param(TWO_OCTETS, attribute(BOTH, 17, b"\2\1\0\0\0\0"), id="AS4_PATH of AS 0, RFC 7607"),
    pytest.param(TWO_OCTETS, attribute(BOTH, 18, b"\0\1\0\0"), id="AS4_AGGREGATOR of 4 octets, RFC 6793 6"),
    pytest.param(TWO_OCTETS, attribute(BOTH, 18, bytes(8)), id="AS4_AGGREGATOR of AS 0, RFC 7607"),
]


@pytest.mark.parametrize(("negotiated", "octets"), DISCARDED)
def test_attribute_discard(negotiated: Negotiated, octets: bytes) -> None:
    received = decode_update(update(with_(negotiated, octets), NLRI), negotiated)
    assert received.announced == {IPV4: (NLRI,)}
    assert not received.withdrawn
    assert len(received.flaws) == 1
    assert received.flaws[0].endswith("ignored")


@pytest.mark.parametrize(("negotiated", "octets"), DISCARDED)
def test_attribute_discard_without_a_route_is_no_error(negotiated: Negotiated, octets: bytes) -> None:
    assert len(decode_update(update(octets), negotiated).flaws) == 1


# Treat-as-withdraw; and session reset, where there is no route that could be withdrawn (RFC 7606 5.2)


def flawed(negotiated: Negotiated, octets: bytes, subcode: int, name: str, data: bytes | None = None) -> object:
    """`data` of the NOTIFICATION is the attribute unless told."""
    return pytest.param(negotiated, octets, Notification(3, subcode, octets if data is None else data), id=name)


WITHDRAWN = [
    flawed(EXTERNAL, attribute(BOTH, 1, b"\0"), 4, "ORIGIN optional, 3 c"),
    flawed(EXTERNAL, attribute(0, 1, b"\0"), 4, "ORIGIN not transitive, 3 c"),
    flawed(EXTERNAL, attribute(BOTH, 2, AS_PATH[3:]), 4, "AS_PATH optional, 3 c"),
    flawed(EXTERNAL, attribute(OPTIONAL, 3, NEXT_HOP[3:]), 4, "NEXT_HOP optional, 3 c"),
    flawed(EXTERNAL, attribute(BOTH, 4, bytes(4)), 4, "MULTI_EXIT_DISC transitive, 3 c"),
    flawed(EXTERNAL, attribute(BOTH, 6), 4, "ATOMIC_AGGREGATE optional, 3 c"),
    flawed(EXTERNAL, attribute(OPTIONAL, 7, b"\0\0\xfd\xe9\xc0\0\2\1"), 4, "AGGREGATOR not transitive, 3 c"),
    flawed(EXTERNAL, attribute(WELL_KNOWN, 8, bytes(4)), 4, "COMMUNITIES well-known, 3 c"),
    flawed(EXTERNAL, attribute(OPTIONAL, 32, bytes(12)), 4, "LARGE_COMMUNITIES not transitive, 3 c"),
    flawed(INTERNAL, attribute(BOTH, 5, bytes(4)), 4, "LOCAL_PREF optional, 3 c"),
    flawed(EXTERNAL, attribute(WELL_KNOWN, 1), 5, "ORIGIN of no octet, 7.1"),
    flawed(EXTERNAL, attribute(WELL_KNOWN, 1, b"\0\0"), 5, "ORIGIN of 2 octets, 7.1"),
    flawed(EXTERNAL, attribute(WELL_KNOWN, 1, b"\3"), 6, "ORIGIN 3, 7.1"),
    flawed(EXTERNAL, path("0201 0000fd"), 11, "AS_PATH segment cut, 7.2", b""),
    flawed(EXTERNAL, path("0202 0000fde9"), 11, "AS_PATH segment longer than the path, 7.2", b""),
    flawed(EXTERNAL, path("0201 0000fde9 02"), 11, "AS_PATH with an octet too many, 7.2", b""),
    flawed(EXTERNAL, path("0200"), 11, "AS_PATH segment of no AS, 7.2", b""),
    flawed(EXTERNAL, path("0001 0000fde9"), 11, "AS_PATH segment 0, 7.2", b""),
    flawed(EXTERNAL, path("0501 0000fde9"), 11, "AS_PATH segment 5, 7.2", b""),
    flawed(EXTERNAL, path("0201 fde9"), 11, "AS_PATH of two octets from one of four", b""),
    flawed(TWO_OCTETS, path("0201 0000fde9"), 11, "AS_PATH of four octets from one of two", b""),
    flawed(EXTERNAL, path("0202 0000fde9 00000000"), 11, "AS 0, RFC 7607", b""),
    flawed(TWO_OCTETS, path("0202 fde9 0000"), 11, "AS 0 of two octets, RFC 7607", b""),
    flawed(EXTERNAL, path("0201 0000fde9 0101 0000fdea"), 11, "AS_SET, RFC 9774", b""),
    flawed(INTERNAL, path("0401 0000fdea"), 11, "AS_CONFED_SET, RFC 9774", b""),
    flawed(EXTERNAL, path("0301 0000fde9"), 11, "AS_CONFED_SEQUENCE from outside, RFC 5065 4", b""),
    flawed(EXTERNAL, attribute(WELL_KNOWN, 3, b"\xc0\0\2"), 5, "NEXT_HOP of 3 octets, 7.3"),
    flawed(EXTERNAL, attribute(WELL_KNOWN, 3, NEXT_HOP6), 5, "NEXT_HOP of 16 octets, 7.3"),
    flawed(EXTERNAL, attribute(WELL_KNOWN, 3, bytes(4)), 8, "NEXT_HOP 0.0.0.0, 7.3"),
    flawed(EXTERNAL, attribute(WELL_KNOWN, 3, b"\x7f\0\0\1"), 8, "NEXT_HOP 127.0.0.1, 7.3"),
    flawed(EXTERNAL, attribute(WELL_KNOWN, 3, b"\xe0\0\0\1"), 8, "NEXT_HOP 224.0.0.1, 7.3"),
    flawed(EXTERNAL, attribute(WELL_KNOWN, 3, b"\xff" * 4), 8, "NEXT_HOP 255.255.255.255, 7.3"),
    flawed(EXTERNAL, attribute(OPTIONAL, 4, b"\0"), 5, "MULTI_EXIT_DISC of 1 octet, 7.4"),
    flawed(INTERNAL, attribute(WELL_KNOWN, 5, bytes(3)), 5, "LOCAL_PREF of 3 octets, 7.5"),
    flawed(EXTERNAL, attribute(BOTH, 8), 5, "COMMUNITIES of no octet, 7.8"),
    flawed(EXTERNAL, attribute(BOTH, 8, bytes(6)), 5, "COMMUNITIES of 6 octets, 7.8"),
    flawed(INTERNAL, attribute(OPTIONAL, 9, bytes(5)), 5, "ORIGINATOR_ID of 5 octets, 7.9"),
    flawed(INTERNAL, attribute(OPTIONAL, 10), 5, "CLUSTER_LIST of no octet, 7.10"),
    flawed(INTERNAL, attribute(OPTIONAL, 10, bytes(7)), 5, "CLUSTER_LIST of 7 octets, 7.10"),
    flawed(EXTERNAL, attribute(BOTH, 16, bytes(4)), 5, "EXTENDED_COMMUNITIES of 4 octets, 7.14"),
    flawed(EXTERNAL, attribute(BOTH, 16), 5, "EXTENDED_COMMUNITIES of no octet, 7.14"),
    flawed(EXTERNAL, attribute(BOTH, 25, bytes(8)), 5, "IPV6_EXTENDED_COMMUNITIES of 8 octets, 7.15"),
    flawed(EXTERNAL, attribute(BOTH, 32, bytes(8)), 5, "LARGE_COMMUNITIES of 8 octets, RFC 8092 5"),
    flawed(EXTERNAL, attribute(BOTH, 32), 5, "LARGE_COMMUNITIES of no octet, RFC 8092 5"),
    flawed(EXTERNAL, attribute(BOTH, 35, bytes(2)), 5, "ONLY_TO_CUSTOMER of 2 octets, RFC 9234 5"),
    flawed(EXTERNAL, attribute(BOTH, 200, b"\0\0", length=3), 5, "attribute longer than all of them, 4"),
    flawed(EXTERNAL, b"\xc0\xc8", 5, "attribute without a length, 4"),
    flawed(EXTERNAL, b"\xd0\xc8\0", 5, "attribute with half of a length, 4"),
]


@pytest.mark.parametrize(("negotiated", "octets", "notification"), WITHDRAWN)
def test_treat_as_withdraw(negotiated: Negotiated, octets: bytes, notification: Notification) -> None:
    attributes = mp_reach() + mp_unreach(b"\0") + with_(negotiated, octets)
    received = decode_update(update(attributes, NLRI, b"\0"), negotiated)
    assert not received.announced
    assert {family: set(found) for family, found in received.withdrawn.items()} == {
        IPV4: {b"\0", NLRI},
        IPV6: {b"\0", NLRI6},
    }
    assert received.flaws[0].endswith("its routes count as withdrawn")


@pytest.mark.parametrize(("negotiated", "octets", "notification"), WITHDRAWN)
def test_session_reset_where_there_is_no_route(
    negotiated: Negotiated, octets: bytes, notification: Notification
) -> None:
    assert answer(update(with_(negotiated, octets), withdrawn=NLRI), negotiated) == notification
    assert answer(update(mp_reach(nlri=b"") + with_(negotiated, octets)), negotiated) == notification


@pytest.mark.parametrize("kind", [1, 2, 3, 5])
def test_a_missing_attribute(kind: int) -> None:
    """RFC 7606 3 d."""
    attributes = {other: octets for other, octets in usual(INTERNAL).items() if other != kind}
    received = decode_update(update(b"".join(attributes.values()), NLRI), INTERNAL)
    assert received.withdrawn == {IPV4: (NLRI,)}
    assert "Missing Well-known Attribute" in received.flaws[0]


def test_the_next_hop_outside_of_mp_reach_is_missing() -> None:
    received = decode_update(update(mp_reach() + ORIGIN + AS_PATH, NLRI), EXTERNAL)
    assert received.withdrawn == {IPV4: (NLRI,), IPV6: (NLRI6,)}


def test_many_flaws_are_not_many_words() -> None:
    attributes = attribute(BOTH, 8) + attribute(BOTH, 8) * 1000 + ORIGIN + AS_PATH + NEXT_HOP
    assert len(decode_update(update(attributes, NLRI), EXTERNAL).flaws) == 1


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (attribute(WELL_KNOWN, 1, b"\7"), "Invalid ORIGIN Attribute: ORIGIN 40010107, its routes count as withdrawn"),
        (attribute(WELL_KNOWN, 6, b"\1"), "Attribute Length Error: ATOMIC_AGGREGATE 40060101, ignored"),
        (
            attribute(BOTH, 8, bytes(14)),
            f"Attribute Length Error: COMMUNITIES c0080e{'00' * 13}..., its routes count as withdrawn",
        ),
    ],
)
def test_a_flaw_in_words(octets: bytes, words: str) -> None:
    assert decode_update(update(with_(EXTERNAL, octets), NLRI), EXTERNAL).flaws == (words,)


# Session reset


UNREADABLE = [
    pytest.param(mp_reach(nlri=b"\x81" + bytes(17)), id="prefix of 129 bits"),
    pytest.param(mp_reach(nlri=NLRI6[:-1]), id="prefix cut"),
    pytest.param(mp_reach(nlri=b"\x21\xc0\0\2\1\0", next_hop=b"\xc0\0\2\1", afi=1), id="IPv4 prefix of 33 bits"),
    pytest.param(mp_reach(next_hop=b""), id="no next hop"),
    pytest.param(mp_reach(next_hop=b"\xc0\0\2\1"), id="next hop of 4 octets for IPv6"),
    pytest.param(mp_reach(next_hop=bytes(17)), id="next hop of 17 octets"),
    pytest.param(mp_reach(next_hop=bytes(24)), id="next hop of 24 octets"),
    pytest.param(mp_reach(next_hop=NEXT_HOP6, nlri=NLRI, afi=1), id="IPv6 next hop without RFC 8950"),
    pytest.param(attribute(OPTIONAL, 14, b"\0\2\1\x10" + NEXT_HOP6), id="no reserved octet"),
    pytest.param(attribute(OPTIONAL, 14, b"\0\2\1\x20" + NEXT_HOP6 + b"\0"), id="next hop longer than the attribute"),
    pytest.param(attribute(OPTIONAL, 14, b"\0\x19\x46\xff"), id="next hop of another family longer than the attribute"),
    pytest.param(attribute(OPTIONAL, 14, b"\0\2\1\0"), id="MP_REACH_NLRI of 4 octets"),
    pytest.param(attribute(OPTIONAL, 14), id="MP_REACH_NLRI of no octet"),
    pytest.param(attribute(OPTIONAL, 15, b"\0\2"), id="MP_UNREACH_NLRI of 2 octets"),
    pytest.param(bytes((BOTH,)) + mp_reach()[1:], id="MP_REACH_NLRI transitive"),
    pytest.param(bytes((0,)) + mp_reach(afi=25)[1:], id="MP_REACH_NLRI well-known"),
    pytest.param(bytes((WELL_KNOWN,)) + mp_unreach()[1:], id="MP_UNREACH_NLRI well-known"),
    pytest.param(mp_unreach(b"\x81" + bytes(17)), id="withdrawn prefix of 129 bits"),
    pytest.param(mp_unreach(NLRI6[:-1]), id="withdrawn prefix cut"),
]


@pytest.mark.parametrize("octets", UNREADABLE)
def test_prefixes_that_cannot_be_found(octets: bytes) -> None:
    """RFC 7606 5.3, 7.11, 7.12 and RFC 4760 7; also beside what is less of an error (RFC 7606 3 h)."""
    assert answer(update(octets + ORIGIN + AS_PATH)) == Notification(3, 9, octets)
    assert answer(update(attribute(WELL_KNOWN, 1, b"\7") + octets + AS_PATH + NEXT_HOP, NLRI)) == Notification(
        3, 9, octets
    )


ATTRIBUTES = ORIGIN + AS_PATH + NEXT_HOP
TWICE = mp_reach() + mp_reach(nlri=b"\0")


@pytest.mark.parametrize(
    ("body", "notification"),
    [
        pytest.param(b"\0\1\0\0", Notification(3, 1), id="withdrawn routes leave no length"),
        pytest.param(b"\xff\xff\0\0", Notification(3, 1), id="withdrawn routes too long"),
        pytest.param(b"\0\0\0\1", Notification(3, 1), id="attributes too long"),
        pytest.param(b"\0\0\xff\xff" + ATTRIBUTES, Notification(3, 1), id="attributes far too long"),
        pytest.param(update(ATTRIBUTES, b"\x21" + bytes(5)), Notification(3, 10), id="prefix of 33 bits"),
        pytest.param(update(ATTRIBUTES, b"\xff"), Notification(3, 10), id="prefix of 255 bits"),
        pytest.param(update(ATTRIBUTES, NLRI[:-1]), Notification(3, 10), id="prefix cut"),
        pytest.param(update(withdrawn=b"\x21" + bytes(5)), Notification(3, 10), id="withdrawn prefix of 33 bits"),
        pytest.param(update(withdrawn=NLRI[:-1]), Notification(3, 10), id="withdrawn prefix cut"),
        pytest.param(update(TWICE + ORIGIN + AS_PATH), Notification(3, 1), id="MP_REACH_NLRI twice, 3 g"),
        pytest.param(update(mp_unreach() * 2), Notification(3, 1), id="MP_UNREACH_NLRI twice, 3 g"),
        pytest.param(
            update(ATTRIBUTES + attribute(WELL_KNOWN, 200, b"\1"), NLRI),
            Notification(3, 2, attribute(WELL_KNOWN, 200, b"\1")),
            id="unknown well-known attribute",
        ),
        pytest.param(
            update(ATTRIBUTES + attribute(0, 0), NLRI), Notification(3, 2, attribute(0, 0)), id="attribute type 0"
        ),
    ],
)
def test_session_reset(body: bytes, notification: Notification) -> None:
    assert answer(body) == notification


# Anything


KINDS = st.sampled_from((*range(11), *range(14, 19), 25, 32, 35, 128, 255))
VALUES = st.binary(max_size=40) | st.sampled_from((ORIGIN[3:], AS_PATH[3:], NEXT_HOP[3:], mp_reach()[3:]))
FLAGS = st.sampled_from((OPTIONAL, WELL_KNOWN, BOTH, EXTENDED | BOTH)) | st.integers(0, 255)
ANY_ATTRIBUTES = st.lists(
    st.builds(attribute, FLAGS, KINDS, VALUES) | st.sampled_from((ORIGIN, AS_PATH, NEXT_HOP, mp_reach(), mp_unreach())),
    max_size=8,
).map(b"".join)
ANY_NLRI = st.lists(st.sampled_from((NLRI, b"\0", b"\x20\xc0\0\2\1")), max_size=4).map(b"".join) | st.binary(
    max_size=20
)


@given(
    st.binary(min_size=4, max_size=200) | st.builds(update, ANY_ATTRIBUTES, ANY_NLRI, ANY_NLRI),
    negotiations,
)
def test_no_octets_do_harm(body: bytes, negotiated: Negotiated) -> None:
    try:
        received = decode_update(body, negotiated)
    except BgpError as error:
        assert error.notification.code == 3
        return
    families = received.announced.keys() | received.withdrawn.keys()
    assert families <= negotiated.families
    assert not (received.announced and any("withdrawn" in flaw for flaw in received.flaws))
