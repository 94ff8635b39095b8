"""What a drain of this node moves, and where. Pure."""

from __future__ import annotations

from mlbd.model.status import DrainStatus, Move

from .facts import Facts


def moves(facts: Facts) -> tuple[Move, ...]:
    """Every address that this node answers for now, with its heir."""
    return tuple(
        Move(str(address), tuple(map(str, vip.services)), facts.heir(vip))
        for address, vip in sorted(facts.desired.vips.items(), key=lambda entry: (entry[0].version, int(entry[0])))
        if facts.answering_links(address)
    )


def drain_status(facts: Facts) -> DrainStatus | None:
    if facts.drain is None:
        return None
    return DrainStatus(facts.drain.since, facts.drain.reason, facts.drained)
