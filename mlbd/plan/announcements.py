"""At layer 2 who announces a source's addresses, and on which links: a class says it itself, a pool is told by the
L2Advertisements that select it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlbd.model.core import Node, Service
from mlbd.model.deckhouse import MetalLoadBalancerClass
from mlbd.model.desired import Refusal
from mlbd.model.metallb import BGPAdvertisement, IPAddressPool, L2Advertisement
from mlbd.model.reference import Key
from mlbd.model.selector import any_matches

from .eligibility import Coverage, coverage
from .requests import ALLOW_SHARED_IP, annotation_present

SHARED_WITH_SELECTOR = Refusal(
    "SharedIPWithServiceSelector",
    f"it has the annotation {ALLOW_SHARED_IP} and an L2Advertisement with serviceSelectors selects it: "
    "holders could differ for Services of one address; drop one of the two",
)


@dataclass(frozen=True, slots=True)
class Attachment:
    """An L2Advertisement on a pool: the nodes that it covers and their summed preference (those above 0)."""

    advertisement: L2Advertisement
    nodes: frozenset[str]
    preferred: Mapping[str, int]


def attach(advertisement: L2Advertisement, nodes: Iterable[Node]) -> Attachment:
    selectors = advertisement.node_selectors
    covered = [node for node in nodes if not selectors or any_matches(selectors, node.labels)]
    weights = {node.key.name: _preference(advertisement, node) for node in covered}
    return Attachment(
        advertisement,
        frozenset(node.key.name for node in covered),
        {name: weight for name, weight in weights.items() if weight},
    )


def _preference(advertisement: L2Advertisement, node: Node) -> int:
    return sum(entry.weight for entry in advertisement.preferred_nodes if entry.preference.matches(node.labels))


def selects_pool(advertisement: L2Advertisement | BGPAdvertisement, name: str, labels: Mapping[str, str]) -> bool:
    if not advertisement.pools and not advertisement.pool_selectors:
        return True
    return name in advertisement.pools or any_matches(advertisement.pool_selectors, labels)


def for_service(attachments: Iterable[Attachment], labels: Mapping[str, str]) -> tuple[Attachment, ...]:
    return tuple(
        attachment
        for attachment in attachments
        if not attachment.advertisement.service_selectors
        or any_matches(attachment.advertisement.service_selectors, labels)
    )


def shared_with_selector(service: Service, attachments: Iterable[Attachment]) -> bool:
    """A sharing annotation of any value, with any matching advertisement that picks Services."""
    return annotation_present(service, ALLOW_SHARED_IP) and any(
        attachment.advertisement.service_selectors for attachment in attachments
    )


def interfaces_on(attachments: Iterable[Attachment]) -> dict[str, frozenset[str] | None]:
    """By node the links of all the advertisements that cover it; one without links stands for all links."""
    links: dict[str, frozenset[str] | None] = {}
    for attachment in attachments:
        mine = frozenset(attachment.advertisement.interfaces) or None
        for node in attachment.nodes:
            links[node] = _both(links[node], mine) if node in links else mine
    return links


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    return None if one is None or other is None else one | other


def preferences(attachments: Iterable[Attachment]) -> dict[str, int]:
    total: dict[str, int] = {}
    for attachment in attachments:
        for node, weight in attachment.preferred.items():
            total[node] = total.get(node, 0) + weight
    return total


def class_coverage(owner: MetalLoadBalancerClass, nodes: Iterable[Node]) -> Coverage:
    name, selector = owner.key.name, owner.node_selector
    known = list(nodes)
    selected = [node.key.name for node in known if selector.items() <= node.labels.items()]
    text = ",".join(f"{label}={value}" for label, value in sorted(selector.items())) or "(all nodes)"
    return coverage(
        known,
        dict.fromkeys(selected, frozenset(owner.interfaces) or None),
        Refusal("NodeNotInClass", f"the node lacks the labels {text} of MetalLoadBalancerClass {name}"),
        Refusal("NoNodeMatchesSelector", f"no node has the labels {text} of MetalLoadBalancerClass {name}: label one"),
    )


class PoolCoverages:
    """The coverage of each pool for each set of advertisements that Services turn out to match, worked out once."""

    def __init__(
        self,
        pools: Mapping[str, IPAddressPool],
        advertisements: Iterable[L2Advertisement],
        nodes: Iterable[Node],
    ) -> None:
        self._nodes = list(nodes)
        attachments = [attach(advertisement, self._nodes) for advertisement in advertisements]
        self._attached = {
            name: [each for each in attachments if selects_pool(each.advertisement, name, pool.labels)]
            for name, pool in pools.items()
        }
        self._covers: dict[tuple[str, tuple[Key, ...]], Coverage] = {}

    def __contains__(self, pool: str) -> bool:
        """Whether anything advertises it."""
        return bool(self._attached.get(pool))

    def cover(self, pool: str, service: Service) -> Coverage:
        attached = self._attached.get(pool, [])
        matching = for_service(attached, service.labels)
        if shared_with_selector(service, matching):
            return self._none(SHARED_WITH_SELECTOR)
        if not attached:
            told = f"neither an L2Advertisement nor anything over BGP selects pool {pool}: add one"
            return self._none(Refusal("NoAdvertisement", told))
        place = pool, tuple(attachment.advertisement.key for attachment in matching)
        if place not in self._covers:
            self._covers[place] = self._cover(pool, matching)
        return self._covers[place]

    def links(self, pool: str) -> dict[str, frozenset[str] | None]:
        return interfaces_on(self._attached.get(pool, []))

    def _cover(self, pool: str, matching: tuple[Attachment, ...]) -> Coverage:
        names = ", ".join(str(attachment.advertisement.key) for attachment in matching)
        return coverage(
            self._nodes,
            interfaces_on(matching),
            Refusal("NoMatchingAdvertisement", f"no L2Advertisement of pool {pool} for this Service selects the node"),
            Refusal("NoNodeMatchesSelector", f"no node matches the nodeSelectors of L2Advertisement {names}: label one")
            if matching
            else Refusal(
                "NoMatchingAdvertisement",
                f"no L2Advertisement of pool {pool} has serviceSelectors that match the Service's labels: add one",
            ),
            preferences(matching),
        )

    def _none(self, refusal: Refusal) -> Coverage:
        return coverage(self._nodes, {}, refusal, refusal)
