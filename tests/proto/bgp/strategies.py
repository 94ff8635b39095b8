"""Anything that mlbd may have to say."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import strategies as st

from mlbd.proto.bgp.messages import Attributes, Capabilities, GracefulRestart, Keepalive, Notification, Open
from mlbd.proto.bgp.messages import RouteRefresh as Refresh
from mlbd.proto.bgp.negotiated import Negotiated
from mlbd.proto.bgp.numbers import AS_TRANS, Family, Role

some_families = st.sampled_from((frozenset({Family.IPV4}), frozenset({Family.IPV6}), frozenset(Family)))
families = st.just(frozenset[Family]()) | some_families
asns = st.integers(1, 2**32 - 1) | st.sampled_from((AS_TRANS, 65535, 65536))

restarts = st.builds(
    GracefulRestart,
    seconds=st.integers(0, 4095),
    restarted=st.booleans(),
    notification=st.booleans(),
    families=st.just({}) | st.fixed_dictionaries({}, optional=dict.fromkeys(Family, st.booleans())),
)


@st.composite
def opens(draw: st.DrawFn) -> Open:
    asn = draw(asns)
    capabilities = Capabilities(
        families=draw(some_families),
        asn=asn if asn > 65535 or draw(st.booleans()) else None,
        route_refresh=draw(st.booleans()),
        enhanced_refresh=draw(st.booleans()),
        extended_messages=draw(st.booleans()),
        extended_next_hop=draw(families),
        graceful_restart=draw(st.none() | restarts),
        role=draw(st.none() | st.sampled_from(Role)),
    )
    hold_time = draw(st.just(0) | st.integers(3, 65535))
    return Open(asn, hold_time, IPv4Address(draw(st.integers(1, 2**32 - 1))), capabilities)


notifications = st.builds(Notification, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=4075))
refreshes = st.builds(Refresh, st.sampled_from(Family), st.integers(0, 255))
messages = opens() | notifications | st.just(Keepalive()) | refreshes

attributes = st.builds(
    Attributes,
    local_pref=st.none() | st.integers(0, 2**32 - 1),
    communities=st.lists(st.integers(0, 2**32 - 1), max_size=70).map(tuple),
    large_communities=st.lists(st.tuples(*(st.integers(0, 2**32 - 1),) * 3), max_size=30).map(tuple),
    extended_communities=st.lists(st.integers(0, 2**64 - 1), max_size=40).map(tuple),
)
negotiations = st.builds(
    Negotiated,
    local_as=asns,
    internal=st.booleans(),
    families=families,
    four_octet_as=st.booleans(),
    extended_next_hop=families,
    longest_sent=st.sampled_from((4096, 65535)),
    longest_received=st.sampled_from((4096, 65535)),
)
