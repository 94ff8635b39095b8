"""All that Services are planned against, worked out once for all of them: sources, default class, who covers what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from mlbd.model.address import IPAddress
from mlbd.model.core import Service
from mlbd.model.deckhouse import CLASS_KIND
from mlbd.model.desired import Refusal
from mlbd.model.reference import Key, Reference
from mlbd.model.status import Problem, Severity
from mlbd.model.world import World

from .announcements import PoolCoverages, class_coverage
from .bgp_coverage import BgpCoverage
from .bgp_ground import BgpGround, survey_bgp
from .bgp_objects import CONFIGURATION
from .catalog import Catalog, catalog
from .eligibility import Coverage
from .liveness import sharers
from .requests import Request, choose_class, request
from .sources import Source

#: All that a World holds but what is planned against it.
_SURVEYED = tuple(each.name for each in fields(World) if each.name not in ("services", "endpoint_slices"))


@dataclass(frozen=True, slots=True)
class Ground:
    """`world` is the one it was worked out from; only its Services and EndpointSlices may differ from a later one.
    `group` are the nodes that share a layer 2 class or pool with `node`."""

    world: World
    node: str
    catalog: Catalog
    classes: Mapping[str, Coverage]
    pools: PoolCoverages
    bgp: BgpGround
    refused: Mapping[Reference, Refusal]
    problems: tuple[Problem, ...]
    group: frozenset[str]

    def holds_for(self, world: World, node: str) -> bool:
        worlds = ((getattr(self.world, name), getattr(world, name)) for name in _SURVEYED)
        return self.node == node and all(one is other or one == other for one, other in worlds)

    def request(self, service: Service) -> Request:
        book = self.catalog
        choice = choose_class(service, book.class_names, book.default, book.pools)
        return request(service, choice, book.refused.get(Reference(CLASS_KIND, Key("", choice.name))))

    def cover(self, source: Source, service: Service) -> Coverage | None:
        """At layer 2; None for a pool that is advertised over BGP alone."""
        name = source.reference.key.name
        if source.reference.kind == CLASS_KIND:
            return self.classes[name]
        return self.pools.cover(name, service) if name in self.pools or name not in self.bgp.covers else None

    def bgp_cover(self, source: Source, service: Service, addresses: Iterable[IPAddress]) -> BgpCoverage | None:
        """None where nothing of the kind is advertised."""
        name, families = source.reference.key.name, frozenset(address.version for address in addresses)
        if source.reference.kind == CLASS_KIND or name not in self.bgp.covers or not families:
            return None
        return self.bgp.covers.cover(name, service, families)

    def bgp_nodes(self, source: Source) -> frozenset[str]:
        """The nodes that announce some of its addresses over BGP."""
        reference = source.reference
        return frozenset() if reference.kind == CLASS_KIND else self.bgp.covers.nodes(reference.key.name)

    def links(self, source: Source) -> Mapping[str, frozenset[str] | None]:
        """The nodes that announce some of its addresses, and there on which links (None is every one)."""
        name = source.reference.key.name
        return self.classes[name].interfaces if source.reference.kind == CLASS_KIND else self.pools.links(name)


def survey(world: World, node: str) -> Ground:
    book = catalog(world)
    nodes = list(world.nodes.values())
    classes = {key.name: class_coverage(owner, nodes) for key, owner in world.classes.items()}
    address_pools = {
        name: world.address_pools[pool.reference.key]
        for name, pool in book.pools.items()
        if pool.reference.kind == "IPAddressPool"
    }
    pools = PoolCoverages(
        address_pools,
        sorted(world.l2_advertisements.values(), key=lambda advertisement: advertisement.key),
        nodes,
    )
    bgp = survey_bgp(world, node, book.pools)
    problems = (
        *book.problems,
        *bgp.problems,
        *_uncovered(classes),
        *_unknown_pools(world),
        *_unknown_node(world, node),
    )
    covers = (*(classes[name].interfaces for name in book.classes), *map(pools.links, book.pools))
    refused = {**book.refused, **bgp.refused}
    return Ground(world, node, book, classes, pools, bgp, refused, problems, sharers(node, covers))


def _uncovered(classes: Mapping[str, Coverage]) -> list[Problem]:
    return [
        Problem(
            Severity.ERROR,
            str(Reference(CLASS_KIND, Key("", name))),
            cover.refusal.reason,
            f"cannot announce its addresses, {cover.refusal.message}",
            "spec.nodeSelector",
        )
        for name, cover in sorted(classes.items())
        if cover.refusal is not None
    ]


def _unknown_pools(world: World) -> list[Problem]:
    """Advertisements that name pools which are not there; they stand for the others."""
    known = {key.name for key in (*world.address_pools, *world.load_balancer_pools)}
    place = "spec.ipAddressPools"
    named = [(Reference("L2Advertisement", key), place, each.pools) for key, each in world.l2_advertisements.items()]
    named += [(Reference("BGPAdvertisement", key), place, each.pools) for key, each in world.bgp_advertisements.items()]
    for key, configuration in world.load_balancer_configurations.items():
        for index, part in enumerate(configuration.advertisements):
            named.append((Reference(CONFIGURATION, key), f"spec.advertisements[{index}].poolNames", part.pools))
    return [
        Problem(
            Severity.WARNING,
            str(reference),
            "PoolNotFound",
            f"cannot announce pool {pool}, there is none of this name: make it, or correct the name",
            place,
        )
        for reference, place, pools in sorted(named)
        for pool in pools
        if pool not in known
    ]


def _unknown_node(world: World, node: str) -> list[Problem]:
    if Key("", node) in world.nodes:
        return []
    told = "cannot hold any address, no Node object has this host's name: add one, or set `node` in the settings"
    return [Problem(Severity.ERROR, str(Reference("Node", Key("", node))), "NodeUnknown", told)]
