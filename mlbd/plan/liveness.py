"""Whom to watch, and between which addresses: one BFD session for each link that two nodes share.

Both ends work out their half from the same Node objects, and a session comes up only if they arrive at the same two
addresses. So a pair follows from the objects and the subnet alone. Where this host lacks its own address of the pair
there is no session: at any other nobody would answer, and a node that is well would count as dead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from mlbd.model.address import IPAddress, IPNetwork
from mlbd.model.core import Node
from mlbd.model.desired import Watch
from mlbd.model.link import Link
from mlbd.model.reference import Key
from mlbd.model.status import Problem, Severity
from mlbd.model.wording import listed

from .sources import FAMILIES

#: A message names so many nodes at most.
_MOST_NAMES = 5


def sharers(node: str, covers: Iterable[Collection[str]]) -> frozenset[str]:
    """The nodes beside `node` in any of `covers`, which are the nodes that a class or a pool's L2Advertisements
    select."""
    return frozenset[str]().union(*(names for names in covers if node in names)) - {node}


def watches(
    me: str, group: Iterable[str], nodes: Mapping[Key, Node], links: Sequence[Link], others: Sequence[Link] = ()
) -> tuple[Watch, ...]:
    """The sessions to the nodes of `group`, by node and link. `links` may announce now; `others` are all the rest of
    the host's.

    A node has one session for each announcing link whose subnet it shares (RFC 5881), IPv4 before IPv6. Without any it
    has one on another link, or else between the first InternalIPs of a family that both have, over however many hops
    (RFC 5883). It may have none at all: it is unwatched.
    """
    mine, present = _internal_addresses(nodes, me), _present((*links, *others))
    announcing, silent = _segments(mine, links), _segments(mine, others)
    found: list[Watch] = []
    for name in sorted(group):
        theirs = _internal_addresses(nodes, name)
        found += (
            _one_a_pair(_sessions(name, theirs, announcing))
            or sorted(_sessions(name, theirs, silent), key=_rank)[:1]
            or _over_hops(name, mine, theirs, present)
        )
    return tuple(found)


def unwatched(group: Iterable[str], watched: Iterable[Watch]) -> tuple[str, ...]:
    """The nodes of `group` without a session."""
    return tuple(sorted(set(group) - {watch.node for watch in watched}))


def unwatched_problems(
    me: str, names: Iterable[str], nodes: Mapping[Key, Node], links: Sequence[Link]
) -> Iterator[Problem]:
    """Why the nodes of these names are unwatched; `links` are all of the host's. What is wrong with this node's own
    object is told once, for all of them."""
    mine, present = _internal_addresses(nodes, me), _present(links)
    through_me: list[str] = []
    for name in sorted(names):
        if obstacle := _obstacle(mine, name, _internal_addresses(nodes, name)):
            yield _problem(name, [name], obstacle)
        else:
            through_me.append(name)
    if through_me:
        missing = listed(str(address) for address in mine if address not in present)
        fault = f"this host lacks {missing}: correct the InternalIPs of Node {me}" if missing else _no_address(me)
        yield _problem(me, through_me, fault)


def _problem(about: str, dying: Sequence[str], why: str) -> Problem:
    message = f"cannot notice when {listed(dying, most=_MOST_NAMES)} {'dies' if len(dying) == 1 else 'die'}: {why}"
    return Problem(Severity.WARNING, f"Node {about}", "NodeUnwatched", message, "status.addresses")


def _obstacle(mine: Sequence[IPAddress], name: str, theirs: Sequence[IPAddress]) -> str:
    """What is wrong with the other node's object, "" for nothing: then it is this one's."""
    if not theirs:
        return _no_address(name)
    if not mine or _first_pair(mine, theirs):
        return ""
    if both := set(mine) & set(theirs):
        return f"Node {name} has this node's InternalIP {min(both, key=str)}: correct the one that is wrong"
    families = f"IPv{theirs[0].version} InternalIPs and this node only IPv{mine[0].version} ones"
    return f"Node {name} has only {families}: add one of the other family to either"


def _no_address(name: str) -> str:
    return f"Node {name} has no InternalIP (link-local ones do not count): add one"


def _internal_addresses(nodes: Mapping[Key, Node], name: str) -> tuple[IPAddress, ...]:
    """But for link-local ones: they do not tell on which link they are."""
    node = nodes.get(Key("", name))
    return tuple(address for address in node.addresses if not address.is_link_local) if node else ()


def _present(links: Iterable[Link]) -> frozenset[IPAddress]:
    return frozenset(interface.ip for link in links for interface in link.addresses)


@dataclass(frozen=True, slots=True)
class _Segment:
    """A link's subnets in which this node has an InternalIP, with the first one there, IPv4 before IPv6; and the
    addresses that are really on the link."""

    link: str
    subnets: tuple[tuple[IPNetwork, IPAddress], ...]
    present: frozenset[IPAddress]


def _segments(mine: Sequence[IPAddress], links: Iterable[Link]) -> list[_Segment]:
    """In the order of the links' names: their numbers change from boot to boot."""
    found = []
    for link in sorted(links, key=lambda link: link.name):
        networks = sorted({interface.network for interface in link.addresses}, key=_order)
        subnets = tuple((network, local) for network in networks if (local := _first(mine, network)) is not None)
        if subnets:
            found.append(_Segment(link.name, subnets, _present([link])))
    return found


def _order(network: IPNetwork) -> tuple[int, int, int]:
    return network.version, int(network.network_address), network.prefixlen


def _first(addresses: Iterable[IPAddress], network: IPNetwork) -> IPAddress | None:
    return next((address for address in addresses if address in network), None)


def _sessions(name: str, theirs: Sequence[IPAddress], segments: Iterable[_Segment]) -> Iterator[Watch]:
    for segment in segments:
        pairs = ((local, _first(theirs, network)) for network, local in segment.subnets)
        session = next((Watch(name, segment.link, *pair) for pair in pairs if _is_pair(pair)), None)
        if session is not None and session.local in segment.present:
            yield session


def _is_pair(ends: tuple[IPAddress | None, IPAddress | None]) -> TypeGuard[tuple[IPAddress, IPAddress]]:
    """One address on two nodes is a slip that the problems tell of."""
    return None not in ends and ends[0] != ends[1]


def _one_a_pair(sessions: Iterable[Watch]) -> list[Watch]:
    """The other end has one session for two addresses, on however many links this host has its own."""
    found: dict[tuple[IPAddress, IPAddress], Watch] = {}
    for session in sessions:
        found.setdefault((session.local, session.remote), session)
    return list(found.values())


def _rank(session: Watch) -> int:
    """The same at both ends, whatever their links are called: that of the subnets, IPv4 before IPv6."""
    return int(session.local)


def _over_hops(
    name: str, mine: Sequence[IPAddress], theirs: Sequence[IPAddress], present: Collection[IPAddress]
) -> list[Watch]:
    ends = _first_pair(mine, theirs)
    return [Watch(name, "", *ends)] if ends and ends[0] in present else []


def _first_pair(mine: Sequence[IPAddress], theirs: Sequence[IPAddress]) -> tuple[IPAddress, IPAddress] | None:
    for family in FAMILIES:
        ends = _of(family, mine), _of(family, theirs)
        if _is_pair(ends):
            return ends
    return None


def _of(family: int, addresses: Iterable[IPAddress]) -> IPAddress | None:
    return next((address for address in addresses if address.version == family), None)
