"""Who may hold a Service's addresses, and why each other node may not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mlbd.model.core import EXCLUDE_LABEL, EndpointSlice, Node, Service, TrafficPolicy
from mlbd.model.desired import Refusal
from mlbd.model.reference import Key

from .placement import Candidates

NO_READY_ENDPOINT = Refusal(
    "NoReadyEndpoint", "no endpoint of the Service can take traffic: make one of its pods ready (readiness probe)"
)
#: Without Kubernetes nobody writes any.
NO_ENDPOINT_SLICE = Refusal(
    "NoReadyEndpoint",
    "it has a selector and no EndpointSlice of it is known: add one with a ready endpoint, or without Kubernetes take "
    "the selector out: then programs on the nodes themselves serve it",
)
NO_LOCAL_ENDPOINT = Refusal(
    "NoLocalEndpoint",
    "the node has no usable endpoint of the Service, and externalTrafficPolicy is Local: run a pod of it there",
)
NODE_EXCLUDED = Refusal("NodeExcluded", f"the node has the label {EXCLUDE_LABEL}: take it off")
NETWORK_UNAVAILABLE = Refusal(
    "NodeNetworkUnavailable", "the node's condition NetworkUnavailable is true: repair its network"
)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """All EndpointSlices of one Service together: the nodes of usable endpoints, and whether there is one at all."""

    nodes: frozenset[str] = frozenset()
    usable: bool = False


def endpoints_by_service(slices: Iterable[EndpointSlice]) -> dict[Key, Endpoints]:
    found: dict[Key, Endpoints] = {}
    for part in slices:
        before = found.get(part.service)
        if before is None:
            found[part.service] = Endpoints(part.nodes, part.usable)
        else:
            found[part.service] = Endpoints(before.nodes | part.nodes, before.usable or part.usable)
    return found


@dataclass(frozen=True, slots=True)
class Coverage:
    """The nodes that a class, or the L2Advertisements of a pool, selects. `verdicts` says of every known node whether
    it may hold addresses, but for endpoints; `able` are those that may. `interfaces` are the links by node, None every
    one. `refusal` is why no node is selected at all."""

    candidates: Candidates
    verdicts: Mapping[str, Refusal | None]
    able: frozenset[str]
    interfaces: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    refusal: Refusal | None = None


def coverage(
    nodes: Iterable[Node],
    interfaces: Mapping[str, frozenset[str] | None],
    outside: Refusal,
    refusal: Refusal,
    weights: Mapping[str, int] | None = None,
) -> Coverage:
    """`interfaces` names the selected nodes; `outside` is what the others are told; `refusal` what the Service is
    told when there is none."""
    verdicts = {node.key.name: node_refusal(node) if node.key.name in interfaces else outside for node in nodes}
    able = frozenset(name for name, verdict in verdicts.items() if verdict is None)
    return Coverage(Candidates.of(interfaces, weights), verdicts, able, interfaces, None if interfaces else refusal)


def node_refusal(node: Node) -> Refusal | None:
    """Why the node may hold no address of any Service; None when it may."""
    if EXCLUDE_LABEL in node.labels:
        return NODE_EXCLUDED
    return NETWORK_UNAVAILABLE if node.network_unavailable else None


@dataclass(frozen=True)
class LocalVerdicts(Mapping[str, Refusal | None]):
    """The verdicts of a Service with externalTrafficPolicy Local: those shared by all of its class, and its own
    endpoints; 10,000 such Services need no 10,000 tables."""

    shared: Mapping[str, Refusal | None]
    endpoints: frozenset[str]

    def __getitem__(self, name: str) -> Refusal | None:
        return self.shared[name] or (None if name in self.endpoints else NO_LOCAL_ENDPOINT)

    def __iter__(self) -> Iterator[str]:
        return iter(self.shared)

    def __len__(self) -> int:
        return len(self.shared)


@dataclass(frozen=True, slots=True)
class Eligibility:
    """`nodes` may hold the addresses; `verdicts` is None or the reason of every known node; `refusal` says why nobody
    may."""

    nodes: frozenset[str]
    verdicts: Mapping[str, Refusal | None]
    refusal: Refusal | None = None


def eligibility(service: Service, endpoints: Endpoints | None, cover: Coverage) -> Eligibility:
    """`endpoints` is None when the Service has no EndpointSlice: with a selector too, nothing serves it yet; without
    one, programs on the nodes themselves do, and it needs none."""
    if endpoints is None and service.selector:
        return Eligibility(frozenset(), cover.verdicts, NO_ENDPOINT_SLICE)
    if endpoints is not None and not endpoints.usable:
        return Eligibility(frozenset(), cover.verdicts, NO_READY_ENDPOINT)
    if cover.refusal is not None:
        return Eligibility(frozenset(), cover.verdicts, cover.refusal)
    if not cover.able:
        return Eligibility(frozenset(), cover.verdicts, _nobody(cover))
    if endpoints is None or service.external_traffic_policy is not TrafficPolicy.LOCAL:
        return Eligibility(cover.able, cover.verdicts)
    able = cover.able & endpoints.nodes
    return Eligibility(
        able, LocalVerdicts(cover.verdicts, endpoints.nodes), None if able else _no_local(endpoints.nodes)
    )


def _no_local(nodes: frozenset[str]) -> Refusal:
    where = f"they are on {', '.join(sorted(nodes))}" if nodes else "no endpoint names its node"
    return Refusal(
        "NoLocalEndpointOnSelectedNodes",
        f"externalTrafficPolicy is Local and no selected node has a usable endpoint ({where}): run pods there",
    )


def _nobody(cover: Coverage) -> Refusal:
    reasons = Counter(verdict for name in cover.candidates.names if (verdict := cover.verdicts.get(name)))
    told = "; ".join(
        f"{count} of {len(cover.candidates.names)}: {refusal.message}" for refusal, count in reasons.items()
    )
    return Refusal("NoEligibleNode", f"none of the selected nodes may announce it ({told})")
