"""Who has which address, and who else may have it too: MetalLB's rules of sharing, which the classes follow as well."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlbd.model.address import IPAddress
from mlbd.model.core import Port, Service, TrafficPolicy
from mlbd.model.desired import Refusal
from mlbd.model.reference import Key


@dataclass(frozen=True, slots=True)
class Tenant:
    """A Service as the user of addresses. Empty `sharing_key`: it shares with nobody.

    `backend_key`: with externalTrafficPolicy Local its selector, as text, else "". Two Services that share an address
    must be served by the same nodes, which with Local only equal selectors can promise.
    """

    key: Key
    ports: frozenset[Port] = frozenset()
    sharing_key: str = ""
    backend_key: str = ""

    def fits(self, other: Tenant) -> bool:
        return (
            bool(self.sharing_key) and self.sharing_key == other.sharing_key and self.backend_key == other.backend_key
        )


def backend_key(service: Service) -> str:
    if service.external_traffic_policy is not TrafficPolicy.LOCAL:
        return ""
    return ",".join(f"{label}={value}" for label, value in sorted(service.selector.items()))


class Ledger:
    """The working table of one pass over the Services; the objects themselves are the memory between passes."""

    def __init__(self) -> None:
        self._tenants: dict[IPAddress, list[Tenant]] = {}
        self._shared: dict[str, dict[IPAddress, None]] = {}  # by sharing key, in the order of their giving

    @property
    def used(self) -> Iterable[IPAddress]:
        return self._tenants

    def shared_by(self, sharing_key: str) -> Iterable[IPAddress]:
        """The addresses that were given under a sharing key."""
        return self._shared.get(sharing_key, {}) if sharing_key else ()

    def refusal(self, address: IPAddress, tenant: Tenant) -> Refusal | None:
        """Why `tenant` may not have the address; None when it may."""
        others = [other for other in self._tenants.get(address, ()) if other.key != tenant.key]
        for other in others:
            if not tenant.fits(other):
                return Refusal("AddressTaken", _taken(address, tenant, other))
            if common := tenant.ports & other.ports:
                port = min(common)
                return Refusal(
                    "PortTaken",
                    f"cannot give {address}, Service {other.key} has {port.protocol}/{port.port} on it: "
                    "change the port of one of them, or ask for another address",
                )
        return None

    def take(self, addresses: Iterable[IPAddress], tenant: Tenant) -> None:
        for address in addresses:
            self._tenants.setdefault(address, []).append(tenant)
            if tenant.sharing_key:
                self._shared.setdefault(tenant.sharing_key, {})[address] = None

    def release(self, key: Key, addresses: Iterable[IPAddress]) -> None:
        for address in addresses:
            self._tenants[address] = [tenant for tenant in self._tenants[address] if tenant.key != key]
            if not self._tenants[address]:
                del self._tenants[address]
                for shared in self._shared.values():
                    shared.pop(address, None)


def _taken(address: IPAddress, tenant: Tenant, other: Tenant) -> str:
    told = f"cannot give {address}, Service {other.key} has it"
    if not tenant.sharing_key:
        return f"{told}: ask for another one, or give both Services one sharing key"
    if tenant.sharing_key != other.sharing_key:
        return f"{told} and another sharing key, or none: give both one, or ask for another address"
    return f"{told}: to share it with externalTrafficPolicy Local give both this policy and equal selectors"
