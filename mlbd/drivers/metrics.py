"""GET /metrics: the Status in the Prometheus text format.

Whoever reaches the port may ask as often as he likes, and a Status of 10,000 Services takes the event loop a good part
of a second: so one drawing serves all who ask within a second of it, and the connections are few and short.

The names end as Prometheus asks: `_total` counts up, everything else is as it is now.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from aiohttp import web

from mlbd.model.settings import Endpoint
from mlbd.model.status import PeerState, PeerStatus, Presence, Severity, Status

CONNECTIONS = 16
REQUEST_SECONDS = 10.0
REUSE_SECONDS = 1.0
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


_CONFLICTS = ("mlbd_address_conflicts_total", "Claims of others to addresses held here.")
#: Counters of the reflex that count no frames: the name, help and labels of each.
COUNTED: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "conflicts.stranger": (*_CONFLICTS, {"claimant": "stranger"}),
    "conflicts.ours": (*_CONFLICTS, {"claimant": "ours"}),
    "taken": ("mlbd_address_takeovers_total", "How often this node began to hold an address on a link.", {}),
    "frozen": ("mlbd_reflex_freezes_total", "How often the reflex did not run for longer than BFD waits.", {}),
}


_MESSAGES = ("open", "update", "notification", "keepalive", "routeRefresh")
_STATES = tuple(state for state in PeerState if state is not PeerState.LISTENING)
#: The name, without the prefix of all BGP, and help of what there is one of for every peer.
_OF_EACH_PEER: tuple[tuple[str, str, Callable[[PeerStatus], float]], ...] = (
    ("session_up", "Whether a BGP session is established.", lambda peer: peer.state is PeerState.ESTABLISHED),
    ("announced_prefixes", "Prefixes that a peer hears from this node.", lambda peer: peer.sent),
    ("received_prefixes", "Prefixes that a peer announces, of which none is used.", lambda peer: peer.received),
    ("sessions_established_total", "How often it was established.", lambda peer: peer.counters.get("established", 0)),
    ("sessions_lost_total", "How often it was lost.", lambda peer: peer.counters.get("lost", 0)),
)


class Sample(NamedTuple):
    name: str
    help: str
    value: float
    labels: Mapping[str, str] = {}


class Metrics:
    """`refusal` says why nothing listens at `endpoint`, empty when all is well; `clock` gives seconds."""

    def __init__(
        self, endpoint: Endpoint, status: Callable[[], Status], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._endpoint = endpoint
        self._status = status
        self._clock = clock
        self._drawing = b""
        self._drawn: float | None = None
        self.refusal = ""

    async def run(self) -> None:
        runner = web.ServerRunner(_Connections(self._answer, access_log=None))
        await runner.setup()
        try:
            await web.TCPSite(runner, *self._endpoint).start()
        except OSError as error:
            host, port = self._endpoint
            self.refusal = f"cannot serve metrics on {host} port {port}: {error.strerror}; set `metrics` to a free one"
        try:
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.path == "/metrics":
            response = web.Response(body=self.exposition(), headers={"Content-Type": CONTENT_TYPE})
        else:
            response = web.Response(status=404, text="ask for /metrics\n")
        response.force_close()
        return response

    def exposition(self) -> bytes:
        """As it was at most REUSE_SECONDS ago."""
        if self._drawn is None or self._clock() - self._drawn >= REUSE_SECONDS:
            self._drawing = render(samples(self._status())).encode()
            self._drawn = self._clock()  # when it was done, however long that took
        return self._drawing


class _Connections(web.Server):
    """One that comes when there are enough is reset, and so is one that takes its time."""

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self.connections) > CONNECTIONS:
            transport.abort()
        else:
            asyncio.get_running_loop().call_later(REQUEST_SECONDS, transport.abort)


def samples(status: Status) -> Iterator[Sample]:
    """Samples of one name stand together, as the format wants."""
    yield Sample("mlbd_info", "The version that runs.", 1, {"version": status.version, "node": status.node})
    yield Sample("mlbd_ready", "Whether the first plan is applied.", status.ready)
    yield Sample("mlbd_start_time_seconds", "When mlbd started.", status.started)
    announced = sum(service.announced for service in status.services)
    yield Sample("mlbd_services", "Services of type LoadBalancer that are ours.", len(status.services))
    yield Sample("mlbd_services_announced", "Services with all of their addresses announced.", announced)
    yield Sample("mlbd_addresses_wanted", "Addresses asked for.", sum(s.wanted for s in status.services))
    yield Sample("mlbd_addresses_assigned", "Addresses given.", sum(s.assigned for s in status.services))
    states = Counter(address.state for service in status.services for address in service.addresses)
    for state, count in sorted(states.items()):
        yield Sample("mlbd_addresses", "What this node does with addresses.", count, {"state": state})
    yield from _pools(status)
    problems = Counter(problem.severity for problem in status.problems)
    for severity in Severity:
        yield Sample("mlbd_problems", "What is wrong now.", problems[severity], {"severity": severity})
    yield from _nodes(status)
    yield from _peers(status)
    for link in status.links:
        yield Sample("mlbd_link_usable", "Whether addresses may be announced on it.", link.usable, {"link": link.name})
    yield Sample("mlbd_reflex_alive", "Whether the process that answers runs.", status.reflex.alive)
    lateness = status.reflex.lateness / 1e6
    yield Sample("mlbd_reflex_lateness_seconds", "Worst delay of its timers in the last second.", lateness)
    yield Sample("mlbd_reflex_restarts_total", "How often it had to be started again.", status.reflex.restarts)
    for counter, (name, help, labels) in COUNTED.items():
        yield Sample(name, help, status.reflex.counters.get(counter, 0), labels)
    for outcome, count in sorted(status.reflex.counters.items()):
        if outcome not in COUNTED:
            yield Sample("mlbd_reflex_frames_total", "Frames, by what was done.", count, {"outcome": outcome})


def _nodes(status: Status) -> Iterator[Sample]:
    """A line or two for each node and session, and none for an address: those are thousands."""
    yield Sample("mlbd_drained", "Whether an operator took the addresses off this node.", status.drain is not None)
    presences = Counter(node.presence for node in status.nodes)
    for presence in Presence:
        yield Sample("mlbd_nodes", "Nodes, by what is known of them.", presences[presence], {"presence": presence})
    for node in status.nodes:
        if node.sessions:
            down = node.presence is Presence.DOWN
            yield Sample("mlbd_node_down", "Whether a node is watched and not heard.", down, {"node": node.name})
    sessions = [session for node in status.nodes for session in node.sessions]
    for session in sessions:
        labels = {"peer": session.peer, "link": session.link}
        yield Sample("mlbd_bfd_session_up", "Whether a BFD session is up.", session.state == "up", labels)
    for session in sessions:
        labels = {"peer": session.peer, "link": session.link}
        yield Sample("mlbd_bfd_session_downs_total", "How often a BFD session went down.", session.downs, labels)


def _peers(status: Status) -> Iterator[Sample]:
    """A few lines for each BGP session, and none for a route: those are thousands. A network that hosts may come from
    is no session."""
    sessions = [peer for peer in status.peers if peer.state is not PeerState.LISTENING]
    states = Counter(peer.state for peer in sessions)
    for state in _STATES:
        yield Sample("mlbd_bgp_sessions", "BGP sessions, by state (RFC 4271).", states[state], {"state": state})
    for name, help, value in _OF_EACH_PEER:
        for peer in sessions:
            yield Sample(f"mlbd_bgp_{name}", help, value(peer), {"peer": peer.name})
    for peer in sessions:
        for kind, direction in itertools.product(_MESSAGES, ("sent", "received")):
            count = peer.counters.get(f"{kind}.{direction}", 0)
            labels = {"peer": peer.name, "type": kind, "direction": direction}
            yield Sample("mlbd_bgp_messages_total", "Messages of BGP.", count, labels)
    for peer in sessions:
        if peer.state is PeerState.ESTABLISHED:
            labels = {"peer": peer.name}
            yield Sample("mlbd_bgp_session_start_time_seconds", "When it was established.", peer.since, labels)
    for peer in sessions:
        if peer.bfd:
            labels = {"peer": peer.name}
            yield Sample("mlbd_bgp_bfd_up", "Whether the BFD session to a BGP peer is up.", peer.bfd == "up", labels)


def _pools(status: Status) -> Iterator[Sample]:
    for pool in status.pools:
        for family, total in (("ipv4", pool.total_ipv4), ("ipv6", pool.total_ipv6)):
            labels = {"kind": pool.kind, "pool": pool.name, "family": family}
            yield Sample("mlbd_pool_addresses", "Addresses a pool can give.", total, labels)
    for pool in status.pools:
        for family, used in (("ipv4", pool.used_ipv4), ("ipv6", pool.used_ipv6)):
            labels = {"kind": pool.kind, "pool": pool.name, "family": family}
            yield Sample("mlbd_pool_addresses_used", "Addresses a pool has given.", used, labels)


def render(found: Iterator[Sample]) -> str:
    lines: list[str] = []
    last = ""
    for sample in found:
        if sample.name != last:
            kind = "counter" if sample.name.endswith("_total") else "gauge"
            lines += [f"# HELP {sample.name} {sample.help}", f"# TYPE {sample.name} {kind}"]
            last = sample.name
        labels = ",".join(f'{name}="{_escape(value)}"' for name, value in sample.labels.items())
        lines.append(
            f"{sample.name}{{{labels}}} {float(sample.value)!r}" if labels else f"{sample.name} {float(sample.value)!r}"
        )
    return "\n".join(lines) + "\n"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
