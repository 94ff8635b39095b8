"""Why a node, a link, a class or a pool has a part in it, or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mlbd.model.deckhouse import CLASS_KIND, MetalLoadBalancerClass, MetalLoadBalancerPool
from mlbd.model.explanation import Section
from mlbd.model.metallb import IPAddressPool
from mlbd.model.reference import Key, Reference
from mlbd.model.status import LinkStatus, NodeStatus, PoolStatus, Presence, SessionStatus

from .scene import Question, Scene, abridged, clause, counted, drained, moment, sentence

#: More addresses than this nobody counts.
_COUNTABLE = 1_000_000


def explain_node(scene: Scene, question: Question) -> Iterator[Section]:
    for node in scene.status.nodes:
        key = Key("", node.name)
        if question.asks_for("Node", key):
            yield Section(f"Node {node.name}", tuple(_of_node(scene, node)))


def _of_node(scene: Scene, node: NodeStatus) -> Iterator[str]:
    yield from scene.file_of(Reference("Node", Key("", node.name)))
    if node.me:
        yield "It is the node that answers you."
    yield from _presence(scene, node)
    if node.message:
        yield f"It holds nothing: {clause(node.message)}"
    has = f"Its classes and pools are {abridged(node.classes)}" if node.classes else "It is in no class and no pool"
    yield f"{has}."
    first = [str(vip.address) for vip in scene.desired.vips.values() if vip.order[:1] == (node.name,)]
    later = sum(node.name in vip.order[1:] for vip in scene.desired.vips.values())
    yield f"It stands first for {abridged(first)}." if first else "It stands first for no address."
    yield f"It stands by for {counted(later, 'other')}." if later else "It stands by for no other."
    yield from scene.problems_of(f"Node {node.name}")


def _presence(scene: Scene, node: NodeStatus) -> Iterator[str]:
    drain = scene.status.drain
    if node.me:
        if drain is not None:
            yield f"It is {drained(drain)}: {'it answers' if drain.done else 'soon it answers'} for no address."
        return
    match node.presence:
        case Presence.ALIVE:
            yield "It is alive."
        case Presence.DOWN:
            yield "It is down: others hold its addresses."
        case Presence.DRAINED:
            yield "It took itself out, because it is drained or was stopped: others hold its addresses."
        case Presence.UNWATCHED if drain is not None:
            yield "This node is drained and watches nobody."
        case Presence.UNWATCHED:
            yield "It is not watched and counts as alive: nobody takes over should it die."
        case Presence.APART:
            yield "It shares no class and no pool with this node, which does not watch it."
    yield from map(_session, node.sessions)


def _session(session: SessionStatus) -> str:
    way = f"on {session.link}" if session.link else "over several hops"
    ends = f"The BFD session {way} from {session.local} to {session.remote}"
    if session.state == "up":
        pace = (
            f"a packet every {session.interval * 1000:.0f} ms, silence of {session.detection * 1000:.0f} ms is noticed"
        )
        return f"{ends} is up since {moment(session.since)}: {pace}."
    said = f": {session.diagnostic}" if session.diagnostic else ""
    other = f"; it says {session.remote_diagnostic}" if session.remote_diagnostic else ""
    return f"{ends} is {session.state} since {moment(session.since)}{said}{other}."


def explain_link(scene: Scene, question: Question) -> Iterator[Section]:
    for link in scene.status.links:
        if question.asks_for("Link", Key("", link.name)):
            yield Section(f"Link {link.name}", tuple(_of_link(scene, link)))


def _of_link(scene: Scene, link: LinkStatus) -> Iterator[str]:
    has = f"It is this node's, number {link.index}, MAC {link.mac or 'none'}"
    yield f"{has}, with {abridged(link.addresses)}." if link.addresses else f"{has}, without an address."
    if not link.usable:
        yield sentence(f"Nothing is announced on it: it {link.message}")
        return
    held = [
        address.address
        for service in scene.status.services
        for address in service.addresses
        if address.address is not None and address.state == "holding" and link.name in address.links
    ]
    yield (
        f"On it this node answers for {abridged(dict.fromkeys(held))}."
        if held
        else "It can announce, and has nothing to."
    )
    yield from scene.problems_of(f"link {link.name}")


def explain_source(scene: Scene, question: Question) -> Iterator[Section]:
    for reference, pool in _sources(scene):
        if question.asks_for(reference.kind, reference.key):
            yield Section(str(reference), tuple(_of_source(scene, reference, pool)))


Pool = MetalLoadBalancerClass | IPAddressPool | MetalLoadBalancerPool


def _sources(scene: Scene) -> Iterator[tuple[Reference, Pool]]:
    world = scene.world
    kinds: Iterable[Mapping[Key, Pool]] = (world.classes, world.address_pools, world.load_balancer_pools)
    for objects in kinds:
        for key, pool in sorted(objects.items()):
            yield Reference(type(pool).__name__, key), pool


def _of_source(scene: Scene, reference: Reference, pool: Pool) -> Iterator[str]:
    yield from scene.file_of(reference)
    yield from scene.problems_of(str(reference))
    yield f"Its addresses are {abridged(map(str, pool.addresses))}." if pool.addresses else "It has no addresses."
    yield from _automatic(pool)
    if isinstance(pool, MetalLoadBalancerClass) and pool.interfaces:
        yield f"They are announced on {abridged(pool.interfaces)} only."
    known = [
        status for status in scene.status.pools if (status.kind, status.name) == (reference.kind, reference.key.name)
    ]
    for status in known:
        yield from _usage(scene, status)
    services = [str(key) for key, plan in scene.desired.services.items() if plan.source == reference]
    yield f"Its Services are {abridged(services)}." if services else "No Service takes from it."


def _automatic(pool: Pool) -> Iterator[str]:
    if isinstance(pool, MetalLoadBalancerClass):
        if pool.is_default:
            yield "It is the default class: Services that name none take from it."
    elif not pool.auto_assign:
        yield "autoAssign is false: only Services that name it take from it."


def _usage(scene: Scene, status: PoolStatus) -> Iterator[str]:
    used, total = status.used_ipv4 + status.used_ipv6, status.total_ipv4 + status.total_ipv6
    are = "is" if used == 1 else "are"
    yield f"{used} of {total if total < _COUNTABLE else f'more than {_COUNTABLE:,}'} addresses {are} in use."
    if status.kind == CLASS_KIND and status.nodes:  # that there is none is a Problem
        yield f"Its nodes are {abridged(status.nodes)}."
