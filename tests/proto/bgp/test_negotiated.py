from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mlbd.proto.bgp.messages import Capabilities, Open
from mlbd.proto.bgp.negotiated import Negotiated, negotiate
from mlbd.proto.bgp.numbers import Family, Role

IPV4, IPV6 = Family.IPV4, Family.IPV6

BARE = Open(65001, 90, IPv4Address("192.0.2.1"), Capabilities(families=frozenset({IPV4})))
FULL = replace(
    BARE,
    capabilities=Capabilities(
        families=frozenset(Family),
        asn=65001,
        route_refresh=True,
        enhanced_refresh=True,
        extended_messages=True,
        extended_next_hop=frozenset({IPV4}),
        role=Role.PEER,
    ),
)
AGREED = Negotiated(
    65001,
    internal=True,
    families=frozenset(Family),
    four_octet_as=True,
    extended_next_hop=frozenset({IPV4}),
    route_refresh=True,
    enhanced_refresh=True,
    role=Role.PEER,
    longest_sent=65535,
    longest_received=65535,
)
LITTLE = Negotiated(65001, internal=True, families=frozenset({IPV4}), four_octet_as=False)


@pytest.mark.parametrize(
    ("sent", "received", "expected"),
    [
        pytest.param(FULL, FULL, AGREED, id="both offer everything"),
        pytest.param(FULL, replace(FULL, asn=65002), replace(AGREED, internal=False), id="of two AS"),
        # RFC 8654 4: who said that it can read long messages may get them, whatever the other can read.
        pytest.param(FULL, BARE, replace(LITTLE, role=Role.PEER, longest_received=65535), id="the peer offers nothing"),
        pytest.param(BARE, FULL, replace(LITTLE, longest_sent=65535), id="this end offers nothing"),
    ],
)
def test_what_is_agreed(sent: Open, received: Open, expected: Negotiated) -> None:
    assert negotiate(sent, received) == expected
