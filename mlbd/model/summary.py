"""The first screen: what `mlbctl status` and a health check need, of a size that 10,000 Services do not change."""

from __future__ import annotations

from dataclasses import dataclass

from .status import DirectoryStatus, DrainStatus, PeerState, Presence, Problem, ReflexStatus, Severity, Status

#: Problems that a summary spells out; their whole number is in `errors` and `warnings`.
SPELLED_OUT = 20


@dataclass(frozen=True, slots=True)
class Summary:
    """Status with its lists counted. `wanted` and `assigned` are addresses; `eligible` counts nodes that may hold some,
    `lost` names those that are watched and down, `drained` those that said they are; `links` are the names of the
    usable ones; `peers` counts BGP sessions, `unestablished` names those that are not established; `problems` has at
    most SPELLED_OUT, errors first."""

    node: str
    version: str
    pid: int
    started: float
    ready: bool
    bind_addresses: bool
    services: int
    announced: int
    wanted: int
    assigned: int
    vips: int
    holding: int
    pools: int
    nodes: int
    eligible: int
    lost: tuple[str, ...]
    drained: tuple[str, ...]
    links: tuple[str, ...]
    peers: int
    unestablished: tuple[str, ...]
    state: tuple[DirectoryStatus, ...]
    reflex: ReflexStatus
    errors: int
    warnings: int
    problems: tuple[Problem, ...]
    drain: DrainStatus | None = None


def summarize(status: Status) -> Summary:
    errors = [problem for problem in status.problems if problem.severity is Severity.ERROR]
    warnings = [problem for problem in status.problems if problem.severity is Severity.WARNING]
    sessions = [peer for peer in status.peers if peer.state is not PeerState.LISTENING]
    return Summary(
        node=status.node,
        version=status.version,
        pid=status.pid,
        started=status.started,
        ready=status.ready,
        bind_addresses=status.bind_addresses,
        services=len(status.services),
        announced=sum(service.announced for service in status.services),
        wanted=sum(service.wanted for service in status.services),
        assigned=sum(service.assigned for service in status.services),
        vips=status.vips,
        holding=status.holding,
        pools=len(status.pools),
        nodes=len(status.nodes),
        eligible=sum(not node.message for node in status.nodes),
        lost=_named(status, Presence.DOWN),
        drained=_named(status, Presence.DRAINED),
        links=tuple(link.name for link in status.links if link.usable),
        peers=len(sessions),
        unestablished=tuple(peer.name for peer in sessions if peer.state is not PeerState.ESTABLISHED),
        state=status.state,
        reflex=status.reflex,
        errors=len(errors),
        warnings=len(warnings),
        problems=tuple((errors + warnings)[:SPELLED_OUT]),
        drain=status.drain,
    )


def _named(status: Status, presence: Presence) -> tuple[str, ...]:
    return tuple(node.name for node in status.nodes if node.presence is presence)
