"""RFC 4861 6.1 demand by demand; scapy is the second decoder and encoder."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    Raw,
)

from mlbd.proto.neighbor import router
from mlbd.proto.neighbor.frame import DropReason
from mlbd.proto.neighbor.router import RouterAdvertisement, RouterMessage, RouterSolicitation, decode, encode

MAC = bytes.fromhex("020000000001")
ROUTER = IPv6Address("fe80::1")
SOLICITATION = bytes(ICMPv6ND_RS())
ADVERTISEMENT = bytes(ICMPv6ND_RA(routerlifetime=1800))
LINK_LAYER = bytes(ICMPv6NDOptSrcLLAddr(lladdr=MAC.hex(":")))

messages = st.builds(RouterSolicitation, st.none() | st.binary(min_size=6, max_size=6)) | st.builds(
    RouterAdvertisement, st.integers(0, 0xFFFF), st.none() | st.binary(min_size=6, max_size=6)
)


def test_ours_makes_nobody_change_anything() -> None:
    message = ICMPv6ND_RA(encode(RouterAdvertisement(link_layer=MAC)))
    assert (message.type, message.code, message.routerlifetime) == (134, 0, 0)
    assert (message.chlim, message.M, message.O, message.H, message.prf) == (0, 0, 0, 0, 0)
    assert (message.reachabletime, message.retranstimer) == (0, 0)
    assert message[ICMPv6NDOptSrcLLAddr].lladdr == MAC.hex(":")


def test_our_solicitation() -> None:
    message = ICMPv6ND_RS(encode(RouterSolicitation(MAC)))
    assert (message.type, message.code, message[ICMPv6NDOptSrcLLAddr].lladdr) == (133, 0, MAC.hex(":"))
    assert router.destination(RouterSolicitation()) == IPv6Address("ff02::2")


@given(messages)
def test_what_is_written_is_read(message: RouterMessage) -> None:
    assert decode(encode(message), ROUTER, 255) == message


def test_an_advertisement_with_options_of_others() -> None:
    options = ICMPv6NDOptMTU() / ICMPv6NDOptPrefixInfo(prefix="2001:db8::") / ICMPv6NDOptSrcLLAddr(lladdr=MAC.hex(":"))
    assert decode(ADVERTISEMENT + bytes(options), ROUTER, 255) == RouterAdvertisement(1800, MAC)


@pytest.mark.parametrize("source", ["::", "fe80::9", "2001:db8::9"])
def test_a_solicitation_may_come_from_any_address(source: str) -> None:
    assert decode(SOLICITATION, IPv6Address(source), 255) == RouterSolicitation()


@pytest.mark.parametrize(
    ("octets", "source", "hop_limit", "reason"),
    [
        (ADVERTISEMENT, "fe80::1", 254, DropReason.HOP_LIMIT),
        (SOLICITATION, "fe80::1", 64, DropReason.HOP_LIMIT),
        (ADVERTISEMENT, "2001:db8::1", 255, DropReason.MALFORMED),
        (ADVERTISEMENT, "::", 255, DropReason.MALFORMED),
        (bytes(ICMPv6ND_RA(code=1)), "fe80::1", 255, DropReason.MALFORMED),
        (bytes(ICMPv6ND_RS(code=1)), "fe80::1", 255, DropReason.MALFORMED),
        (ADVERTISEMENT[:15], "fe80::1", 255, DropReason.MALFORMED),
        (SOLICITATION[:7], "fe80::1", 255, DropReason.MALFORMED),
        (SOLICITATION + LINK_LAYER, "::", 255, DropReason.MALFORMED),
        (ADVERTISEMENT + bytes(Raw(b"\x01\x00" + bytes(6))), "fe80::1", 255, DropReason.MALFORMED),
        (ADVERTISEMENT + LINK_LAYER[:7], "fe80::1", 255, DropReason.MALFORMED),
        (SOLICITATION + b"\x05\x02" + bytes(6), "fe80::1", 255, DropReason.MALFORMED),
        (SOLICITATION + b"\x05", "fe80::1", 255, DropReason.MALFORMED),
        (b"\x88\0" + bytes(30), "fe80::1", 255, DropReason.MALFORMED),
        (b"", "fe80::1", 255, DropReason.MALFORMED),
    ],
)
def test_discarded(octets: bytes, source: str, hop_limit: int, reason: DropReason) -> None:
    assert decode(octets, IPv6Address(source), hop_limit) is reason


@given(st.sampled_from([b"", b"\x85\0", b"\x86\0", SOLICITATION, ADVERTISEMENT]), st.binary(max_size=200))
def test_any_octets_are_read_or_discarded(head: bytes, tail: bytes) -> None:
    message = decode(head + tail, ROUTER, 255)
    assert isinstance(message, RouterSolicitation | RouterAdvertisement | DropReason)
