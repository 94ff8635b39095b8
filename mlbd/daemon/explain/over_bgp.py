"""What is said of a Service over BGP: to whom, in which words, and who does not hear of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeVar

from mlbd.model.address import IPAddress, IPNetwork
from mlbd.model.desired import ServicePlan
from mlbd.model.metallb import DynamicASN
from mlbd.model.peering import Announcement, Peer
from mlbd.model.status import PeerState

from .scene import Scene, abridged, clause

What = TypeVar("What")


def of_service(scene: Scene, plan: ServicePlan) -> Iterator[str]:
    """Who announces it, and which peers of this node do not hear of it; what the others hear is of its addresses."""
    over_bgp = plan.bgp
    if over_bgp is None:
        return
    nodes = sorted(name for name, refusal in over_bgp.nodes.items() if refusal is None)
    if over_bgp.refusal is None:
        at_once = ", all at once: routers spread its traffic over them" if len(nodes) > 1 else ""
        yield f"Over BGP {abridged(nodes)} {_verb(nodes, 'announce')} it{at_once}."
    elif nodes:
        yield f"Then {abridged(nodes)} {_verb(nodes, 'announce')} it over BGP."
    no = ((refusal.message, name) for name, refusal in sorted(over_bgp.nodes.items()) if refusal is not None)
    for message, names in _grouped(no).items():
        what = "" if nodes else " announce it over BGP"
        yield f"{abridged(names)} {'does' if len(names) == 1 else 'do'} not{what}: {clause(message)}"
    if over_bgp.heard:
        for name, peer in sorted(scene.desired.peers.items()):
            if name not in over_bgp.heard:
                yield f"{name} does not hear of it: {why_unheard(peer, plan)}."


def _verb(names: Collection[str], verb: str) -> str:
    return f"{verb}s" if len(names) == 1 else verb


def of_address(scene: Scene, address: IPAddress, plans: Iterable[ServicePlan]) -> Iterator[str]:
    """What the peers of this node hear of one address, for whichever of its Services."""
    prefixes: dict[str, dict[IPNetwork, None]] = {}
    for plan in plans:
        for peer, heard in plan.bgp.heard.items() if plan.bgp is not None else ():
            mine = dict.fromkeys(prefix for prefix in heard if address in prefix)
            if mine:
                prefixes.setdefault(peer, {}).update(mine)
    yield from _told(scene, {peer: tuple(found) for peer, found in prefixes.items()})


def why_unheard(peer: Peer, plan: ServicePlan) -> str:
    """Of a Service that others hear of from this node."""
    families = {slot.family for slot in plan.slots if slot.address is not None}
    if families.isdisjoint(peer.families):
        return f"the session carries {' and '.join(f'IPv{family}' for family in sorted(peer.families))} alone"
    return "no advertisement of its pool goes to that peer here"


def _told(scene: Scene, heard: Mapping[str, tuple[IPNetwork, ...]]) -> Iterator[str]:
    """Peers that hear the same in one sentence."""
    wording = (
        (_what(peer, scene.desired.routes.get(name, {}), prefixes), f"{name}{_unheard_yet(scene, name)}")
        for name, prefixes in sorted(heard.items())
        if (peer := scene.desired.peers.get(name)) is not None
    )
    for what, names in _grouped(wording).items():
        yield f"This node, {scene.status.node}, tells {abridged(names)} of {what}."


def _unheard_yet(scene: Scene, name: str) -> str:
    """A dynamic peer has a session for each who came."""
    states = {each.state for each in scene.status.peers if each.name == name or each.name.startswith(f"{name}/")}
    return "" if PeerState.ESTABLISHED in states else " (when its session is established)"


def _what(peer: Peer, routes: Mapping[IPNetwork, Announcement], prefixes: Iterable[IPNetwork]) -> str:
    by_words = _grouped((in_words(peer, routes[prefix]), str(prefix)) for prefix in prefixes if prefix in routes)
    return "; ".join(f"{abridged(found)}{words}" for words, found in by_words.items())


def in_words(peer: Peer, said: Announcement) -> str:
    """How a prefix is announced, to follow it in a sentence."""
    words = []
    if said.local_pref is not None and _is_internal(peer):
        words.append(f"local preference {said.local_pref}")
    if said.communities:
        noun = "community" if len(said.communities) == 1 else "communities"
        words.append(f"{noun} {abridged(map(str, said.communities))}")
    return f", with {' and '.join(words)}" if words else ""


def _is_internal(peer: Peer) -> bool:
    """LOCAL_PREF is for them alone (RFC 4271 5.1.5)."""
    return peer.remote_asn is DynamicASN.INTERNAL or peer.remote_asn == peer.local_asn


def _grouped(pairs: Iterable[tuple[str, What]]) -> dict[str, list[What]]:
    groups: dict[str, list[What]] = {}
    for word, each in pairs:
        groups.setdefault(word, []).append(each)
    return groups
