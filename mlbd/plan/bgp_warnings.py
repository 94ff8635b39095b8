"""What stands and goes nowhere: names that nothing has, sessions and advertisements that never meet, fields without an
effect here."""

from __future__ import annotations

from collections.abc import Iterator

from mlbd.model.metallb import BGPPeer
from mlbd.model.reference import Reference
from mlbd.model.status import Problem, Severity
from mlbd.model.world import World

from .bgp_conflicts import Attached
from .bgp_objects import CONFIGURATION, Advertisements
from .peers import LOAD_BALANCER_PEER, Session, Sessions


def warnings(world: World, node: str, advertised: Advertisements, sessions: Sessions) -> Iterator[Problem]:
    yield from _unknown_peers(world)
    yield from _without_effect(world)
    if not world.nodes:
        return
    for attached in advertised.attached:
        yield from _to_nobody(attached, sessions)
    for session in sessions.stand.values():
        if not session.nodes:
            yield _on_no_node(session, world)
        elif node in session.nodes and not any(_meet(each, session, node) for each in advertised.attached):
            told = "cannot announce anything to it, no advertisement that covers this node goes to it: add one"
            yield _warning(session.peer.object, "HearsNothing", told)


def _warning(about: Reference | str, reason: str, message: str, field: str = "") -> Problem:
    return Problem(Severity.WARNING, str(about), reason, message, field)


def _unknown_peers(world: World) -> Iterator[Problem]:
    configured = {key.name for key in world.load_balancer_peers}
    known = configured | {key.name for key in world.bgp_peers}
    for key, advertisement in sorted(world.bgp_advertisements.items()):
        for name in advertisement.peers:
            if name not in known:
                told = f"cannot announce to peer {name}, there is none of this name: make it, or correct the name"
                yield _warning(Reference("BGPAdvertisement", key), "PeerNotFound", told, "spec.peers")
    for key, configuration in sorted(world.load_balancer_configurations.items()):
        for name in configuration.peers:
            if name not in configured:
                told = f"cannot speak with {name}, there is no {LOAD_BALANCER_PEER} of this name: make it"
                yield _warning(Reference(CONFIGURATION, key), "PeerNotFound", told, "spec.bgp.peerNames")


def _without_effect(world: World) -> Iterator[Problem]:
    echo = "cannot send BFD echo packets, mlbd sends control packets only: set receiveInterval and detectMultiplier"
    for key, profile in sorted(world.bfd_profiles.items()):
        if profile.echo_mode:
            yield _warning(Reference("BFDProfile", key), "NoEffect", echo, "spec.echoMode")
    for key, other in sorted(world.load_balancer_peers.items()):
        if other.bfd and other.bfd.get("echoMode"):
            yield _warning(Reference(LOAD_BALANCER_PEER, key), "NoEffect", echo, "spec.bfd.echoMode")
    for key, peer in sorted(world.bgp_peers.items()):
        if peer.disable_mp:
            told = "cannot do without multiprotocol extensions, the field has no effect in MetalLB either: take it out"
            yield _warning(Reference("BGPPeer", key), "NoEffect", told, "spec.disableMP")


def _to_nobody(attached: Attached, sessions: Sessions) -> Iterator[Problem]:
    if not attached.nodes:
        told = "cannot announce anything, no node matches its node selectors: label one"
        yield _warning(attached.origin, "NoNodeMatchesSelector", told)
    elif not any(_meet(attached, session, node) for session in sessions.stand.values() for node in attached.nodes):
        told = "cannot announce anything, none of its nodes has a BGP session that it goes to: make a peer, or name it"
        yield _warning(attached.origin, "NoPeer", told)


def _meet(attached: Attached, session: Session, node: str) -> bool:
    return node in attached.nodes and node in session.nodes and attached.reaches(session.peer.name)


def _on_no_node(session: Session, world: World) -> Problem:
    about = session.peer.object
    if about.kind == BGPPeer.__name__:
        told = "cannot open a session, no node matches its nodeSelectors: label one"
        return _warning(about, "NoNodeMatchesSelector", told, "spec.nodeSelectors")
    if any(session.peer.name in each.peers for each in world.load_balancer_configurations.values()):
        told = f"cannot open a session, no node matches the nodeSelector of a {CONFIGURATION} that names it: label one"
        return _warning(about, "NoNodeMatchesSelector", told)
    told = f"cannot open a session, no {CONFIGURATION} names it: add it to the peerNames of one"
    return _warning(about, "NotConfigured", told)
