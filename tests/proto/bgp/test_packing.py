"""UPDATEs as octets: the attributes of RFC 4271 4.3 by hand, and messages that are full."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbd.proto.bgp.attributes import encode_attributes
from mlbd.proto.bgp.messages import Attributes, Nlri, Prefix
from mlbd.proto.bgp.negotiated import Negotiated
from mlbd.proto.bgp.nlri import encode_nlri, family_of
from mlbd.proto.bgp.numbers import GRACEFUL_SHUTDOWN, Family, Role
from mlbd.proto.bgp.packing import (
    announce,
    announce_multiprotocol,
    end_of_rib,
    withdraw,
    withdraw_multiprotocol,
)
from mlbd.proto.bgp.update import decode_update

from .octets import UPDATE, message
from .strategies import attributes, negotiations

NEXT_HOP = IPv4Address("192.0.2.1")
NEXT_HOP6 = bytes.fromhex("20010db8000000000000000000000001")

EXTERNAL = Negotiated(4_200_000_001, internal=False)
SMALL = replace(EXTERNAL, local_as=65001)
RICH = Attributes(
    local_pref=200,
    communities=(GRACEFUL_SHUTDOWN, 0xFDE80001),
    large_communities=((4_200_000_001, 1, 2),),
    extended_communities=(0x0002FDE800000007,),
)
ROLES = {  # RFC 9234 5, egress
    Role.PROVIDER: "c0 23 04 0000fde9",
    Role.PEER: "c0 23 04 0000fde9",
    Role.RS: "c0 23 04 0000fde9",
    Role.CUSTOMER: "",
    Role.RS_CLIENT: "",
}
COMMUNITIES = "c0 08 08 ffff0000 fde80001  c0 10 08 0002fde800000007"
LARGE = "c0 20 0c fa56ea01 00000001 00000002"

prefixes4 = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(lambda p: IPv4Network(p, strict=False))
prefixes6 = st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(lambda p: IPv6Network(p, strict=False))


@pytest.mark.parametrize(
    ("negotiated", "said", "octets"),
    [
        pytest.param(EXTERNAL, Attributes(), "40 01 01 00  40 02 06 02 01 fa56ea01  40 03 04 c0000201", id="external"),
        pytest.param(SMALL, Attributes(), "40 01 01 00  40 02 06 02 01 0000fde9  40 03 04 c0000201", id="small AS"),
        *(
            pytest.param(
                replace(SMALL, role=role),
                Attributes(),
                f"40 01 01 00  40 02 06 02 01 0000fde9  40 03 04 c0000201 {only_to_customer}",
                id=f"role {role.name}",
            )
            for role, only_to_customer in ROLES.items()
        ),
        pytest.param(
            replace(SMALL, four_octet_as=False),
            Attributes(local_pref=5),
            "40 01 01 00  40 02 04 02 01 fde9  40 03 04 c0000201",
            id="two octets",
        ),
        pytest.param(
            replace(EXTERNAL, four_octet_as=False),
            RICH,
            f"40 01 01 00  40 02 04 02 01 5ba0  40 03 04 c0000201 {COMMUNITIES}  c0 11 06 02 01 fa56ea01 {LARGE}",
            id="AS_TRANS and AS4_PATH",
        ),
        pytest.param(
            replace(EXTERNAL, internal=True, four_octet_as=False),
            RICH,
            f"40 01 01 00  40 02 00  40 03 04 c0000201  40 05 04 000000c8 {COMMUNITIES} {LARGE}",
            id="internal",
        ),
        pytest.param(
            replace(EXTERNAL, internal=True),
            Attributes(),
            "40 01 01 00  40 02 00  40 03 04 c0000201  40 05 04 00000064",
            id="internal, usual preference",
        ),
    ],
)
def test_attributes_are_the_octets_of_the_rfcs(negotiated: Negotiated, said: Attributes, octets: str) -> None:
    assert encode_attributes(said, negotiated, NEXT_HOP).hex(" ") == bytes.fromhex(octets).hex(" ")


def test_a_long_attribute_has_a_length_of_two_octets() -> None:
    octets = encode_attributes(Attributes(communities=tuple(range(64))), EXTERNAL)
    assert octets[13:].hex().startswith("d008010000000000")


def test_messages_are_the_octets_of_the_rfcs() -> None:
    nlri = encode_nlri([IPv4Network("198.51.100.0/24"), IPv4Network("10.0.0.0/9"), IPv4Network("0.0.0.0/0")])
    nlri6 = encode_nlri([IPv6Network("2001:db8:1::/48")])
    assert [b.hex() for b in nlri] == ["18c63364", "090a00", "00"]
    assert [
        announce(b"\x40\x01\x01\x00", nlri, 4096),
        announce_multiprotocol(Family.IPV6, NEXT_HOP6, b"\x40\x01\x01\x00", nlri6, 4096),
        withdraw(nlri, 4096),
        withdraw_multiprotocol(Family.IPV6, nlri6, 4096),
        [end_of_rib(Family.IPV4)],
        [end_of_rib(Family.IPV6)],
    ] == [
        [message(UPDATE, bytes.fromhex(body))]
        for body in (
            "0000 0004 40010100 18c63364 090a00 00",
            "0000 0024 900e001c 0002 01 10 20010db8000000000000000000000001 00 3020010db80001 40010100",
            "0008 18c63364 090a00 00 0000",
            "0000 000e 900f000a 0002 01 3020010db80001",
            "0000 0000",
            "0000 0007 900f0003 0002 01",
        )
    ]


@given(
    attributes,
    negotiations,
    st.lists(prefixes4, min_size=1, max_size=2000),
    st.lists(prefixes6, min_size=1, max_size=600),
)
def test_what_is_written_is_read(
    said: Attributes, negotiated: Negotiated, ipv4: list[Prefix], ipv6: list[Prefix]
) -> None:
    agreed = replace(negotiated, families=frozenset(Family))
    longest = agreed.longest_sent
    classic, others = encode_attributes(said, agreed, NEXT_HOP), encode_attributes(said, agreed)
    nlri, nlri6 = encode_nlri(ipv4), encode_nlri(ipv6)
    written = {
        (Family.IPV4, True): announce(classic, nlri, longest),
        (Family.IPV6, True): announce_multiprotocol(Family.IPV6, NEXT_HOP6, others, nlri6, longest),
        (Family.IPV4, False): withdraw(nlri, longest),
        (Family.IPV6, False): withdraw_multiprotocol(Family.IPV6, nlri6, longest),
    }
    for (family, announced), messages in written.items():
        found: list[Nlri] = []
        for octets in messages:
            received = decode_update(octets[19:], agreed)
            assert not received.flaws
            found += (received.announced if announced else received.withdrawn)[family]
        assert found == (nlri if family is Family.IPV4 else nlri6)
        assert_full(messages, longest)


def assert_full(messages: list[bytes], longest: int) -> None:
    """None is too long, and none could have taken another prefix (17 octets are the longest)."""
    assert all(len(octets) <= longest for octets in messages)
    assert all(len(octets) > longest - 17 for octets, _ in pairwise(messages))


def test_a_message_is_full_to_the_last_octet() -> None:
    """Room for 1 + n prefixes of 5 octets: one octet less is one message more."""
    nlri = [b"\x20\xc0\x00\x02\x01"] * 10
    exactly = len(announce(b"", nlri, 4096)[0])
    assert len(announce(b"", nlri, exactly)) == 1
    assert [len(octets) for octets in announce(b"", nlri, exactly - 1)] == [exactly - 5, exactly - 45]


def test_attributes_that_leave_no_room() -> None:
    said = encode_attributes(Attributes(communities=tuple(range(1018))), EXTERNAL)
    with pytest.raises(ValueError, match="a message is full"):
        announce(said, [b"\x20\xc0\x00\x02\x01"], 4096)
    assert len(announce(said, [b"\x20\xc0\x00\x02\x01"], 65535)) == 1


@given(prefixes4 | prefixes6)
def test_family(prefix: Prefix) -> None:
    assert family_of(prefix) is (Family.IPV4 if isinstance(prefix, IPv4Network) else Family.IPV6)
