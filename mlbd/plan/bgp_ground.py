"""All of BGP that Services are planned against: the sessions of this node, the advertisements, who covers what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlbd.model.desired import Refusal
from mlbd.model.peering import Peer
from mlbd.model.reference import Reference
from mlbd.model.status import Problem
from mlbd.model.world import World

from .bgp_coverage import BgpCoverages
from .bgp_objects import advertisements
from .bgp_warnings import warnings
from .catalog import problem_of
from .peers import sessions
from .routes import Audience
from .sources import Source


@dataclass(frozen=True, slots=True)
class BgpGround:
    """`peers` are the sessions of this node by name, and `audiences` what decides on what each of them hears; `refused`
    says what is wrong with objects that cannot be used."""

    peers: Mapping[str, Peer]
    audiences: Mapping[str, Audience]
    covers: BgpCoverages
    refused: Mapping[Reference, Refusal]
    problems: tuple[Problem, ...]


def survey_bgp(world: World, node: str, pools: Mapping[str, Source]) -> BgpGround:
    """`pools` are the valid ones."""
    said = advertisements(world, pools)
    ipv6 = {each: None for name, found in said.by_pool.items() if 6 in pools[name].spans for each in found}
    spoken = sessions(world, ipv6)
    peers = {name: session.on(node) for name, session in spoken.stand.items() if node in session.nodes}
    here = [each for each in said.attached if node in each.nodes]
    return BgpGround(
        peers,
        {name: (frozenset(each for each in here if each.reaches(name)), peer.families) for name, peer in peers.items()},
        BgpCoverages(node, pools, said.by_pool, spoken.stand.values(), world.nodes.values()),
        {**said.refused, **spoken.refused},
        (
            *said.problems,
            *(problem_of(reference, refusal) for reference, refusal in sorted(spoken.refused.items())),
            *warnings(world, node, said, spoken),
        ),
    )
