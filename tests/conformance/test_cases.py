from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import addresses, allocator, bgp, config, controller, layer2, messages, neighbor

Check = Callable[[Mapping[str, Any], Mapping[str, Any]], None]

#: By file name: what drives mlbd with a case (and the document it stands in) and compares.
CHECKS: dict[str, Check] = {
    "allocator-sequences": allocator.sequence,
    "allocator-pool-change": allocator.pool_change,
    "allocator-capacity": allocator.capacity,
    "controller-converge": controller.converge_once,
    "controller-flows": controller.flow,
    "config-parse": config.parse,
    "config-mode-validation": config.mode,
    "config-preferred-nodes": config.preferred_nodes,
    "bgppeer-conversion": config.conversion,
    "community": addresses.community,
    "ip-family": addresses.family,
    "endpoint-usable": addresses.endpoint_usable,
    "l2-election-parts": layer2.election_part,
    "l2-decisions": layer2.decision,
    "l2-arp-responder": neighbor.arp_frame,
    "bgp-native-messages": messages.message,
    "bgp-speaker-decisions": bgp.decision,
    "bgp-speaker-sequences": bgp.sequence,
}


class NoCounterpart(Exception):
    """mlbd has nothing that the case could be put to; differences.py says why."""


def test_case(subject: str, document: Mapping[str, Any], case: Mapping[str, Any]) -> None:
    if subject not in CHECKS:
        raise NoCounterpart(subject)
    CHECKS[subject](case, document)
