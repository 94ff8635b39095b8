"""What is wrong now, of everything that is known. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mlbd.model.address import IPAddress
from mlbd.model.desired import Claim, Refusal
from mlbd.model.status import Presence, Problem, Severity, VipState

from .facts import Facts
from .peers import peer_problems

#: Seconds between packets below which an ordinary process is too often late on a busy host.
_NEEDS_REALTIME = 0.05


def problems(facts: Facts) -> Iterator[Problem]:
    yield from facts.found
    yield from facts.desired.problems
    yield from _drivers(facts)
    yield from _addresses(facts)
    yield from _contests(facts)
    yield from _named_links(facts)
    yield from _nodes(facts)
    yield from _pace(facts)
    yield from peer_problems(facts)


def _named_links(facts: Facts) -> Iterator[Problem]:
    """Links that a class or L2Advertisement names for addresses of this node, and that cannot announce them: another
    link may still do, but whoever lives behind this one is cut off. One that this host lacks is no mistake: hosts
    differ, and one list of names serves them all."""
    named = {name for claim in facts.desired.claims.values() for name in claim.interfaces or ()}
    for name in sorted(named):
        if (why_not := facts.usability.get(name)) is not None:
            message = f"cannot announce on {name}, which a class or L2Advertisement names: it {why_not.message}"
            yield Problem(Severity.WARNING, f"link {name}", "LinkUnusable", message)


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
    names = {link.name for link in facts.links}
    for name, message in facts.reflex.problems.items():
        subject = f"link {name}" if name in names else "mlbd"
        yield Problem(Severity.ERROR, subject, "ReflexFailed", message)


def _addresses(facts: Facts) -> Iterator[Problem]:
    """One of a kind for each Service: a lost link takes all its addresses at once. While the reflex is not there its
    own Problem says all there is."""
    silent: dict[tuple[str, frozenset[str] | None], list[Claim]] = {}
    for address, claim in facts.desired.claims.items():
        if (refusal := obstacle(facts, claim)) is None:
            continue
        service = _service(facts, address)
        if refusal.reason == "AddressConflict":
            yield Problem(Severity.ERROR, service, refusal.reason, refusal.message)
        elif refusal.reason == "NoUsableInterface":
            silent.setdefault((service, claim.interfaces), []).append(claim)
        elif refusal.reason == "NoNodeAlive":
            yield Problem(Severity.ERROR, service, refusal.reason, refusal.message)
    for (service, _), claims in silent.items():
        yield Problem(Severity.ERROR, service, "NoUsableInterface", _no_link(claims))


def obstacle(facts: Facts, claim: Claim) -> Refusal | None:
    """What keeps this node from holding an address that it should hold."""
    match facts.vip_state(claim.address):
        case VipState.CONFLICT:
            return Refusal("AddressConflict", _conflict(facts, claim.address))
        case VipState.SILENT if claim.order[0] == facts.settings.node and not facts.drain:
            if facts.reflex.alive:
                return Refusal("NoUsableInterface", _no_link([claim]))
            told = f"cannot announce {claim.address}: the reflex does not answer; `mlbctl status` tells why"
            return Refusal("ReflexFailed", told)
    if facts.drain and facts.holder(facts.desired.vips[claim.address]) is None:
        told = f"cannot announce {claim.address}: all nodes that may hold it are down or drained: bring one back"
        return Refusal("NoNodeAlive", told)
    return None


def _conflict(facts: Facts, address: IPAddress) -> str:
    heard = next(change for change in facts.heard(address).values() if change.state.value == VipState.CONFLICT)
    return (
        f"cannot take {address}: {heard.mac} on {heard.link} has it; it is tried again by itself: "
        "find that host, or leave the address out of the pool"
    )


def _contests(facts: Facts) -> Iterator[Problem]:
    for seen in facts.contests:
        service = _service(facts, seen.address)
        if seen.node is None:
            told = f"cannot keep {seen.address} to this node: {seen.mac} on {seen.link} claims it too; find that host"
            yield Problem(Severity.ERROR, service, "AddressContested", told)
        elif seen.disputed:
            told = (
                f"cannot agree with {seen.node} on who holds {seen.address}: both insisted, and one gave in; give both "
                "the same state files (`mlbctl why` on both shows what each believes)"
            )
            yield Problem(Severity.WARNING, service, "AddressDisputed", told)


def _nodes(facts: Facts) -> Iterator[Problem]:
    """Of nodes that were seen, or should have been by now."""
    for name in sorted(facts.desired.group):
        if facts.presence(name) is Presence.DOWN and facts.lost(name):
            told = (
                f"cannot see {name}: it does not answer BFD; others hold its addresses: check that host, its network, "
                f"and that UDP ports 3784 and 4784 are open between the nodes (`mlbctl nodes {name}`)"
            )
            yield Problem(Severity.WARNING, f"Node {name}", "NodeDown", told)


def _pace(facts: Facts) -> Iterator[Problem]:
    pace, reflex = facts.settings.liveness, facts.reflex
    if not facts.sessions:
        return
    if pace.interval < _NEEDS_REALTIME and reflex.ready and not reflex.realtime:
        told = (
            f"cannot promise a packet every {pace.interval * 1000:.0f} ms without real-time priority: set "
            "LimitRTPRIO=1 in the unit, or choose `liveness: default`"
        )
        yield Problem(Severity.WARNING, "mlbd", "NotRealtime", told)
    if reflex.worst_lateness / 1e6 > pace.interval:
        told = (
            f"cannot keep time: a timer of the reflex was {reflex.worst_lateness / 1000:.0f} ms late within the last "
            f"minute, and others expect a packet every {pace.interval * 1000:.0f} ms: they may take this node for "
            "dead; lessen the load of this host, or raise `liveness`"
        )
        yield Problem(Severity.WARNING, "mlbd", "Late", told)


def _no_link(claims: list[Claim]) -> str:
    """`claims` want the same links."""
    addresses = ", ".join(str(claim.address) for claim in claims)
    wanted = claims[0].interfaces
    named = "" if wanted is None else f" among those wanted ({', '.join(sorted(wanted))})"
    return f"cannot announce {addresses}: no link{named} is usable; `mlbctl links` says why of each"


def _service(facts: Facts, address: IPAddress) -> str:
    vip = facts.desired.vips.get(address)
    return f"Service {vip.services[0]}" if vip else str(address)
