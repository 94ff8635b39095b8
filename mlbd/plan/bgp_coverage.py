"""Over BGP who announces a pool's addresses, and what its peers hear of them there: the nodes that an advertisement of
the pool covers and that have a session which it goes to (MetalLB's rules, with a reason for each no)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from mlbd.model.address import IPAddress, IPNetwork, covering
from mlbd.model.core import Node, Service
from mlbd.model.desired import Refusal
from mlbd.model.selector import any_matches
from mlbd.model.wording import listed

from .bgp_conflicts import Attached, conflict
from .bgp_objects import contradiction
from .eligibility import Coverage, node_refusal
from .peers import Session
from .placement import Candidates
from .sources import Source

#: A peer's name and what it hears of a prefix.
Heard = Mapping[str, tuple[Attached, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class BgpCoverage:
    """`cover` says of every node whether it announces. `carried` are the families that some node announces, `heard` by
    family what each peer of this node hears; peers that hear nothing are left out."""

    cover: Coverage
    carried: frozenset[int]
    heard: Mapping[int, Heard]


class BgpCoverages:
    """The coverage of each pool for each set of advertisements and families that Services turn out to have, worked out
    once."""

    def __init__(
        self,
        node: str,
        pools: Mapping[str, Source],
        by_pool: Mapping[str, tuple[Attached, ...]],
        sessions: Iterable[Session],
        nodes: Iterable[Node],
    ) -> None:
        self._node = node
        self._pools = pools
        self._by_pool = by_pool
        self._nodes = list(nodes)
        self._sessions: dict[str, list[Session]] = {each.key.name: [] for each in self._nodes}
        for session in sessions:
            for name in session.nodes:
                self._sessions[name].append(session)
        self._covers: dict[tuple[str, tuple[Attached, ...], frozenset[int]], BgpCoverage] = {}

    def __contains__(self, pool: str) -> bool:
        """Whether anything advertises it."""
        return bool(self._by_pool.get(pool))

    def nodes(self, pool: str) -> frozenset[str]:
        """Those that anything which advertises the pool covers."""
        return frozenset[str]().union(*(each.nodes for each in self._by_pool.get(pool, ())))

    def cover(self, pool: str, service: Service, families: frozenset[int]) -> BgpCoverage:
        """Of the Service's addresses, which are of these families."""
        matching = for_service(self._by_pool.get(pool, ()), service.labels)
        place = pool, matching, families
        if place not in self._covers:
            self._covers[place] = self._cover(pool, matching, families)
        return self._covers[place]

    def _cover(self, pool: str, matching: tuple[Attached, ...], families: frozenset[int]) -> BgpCoverage:
        covered = frozenset[str]().union(*(each.nodes for each in matching))
        verdicts = {each.key.name: self._verdict(pool, each, matching, families) for each in self._nodes}
        able = frozenset(name for name, verdict in verdicts.items() if verdict is None)
        carried = {family for name in able for family in families if self._heard(name, matching, family)}
        here = {family: self._heard(self._node, matching, family) for family in families}
        refusal = None if covered else _nobody(pool, matching)
        return BgpCoverage(Coverage(Candidates.of(covered), verdicts, able, {}, refusal), frozenset(carried), here)

    def _verdict(
        self, pool: str, node: Node, matching: tuple[Attached, ...], families: Collection[int]
    ) -> Refusal | None:
        """In MetalLB's order; it has no word for a node without a session."""
        name = node.key.name
        here = [each for each in matching if name in each.nodes]
        if not any(name in each.nodes for each in self._by_pool[pool]):
            return Refusal("NodeNotSelected", f"nothing that advertises pool {pool} over BGP selects the node")
        if not here:
            told = f"no advertisement of pool {pool} for this Service selects the node"
            return Refusal("NoMatchingAdvertisement", told)
        if pair := conflict(here, self._pools[pool].spans):
            return contradiction(*pair, f"pool {pool}")
        if refusal := node_refusal(node):
            return refusal
        if not any(self._heard(name, matching, family) for family in families):
            return self._unheard(name, here, families)
        return None

    def _heard(self, node: str, matching: tuple[Attached, ...], family: int) -> Heard:
        here = [each for each in matching if node in each.nodes]
        found = {
            session.peer.name: tuple(each for each in here if each.reaches(session.peer.name))
            for session in self._sessions.get(node, ())
            if family in session.peer.families
        }
        return {peer: heard for peer, heard in found.items() if heard}

    def _unheard(self, node: str, here: list[Attached], families: Collection[int]) -> Refusal:
        names = [session.peer.name for session in self._sessions[node]]
        reached = [name for name in names if any(each.reaches(name) for each in here)]
        if not names:
            return Refusal("NoPeer", "the node has no BGP session: make a BGPPeer whose nodeSelectors select it")
        if not reached:
            wanted = listed(sorted({peer for each in here for peer in each.advertisement.peers}))
            told = f"the advertisements that select the node go to {wanted}, with which it has no session: add one"
            return Refusal("NoPeer", told)
        missing = listed(f"IPv{family}" for family in sorted(families))
        told = f"its sessions with {listed(reached)} do not carry {missing}: set dualStackAddressFamily, or add one"
        return Refusal("FamilyNotCarried", told)


def for_service(attached: Iterable[Attached], labels: Mapping[str, str]) -> tuple[Attached, ...]:
    """Those whose serviceSelectors, if they have any, match the labels of a Service."""
    selectors = ((each, each.advertisement.service_selectors) for each in attached)
    return tuple(each for each, mine in selectors if not mine or any_matches(mine, labels))


def _nobody(pool: str, matching: tuple[Attached, ...]) -> Refusal:
    if not matching:
        told = f"no advertisement of pool {pool} has serviceSelectors that match the Service's labels: add one"
        return Refusal("NoMatchingAdvertisement", told)
    names = listed(sorted({each.origin for each in matching}))
    return Refusal("NoNodeMatchesSelector", f"no node matches the node selectors of {names}: label one")


def prefix(address: IPAddress, attached: Attached) -> IPNetwork:
    """What stands for the address in an advertisement."""
    return covering(address, attached.length(address.version))
