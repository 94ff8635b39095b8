"""Why a BGP peer has a session with this node or none, and what it hears."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mlbd.model.deckhouse import MetalLoadBalancerBGPPeer
from mlbd.model.explanation import Section
from mlbd.model.metallb import BGPPeer, DynamicASN
from mlbd.model.peering import Peer
from mlbd.model.reference import Key, Reference
from mlbd.model.status import PeerState, PeerStatus, SessionStatus

from .over_bgp import in_words, why_unheard
from .scene import Question, Scene, abridged, clause, moment


def explain_peer(scene: Scene, question: Question) -> Iterator[Section]:
    for reference in _objects(scene):
        if question.asks_for("Peer", reference.key) or question.asks_for(reference.kind, reference.key):
            yield Section(str(reference), tuple(_of_peer(scene, reference)))


def _objects(scene: Scene) -> Iterator[Reference]:
    kinds: Iterable[Mapping[Key, BGPPeer | MetalLoadBalancerBGPPeer]] = (
        scene.world.bgp_peers,
        scene.world.load_balancer_peers,
    )
    for objects in kinds:
        for key, found in sorted(objects.items()):
            yield Reference(type(found).__name__, key)


def _of_peer(scene: Scene, reference: Reference) -> Iterator[str]:
    yield from scene.file_of(reference)
    peer = scene.desired.peers.get(reference.key.name)
    if peer is None or peer.object != reference:
        problems = scene.problems_of(str(reference))
        yield from problems
        if not problems:
            yield f"This node, {scene.status.node}, does not speak with it: no selector of it selects the node."
        return
    yield _spoken_with(peer)
    states = [each for each in scene.status.peers if each.name == peer.name or each.name.startswith(f"{peer.name}/")]
    for each in states:
        yield from _session(each)
    yield from scene.problems_of(str(reference), ("PeerDown",) if states else ())
    yield from _hears(scene, peer)


def _spoken_with(peer: Peer) -> str:
    asn = peer.remote_asn
    system = f"any {asn.value} AS" if isinstance(asn, DynamicASN) else f"AS {asn}"
    if peer.network is not None:
        return f"As AS {peer.local_asn} this node speaks with whoever of {system} connects to it from {peer.network}."
    where = f"on {peer.interface}" if peer.address is None else f"at {peer.address}"
    first = ", and waits for it to connect" if peer.passive else ""
    return f"As AS {peer.local_asn} this node speaks with {system} {where}{first}."


def _session(status: PeerStatus) -> Iterator[str]:
    if status.state is PeerState.ESTABLISHED:
        yield f"The session with {status.remote} is established since {moment(status.since)}."
    elif status.state is PeerState.LISTENING:
        yield "Nobody of them is there now."
    else:
        why = status.message or "the peer has not answered yet"
        yield f"The session with {status.remote} is not established: {clause(why)}"
    if status.bfd_session is not None:
        yield _bfd(status.bfd_session)


def _bfd(session: SessionStatus) -> str:
    if session.state == "up":
        return f"BFD is up: silence of {session.detection * 1000:.0f} ms takes the session down."
    return f"BFD is {session.state}: it has a say only once it was up."


def _hears(scene: Scene, peer: Peer) -> Iterator[str]:
    by_words: dict[str, list[str]] = {}
    for prefix, said in scene.desired.routes.get(peer.name, {}).items():
        by_words.setdefault(in_words(peer, said), []).append(str(prefix))
    for words, prefixes in by_words.items():
        yield f"It hears {abridged(prefixes)}{words}."
    if not by_words:
        yield "It hears nothing."
    me, missed = scene.status.node, dict[str, list[str]]()
    for key, plan in scene.desired.services.items():
        if plan.bgp is not None and peer.name not in plan.bgp.heard:
            refusal = plan.bgp.refusal or plan.bgp.nodes.get(me)
            missed.setdefault(refusal.message if refusal else why_unheard(peer, plan), []).append(str(key))
    for why, services in missed.items():
        yield f"It does not hear of {abridged(f'Service {name}' for name in services)}: {clause(why)}"
