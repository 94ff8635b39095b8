"""Whatever the routes were and become: the peer has them, and was told in the fewest messages there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib.bgp import BGPHeader, BGPPACommunity, BGPPANextHop, BGPPAOrigin, BGPUpdate

from mlbd.proto.bgp.adj_rib_out import AdjRibOut
from mlbd.proto.bgp.messages import Attributes, Prefix
from mlbd.proto.bgp.negotiated import Negotiated
from mlbd.proto.bgp.neighbor import Path
from mlbd.proto.bgp.numbers import GRACEFUL_SHUTDOWN, Family
from tests.proto.bgp.receiver import Receiver, Route

BOTH = frozenset(Family)
LOCAL4, REMOTE4 = IPv4Address("192.0.2.11"), IPv4Address("192.0.2.1")
LOCAL6, REMOTE6 = IPv6Address("2001:db8::11"), IPv6Address("2001:db8::1")
LINK_LOCAL, REMOTE_LINK_LOCAL = IPv6Address("fe80::11"), IPv6Address("fe80::1")

OVER_IPV4 = Path(LOCAL4, REMOTE4, ipv4=LOCAL4)
DUAL_STACK = Path(LOCAL4, REMOTE4, LOCAL4, LOCAL6, LINK_LOCAL)
OVER_IPV6 = Path(LOCAL6, REMOTE6, LOCAL4, LOCAL6, LINK_LOCAL)
UNNUMBERED = Path(LINK_LOCAL, REMOTE_LINK_LOCAL, link_local=LINK_LOCAL)

EXTERNAL = Negotiated(64512, internal=False, families=BOTH)
INTERNAL = replace(EXTERNAL, internal=True)
EXTENDED = replace(EXTERNAL, extended_next_hop=frozenset({Family.IPV4}))
TWO_OCTETS = Negotiated(4200000000, internal=False, families=BOTH, four_octet_as=False)

IPV4, IPV6 = "198.51.100.1/32", "2001:db8:1::1/128"
PREFIXES: Sequence[Prefix] = [
    *(ip_network(f"198.51.100.{n}/32") for n in range(12)),
    *(ip_network(text) for text in ("198.51.100.0/24", "203.0.113.0/25", "10.0.0.0/8", "0.0.0.0/0")),
    *(ip_network(f"2001:db8:1::{n:x}/128") for n in range(8)),
    *(ip_network(text) for text in ("2001:db8:2::/48", "2001:db8:3::/64", "::/0")),
]
# Some are equal and not the same, some differ only in what external peers are not told.
ATTRIBUTES = [
    Attributes(),
    Attributes(),
    Attributes(local_pref=100),
    Attributes(local_pref=200),
    Attributes(communities=(GRACEFUL_SHUTDOWN, 64512 << 16 | 1)),
    Attributes(
        communities=(64512 << 16 | 1,), large_communities=((64512, 1, 2),), extended_communities=(0x2FDE8 << 32,)
    ),
]

routes = st.dictionaries(st.sampled_from(PREFIXES), st.sampled_from(ATTRIBUTES))
sessions = st.sampled_from(
    [
        (EXTERNAL, DUAL_STACK),
        (INTERNAL, OVER_IPV6),
        (EXTENDED, OVER_IPV6),
        (EXTENDED, UNNUMBERED),
        (TWO_OCTETS, DUAL_STACK),
    ]
)
Session = tuple[Negotiated, Path]
Routes = dict[Prefix, Attributes]


def hosts(count: int, first: str = "10.0.0.0") -> list[Prefix]:
    start = int(IPv4Address(first))
    return [IPv4Network((start + n, 32)) for n in range(count)]


def said(attributes: Attributes, negotiated: Negotiated) -> Attributes:
    """As the peer is to hear it (RFC 4271 5.1.5)."""
    local_pref = attributes.local_pref if attributes.local_pref is not None else 100
    return replace(attributes, local_pref=local_pref if negotiated.internal else None)


def heard(receiver: Receiver) -> Routes:
    return {prefix: route.attributes for prefix, route in receiver.table.items()}


def fewest(before: Routes, after: Routes, negotiated: Negotiated) -> int:
    """Messages without a limit: one for each family and attributes to announce, one for each family to withdraw."""
    old, new = ({p: said(a, negotiated) for p, a in routes.items()} for routes in (before, after))
    announced = {(p.version, a) for p, a in new.items() if old.get(p) != a}
    return len(announced) + len({p.version for p in old.keys() - new.keys()})


@given(sessions, st.lists(routes, max_size=6))
def test_the_peer_has_what_was_set_and_was_told_in_the_fewest_messages(
    session: Session, sequence: list[Routes]
) -> None:
    negotiated, _ = session
    rib, receiver, before = AdjRibOut(*session), Receiver(), Routes()
    for after in sequence:
        updates = rib.set(after)
        receiver.receive(updates)
        assert heard(receiver) == {p: said(a, negotiated) for p, a in after.items()}
        assert (len(rib), rib.left_out()) == (len(after), {})
        assert len(updates) == fewest(before, after, negotiated)
        before = after


@given(sessions, st.lists(routes, min_size=1, max_size=4), st.integers(150, 220))
def test_no_message_is_longer_than_agreed(session: Session, sequence: list[Routes], longest: int) -> None:
    negotiated, path = session
    rib, receiver = AdjRibOut(replace(negotiated, longest_sent=longest), path), Receiver(longest)
    for after in sequence:
        receiver.receive(rib.set(after))
        assert heard(receiver) == {p: said(a, negotiated) for p, a in after.items()}


@given(sessions, routes, st.sampled_from([None, *Family]))
def test_again(session: Session, given_routes: Routes, family: Family | None) -> None:
    rib, receiver, asking = AdjRibOut(*session), Receiver(), Receiver()
    receiver.receive(rib.set(given_routes))
    asking.receive(rib.again(family))
    wanted = {
        p: r for p, r in receiver.table.items() if family in (None, Family.IPV4 if p.version == 4 else Family.IPV6)
    }
    assert asking.table == wanted


@given(routes)
def test_nothing_is_said_of_what_is_equal(given_routes: Routes) -> None:
    rib = AdjRibOut(EXTERNAL, DUAL_STACK)
    rib.set(given_routes)
    others = {ip_network(str(prefix)): replace(attributes) for prefix, attributes in reversed(given_routes.items())}
    assert rib.set(given_routes) == rib.set(others) == []


@pytest.mark.parametrize(("longest", "announcements", "withdrawals"), [(4096, 13, 13), (65535, 1, 1)])
def test_ten_thousand_routes(longest: int, announcements: int, withdrawals: int) -> None:
    rib, receiver = AdjRibOut(replace(EXTERNAL, longest_sent=longest), DUAL_STACK), Receiver(longest)
    attributes = Attributes(communities=(1,))
    everything = dict.fromkeys(hosts(10_000), attributes)
    room = longest - 19 - 4
    updates = rib.set(everything)
    receiver.receive(updates)
    assert len(updates) == ceil(10_000 / ((room - 27) // 5)) == announcements
    one = everything | {hosts(1)[0]: Attributes()}
    (change,) = rib.set(one)
    assert len(change) == 19 + 4 + 20 + 5
    receiver.receive([change])
    assert heard(receiver) == one
    assert len(rib.set({})) == ceil(10_000 / (room // 5)) == withdrawals


def test_a_peer_without_multiprotocol_extensions_hears_of_none() -> None:
    rib = AdjRibOut(replace(EXTERNAL, families=frozenset({Family.IPV4})), OVER_IPV4)
    (told,), (taken_back,) = rib.set({ip_network(IPV4): Attributes()}), rib.set({})
    assert told[19:] == bytes.fromhex("0000 0014 40010100 40020602010000fc00 400304c000020b 20c6336401")
    assert taken_back[19:] == bytes.fromhex("0005 20c6336401 0000")


def test_one_change_among_many_hashes_few_prefixes() -> None:
    """What would take longest, ten thousand times for each peer."""
    hashed = 0

    class Counted(IPv4Network):
        def __hash__(self) -> int:
            nonlocal hashed
            hashed += 1
            return super().__hash__()

    prefixes: list[Prefix] = [Counted((n, 32)) for n in range(1000)]
    before = dict.fromkeys(prefixes, Attributes())
    after = before | {prefixes[500]: Attributes(communities=(1,))}
    rib = AdjRibOut(EXTERNAL, OVER_IPV4)
    rib.set(before)
    hashed = 0
    assert len(rib.set(after)) == 1
    assert hashed < 10


def test_an_aggregate_is_there_before_its_parts_go() -> None:
    """Make before break: the order in which a router hears of them."""
    rib, receiver = AdjRibOut(EXTERNAL, OVER_IPV4), Receiver()
    receiver.receive(rib.set(dict.fromkeys(hosts(256), Attributes())))
    aggregate = IPv4Network("10.0.0.0/24")
    for update in rib.set({aggregate: Attributes()}):
        receiver.receive([update])
        assert aggregate in receiver.table
    assert set(receiver.table) == {aggregate}


def route_of(negotiated: Negotiated, path: Path, prefix: str) -> Route:
    receiver = Receiver()
    receiver.receive(AdjRibOut(negotiated, path).set({ip_network(prefix): Attributes()}))
    return receiver.table[ip_network(prefix)]


@pytest.mark.parametrize(
    ("negotiated", "path", "prefix", "next_hop"),
    [
        (EXTERNAL, OVER_IPV4, IPV4, [LOCAL4]),
        (EXTERNAL, DUAL_STACK, IPV6, [LOCAL6, LINK_LOCAL]),
        (EXTENDED, DUAL_STACK, IPV4, [LOCAL4]),
        (EXTERNAL, OVER_IPV6, IPV4, [LOCAL4]),
        (EXTENDED, OVER_IPV6, IPV4, [LOCAL6, LINK_LOCAL]),
        (EXTERNAL, replace(OVER_IPV6, link_local=None), IPV6, [LOCAL6]),
        (EXTENDED, UNNUMBERED, IPV4, [LINK_LOCAL]),
        (EXTERNAL, UNNUMBERED, IPV6, [LINK_LOCAL]),
        (EXTERNAL, replace(UNNUMBERED, ipv6=LOCAL6), IPV6, [LOCAL6, LINK_LOCAL]),
        # The address of the session, where the link has another one too.
        (EXTERNAL, replace(OVER_IPV4, ipv4=REMOTE4), IPV4, [LOCAL4]),
        (EXTERNAL, replace(OVER_IPV6, ipv6=REMOTE6), IPV6, [LOCAL6, LINK_LOCAL]),
    ],
)
def test_next_hops(negotiated: Negotiated, path: Path, prefix: str, next_hop: list[Any]) -> None:
    assert route_of(negotiated, path, prefix).next_hop == b"".join(address.packed for address in next_hop)
    family = Family.IPV4 if prefix == IPV4 else Family.IPV6
    assert AdjRibOut(negotiated, path).next_hops[family] == tuple(next_hop)


@pytest.mark.parametrize(
    ("negotiated", "as_path", "as4_path"),
    [
        (EXTERNAL, "02 01 0000fc00", ""),
        (INTERNAL, "", ""),
        (TWO_OCTETS, "02 01 5ba0", "02 01 fa56ea00"),
        (replace(TWO_OCTETS, local_as=64512), "02 01 fc00", ""),
    ],
)
def test_as_paths(negotiated: Negotiated, as_path: str, as4_path: str) -> None:
    route = route_of(negotiated, OVER_IPV4, IPV4)
    assert (route.as_path, route.as4_path) == (bytes.fromhex(as_path), bytes.fromhex(as4_path))


@pytest.mark.parametrize(
    ("negotiated", "path", "prefix", "reason"),
    [
        (EXTERNAL, OVER_IPV4, IPV6, "this end has no address to be the next hop of IPv6 routes"),
        (EXTERNAL, UNNUMBERED, IPV4, "this end has no address to be the next hop of IPv4 routes"),
        (replace(EXTERNAL, families=frozenset({Family.IPV4})), DUAL_STACK, IPV6, "the peer does not take IPv6 routes"),
    ],
)
def test_what_cannot_be_announced_is_left_out_and_named(
    negotiated: Negotiated, path: Path, prefix: str, reason: str
) -> None:
    rib = AdjRibOut(negotiated, path)
    assert rib.set({ip_network(prefix): Attributes()}) == []
    assert (len(rib), rib.left_out()) == (0, {reason: 1})
    assert rib.again() == rib.set({}) == []
    assert rib.left_out() == {}


def test_too_many_communities_for_a_message_withdraw_the_route() -> None:
    rib, receiver = AdjRibOut(EXTERNAL, DUAL_STACK), Receiver()
    prefixes: list[Prefix] = [IPv4Network(IPV4), IPv6Network(IPV6)]
    for count, left_out in ((1, 0), (1100, 2), (1200, 2), (1, 0), (1100, 2), (0, 0)):
        wanted = dict.fromkeys(prefixes, Attributes(communities=tuple(range(count)))) if count else Routes()
        receiver.receive(rib.set(wanted))
        assert heard(receiver) == ({} if left_out else wanted)
        assert sum(rib.left_out().values()) == left_out and len(rib) == len(wanted) - left_out
    rib.set(dict.fromkeys(prefixes, Attributes(communities=tuple(range(1100)))))
    assert set(rib.left_out()) == {
        f"the communities of {name} routes are more than a message can hold" for name in ("IPv4", "IPv6")
    }


@pytest.mark.parametrize("prefix", [IPV4, IPV6])
def test_a_message_may_be_full_of_communities(prefix: str) -> None:
    lengths = []
    for count in range(950, 1050):
        updates = AdjRibOut(EXTERNAL, DUAL_STACK).set({ip_network(prefix): Attributes(communities=tuple(range(count)))})
        lengths.append(sum(map(len, updates)))
    fitting = [length for length in lengths if length]
    assert fitting == lengths[: len(fitting)]
    assert 4096 - 4 < max(fitting) <= 4096


@pytest.mark.parametrize("session", [(EXTERNAL, DUAL_STACK), (EXTENDED, OVER_IPV6)])
def test_end_of_rib(session: Session) -> None:
    receiver, rib = Receiver(), AdjRibOut(*session)
    receiver.receive(rib.end_of_rib(family) for family in Family)
    assert receiver.ends == [(1, 1), (2, 1)]


def test_scapy_reads_the_same() -> None:
    (octets,) = AdjRibOut(EXTERNAL, OVER_IPV4).set(dict.fromkeys(hosts(3), Attributes(communities=(64512 << 16 | 7,))))
    update = BGPHeader(octets)[BGPUpdate]
    attributes = {type(item.attribute): item.attribute for item in update.path_attr}
    assert [item.prefix for item in update.nlri] == ["10.0.0.0/32", "10.0.0.1/32", "10.0.0.2/32"]
    assert attributes[BGPPANextHop].next_hop == str(LOCAL4)
    assert attributes[BGPPAOrigin].origin == 0
    assert attributes[BGPPACommunity].community == 64512 << 16 | 7
