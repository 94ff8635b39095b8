"""A decoder that is not ours reads what we write."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Any

import pytest
from scapy.contrib import bgp as scapy

from mlbd.proto.bgp.attributes import encode_attributes
from mlbd.proto.bgp.encoding import encode
from mlbd.proto.bgp.messages import Attributes, Keepalive, RouteRefresh
from mlbd.proto.bgp.negotiated import Negotiated
from mlbd.proto.bgp.nlri import encode_nlri
from mlbd.proto.bgp.notification import cease
from mlbd.proto.bgp.numbers import Cease, Family
from mlbd.proto.bgp.packing import announce, announce_multiprotocol, withdraw, withdraw_multiprotocol

from .test_open import EVERYTHING
from .test_packing import NEXT_HOP, NEXT_HOP6, RICH

INTERNAL = Negotiated(65001, internal=True)
IPV4 = ["10.0.0.0/9", "198.51.100.7/32", "0.0.0.0/0"]
IPV6 = ["2001:db8:1::/48", "2001:db8::1/128", "2001:db8:8000::/33"]
NLRI4 = encode_nlri(map(IPv4Network, IPV4))
NLRI6 = encode_nlri(map(IPv6Network, IPV6))


@pytest.fixture(autouse=True)
def four_octet_as(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scapy.bgp_module_conf, "use_2_bytes_asn", False)


def test_open() -> None:
    message = scapy.BGP(encode(EVERYTHING))[scapy.BGPOpen]
    assert (message.version, message.my_as, message.hold_time, message.bgp_id) == (4, 23456, 90, "192.0.2.1")
    parameter = message.opt_params[0]
    assert parameter.param_type == 2
    found = {capability.code: capability for capability in capabilities(bytes(parameter.param_value))}
    assert list(found) == [1, 2, 5, 6, 9, 64, 65, 70]
    assert (found[1].afi, found[1].safi) == (2, 1)
    assert found[5].cap_data == b"\0\1\0\1\0\2"
    assert found[9].cap_data == b"\3"
    assert found[64].restart_time == 120
    assert [(entry.afi, entry.flags) for entry in found[64].entries] == [(1, 128)]  # it reads no more than one
    assert found[65].asn == 4_200_000_001


def capabilities(octets: bytes) -> Iterator[Any]:
    """scapy reads one of them, the others are its payload."""
    while octets:
        end = 2 + octets[1]
        yield scapy.BGPCapability(octets[:end])
        octets = octets[end:]


def attributes(octets: bytes) -> dict[str, Any]:
    """By scapy's names of their kinds."""
    message = scapy.BGP(octets)[scapy.BGPUpdate]
    return {type(item.attribute).__name__: item.attribute for item in message.path_attr}


def test_routes_of_ipv4() -> None:
    (octets,) = announce(encode_attributes(RICH, INTERNAL, NEXT_HOP), NLRI4, 4096)
    found = attributes(octets)
    assert found["BGPPAOrigin"].origin == 0
    assert found["BGPPAAS4BytesPath"].segments == []
    assert found["BGPPANextHop"].next_hop == "192.0.2.1"
    assert found["BGPPALocalPref"].local_pref == 200
    assert bytes(found["BGPPACommunity"]) == bytes.fromhex("ffff0000 fde80001")
    (extended,) = found["BGPPAExtComms"].extended_communities
    assert (extended.value.global_administrator, extended.value.local_administrator) == (65000, 7)
    (large,) = found["BGPPALargeCommunity"].segments
    assert (large.global_administrator, large.local_data_part1, large.local_data_part2) == (4_200_000_001, 1, 2)
    assert prefixes(scapy.BGP(octets)[scapy.BGPUpdate].nlri) == IPV4


def test_the_path_of_two_octets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scapy.bgp_module_conf, "use_2_bytes_asn", True)
    session = Negotiated(4_200_000_001, internal=False, four_octet_as=False)
    (octets,) = announce(encode_attributes(Attributes(), session, IPv4Address("192.0.2.1")), NLRI4, 4096)
    found = attributes(octets)
    (segment,) = found["BGPPAASPath"].segments
    assert (segment.segment_type, segment.segment_value) == (2, [23456])
    path = found["BGPPAAS4Path"]
    assert (path.segment_type, path.segment_length, path.segment_value) == (2, 1, [4_200_000_001])


def test_routes_of_ipv6() -> None:
    (octets,) = announce_multiprotocol(Family.IPV6, NEXT_HOP6, encode_attributes(RICH, INTERNAL), NLRI6, 4096)
    reach = attributes(octets)["BGPPAMPReachNLRI"]
    assert (reach.afi, reach.safi, reach.nh_v6_addr) == (2, 1, "2001:db8::1")
    assert prefixes(reach.nlri) == IPV6


def test_withdrawals() -> None:
    (octets,) = withdraw(NLRI4, 4096)
    assert prefixes(scapy.BGP(octets)[scapy.BGPUpdate].withdrawn_routes) == IPV4
    (octets,) = withdraw_multiprotocol(Family.IPV6, NLRI6, 4096)
    unreach = attributes(octets)["BGPPAMPUnreachNLRI"]
    assert prefixes(unreach.afi_safi_specific.withdrawn_routes) == IPV6


def prefixes(found: list[Any]) -> list[str]:
    return [entry.prefix for entry in found]


def test_the_short_messages() -> None:
    refresh = scapy.BGP(encode(RouteRefresh(Family.IPV6, 1)))[scapy.BGPRouteRefresh]
    assert (refresh.afi, refresh.subtype, refresh.safi) == (2, 1, 1)
    notification = scapy.BGP(encode(cease(Cease.ADMINISTRATIVE_SHUTDOWN, "memory")))[scapy.BGPNotification]
    assert (notification.error_code, notification.error_subcode, notification.data) == (6, 2, b"\6memory")
    assert isinstance(scapy.BGP(encode(Keepalive())), scapy.BGPKeepAlive)
