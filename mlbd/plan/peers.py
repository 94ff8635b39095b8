"""With whom each node speaks BGP: the sessions that BGPPeers ask for, and those that MetalLoadBalancerConfigurations
ask for by the names of MetalLoadBalancerBGPPeers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from mlbd.model.address import IPAddress
from mlbd.model.deckhouse import MetalLoadBalancerBGPPeer
from mlbd.model.desired import Refusal
from mlbd.model.metallb import BFDProfile, BGPPeer
from mlbd.model.peering import Peer, PeerBfd
from mlbd.model.reference import Reference
from mlbd.model.world import World

from .bgp_conflicts import Attached
from .bgp_objects import configured_nodes, selected_nodes
from .passwords import opened_password, password_of

LOAD_BALANCER_PEER = "MetalLoadBalancerBGPPeer"
#: Seconds, where the object says nothing.
_HOLD_TIME = 90


@dataclass(frozen=True, slots=True)
class Session:
    """`nodes` speak with the peer, each from its own of `sources` where it has one there."""

    peer: Peer
    nodes: frozenset[str]
    sources: Mapping[str, IPAddress] = field(default_factory=dict)

    def on(self, node: str) -> Peer:
        source = self.sources.get(node)
        return self.peer if source is None else replace(self.peer, source=source)


@dataclass(frozen=True, slots=True)
class Sessions:
    """`stand` by the names of the peers, which no two share."""

    stand: Mapping[str, Session] = field(default_factory=dict)
    refused: Mapping[Reference, Refusal] = field(default_factory=dict)


def sessions(world: World, ipv6: Iterable[Attached]) -> Sessions:
    """`ipv6` are the advertisements of pools that have IPv6 addresses."""
    wide = tuple(ipv6)
    stand: dict[str, Session] = {}
    refused: dict[Reference, Refusal] = {}
    for reference, found in _wanted(world, wide):
        refusal = _clash(found, stand, world) if isinstance(found, Session) else found
        if refusal is not None:
            refused[reference] = refusal
        elif isinstance(found, Session):
            stand[found.peer.name] = found
    return Sessions(stand, refused)


def _wanted(world: World, ipv6: tuple[Attached, ...]) -> Iterator[tuple[Reference, Session | Refusal]]:
    """In the order in which they stand: of two that clash the first does."""
    for key, peer in sorted(world.bgp_peers.items()):
        yield Reference("BGPPeer", key), _of_bgp_peer(peer, world, ipv6)
    for key, other in sorted(world.load_balancer_peers.items()):
        yield Reference(LOAD_BALANCER_PEER, key), _of_load_balancer_peer(other, world)


def _of_bgp_peer(peer: BGPPeer, world: World, ipv6: tuple[Attached, ...]) -> Session | Refusal:
    password = password_of(peer, world)
    if isinstance(password, Refusal):
        return password
    profile = _profile(peer, world, ipv6)
    if isinstance(profile, Refusal):
        return profile
    keepalive, hold = peer.keepalive_time, peer.hold_time
    remote_asn = peer.asn if peer.asn is not None else peer.dynamic_asn
    assert remote_asn is not None, "a peer has one of the two"
    said = Peer(
        peer.key.name,
        Reference("BGPPeer", peer.key),
        local_asn=peer.local_asn or peer.my_asn,
        remote_asn=remote_asn,
        address=peer.address,
        network=peer.network,
        interface=peer.interface,
        port=peer.port,
        source=peer.source_address,
        vrf=peer.vrf,
        hold_time=_HOLD_TIME if hold is None else int(hold),
        # A third is what the speaker takes by itself, and of the hold time that the two agree on.
        keepalive_time=None if keepalive is None or keepalive * 3 == hold else keepalive,
        connect_time=peer.connect_time,
        router_id=peer.router_id,
        password=password,
        families=_families(peer),
        passive=peer.extras.passive,
        multi_hop=peer.ebgp_multi_hop,
        ttl_security=peer.extras.ttl_security,
        graceful_restart=peer.graceful_restart,
        role=peer.extras.role or "",
        bfd=None if profile is None else _bfd(profile),
    )
    return Session(said, selected_nodes(peer.node_selectors, world.nodes.values()))


def _families(peer: BGPPeer) -> frozenset[int]:
    """Of the address, both where there is none (unnumbered) or both are asked for."""
    where = peer.address or peer.network
    return frozenset((4, 6) if where is None or peer.dual_stack_address_family else (where.version,))


def _of_load_balancer_peer(peer: MetalLoadBalancerBGPPeer, world: World) -> Session | Refusal:
    password = opened_password(peer.password_secret, world)
    if isinstance(password, Refusal):
        return password
    where = peer.address or peer.network
    assert where is not None, "a peer has one of the two"
    said = Peer(
        peer.key.name,
        Reference(LOAD_BALANCER_PEER, peer.key),
        local_asn=peer.my_asn,
        remote_asn=peer.asn,
        address=peer.address,
        network=peer.network,
        port=peer.port,
        hold_time=_HOLD_TIME if peer.hold_time is None else int(peer.hold_time),
        router_id=peer.router_id,
        password=password,
        families=frozenset((where.version,)),
        passive=peer.extras.passive,
        ttl_security=peer.extras.ttl_security,
        role=peer.extras.role or "",
        bfd=None if peer.bfd is None else _bfd_block(peer.bfd),
    )
    return Session(said, _naming(peer.key.name, world), peer.source_addresses)


def _naming(peer: str, world: World) -> frozenset[str]:
    """The nodes of all configurations that name it."""
    configurations = world.load_balancer_configurations.values()
    covered = (configured_nodes(each, world.nodes.values()) for each in configurations if peer in each.peers)
    return frozenset[str]().union(*covered)


def _profile(peer: BGPPeer, world: World, ipv6: tuple[Attached, ...]) -> BFDProfile | Refusal | None:
    if not peer.bfd_profile:
        return None
    profile = next((each for key, each in world.bfd_profiles.items() if key.name == peer.bfd_profile), None)
    if profile is None:
        return Refusal("BFDProfileNotFound", f"cannot find BFDProfile {peer.bfd_profile}: make it, or correct the name")
    if profile.echo_mode and any(each.reaches(peer.key.name) for each in ipv6):
        told = f"cannot use BFDProfile {peer.bfd_profile}, its echo mode does not go with IPv6 pools: turn it off"
        return Refusal("EchoWithIPv6", told)
    return profile


def _bfd(profile: BFDProfile) -> PeerBfd:
    default = PeerBfd()
    return PeerBfd(
        profile.receive_interval or default.receive_interval,
        profile.transmit_interval or default.transmit_interval,
        profile.detect_multiplier or default.detect_multiplier,
        profile.passive_mode,
        profile.minimum_ttl or default.minimum_ttl,
    )


def _bfd_block(block: Mapping[str, int | bool]) -> PeerBfd:
    """spec.bfd has the fields of a BFDProfile."""
    default = PeerBfd()
    return PeerBfd(
        int(block.get("receiveInterval", default.receive_interval)),
        int(block.get("transmitInterval", default.transmit_interval)),
        int(block.get("detectMultiplier", default.detect_multiplier)),
        bool(block.get("passiveMode", default.passive)),
        int(block.get("minimumTTL", default.minimum_ttl)),
    )


def _clash(session: Session, stand: Mapping[str, Session], world: World) -> Refusal | None:
    peer = session.peer
    namesake = stand.get(peer.name)
    if namesake is not None:
        told = f"cannot use {peer.object}, {namesake.peer.object} has that name too: rename one"
        return Refusal("DuplicateName", told)
    for other in stand.values():
        if _place(other.peer) == _place(peer) and _meet(other, session, world):
            return Refusal("DuplicatePeer", f"cannot open a second session, {other.peer.object} has it: delete one")
    return None


def _place(peer: Peer) -> tuple[object, ...]:
    return peer.address, peer.network, peer.interface, peer.vrf


def _meet(one: Session, other: Session, world: World) -> bool:
    """Whether some node runs both; with no node known they might."""
    return not world.nodes or not one.nodes.isdisjoint(other.nodes)
