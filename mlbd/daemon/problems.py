"""What is wrong now, of everything that is known. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mlbd.model.address import IPAddress
from mlbd.model.desired import Claim
from mlbd.model.status import Problem, Severity, VipState

from .facts import Facts


def problems(facts: Facts) -> Iterator[Problem]:
    yield from facts.found
    yield from facts.desired.problems
    yield from _drivers(facts)
    yield from _addresses(facts)


def _drivers(facts: Facts) -> Iterator[Problem]:
    firewall = facts.firewall
    if facts.desired.vips and firewall.silence:
        yield Problem(Severity.ERROR, "mlbd", "KernelNotSilent", firewall.silence)
    if facts.desired.vips and firewall.guard:
        yield Problem(Severity.ERROR, "mlbd", "NoGuard", firewall.guard)
    if facts.addresses.arp_announce:
        yield Problem(Severity.WARNING, "mlbd", "ArpAnnounce", facts.addresses.arp_announce)
    for address, message in facts.addresses.refused.items():
        yield Problem(Severity.ERROR, _service(facts, address), "AddressNotBound", message)
    for name, message in facts.reflex.problems.items():
        subject = "mlbd" if name == "reflex" else f"link {name}"
        yield Problem(Severity.ERROR, subject, "ReflexFailed", message)


def _addresses(facts: Facts) -> Iterator[Problem]:
    for address, claim in facts.desired.claims.items():
        match facts.vip_state(address):
            case VipState.CONFLICT:
                message = conflict_message(facts, address)
                yield Problem(Severity.ERROR, _service(facts, address), "AddressConflict", message)
            case VipState.SILENT if claim.order[0] == facts.settings.node:
                message = silent_message(facts, claim)
                yield Problem(Severity.ERROR, _service(facts, address), "NoUsableInterface", message)


def conflict_message(facts: Facts, address: IPAddress) -> str:
    heard = facts.reflex.vips[address]
    return (
        f"cannot take {address}: {heard.mac} on {heard.link} has it; "
        "find that host, or leave the address out of the pool; it is tried again by itself"
    )


def silent_message(facts: Facts, claim: Claim) -> str:
    named = ", ".join(sorted(claim.interfaces)) if claim.interfaces is not None else "any"
    return f"cannot announce {claim.address}: no usable link (wanted: {named}); `mlbctl links` says why of each"


def _service(facts: Facts, address: IPAddress) -> str:
    vip = facts.desired.vips.get(address)
    return f"Service {vip.services[0]}" if vip else str(address)
