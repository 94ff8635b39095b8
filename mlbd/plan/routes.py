"""What each peer of a node hears: the prefixes of all Services together.

A prefix stays as long as one Service contributes it. What several advertisements say of one is united: all their
communities, and the local preference of the first by name. Peers that hear the same share one mapping, and one in which
nothing changed stays the same object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from mlbd.model.address import IPAddress, IPNetwork
from mlbd.model.peering import Announcement, Routes

from .bgp_conflicts import Attached

#: What decides on what a peer hears: the advertisements that reach it here, and the families that it carries.
Audience = tuple[frozenset[Attached], frozenset[int]]


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one Service adds: an advertisement of a prefix, once for each of its addresses; and these addresses."""

    said: tuple[tuple[IPNetwork, Attached], ...] = ()
    addresses: tuple[IPAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """`said` counts by prefix how often each advertisement contributes it, `addresses` for how many Services each is
    announced. `heard` is what each audience hears."""

    said: Mapping[IPNetwork, Mapping[Attached, int]] = field(default_factory=dict)
    addresses: Mapping[IPAddress, int] = field(default_factory=dict)
    heard: Mapping[Audience, Routes] = field(default_factory=dict)
    advertised: frozenset[IPAddress] = frozenset()


def table(audiences: Iterable[Audience], contributions: Iterable[Contribution], before: Table) -> Table:
    """All anew; what is equal in `before`, which may be of another ground, stays the same object."""
    known = list(before.heard.values())
    fresh = changed(Table(heard={audience: {} for audience in audiences}), (), contributions)
    heard = {audience: _same(routes, known) for audience, routes in fresh.heard.items()}
    advertised = before.advertised if before.advertised == fresh.advertised else fresh.advertised
    return Table(fresh.said, fresh.addresses, heard, advertised)


def _same(routes: Routes, known: list[Routes]) -> Routes:
    """Equal ones become one object, also those of two audiences."""
    found = next((each for each in known if each == routes), None)
    if found is None:
        known.append(routes)
        return routes
    return found


def changed(before: Table, gone: Iterable[Contribution], come: Iterable[Contribution]) -> Table:
    """The table without some contributions and with others."""
    said, addresses = dict(before.said), dict(before.addresses)
    touched: set[IPNetwork] = set()
    for contribution, step in chain(((each, -1) for each in gone), ((each, 1) for each in come)):
        for network, attached in contribution.said:
            touched.add(network)
            said[network] = _counted(said.get(network, {}), attached, step)
        for address in contribution.addresses:
            addresses[address] = addresses.get(address, 0) + step
            if not addresses[address]:
                del addresses[address]
    for network in touched:
        if not said[network]:
            del said[network]
    heard = {audience: _heard(audience, routes, said, touched) for audience, routes in before.heard.items()}
    advertised = frozenset(addresses)
    return Table(said, addresses, heard, before.advertised if before.advertised == advertised else advertised)


def _counted(counts: Mapping[Attached, int], attached: Attached, step: int) -> Mapping[Attached, int]:
    number = counts.get(attached, 0) + step
    others = {each: count for each, count in counts.items() if each is not attached}
    return {**others, attached: number} if number else others


def _heard(
    audience: Audience, routes: Routes, said: Mapping[IPNetwork, Mapping[Attached, int]], touched: Iterable[IPNetwork]
) -> Routes:
    reaching, families = audience
    news: dict[IPNetwork, Announcement | None] = {}
    for network in touched:
        if network.version in families:
            told = united(reaching & said.get(network, {}).keys())
            if told != routes.get(network):
                news[network] = told
    if not news:
        return routes
    whole = dict(routes)
    for network, told in news.items():
        if told is None:
            del whole[network]
        else:
            whole[network] = told
    return whole


def united(attached: Iterable[Attached]) -> Announcement | None:
    """What several advertisements say of one prefix, None of none. The first by name that has a local preference sets
    it: the later are the younger."""
    found = sorted(attached, key=lambda each: (each.origin, each.advertisement.local_pref))
    if len(found) < 2:
        return found[0].announcement if found else None
    wanted = (each.announcement.local_pref for each in found)
    local_pref = next((value for value in wanted if value is not None), None)
    communities = frozenset(value for each in found for value in each.announcement.communities)
    return Announcement(local_pref, tuple(sorted(communities)))
