"""What a new plan changes for the people who asked for the addresses, as events to be. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlbd.model.address import IPAddress
from mlbd.model.desired import Desired, ServicePlan, Vip
from mlbd.model.link import Unusable
from mlbd.model.reference import Key
from mlbd.model.status import Problem, Severity
from mlbd.proto.bgp.neighbor import State as PeerState
from mlbd.proto.bgp.neighbor import StateChanged
from mlbd.proto.bgp.notification import cease
from mlbd.proto.bgp.numbers import Cease
from mlbd.proto.control import ConflictSeen, SessionReport, VipChanged
from mlbd.proto.neighbor.vip import State

CONFLICT = "AddressConflict"
#: Of two connections one is ended, and the session goes on with the other.
COLLISION = cease(Cease.CONNECTION_COLLISION_RESOLUTION)
_ANSWERING = (State.HOLDING, State.LEAVING)


@dataclass(frozen=True, slots=True)
class PeerStanding:
    """What was told of a BGP session last."""

    established: bool = False
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """An Event without its number and time; `severity` is None when nothing is wrong."""

    reason: str
    object: str
    message: str
    service: str = ""
    address: str = ""
    severity: Severity | None = None
    peer: str = ""


def plan_changes(before: Desired, after: Desired) -> Iterator[Change]:
    """Addresses given, taken back and moved. Plans that were not made anew are the same objects and cost nothing."""
    for key, plan in after.services.items():
        if before.services.get(key) is not plan:
            yield from _service_changes(key, before.services.get(key), plan)
    for key, plan in before.services.items():
        if key not in after.services:
            yield from _service_changes(key, plan, None)
    if before.vips is not after.vips:
        yield from _moves(before, after)


def _service_changes(key: Key, before: ServicePlan | None, after: ServicePlan | None) -> Iterator[Change]:
    had, has = _addresses(before), _addresses(after)
    name = str(key)
    for address in had:
        if address not in has:
            text = f"{address} is no longer the Service's and free again"
            yield Change("AddressReleased", f"Service {name}", text, name, str(address))
    for address in has:
        if address not in had and after is not None:
            text = f"{address} is assigned from {after.source}"
            yield Change("AddressAssigned", f"Service {name}", text, name, str(address))


def _addresses(plan: ServicePlan | None) -> Mapping[IPAddress, None]:
    return {slot.address: None for slot in plan.slots if slot.address is not None} if plan else {}


def _moves(before: Desired, after: Desired) -> Iterator[Change]:
    for address, vip in after.vips.items():
        old = before.vips.get(address)
        if old is None or old is vip or old.order[:1] == vip.order[:1]:
            continue
        if not (old.order and vip.order) and (_routed(old, before) or _routed(vip, after)):
            continue
        service = str(vip.services[0])
        source = old.order[0] if old.order else "nobody"
        target = vip.order[0] if vip.order else "nobody"
        text = f"{address} moves from {source} to {target}"
        yield Change("AddressMoved", f"Service {service}", text, service, str(address))


def _routed(vip: Vip, desired: Desired) -> bool:
    """Whether BGP announces it, for which nobody has to hold it."""
    return any(desired.services[key].bgp for key in vip.services)


def problem_changes(before: frozenset[Problem], after: frozenset[Problem]) -> Iterator[Change]:
    """A conflict is told when the reflex hears of it, with its address (vip_change), and not again here."""
    for problem in sorted(after - before, key=_problem_order):
        if problem.reason != CONFLICT:
            yield Change(problem.reason, problem.object, problem.message, _service(problem), severity=problem.severity)
    for problem in sorted(before - after, key=_problem_order):
        yield Change("Resolved", problem.object, f"no longer: {problem.message}", _service(problem))


def _service(problem: Problem) -> str:
    kind, _, name = problem.object.partition(" ")
    return name if kind == "Service" else ""


def _problem_order(problem: Problem) -> tuple[str, str, str]:
    return problem.object, problem.reason, problem.message


def link_changes(before: Mapping[str, Unusable | None], after: Mapping[str, Unusable | None]) -> Iterator[Change]:
    """Links by name that became usable, became unusable, or went."""
    for name, why_not in after.items():
        could = name in before and before[name] is None
        if why_not is None and not could:
            yield Change("LinkUsable", f"link {name}", f"{name} is usable: addresses may be announced on it")
        elif why_not is not None and could:
            yield Change("LinkUnusable", f"link {name}", f"{name} {why_not.message}")
    for name, why_not in before.items():
        if name not in after and why_not is None:
            yield Change("LinkGone", f"link {name}", f"{name} is gone")


def vip_change(report: VipChanged | ConflictSeen, service: str, before: State | None) -> Change | None:
    """What the reflex tells of an address, if it is worth telling on; `before` is the state it was in, None: unknown.
    A conflict that lasts is met again with each new probe, and is no news."""
    address, about = str(report.address), f"Service {service}"
    match report:
        case ConflictSeen(_, link, mac, None):
            text = f"{mac} on {link} claims {address}, which is held here: it was defended"
            return Change("AddressDefended", about, text, service, address, Severity.WARNING)
        case ConflictSeen(_, link, _, node, True):
            text = f"{node} claims {address} on {link} as this node does, and neither gives in: their files differ"
            return Change("AddressDisputed", about, text, service, address, Severity.WARNING)
        case ConflictSeen(_, link, _, node, False):
            text = f"{node} claims {address} on {link}, which is held here: it was announced again"
            return Change("AddressDefended", about, text, service, address)
        case VipChanged(_, link, State.HOLDING) if before is not State.LEAVING:
            return Change("AddressAnnounced", about, f"{address} is announced here on {link}", service, address)
        case VipChanged(_, link, State.CONFLICT, mac) if before is not State.CONFLICT:
            text = f"cannot take {address}: {mac} on {link} has it"
            return Change(CONFLICT, about, text, service, address, Severity.WARNING)
        case VipChanged(_, link, State.WAITING, _, node) if before is not State.WAITING:
            text = f"{address} stays with {node} on {link} until this node has been up for its hold-down"
            return Change("AddressAwaited", about, text, service, address)
        case VipChanged(_, link, state) if before in _ANSWERING and state not in _ANSWERING:
            text = f"{address} is no longer announced here on {link}"
            return Change("AddressWithdrawn", about, text, service, address)
    return None


def session_change(report: SessionReport, link: str) -> Change:
    """A BFD session that came up or went down."""
    way = f"on {link}" if link else f"from {report.local} to {report.remote}"
    name = f"Node {report.peer}"
    if report.state == "up":
        return Change("NodeSeen", name, f"{report.peer} is seen {way}")
    if report.remote_state == "admin-down":
        return Change("NodeLeft", name, f"{report.peer} took itself out of the group: it is drained or was stopped")
    why = report.diagnostic or "no reason given"
    text = f"{report.peer} is not seen {way} any more ({why}): others take its addresses"
    return Change("NodeLost", name, text, severity=Severity.WARNING)


def peer_change(name: str, about: str, change: StateChanged, before: PeerStanding) -> Change | None:
    """What becomes of the BGP session `name`, of the object `about`. The same failure again is no news."""
    if change.state is PeerState.ESTABLISHED:
        return Change("PeerEstablished", about, f"the session with {name} is established", peer=name)
    if before.established:
        why = change.failure.text if change.failure else "it was ended here"
        text = f"the session with {name} is lost: {why}"
        return Change("PeerLost", about, text, peer=name, severity=Severity.WARNING)
    if change.failure and change.failure.text != before.failure and change.failure.notification != COLLISION:
        text = not_established(name, change.failure.text)
        return Change("PeerFailed", about, text, peer=name, severity=Severity.WARNING)
    return None


def not_established(name: str, why: str) -> str:
    """`why` is a sentence that may begin with what cannot be done itself."""
    way = why.removeprefix("cannot open the session: ")
    return way if way.startswith("cannot ") else f"cannot establish the session with {name}: {way}"


def restored_change(address: IPAddress, service: str) -> Change:
    """Somebody took a bound address off lo; whoever did may do it again."""
    text = f"{address} was taken off lo by somebody else, and is there again"
    return Change("AddressRestored", f"Service {service}", text, service, str(address), Severity.WARNING)
