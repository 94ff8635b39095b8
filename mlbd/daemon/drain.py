"""What a drain of this node moves, and where. Pure."""

from __future__ import annotations

from mlbd.model.desired import Vip
from mlbd.model.status import DrainStatus, Move

from .facts import Facts


def moves(facts: Facts) -> tuple[Move, ...]:
    """Every address that this node answers for or announces now, with its heir, or all nodes that announce it too."""
    return tuple(
        Move(str(address), tuple(map(str, vip.services)), _heirs(facts, vip))
        for address, vip in sorted(facts.desired.vips.items(), key=lambda entry: (entry[0].version, int(entry[0])))
        if facts.answering_links(address) or address in facts.advertised
    )


def _heirs(facts: Facts, vip: Vip) -> str | None:
    if facts.answering_links(vip.address):
        return facts.heir(vip)
    plans = (facts.desired.services[key] for key in vip.services)
    able = {name for plan in plans if plan.bgp for name, refusal in plan.bgp.nodes.items() if refusal is None}
    others = (name for name in sorted(able) if name != facts.settings.node and facts.may_serve(name))
    return ", ".join(others) or None


def drain_status(facts: Facts) -> DrainStatus | None:
    if facts.drain is None:
        return None
    return DrainStatus(facts.drain.since, facts.drain.reason, facts.drained)
