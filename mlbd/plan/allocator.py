"""MetalLB's allocator: the lowest free address in the order of the pool, with `Service.status` as the only memory.

It is a working table for one pass: whoever writes to a cluster first assigns what the Services hold, then allocates
for those that hold nothing. A refusal is a value; nothing changes when there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mlbd.model.address import IPAddress
from mlbd.model.core import IPFamilyPolicy
from mlbd.model.desired import Refusal
from mlbd.model.reference import Key

from .pool_choice import automatic_pools
from .sharing import Ledger, Tenant
from .sources import Free, Source, owner


@dataclass(frozen=True, slots=True)
class Applicant:
    """A Service before the allocator. `families` are those of its cluster IPs, `primary` the first of
    spec.ipFamilies."""

    tenant: Tenant
    labels: Mapping[str, str] = field(default_factory=dict)
    families: tuple[int, ...] = (4,)
    policy: IPFamilyPolicy = IPFamilyPolicy.SINGLE_STACK
    primary: int = 4

    @property
    def key(self) -> Key:
        return self.tenant.key


@dataclass(frozen=True, slots=True)
class Allocation:
    pool: str
    addresses: tuple[IPAddress, ...]
    tenant: Tenant

    @property
    def families(self) -> tuple[int, ...]:
        return tuple(address.version for address in self.addresses)


class Allocator:
    def __init__(self, pools: Mapping[str, Source]) -> None:
        self.pools = dict(pools)
        self.allocations: dict[Key, Allocation] = {}
        self._ledger = Ledger()
        self._free: dict[tuple[str, int], Free] = {}

    def assign(self, applicant: Applicant, addresses: Sequence[IPAddress]) -> Refusal | None:
        """Exactly these addresses, in place of what the Service had."""
        pool = owner(self.pools.values(), addresses)
        if pool is None:
            return Refusal(
                "AddressOutsidePool",
                f"cannot give {_listed(addresses)}: no pool has all of them: correct them, or add them to one",
            )
        if not self._admits(pool, applicant):
            return Refusal(
                "PoolNotAllowed", f"cannot give {_listed(addresses)}: {pool.reference} is for other Services"
            )
        if len({address.version for address in addresses}) != len(addresses):
            return Refusal("WrongFamily", f"cannot give {_listed(addresses)}: at most one of each family")
        for address in addresses:
            if refusal := self._ledger.refusal(address, applicant.tenant):
                return refusal
        self.unassign(applicant.key)
        self.allocations[applicant.key] = Allocation(pool.reference.key.name, tuple(addresses), applicant.tenant)
        self._ledger.take(addresses, applicant.tenant)
        for (name, family), free in self._free.items():
            for address in addresses:
                if address.version == family and address in self.pools[name]:
                    free.take(address)
        return None

    def unassign(self, key: Key) -> bool:
        """Whether there was anything to free."""
        allocation = self.allocations.pop(key, None)
        if allocation is None:
            return False
        self._ledger.release(key, allocation.addresses)
        self._free.clear()  # it only ever fills; the next search reads the ledger again
        return True

    def allocate(self, applicant: Applicant) -> Refusal | None:
        """From pools kept for such a Service first, then from the open ones; what it has it keeps."""
        if held := self.allocations.get(applicant.key):
            return self.assign(applicant, held.addresses)
        pools = automatic_pools(self.pools.values(), applicant.key.namespace, applicant.labels)
        kept = [pool for pool in pools if pool.scope is not None]
        for choice in (kept, [pool for pool in pools if pool.scope is None]):
            if addresses := self._best(choice, applicant):
                return self.assign(applicant, addresses)
        return Refusal("NoAddress", f"no pool has free {_wanted(applicant)} addresses for it: add some, or free some")

    def allocate_from(self, applicant: Applicant, name: str) -> Refusal | None:
        """From the pool that it names, automatic or not."""
        if held := self.allocations.get(applicant.key):
            if held.families != applicant.families and applicant.policy is not IPFamilyPolicy.PREFER_DUAL_STACK:
                return Refusal("WrongFamily", f"it has {_listed(held.addresses)} and wants {_wanted(applicant)}")
            return self.assign(applicant, held.addresses)
        pool = self.pools.get(name)
        if pool is None:
            return Refusal("PoolNotFound", f"cannot draw from pool {name}, there is no valid one: check its name")
        if addresses := self._best([pool], applicant):
            return self.assign(applicant, addresses)
        return Refusal("PoolExhausted", f"{pool.reference} has no free {_wanted(applicant)} address: add some to it")

    def complete(self, applicant: Applicant) -> Refusal | None:
        """The second family, from the same pool, for a Service that prefers two and has one."""
        held = self.allocations[applicant.key]
        address = self._lowest(self.pools[held.pool], 10 - held.addresses[0].version, applicant.tenant)
        if address is None:
            return Refusal(
                "PoolExhausted", f"pool {held.pool} has no free address of the second family: add some to it"
            )
        return self.assign(applicant, (*held.addresses, address))

    def set_pools(self, pools: Mapping[str, Source]) -> None:
        """Allocations follow their addresses; those whose addresses no pool has any more are dropped."""
        self.pools = dict(pools)
        self._free.clear()
        for key, held in list(self.allocations.items()):
            pool = owner(self.pools.values(), held.addresses)
            if pool is None:
                self.unassign(key)
            else:
                self.allocations[key] = Allocation(pool.reference.key.name, held.addresses, held.tenant)

    def _admits(self, pool: Source, applicant: Applicant) -> bool:
        return pool.admits(applicant.key.namespace, applicant.labels)

    def _best(self, pools: Iterable[Source], applicant: Applicant) -> tuple[IPAddress, ...]:
        """The first pool that has all the families; if only preferred, the first with the primary one, else any."""
        families, policy = applicant.families, applicant.policy
        if len(families) == 2 and policy is IPFamilyPolicy.SINGLE_STACK:
            return ()
        offers = [
            {family: address for family in families if (address := self._lowest(pool, family, applicant.tenant))}
            for pool in pools
        ]
        choices = [sorted(families)]
        if policy is IPFamilyPolicy.PREFER_DUAL_STACK and len(families) == 2:
            choices += [[applicant.primary], [10 - applicant.primary]]
        for choice in choices:
            for offer in offers:
                if all(family in offer for family in choice):
                    return tuple(offer[family] for family in choice)
        return ()

    def _lowest(self, pool: Source, family: int, tenant: Tenant) -> IPAddress | None:
        """The first address in the order of the pool that is free, or that the tenant may share."""
        span = pool.spans.get(family)
        if span is None:
            return None
        found = [
            address for address in self._ledger.shared_by(tenant.sharing_key) if self._may_join(address, pool, tenant)
        ]
        found = [address for address in found if address.version == family]
        if (free := self._free_of(pool, family).find(0)) is not None:
            found.append(free)
        return min(found, key=span.index, default=None)

    def _may_join(self, address: IPAddress, pool: Source, tenant: Tenant) -> bool:
        return address in pool and self._ledger.refusal(address, tenant) is None

    def _free_of(self, pool: Source, family: int) -> Free:
        place = pool.reference.key.name, family
        if place not in self._free:
            free = self._free[place] = Free(pool, family)
            for address in self._ledger.used:
                if address.version == family and address in pool:
                    free.take(address)
        return self._free[place]


def _listed(addresses: Iterable[IPAddress]) -> str:
    return ", ".join(map(str, addresses))


def _wanted(applicant: Applicant) -> str:
    return " and ".join(f"IPv{family}" for family in sorted(applicant.families))
