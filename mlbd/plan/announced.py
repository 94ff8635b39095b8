"""The addresses of Services of one seed, with their holders: only such Services can share an address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlbd.model.address import IPAddress
from mlbd.model.core import Port
from mlbd.model.desired import Claim, Slot, Vip

from .decision import Decision
from .placement import Candidates, orders
from .requests import Request

#: A Service on an address, and by which of its slots.
Tenancy = tuple[Decision, Slot]


@dataclass(frozen=True, slots=True)
class Placed:
    """The orders of one seed's slots, and what they were worked out from: how many slots, the eligible nodes."""

    inputs: tuple[Candidates, int, frozenset[str]]
    orders: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Announced:
    """`placed` are the orders worked out last."""

    decisions: Sequence[Decision]
    placed: Placed | None
    vips: Mapping[IPAddress, Vip]
    claims: Mapping[IPAddress, Claim]


class Announcer:
    """For one node, and one plan of it."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._able: dict[tuple[int, frozenset[str]], tuple[int, ...]] = {}

    def announce(self, decisions: Sequence[Decision], before: Announced | None) -> Announced:
        """What is equal in `before` stays the same object."""
        if before and before.decisions == decisions:
            return before
        placed = before.placed if before else None
        vips, claims = {}, {}
        for address, sharers in _tenants(decisions).items():
            order: tuple[str, ...] = ()
            leader, slot = next((pair for pair in sharers if pair[0].eligible), sharers[0])
            if leader.eligible:
                placed = self._place(leader, placed)
                order = placed.orders[slot.index]
                if self._node in leader.eligible:
                    claims[address] = Claim(address, order, _links(sharers, self._node))
            vips[address] = _vip(address, order, [each.request for each, _ in sharers])
        if before and before.vips == vips and before.claims == claims:
            return Announced(decisions, placed, before.vips, before.claims)
        return Announced(decisions, placed, vips, claims)

    def _place(self, decision: Decision, known: Placed | None) -> Placed:
        assert decision.cover is not None, "a Service without a source is refused"
        candidates, count, eligible = inputs = decision.cover.candidates, decision.request.count, decision.eligible
        if known and known.inputs == inputs:
            return known
        return Placed(inputs, orders(candidates, decision.request.seed, count, self._able_of(candidates, eligible)))

    def _able_of(self, candidates: Candidates, eligible: frozenset[str]) -> tuple[int, ...]:
        place = id(candidates), eligible  # the candidates outlive this table: the ground holds them
        if place not in self._able:
            self._able[place] = candidates.able(eligible)
        return self._able[place]


def _tenants(decisions: Iterable[Decision]) -> dict[IPAddress, list[Tenancy]]:
    tenants: dict[IPAddress, list[Tenancy]] = {}
    for each in decisions:
        for slot in each.allotment.slots:
            if slot.address is not None:
                tenants.setdefault(slot.address, []).append((each, slot))
    return tenants


def _vip(address: IPAddress, order: tuple[str, ...], requests: Sequence[Request]) -> Vip:
    ports: frozenset[Port] = requests[0].tenant.ports
    if len(requests) > 1:
        ports = ports.union(*(request.tenant.ports for request in requests))
    return Vip(address, tuple(request.service.key for request in requests), order, ports)


def _links(sharers: Iterable[Tenancy], node: str) -> frozenset[str] | None:
    """The links of all Services of an address; one that wants every link decides."""
    links: frozenset[str] = frozenset()
    for each, _ in sharers:
        if node in each.eligible and each.cover is not None and node in each.cover.interfaces:
            mine = each.cover.interfaces[node]
            if mine is None:
                return None
            links |= mine
    return links
