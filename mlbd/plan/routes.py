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
from mlbd.model.status import Problem, Severity

from .bgp_conflicts import Attached, announcement
from .bgp_objects import contradiction

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
    announced. `heard` is what each audience hears; `contested` are the prefixes of which it could not be said all that
    was asked for."""

    said: Mapping[IPNetwork, Mapping[Attached, int]] = field(default_factory=dict)
    addresses: Mapping[IPAddress, int] = field(default_factory=dict)
    heard: Mapping[Audience, Routes] = field(default_factory=dict)
    advertised: frozenset[IPAddress] = frozenset()
    contested: Mapping[IPNetwork, Problem] = field(default_factory=dict)


def table(audiences: Iterable[Audience], contributions: Iterable[Contribution], before: Table) -> Table:
    """All anew; what is equal in `before`, which may be of another ground, stays the same object."""
    known = list(before.heard.values())
    fresh = changed(Table(heard={audience: {} for audience in audiences}), (), contributions)
    heard = {audience: _same(routes, known) for audience, routes in fresh.heard.items()}
    advertised = before.advertised if before.advertised == fresh.advertised else fresh.advertised
    return Table(fresh.said, fresh.addresses, heard, advertised, fresh.contested)


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
    contested = {network: each for network, each in before.contested.items() if network not in touched}
    for network in touched:
        if (problem := _contest(network, said.get(network, {}), heard)) is not None:
            contested[network] = problem
    contested = dict(sorted(contested.items(), key=lambda item: str(item[0])))
    same = before.advertised == advertised
    return Table(said, addresses, heard, before.advertised if same else advertised, contested)


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


def _contest(network: IPNetwork, counts: Mapping[Attached, int], audiences: Iterable[Audience]) -> Problem | None:
    """Two local preferences for one prefix and one peer, which Services with different labels may bring about."""
    if len(counts) < 2:
        return None
    for reaching, families in audiences:
        told = _ranked(reaching & counts.keys()) if network.version in families else []
        for other in told[1:]:
            if other.announcement.local_pref != told[0].announcement.local_pref:
                refusal = contradiction(told[0], other, str(network))
                return Problem(Severity.WARNING, other.origin, refusal.reason, refusal.message)
    return None


def _ranked(attached: Iterable[Attached]) -> list[Attached]:
    """Those that set a local preference first, then by name: the later are the younger."""

    def rank(each: Attached) -> tuple[bool, str, int]:
        wanted = each.announcement.local_pref
        return wanted is None, each.origin, wanted or 0

    return sorted(attached, key=rank)


def united(attached: Iterable[Attached]) -> Announcement | None:
    """What several advertisements say of one prefix, None of none."""
    found = list(attached)
    if len(found) < 2:
        return found[0].announcement if found else None
    communities = chain.from_iterable(each.announcement.communities for each in found)
    return announcement(_ranked(found)[0].announcement.local_pref, communities)
