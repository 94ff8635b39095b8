from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface

from mlbd.drivers.bgp.ends import End
from mlbd.drivers.bgp.place import link_of, on_link, outlook, path, router_id
from mlbd.model.link import Link

LOCAL = IPv6Address("fe80::11")
LOOPBACK = Link(1, "lo", b"", loopback=True)


def link(index: int, name: str, *addresses: str) -> Link:
    return Link(index, name, b"\x02\0\0\0\0\1", addresses=tuple(ip_interface(address) for address in addresses))


ETH0 = link(2, "eth0", "192.0.2.11/24", "192.0.2.12/24", "2001:db8::11/64", "fe80::11/64")
ETH1 = link(3, "eth1", "fe80::11/64")
LINKS = (LOOPBACK, ETH0, ETH1)


def test_a_link_is_found_by_its_address_and_by_its_scope() -> None:
    assert link_of(End(ip_address("192.0.2.12"), 1), LINKS) is ETH0
    assert link_of(End(LOCAL, 1, 3), LINKS) is ETH1
    assert link_of(End(LOCAL, 1, 9), LINKS) is None
    assert link_of(End(ip_address("192.0.2.99"), 1), LINKS) is None


def test_next_hops_are_the_address_of_the_session_and_of_the_link() -> None:
    one, other = ip_address("192.0.2.12"), ip_address("192.0.2.1")
    found = path(one, other, ETH0)
    assert (found.local, found.remote) == (one, other)
    assert (found.ipv4, found.ipv6, found.link_local) == (one, IPv6Address("2001:db8::11"), LOCAL)


def test_next_hops_of_an_unnumbered_session() -> None:
    found = path(LOCAL, ip_address("fe80::1"), ETH0)
    assert (found.ipv4, found.ipv6, found.link_local) == (ETH0.addresses[0].ip, IPv6Address("2001:db8::11"), LOCAL)
    bare = path(LOCAL, ip_address("fe80::1"), ETH1)
    assert (bare.ipv4, bare.ipv6, bare.link_local) == (None, None, LOCAL)


def test_behind_a_router_a_link_local_address_is_somebody_elses() -> None:
    far = path(IPv6Address("2001:db8::11"), IPv6Address("2001:db8:9::1"), ETH0)
    assert (far.ipv6, far.link_local) == (IPv6Address("2001:db8::11"), None)


def test_a_session_from_the_loopback_has_its_own_address_only() -> None:
    own = IPv4Address("203.0.113.1")
    assert path(own, ip_address("192.0.2.1"), None).ipv4 == own
    assert path(own, ip_address("192.0.2.1"), None).ipv6 is None


def test_who_is_on_the_link() -> None:
    assert on_link(ip_address("192.0.2.1"), ETH0) and on_link(ip_address("fe80::1"), ETH1)
    assert not on_link(ip_address("198.51.100.1"), ETH0) and not on_link(ip_address("192.0.2.1"), None)


def test_of_all_links_only_that_of_a_neighbor_matters_to_it() -> None:
    more = (*LINKS, link(8, "br0", "172.17.0.1/16"), link(9, "veth9", "fe80::9/64"))
    assert outlook(ip_address("192.0.2.1"), LINKS) == outlook(ip_address("192.0.2.1"), more) == (ETH0,)


def test_to_who_is_far_every_link_matters_that_leads_farther_than_itself() -> None:
    far, container = ip_address("203.0.113.9"), link(9, "veth9", "fe80::9/64")
    assert outlook(far, LINKS) == outlook(far, (*LINKS, container)) == (ETH0,)


def test_the_router_id() -> None:
    """Its Node's address before those of the links; no VIP, nothing that only one link knows; never 0."""
    vips = frozenset({ip_address("192.0.2.11")})
    own = (IPv6Address("2001:db8::1"), IPv4Address("203.0.113.5"))
    assert router_id("a", own, LINKS, vips) == IPv4Address("203.0.113.5")
    assert router_id("a", (), LINKS, frozenset()) == IPv4Address("192.0.2.11")
    assert router_id("a", (), LINKS, vips) == IPv4Address("192.0.2.12")
    lone = (link(2, "eth0", "169.254.1.1/16", "fe80::11/64"),)
    named = {router_id(f"node-{number}", (), lone, vips) for number in range(100)}
    assert len(named) == 100 and IPv4Address("0.0.0.0") not in named
    assert router_id("a", (), (), vips) == router_id("a", (), lone, vips)
