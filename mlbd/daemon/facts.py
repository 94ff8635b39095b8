"""Everything that is known at one moment: what was read, what was decided, and what each driver says of its part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlbd.drivers.addresses import AddressesStatus
from mlbd.drivers.firewall import FirewallStatus
from mlbd.drivers.reflex import ChildStatus
from mlbd.model.address import IPAddress
from mlbd.model.desired import Claim, Desired
from mlbd.model.link import Link, Unusable
from mlbd.model.settings import Settings
from mlbd.model.status import DirectoryStatus, Problem, VipState
from mlbd.model.world import World


@dataclass(frozen=True, slots=True)
class Facts:
    """`started` in seconds since the epoch. `found` are the problems that reading and listening met by themselves.
    `usability` says by the name of each link why it is not used, None when it is."""

    settings: Settings
    pid: int
    started: float
    ready: bool
    world: World
    desired: Desired
    directories: tuple[DirectoryStatus, ...]
    found: tuple[Problem, ...]
    links: tuple[Link, ...]
    usability: Mapping[str, Unusable | None]
    addresses: AddressesStatus
    firewall: FirewallStatus
    reflex: ChildStatus

    def vip_states(self) -> Iterator[tuple[IPAddress, VipState]]:
        """What this node does with each address that it may hold."""
        for address in self.desired.claims:
            yield address, self.vip_state(address)

    def vip_state(self, address: IPAddress) -> VipState:
        if address not in self.desired.claims:
            return VipState.NONE
        if (heard := self.reflex.vips.get(address)) is not None:
            return VipState(heard.state.value)
        # Nothing is said of it yet: a word is on its way from a reflex that lives, and from no other.
        mine = self.desired.claims[address].order[0] == self.settings.node
        return VipState.SILENT if mine and not self.reflex.alive else VipState.STANDBY

    def claimed_links(self, claim: Claim) -> tuple[str, ...]:
        """The links on which an address would be announced now."""
        return tuple(
            name
            for name, why_not in self.usability.items()
            if why_not is None and (claim.interfaces is None or name in claim.interfaces)
        )
