"""One Service of a cluster brought to the addresses it should have: MetalLB's order of checks.

A status address that is still legal is kept, even if the Service would get another one today.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlbd.model.address import IPAddress, parse_address
from mlbd.model.core import IPFamilyPolicy, Service
from mlbd.model.deckhouse import IPS
from mlbd.model.desired import Refusal

from .allocator import Allocator, Applicant
from .families import families_of
from .requests import LOAD_BALANCER_IPS, annotation, pool_named, tenant


@dataclass(frozen=True, slots=True)
class Converged:
    """What status.loadBalancer.ingress should say. `warning` is for the user (a Warning event); `failed` when the
    Service does not have what it asks for."""

    addresses: tuple[IPAddress, ...] = ()
    pool: str = ""
    warning: Refusal | None = None
    failed: bool = False


def converge(service: Service, allocator: Allocator) -> Converged:
    refusal = _unservable(service, allocator)
    if refusal is not None:
        allocator.unassign(service.key)
        return Converged(warning=refusal if refusal.reason else None, failed=service.type == "LoadBalancer")
    held = _addresses(service.ingress)
    warning = None if held is not None or not service.ingress else _status_unreadable(service)
    try:
        families = families_of(service.cluster_ips)
    except ValueError as problem:
        told = Refusal("ClusterIPsInvalid", f"cannot tell the family of its cluster IPs, {problem}: correct them")
        return Converged(held or (), warning=told, failed=True)
    return _Pass(service, allocator, _applicant(service, families)).run(held or (), warning)


def _unservable(service: Service, allocator: Allocator) -> Refusal | None:
    """Why it is to have no address; without a reason word where nobody need be told."""
    if service.type != "LoadBalancer":
        return Refusal("", "it is not of type LoadBalancer")
    if not allocator.pools:
        return Refusal("", "there is no pool")
    if not any(service.cluster_ips):
        return Refusal("", "it has no cluster IP yet")
    if service.ip_family_policy is IPFamilyPolicy.REQUIRE_DUAL_STACK and len(service.cluster_ips) < 2:
        return Refusal(
            "NotEnoughClusterIPs", "it requires two families and has one cluster IP: make the cluster dual-stack"
        )
    return None


def _status_unreadable(service: Service) -> Refusal:
    told = f"cannot keep the status addresses {', '.join(service.ingress)}: they are not one of each family"
    return Refusal("StatusAddressesInvalid", told)


def _addresses(texts: tuple[str, ...]) -> tuple[IPAddress, ...] | None:
    try:
        families_of(texts)
    except ValueError:
        return None
    return tuple(map(parse_address, texts))


def _applicant(service: Service, families: tuple[int, ...]) -> Applicant:
    primary = service.ip_families[0] if service.ip_families else 4
    return Applicant(tenant(service), service.labels, families, service.ip_family_policy, primary)


class _Pass:
    """The checks for a Service that can be served."""

    def __init__(self, service: Service, allocator: Allocator, applicant: Applicant) -> None:
        self._service = service
        self._allocator = allocator
        self._applicant = applicant

    def run(self, held: tuple[IPAddress, ...], warning: Refusal | None) -> Converged:
        if not held or self._families_differ(held) or not self._keeps(held):
            self._allocator.unassign(self._service.key)
        try:
            requested = self._requested()
        except ValueError as problem:
            told = Refusal("InvalidAddress", f"cannot give what it asks for, {problem}: correct it")
            return Converged(self._held(), self._pool(), told, failed=True)
        if requested and set(self._held()) != set(requested):
            self._allocator.unassign(self._service.key)
        if self._held():
            if self._wants_second_family():
                self._allocator.complete(self._applicant)  # refused: it keeps the one it has
        elif refusal := self._allocate(requested):
            return Converged(warning=refusal, failed=True)
        return Converged(self._held(), self._pool(), warning)

    def _held(self) -> tuple[IPAddress, ...]:
        allocation = self._allocator.allocations.get(self._service.key)
        return allocation.addresses if allocation else ()

    def _pool(self) -> str:
        allocation = self._allocator.allocations.get(self._service.key)
        return allocation.pool if allocation else ""

    def _families_differ(self, held: tuple[IPAddress, ...]) -> bool:
        """One address is enough for a dual-stack Service that only prefers two."""
        families = self._applicant.families
        if len(families) == 2 and self._applicant.policy is IPFamilyPolicy.PREFER_DUAL_STACK:
            return False
        return {address.version for address in held} != set(families)

    def _keeps(self, held: tuple[IPAddress, ...]) -> bool:
        if self._allocator.assign(self._applicant, held) is not None:
            return False
        wanted = pool_named(self._service)
        return not wanted or wanted == self._pool()

    def _requested(self) -> tuple[IPAddress, ...]:
        text = annotation(self._service, IPS, LOAD_BALANCER_IPS)
        if text and self._service.load_balancer_ip:
            raise ValueError("it has both spec.loadBalancerIP and the annotation")
        text = text or self._service.load_balancer_ip or ""
        texts = [part.strip() for part in text.split(",")] if text else []
        if texts and set(families_of(texts)) != set(self._applicant.families):
            wanted = " and ".join(f"IPv{family}" for family in self._applicant.families)
            raise ValueError(f"its cluster IPs are {wanted} and {text} is not")
        return tuple(map(parse_address, texts))

    def _wants_second_family(self) -> bool:
        """Only with cluster IPs of both families: otherwise the next pass would find the families to differ."""
        applicant = self._applicant
        both = len(applicant.families) == 2 and applicant.policy is IPFamilyPolicy.PREFER_DUAL_STACK
        return both and len(self._held()) == 1

    def _allocate(self, requested: tuple[IPAddress, ...]) -> Refusal | None:
        pool = pool_named(self._service)
        if not requested:
            return (
                self._allocator.allocate_from(self._applicant, pool)
                if pool
                else self._allocator.allocate(self._applicant)
            )
        refusal = self._allocator.assign(self._applicant, requested)
        if refusal is None and pool and pool != self._pool():
            told = (
                f"cannot give {requested[0]}, pool {pool} does not have it: name one of its addresses, or another pool"
            )
            refusal = Refusal("AddressOutsidePool", told)
            self._allocator.unassign(self._service.key)
        return refusal
