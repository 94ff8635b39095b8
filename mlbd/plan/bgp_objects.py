"""What is advertised over BGP, and what its objects must agree on with one another. The younger of two that clash is
refused, the rest stand; these kinds carry no age that matters to traffic, so the later name is the younger."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mlbd.model.community import NO_COMMUNITY, WELL_KNOWN, CommunityValue, NotCommunity, parse_community
from mlbd.model.core import Node
from mlbd.model.deckhouse import MetalLoadBalancerConfiguration, PoolAdvertisement
from mlbd.model.desired import Refusal
from mlbd.model.metallb import BGPAdvertisement, Community
from mlbd.model.reference import Reference
from mlbd.model.selector import LabelSelector, any_matches
from mlbd.model.status import Problem, Severity
from mlbd.model.world import World

from .announcements import selects_pool
from .bgp_conflicts import Attached, announcement, conflict
from .catalog import problem_of
from .sources import Source

CONFIGURATION = "MetalLoadBalancerConfiguration"
#: Lengths up to this are of IPv4 where the object has one number for both families.
_IPV4_BITS = 32

Aliases = Mapping[str, CommunityValue]


@dataclass(frozen=True, slots=True)
class Advertisements:
    """Those that stand: `attached` all of them, `by_pool` those of each valid pool; what was refused of the others."""

    attached: tuple[Attached, ...] = ()
    by_pool: Mapping[str, tuple[Attached, ...]] = field(default_factory=dict)
    refused: Mapping[Reference, Refusal] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def advertisements(world: World, pools: Mapping[str, Source]) -> Advertisements:
    """`pools` are the valid ones: what a refused pool would clash with does not matter."""
    aliases, refused = _aliases(world)
    problems = [problem_of(reference, refusal) for reference, refusal in refused.items()]
    attached: list[Attached] = []
    by_pool: dict[str, list[Attached]] = {name: [] for name in pools}
    for reference, place, advertisement, nodes in _written(world):
        selected = [name for name, pool in pools.items() if selects(advertisement, pool, world)]
        each = _attach(reference, advertisement, nodes, aliases)
        refusal = _clash(each, [pools[name] for name in selected], by_pool) if isinstance(each, Attached) else each
        if refusal is not None:
            refused.setdefault(reference, refusal)
            problems.append(Problem(Severity.ERROR, str(reference), refusal.reason, refusal.message, place))
        elif isinstance(each, Attached):
            attached.append(each)
            for name in selected:
                by_pool[name].append(each)
    known = {name: tuple(found) for name, found in by_pool.items()}
    return Advertisements(tuple(attached), known, refused, tuple(problems))


def _written(world: World) -> Iterator[tuple[Reference, str, BGPAdvertisement, frozenset[str]]]:
    """All of them in the order in which they stand, with the field that each is in and the nodes that it covers."""
    nodes = world.nodes.values()
    for key, advertisement in sorted(world.bgp_advertisements.items()):
        covered = selected_nodes(advertisement.node_selectors, nodes)
        yield Reference("BGPAdvertisement", key), "", advertisement, covered
    for key, configuration in sorted(world.load_balancer_configurations.items()):
        covered = configured_nodes(configuration, nodes)
        for index, part in enumerate(configuration.advertisements):
            place = f"spec.advertisements[{index}]"
            yield Reference(CONFIGURATION, key), place, _as_advertisement(configuration, part), covered


def _as_advertisement(configuration: MetalLoadBalancerConfiguration, part: PoolAdvertisement) -> BGPAdvertisement:
    """Without peerNames it is for every peer, as in a BGPAdvertisement. The object has one aggregationLength: one
    beyond 32 can only be meant for IPv6, and any other is IPv4's."""
    length = part.aggregation_length
    wide = length is not None and length > _IPV4_BITS
    return BGPAdvertisement(
        configuration.key,
        pools=part.pools,
        peers=configuration.peers,
        communities=part.communities,
        aggregation_length=_IPV4_BITS if length is None or wide else length,
        aggregation_length_v6=length if length is not None and wide else 128,
        local_pref=part.local_pref or 0,
    )


def selects(advertisement: BGPAdvertisement, pool: Source, world: World) -> bool:
    kind, key = pool.reference
    labels = world.address_pools[key].labels if kind == "IPAddressPool" else {}
    return selects_pool(advertisement, key.name, labels)


def selected_nodes(selectors: tuple[LabelSelector, ...], nodes: Iterable[Node]) -> frozenset[str]:
    return frozenset(node.key.name for node in nodes if not selectors or any_matches(selectors, node.labels))


def configured_nodes(configuration: MetalLoadBalancerConfiguration, nodes: Iterable[Node]) -> frozenset[str]:
    wanted = configuration.node_selector.items()
    return frozenset(node.key.name for node in nodes if wanted <= node.labels.items())


def _aliases(world: World) -> tuple[dict[str, CommunityValue], dict[Reference, Refusal]]:
    aliases: dict[str, CommunityValue] = {}
    refused: dict[Reference, Refusal] = {}
    for key, community in sorted(world.communities.items()):
        if refusal := _alias_taken(community, aliases):
            refused[Reference("Community", key)] = refusal
        else:
            aliases |= {name: parse_community(value) for name, value in community.aliases}
    return aliases, refused


def _alias_taken(community: Community, aliases: Collection[str]) -> Refusal | None:
    for name, _ in community.aliases:
        if name in aliases:
            return Refusal("DuplicateAlias", f"cannot define community {name}, another object does: take it out of one")
    return None


def _attach(
    reference: Reference, advertisement: BGPAdvertisement, nodes: frozenset[str], aliases: Aliases
) -> Attached | Refusal:
    found: set[CommunityValue] = set()
    for text in advertisement.communities:
        value = _community(text, aliases)
        if value is None and text != NO_COMMUNITY:
            return Refusal("UnknownCommunity", f"cannot send community {text}, no Community defines it: define it")
        if value is not None:
            found.add(value)
    return Attached(advertisement, nodes, announcement(advertisement.local_pref or None, found), str(reference))


def _community(text: str, aliases: Aliases) -> CommunityValue | None:
    """An alias that somebody defined goes before the name that the RFC gave."""
    try:
        return aliases.get(text) or WELL_KNOWN.get(text) or parse_community(text)
    except NotCommunity:
        return None


def _clash(attached: Attached, pools: Iterable[Source], accepted: Mapping[str, list[Attached]]) -> Refusal | None:
    for pool in pools:
        if refusal := _too_short(attached, pool):
            return refusal
        if attached.advertisement.service_selectors:
            continue  # then it is for each Service to see which of them it matches
        rivals = (each for each in accepted[pool.reference.key.name] if not each.advertisement.service_selectors)
        for rival in rivals:
            if conflict((rival, attached), pool.spans):
                return contradiction(rival, attached, str(pool.reference))
    return None


def contradiction(one: Attached, other: Attached, what: str) -> Refusal:
    return Refusal(
        "ConflictingLocalPref",
        f"cannot set localPref {other.advertisement.local_pref} of {other.origin}, {one.origin} sets "
        f"{one.advertisement.local_pref} for {what}: make nodes, peers or lengths differ",
    )


def _too_short(attached: Attached, pool: Source) -> Refusal | None:
    """An aggregate must not reach beyond the entry of the pool that it is made from."""
    for entry in pool.ranges:
        name = "aggregationLength" if entry.family == 4 else "aggregationLengthV6"
        length = attached.length(entry.family)
        shortest = min(network.prefixlen for network in entry.networks())
        if length < shortest:
            return Refusal(
                "AggregateTooWide",
                f"cannot aggregate {entry} of {pool.reference} to /{length}, that is more than the pool has: "
                f"set {name} to {shortest} or more",
            )
    return None
