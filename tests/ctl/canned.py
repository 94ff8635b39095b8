"""A node as it might be: three Services, one of them in trouble, and a daemon's side of the socket that says so."""

from __future__ import annotations

import asyncio
import dataclasses
import threading

from mlbd.drivers.control import EventLog
from mlbd.model.explanation import Explanation, Section
from mlbd.model.status import (
    AddressStatus,
    BgpTimers,
    DirectoryStatus,
    DrainStatus,
    LinkStatus,
    Move,
    NodeStatus,
    PeerState,
    PeerStatus,
    PoolStatus,
    Presence,
    Problem,
    ReflexStatus,
    RouteStatus,
    ServiceStatus,
    SessionStatus,
    Severity,
    Status,
    VipState,
)

#: 2026-11-22 14:03:07 UTC
STARTED = 1795356187.0
UP_SECONDS = 3 * 3600 + 12 * 60 + 8


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


CAPABILITIES = ("ipv4 unicast", "four-octet AS", "route refresh", "enhanced route refresh", "extended messages")
PEERS = (
    PeerStatus(
        name="border-router-2.campus.example.net",
        object="MetalLoadBalancerBGPPeer border-router-2.campus.example.net",
        remote="2001:db8:0:1:ffff:ffff:ffff:fff1",
        remote_asn="external",
        local_asn=4200000011,
        state=PeerState.CONNECT,
        since=STARTED + 7200,
        families=("ipv4", "ipv6"),
        error="cannot connect: Connection refused",
        error_at=STARTED + 7200,
        message="cannot connect: Connection refused",
        port=1179,
        identifier="198.51.100.1",
        timers=BgpTimers(90, 30),
    ),
    PeerStatus(
        name="racks",
        object="BGPPeer default/racks",
        remote="2001:db8:0:42::/64",
        remote_asn="64513",
        local_asn=64500,
        state=PeerState.LISTENING,
        since=STARTED + 1,
        families=("ipv6",),
        identifier="198.51.100.1",
        passive=True,
        timers=BgpTimers(180, 60),
    ),
    PeerStatus(
        name="racks/2001:db8:0:42::17",
        object="BGPPeer default/racks",
        remote="2001:db8:0:42::17",
        remote_asn="64513",
        local_asn=64500,
        state=PeerState.ESTABLISHED,
        since=STARTED + 7200,
        lost_at=STARTED + 7200,
        lost_why="the peer ended the session: Cease: Administrative Reset",
        families=("ipv6",),
        sent=2,
        error="the peer ended the session: Cease: Administrative Reset",
        error_at=STARTED + 7200,
        local="2001:db8:0:42::1",
        identifier="198.51.100.1",
        remote_identifier="198.51.100.17",
        passive=True,
        timers=BgpTimers(0, 0),
        capabilities_sent=("ipv6 unicast", *CAPABILITIES[1:]),
        capabilities_received=("ipv6 unicast", "route refresh"),
        counters={"open.sent": 2, "update.sent": 4, "flaws": 3, "established": 2, "lost": 1, "rejected": 5},
    ),
    PeerStatus(
        name="tor-1",
        object="BGPPeer metallb-system/tor-1",
        remote="198.51.100.254",
        remote_asn="64512",
        local_asn=64500,
        state=PeerState.ESTABLISHED,
        since=STARTED + 1,
        families=("ipv4",),
        sent=12,
        received=1043,
        bfd="up",
        local="198.51.100.1",
        identifier="198.51.100.1",
        remote_identifier="198.51.100.254",
        timers=BgpTimers(9, 3),
        capabilities_sent=(*CAPABILITIES, "graceful restart of 120 s with notifications"),
        capabilities_received=(*CAPABILITIES[:3], "unknown capability 73"),
        counters={
            "open.sent": 1,
            "open.received": 1,
            "update.sent": 2,
            "update.received": 311,
            "keepalive.sent": 3850,
            "keepalive.received": 3849,
            "routeRefresh.received": 1,
            "established": 1,
        },
        bfd_session=session("eth0", "198.51.100.254", "up", since=STARTED + 2),
    ),
    PeerStatus(
        name="tor-2",
        object="BGPPeer metallb-system/tor-2",
        remote="eth1",
        remote_asn="64512",
        local_asn=64500,
        state=PeerState.IDLE,
        since=STARTED + 3600,
        lost_at=STARTED + 3600,
        lost_why="the peer ended the session: Cease: Administrative Shutdown, saying 'line card 3'",
        families=("ipv4", "ipv6"),
        bfd="down",
        error="the peer closed the connection without a word: look whether it has this end among its neighbors",
        error_at=STARTED + 7200,
        message="this node is drained: `mlbctl undrain` ends that",
        identifier="198.51.100.1",
        unnumbered=True,
        timers=BgpTimers(90, 30, 12.25),
        counters={"open.sent": 1, "notification.received": 1, "established": 1, "lost": 1},
        bfd_session=session("eth1", "2001:db8::3", "down", EXPIRED, since=STARTED + 3600, downs=1),
    ),
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
    peers=PEERS,
)

ROUTES: tuple[RouteStatus, ...] = (
    RouteStatus("racks/2001:db8:0:42::17", "2001:db8:7::53/128", "2001:db8:0:42::1", None, (), ("shop/dns",)),
    RouteStatus(
        "racks/2001:db8:0:42::17", "2001:db8:7::/112", "2001:db8:0:42::1", None, ("65535:0",), ("shop/api", "shop/web")
    ),
    RouteStatus(
        "tor-1", "192.0.2.10/32", "198.51.100.1", 120, ("64500:1", "large:4200000011:1:2", "rt:64500:7"), ("shop/web",)
    ),
    RouteStatus("tor-1", "192.0.2.11/32", "198.51.100.1", 120, (), ("shop/web",)),
    RouteStatus("tor-2", "192.0.2.10/32", "", None, (), ("shop/web",)),
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
        self.held: tuple[Move, ...] = MOVES
        self.stuck: tuple[Move, ...] = ()
        self.reloads = 0
        self.announced = ROUTES
        self.resets: list[tuple[str, bool]] = []
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

    def routes(self, peer: str | None) -> tuple[RouteStatus, ...]:
        return tuple(route for route in self.announced if peer in (None, route.peer))

    async def reset_peer(self, name: str, soft: bool) -> bool:
        self.resets.append((name, soft))
        return any(peer.name == name for peer in self.current.peers)

    async def reload(self) -> None:
        while not self.reload_may_end.is_set():
            await asyncio.sleep(0.01)
        self.reloads += 1


def moved_to(now: float) -> Status:
    """STATUS as it is UP_SECONDS after the start, at `now`."""
    later = now - UP_SECONDS - STARTED
    return dataclasses.replace(
        STATUS,
        started=STARTED + later,
        nodes=tuple(_later_node(node, later) for node in STATUS.nodes),
        peers=tuple(_later_peer(peer, later) for peer in STATUS.peers),
    )


def _later_node(node: NodeStatus, seconds: float) -> NodeStatus:
    return dataclasses.replace(node, sessions=tuple(_later(session, seconds) for session in node.sessions))


def _later_peer(peer: PeerStatus, seconds: float) -> PeerStatus:
    return dataclasses.replace(
        peer,
        since=peer.since + seconds,
        lost_at=peer.lost_at and peer.lost_at + seconds,
        error_at=peer.error_at and peer.error_at + seconds,
        bfd_session=peer.bfd_session and _later(peer.bfd_session, seconds),
    )


def _later(session: SessionStatus, seconds: float) -> SessionStatus:
    return dataclasses.replace(session, since=session.since + seconds)
