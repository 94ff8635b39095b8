"""What the objects of BGP must agree on with one another. The younger of two that clash is refused, the rest stand;
these kinds carry no age that matters to traffic, so the later name is the younger."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from mlbd.model.community import NotCommunity, parse_community
from mlbd.model.core import Node
from mlbd.model.desired import Refusal
from mlbd.model.metallb import BGPAdvertisement, BGPPeer, Community
from mlbd.model.reference import Reference
from mlbd.model.selector import LabelSelector, any_matches
from mlbd.model.world import World

from .announcements import selects_pool
from .bgp_conflicts import Attached, conflict
from .sources import Source

BASIC_AUTH = "kubernetes.io/basic-auth"


def refused_bgp_objects(world: World, pools: Mapping[str, Source]) -> dict[Reference, Refusal]:
    """`pools` are the valid ones: what a refused pool would clash with does not matter."""
    refused: dict[Reference, Refusal] = {}
    aliases: set[str] = set()
    for key, community in sorted(world.communities.items()):
        if refusal := _alias_taken(community, aliases):
            refused[Reference("Community", key)] = refusal
        else:
            aliases |= {name for name, _ in community.aliases}
    accepted: dict[str, list[Attached]] = {name: [] for name in pools}
    for key, advertisement in sorted(world.bgp_advertisements.items()):
        attached = attached_to(advertisement, world)
        selected = [name for name, pool in pools.items() if selects(advertisement, pool, world)]
        if refusal := _advertisement(attached, [pools[name] for name in selected], aliases, accepted):
            refused[Reference("BGPAdvertisement", key)] = refusal
        else:
            for name in selected:
                accepted[name].append(attached)
    stands = [
        each for each in world.bgp_advertisements.values() if Reference("BGPAdvertisement", each.key) not in refused
    ]
    peers: list[BGPPeer] = []
    for key, peer in sorted(world.bgp_peers.items()):
        if refusal := _peer(peer, peers, stands, pools, world):
            refused[Reference("BGPPeer", key)] = refusal
        else:
            peers.append(peer)
    return refused


def selects(advertisement: BGPAdvertisement, pool: Source, world: World) -> bool:
    kind, key = pool.reference
    labels = world.address_pools[key].labels if kind == "IPAddressPool" else {}
    return selects_pool(advertisement, key.name, labels)


def attached_to(advertisement: BGPAdvertisement, world: World) -> Attached:
    return Attached(advertisement, frozenset(_nodes(advertisement.node_selectors, world.nodes.values())))


def _nodes(selectors: tuple[LabelSelector, ...], nodes: Iterable[Node]) -> Iterator[str]:
    return (node.key.name for node in nodes if not selectors or any_matches(selectors, node.labels))


def _alias_taken(community: Community, aliases: Collection[str]) -> Refusal | None:
    for name, _ in community.aliases:
        if name in aliases:
            return Refusal("DuplicateAlias", f"cannot define community {name}, another object does: take it out of one")
    return None


def _advertisement(
    attached: Attached, pools: Iterable[Source], aliases: Collection[str], accepted: Mapping[str, list[Attached]]
) -> Refusal | None:
    advertisement = attached.advertisement
    for text in advertisement.communities:
        if text not in aliases and not _is_community(text):
            return Refusal("UnknownCommunity", f"cannot send community {text}, no Community defines it: define it")
    for pool in pools:
        if refusal := _too_short(advertisement, pool):
            return refusal
        if advertisement.service_selectors:
            continue  # then it is for each Service to see which of them it matches
        rivals = (each for each in accepted[pool.reference.key.name] if not each.advertisement.service_selectors)
        for rival in rivals:
            if conflict((rival, attached), pool.spans):
                return Refusal(
                    "ConflictingLocalPref",
                    f"cannot set localPref {advertisement.local_pref}, BGPAdvertisement {rival.advertisement.key} sets "
                    f"{rival.advertisement.local_pref} for {pool.reference}: make nodes, peers or lengths differ",
                )
    return None


def _is_community(text: str) -> bool:
    try:
        parse_community(text)
    except NotCommunity:
        return False
    return True


def _too_short(advertisement: BGPAdvertisement, pool: Source) -> Refusal | None:
    """An aggregate must not reach beyond the entry of the pool that it is made from."""
    for entry in pool.ranges:
        name, length = ("aggregationLength", advertisement.aggregation_length)
        if entry.family == 6:
            name, length = ("aggregationLengthV6", advertisement.aggregation_length_v6)
        shortest = min(network.prefixlen for network in entry.networks())
        if length < shortest:
            return Refusal(
                "AggregateTooWide",
                f"cannot aggregate {entry} of {pool.reference} to /{length}, that is more than the pool has: "
                f"set {name} to {shortest} or more",
            )
    return None


def _peer(
    peer: BGPPeer,
    accepted: Iterable[BGPPeer],
    advertisements: Iterable[BGPAdvertisement],
    pools: Mapping[str, Source],
    world: World,
) -> Refusal | None:
    if refusal := _secret(peer, world):
        return refusal
    for other in accepted:
        if _same_session(peer, other) and _meet(peer, other, world.nodes.values()):
            return Refusal("DuplicatePeer", f"cannot open a second session, BGPPeer {other.key} has it: delete one")
    if not peer.bfd_profile:
        return None
    profile = next((each for key, each in world.bfd_profiles.items() if key.name == peer.bfd_profile), None)
    if profile is None:
        return Refusal("BFDProfileNotFound", f"cannot find BFDProfile {peer.bfd_profile}: make it, or correct the name")
    if profile.echo_mode and _receives_ipv6(peer, advertisements, pools, world):
        told = f"cannot use BFDProfile {peer.bfd_profile}, its echo mode does not go with IPv6 pools: turn it off"
        return Refusal("EchoWithIPv6", told)
    return None


def _secret(peer: BGPPeer, world: World) -> Refusal | None:
    key = peer.password_secret
    if key is None:
        return None
    secret = world.secrets.get(key)
    if secret is None:
        return Refusal("SecretNotFound", f"cannot read the password, there is no Secret {key}: make it")
    if secret.type != BASIC_AUTH:
        return Refusal("SecretUnusable", f"cannot read the password of Secret {key}, its type is not {BASIC_AUTH}")
    if "password" not in secret.data:
        return Refusal("SecretUnusable", f"cannot read the password of Secret {key}, it has no key `password`: add it")
    return None


def _same_session(one: BGPPeer, other: BGPPeer) -> bool:
    return (one.address, one.interface, one.vrf) == (other.address, other.interface, other.vrf)


def _meet(one: BGPPeer, other: BGPPeer, nodes: Collection[Node]) -> bool:
    """Whether some node runs both; with no node known they might."""
    if not nodes:
        return True
    return not set(_nodes(one.node_selectors, nodes)).isdisjoint(_nodes(other.node_selectors, nodes))


def _receives_ipv6(
    peer: BGPPeer, advertisements: Iterable[BGPAdvertisement], pools: Mapping[str, Source], world: World
) -> bool:
    return any(
        6 in pool.spans and selects(advertisement, pool, world)
        for advertisement in advertisements
        if not advertisement.peers or peer.key.name in advertisement.peers
        for pool in pools.values()
    )
