"""A node as it might be: three Services, one of them in trouble, and a daemon's side of the socket that says so."""

from __future__ import annotations

import asyncio
import dataclasses
import threading

from mlbd.drivers.control import EventLog
from mlbd.model.explanation import Explanation, Section
from mlbd.model.status import (
    AddressStatus,
    DirectoryStatus,
    DrainStatus,
    LinkStatus,
    Move,
    NodeStatus,
    PoolStatus,
    Presence,
    Problem,
    ReflexStatus,
    ServiceStatus,
    SessionStatus,
    Severity,
    Status,
    VipState,
)

#: 2026-11-22 14:03:07 UTC
STARTED = 1795356187.0
UP_SECONDS = 3 * 3600 + 12 * 60 + 30


def address(
    slot: int, text: str | None, order: tuple[str, ...], state: VipState, reason: str = "", message: str = ""
) -> AddressStatus:
    return AddressStatus(
        slot=slot,
        family=6 if text and ":" in text else 4,
        address=text,
        pinned=slot == 0,
        holder=order[0] if order else None,
        order=order,
        state=state,
        links=("eth0",) if state is VipState.HOLDING else (),
        reason=reason,
        message=message,
    )


NONE_LEFT = "cannot give slot 2 an address: class public has none left"
TAKEN = "cannot take 192.0.2.12: 02:00:5e:00:53:99 on eth0 has it; find that host"
WEB = ServiceStatus(
    namespace="shop",
    name="web",
    source="MetalLoadBalancerClass public",
    policy="Cluster",
    ports=("80/TCP", "443/TCP"),
    wanted=3,
    assigned=2,
    announced=False,
    addresses=(
        address(0, "192.0.2.10", ("node-1", "node-2"), VipState.HOLDING),
        address(1, "192.0.2.11", ("node-2", "node-1"), VipState.STANDBY),
        address(2, None, (), VipState.NONE, "PoolExhausted", NONE_LEFT),
    ),
    reason="PoolExhausted",
    message=NONE_LEFT,
    refused_nodes={"node-3": "the node's condition NetworkUnavailable is true"},
)
API = ServiceStatus(
    namespace="shop",
    name="api",
    source="IPAddressPool office",
    policy="Local",
    ports=("443/TCP",),
    wanted=1,
    assigned=1,
    announced=True,
    addresses=(address(0, "2001:db8:0:1:ffff:ffff:ffff:fff0", ("node-2",), VipState.NONE),),
)
DNS = ServiceStatus(
    namespace="infrastructure-of-the-department",
    name="recursive-resolver-for-the-whole-campus",
    source="MetalLoadBalancerClass public",
    policy="Cluster",
    ports=("53/UDP",),
    wanted=1,
    assigned=1,
    announced=False,
    addresses=(address(0, "192.0.2.12", ("node-1", "node-2"), VipState.CONFLICT, "AddressConflict", TAKEN),),
    reason="AddressConflict",
    message=TAKEN,
)

EXPIRED, SIGNALED = "control detection time expired", "neighbor signaled session down"


def session(
    link: str,
    remote: str,
    state: str,
    diagnostic: str = "",
    remote_diagnostic: str = "",
    interval: float = 0.1,
    detection: float = 0.3,
    since: float = 0.0,
    downs: int = 0,
    remote_state: str = "",
) -> SessionStatus:
    return SessionStatus(
        peer=f"node-{remote[-1]}",
        link=link,
        local="2001:db8::1" if ":" in remote else "198.51.100.1",
        remote=remote,
        state=state,
        diagnostic=diagnostic,
        remote_diagnostic=remote_diagnostic,
        interval=interval,
        detection=detection,
        since=since,
        ups=downs + 1,
        downs=downs,
        remote_state=remote_state or state,
    )


PROBLEMS = (
    Problem(
        Severity.WARNING,
        "/var/lib/mlbd/state/node-4.yaml",
        "UnknownField",
        "cannot use field spec.podCIRD: Node has none of that name; remove it or correct its name",
        field="spec.podCIRD",
        file="/var/lib/mlbd/state/node-4.yaml",
    ),
    Problem(
        Severity.ERROR,
        "Service shop/web",
        "PoolExhausted",
        "cannot give slot 2 an address: MetalLoadBalancerClass public has none left; give it more in spec.addressPool",
    ),
)

STATUS = Status(
    node="node-1",
    version="0.1.0",
    pid=4711,
    started=STARTED,
    ready=True,
    bind_addresses=True,
    vips=4,
    holding=1,
    services=(API, WEB, DNS),
    pools=(
        PoolStatus(
            kind="IPAddressPool",
            name="office",
            ranges=("2001:db8:0:1::/64",),
            total_ipv4=0,
            total_ipv6=2**63 - 1,
            used_ipv4=0,
            used_ipv6=1,
            services=1,
        ),
        PoolStatus(
            kind="MetalLoadBalancerClass",
            name="public",
            ranges=("192.0.2.10-192.0.2.12",),
            total_ipv4=3,
            total_ipv6=0,
            used_ipv4=3,
            used_ipv6=0,
            services=2,
            nodes=("node-1", "node-2"),
            interfaces=("eth0",),
        ),
    ),
    nodes=(
        NodeStatus("node-1", True, ("198.51.100.1",), ("public",), 2),
        NodeStatus(
            "node-2",
            False,
            ("198.51.100.2", "2001:db8::2"),
            ("public",),
            2,
            sessions=(session("eth0", "198.51.100.2", "up", since=STARTED + 5),),
        ),
        NodeStatus(
            "node-3",
            False,
            ("198.51.100.3", "2001:db8::3"),
            (),
            0,
            "its network is unavailable",
            presence=Presence.DOWN,
            sessions=(
                session("eth0", "198.51.100.3", "down", EXPIRED, since=STARTED + 600, downs=2),
                session(
                    "",
                    "2001:db8::3",
                    "init",
                    SIGNALED,
                    SIGNALED,
                    interval=1.0,
                    detection=3.0,
                    since=STARTED + 60,
                    remote_state="down",
                ),
            ),
        ),
        NodeStatus("node-4", False, (), (), 0, "it is excluded by a label", presence=Presence.APART),
    ),
    links=(
        LinkStatus("eth0", 2, "02:00:5e:00:53:01", True, 2, ("198.51.100.1/24",)),
        LinkStatus("eth1", 3, "02:00:5e:00:53:02", False, 0, (), "has no carrier: check its cable or its lower link"),
    ),
    state=(
        DirectoryStatus("/etc/mlbd/state.d", True, 2, 7),
        DirectoryStatus("/var/lib/mlbd/state", False, 0, 0),
    ),
    reflex=ReflexStatus(4712, True, True, 0, {"answered": 12}),
    problems=PROBLEMS,
)

EXPLANATION = Explanation(
    "shop/web",
    (
        Section(
            "Service shop/web",
            (
                "It comes from /etc/mlbd/state.d/shop.yaml:1.",
                "Its addresses come from MetalLoadBalancerClass public, because the annotation "
                "network.deckhouse.io/metal-load-balancer-class names it.",
            ),
        ),
        Section("192.0.2.10", ("node-1 stands first, so it holds the address.",)),
    ),
)

MOVES = (
    Move("192.0.2.10", ("shop/web",), "node-2"),
    Move("2001:db8::53", ("infrastructure/resolver", "infrastructure/resolver-over-tls"), "node-3"),
)
NOBODY_TAKES = Move("192.0.2.13", ("shop/cart",), None)


class Daemon:
    """A Source with STATUS, or another one, that counts reloads. A drain of it moves MOVES, except `stuck`, which stay
    until the drain is given up."""

    def __init__(self, status: Status = STATUS) -> None:
        self.current = status
        self.events = EventLog()
        self.held = MOVES
        self.stuck: tuple[Move, ...] = ()
        self.reloads = 0
        self.reload_may_end = threading.Event()
        self.reload_may_end.set()

    def status(self) -> Status:
        return self.current

    def why(self, text: str) -> Explanation | None:
        return EXPLANATION if text in ("shop/web", "Service shop/web") else None

    async def drain(self, reason: str) -> None:
        before = self.current.drain or DrainStatus(STARTED, reason, done=False)
        self.held = self.stuck
        told = dataclasses.replace(before, reason=reason or before.reason, done=not self.held)
        self.current = dataclasses.replace(self.current, drain=told)
        while self.held:
            await asyncio.sleep(0.01)

    async def undrain(self) -> None:
        self.held = MOVES
        self.current = dataclasses.replace(self.current, drain=None)

    def moves(self) -> tuple[Move, ...]:
        return self.held

    async def reload(self) -> None:
        while not self.reload_may_end.is_set():
            await asyncio.sleep(0.01)
        self.reloads += 1


def moved_to(now: float) -> Status:
    """STATUS as it is UP_SECONDS after the start, at `now`."""
    later = now - UP_SECONDS - STARTED
    return dataclasses.replace(
        STATUS, started=STARTED + later, nodes=tuple(_later(node, later) for node in STATUS.nodes)
    )


def _later(node: NodeStatus, seconds: float) -> NodeStatus:
    sessions = (dataclasses.replace(session, since=session.since + seconds) for session in node.sessions)
    return dataclasses.replace(node, sessions=tuple(sessions))
