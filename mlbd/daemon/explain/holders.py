"""Who answers for an address as far as this node sees, why it is not the first in the order, and who comes after it."""

from __future__ import annotations

from collections.abc import Iterator

from mlbd.model.desired import Vip
from mlbd.model.status import AddressStatus, NodeStatus, Presence, VipState

from .scene import Scene, drained, moment


def explain_holder(scene: Scene, vip: Vip, status: AddressStatus) -> Iterator[str]:
    """Of an address that some node may hold."""
    yield _held(scene, vip, status)
    yield from _heir(scene, vip, status)


def _held(scene: Scene, vip: Vip, status: AddressStatus) -> str:
    """Who answers, and of everybody before it in the order why it does not."""
    first, holder = vip.order[0], status.holder
    if holder == first:
        return f"{first} stands first in its order and {_does(scene, first, status)}."
    last = holder or scene.status.node
    passed = vip.order[: vip.order.index(last) + (last != holder)] if last in vip.order else vip.order
    cause, *causes = (_why_not(scene, name, status) for name in passed)
    others = [f"{name} {why}" for name, why in zip(passed[1:], causes, strict=True)]
    end = f"so {holder} {_does(scene, holder, status)}" if holder else "so none of them holds it"
    return f"{'; '.join([f'{first} stands first in its order, but {cause}', *others, end])}."


def _does(scene: Scene, name: str, status: AddressStatus) -> str:
    if name == scene.status.node:
        return "holds it" if status.links else "should hold it"
    return "should hold it, but is not watched" if scene.presence(name) is Presence.UNWATCHED else "holds it"


def _why_not(scene: Scene, name: str, status: AddressStatus) -> str:
    if name == scene.status.node:
        return _why_not_here(scene, status)
    match scene.presence(name):
        case Presence.DOWN:
            return f"is down{_since(scene.node(name))}"
        case Presence.DRAINED:
            return "took itself out: it is drained or was stopped"
        case _:
            return "has not claimed it yet: `mlbctl why` on it tells what it waits for"


def _why_not_here(scene: Scene, status: AddressStatus) -> str:
    if scene.status.drain is not None:
        return f"is {drained(scene.status.drain)}"
    match status.state:
        case VipState.WAITING:
            return "came back too recently: it waits out its hold-down"
        case VipState.CONFLICT:
            return "keeps silent: somebody else's host has it"
        case _:
            return "cannot announce it"


def _since(node: NodeStatus | None) -> str:
    """When its last session went."""
    times = [session.since for session in node.sessions] if node is not None else []
    return f" since {moment(max(times))}" if times else ""


def _heir(scene: Scene, vip: Vip, status: AddressStatus) -> Iterator[str]:
    """The first of the rest that lives and can."""
    holder = status.holder
    if holder is None:
        return
    if len(vip.order) == 1:
        yield f"No other node may hold it: should {holder} die, nobody answers."
        return
    heir = next((name for name in vip.order if name != holder and _can(scene, name, status)), None)
    yield f"Should {holder} die, {f'{heir} takes over' if heir else 'nobody answers: no other can hold it now'}."


def _can(scene: Scene, name: str, status: AddressStatus) -> bool:
    able = name != scene.status.node or status.state not in (VipState.SILENT, VipState.CONFLICT)
    return able and scene.lives(name)
