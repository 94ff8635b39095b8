"""The BGP peers of this node and what they hear, as people see them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlbd.drivers.bgp.peering import PeeringStatus
from mlbd.model.address import IPNetwork
from mlbd.model.metallb import DynamicASN
from mlbd.model.peering import Peer
from mlbd.model.status import BgpTimers, PeerState, PeerStatus, Problem, RouteStatus, Severity
from mlbd.proto.bgp.messages import Capabilities
from mlbd.proto.bgp.neighbor import State
from mlbd.proto.bgp.nlri import family_of
from mlbd.proto.bgp.numbers import Family
from mlbd.proto.bgp.snapshot import Snapshot

from .bgp import families_of, peer_of
from .changes import not_established
from .facts import Facts

#: A session takes its moment at the start, and when it was lost.
_MOMENT = 5.0
_STATES = {
    State.IDLE: PeerState.IDLE,
    State.CONNECT: PeerState.CONNECT,
    State.ACTIVE: PeerState.ACTIVE,
    State.OPEN_SENT: PeerState.OPEN_SENT,
    State.OPEN_CONFIRM: PeerState.OPEN_CONFIRM,
    State.ESTABLISHED: PeerState.ESTABLISHED,
}
#: Capabilities that routers offer and mlbd has no use for.
_UNUSED = {
    69: "several paths of a prefix",
    71: "long-lived graceful restart",
    73: "its host name",
    75: "its software",
    128: "route refresh as before RFC 2918",
}
_DRAINED = "this node is drained: `mlbctl undrain` ends that"


def peer_statuses(facts: Facts) -> Iterator[PeerStatus]:
    """By name; whoever came from a network follows it."""
    for name in sorted(facts.desired.peers.keys() | facts.speaking.peerings.keys()):
        peer = peer_of(name, facts.desired)
        if peer is not None:
            yield _status(facts, name, peer, facts.speaking.peerings.get(name))


def _status(facts: Facts, name: str, peer: Peer, peering: PeeringStatus | None) -> PeerStatus:
    session = peering.session if peering else None
    bfd, loss = facts.speaking.bfd.get(name), facts.speaking.losses.get(name)
    remote = peering.remote if peering else None
    local = peering.local if peering else None
    failure = session.failure if session else None
    received = session.capabilities_received if session else None
    return PeerStatus(
        name=name,
        object=str(peer.object),
        remote=str(remote or peer.address or peer.network or peer.interface),
        remote_asn=str((session and session.remote_as) or _asked(peer)),
        local_asn=peer.local_asn,
        state=_state(peering, session),
        since=_wall(facts, session.since) if session and session.since else facts.started,
        lost_at=loss.at if loss else None,
        lost_why=loss.why if loss else "",
        families=_families(session.families if session else families_of(peer)),
        sent=session.announced if session else 0,
        received=session.heard if session else 0,
        bfd=bfd.state if bfd else "down" if peer.bfd else "",
        error=failure.text if failure else "",
        error_at=_wall(facts, session.failed_at) if session and session.failed_at is not None else None,
        message=_message(facts, name, peering, session),
        port=peer.port,
        local=str(local) if local else str(peer.source or ""),
        identifier=str(peer.router_id or facts.speaking.router_id),
        remote_identifier=str((session and session.remote_identifier) or ""),
        passive=peer.passive or peer.network is not None,
        unnumbered=bool(peer.interface) and peer.address is None,
        timers=_timers(peer, session),
        capabilities_sent=_capabilities(session.capabilities_sent if session else None),
        capabilities_received=_capabilities(received),
        counters=session.counters if session else {},
        bfd_session=bfd,
    )


def _wall(facts: Facts, moment: float) -> float:
    return facts.now - (facts.speaking.clock - moment)


def _state(peering: PeeringStatus | None, session: Snapshot | None) -> PeerState:
    if session is not None:
        return _STATES[session.state]
    return PeerState.IDLE if peering is None or peering.refusal else PeerState.LISTENING


def _message(facts: Facts, name: str, peering: PeeringStatus | None, session: Snapshot | None) -> str:
    """What an attempt meets says less than what ended the session before it: both are told."""
    if facts.drain:
        return _DRAINED
    if peering is None:
        return ""
    if peering.refusal or session is None:
        return peering.refusal
    if session.state is State.ESTABLISHED:
        return "; ".join(f"{count} prefixes are not announced: {why}" for why, count in session.left_out.items())
    failed = session.failure.text if session.failure else ""
    loss = facts.speaking.losses.get(name)
    if loss is None or not loss.why or loss.why == failed:
        return failed
    return f"{failed}; it was lost because {loss.why}" if failed else loss.why


def _timers(peer: Peer, session: Snapshot | None) -> BgpTimers:
    if session is None:
        return BgpTimers(peer.hold_time, peer.keepalive_time or peer.hold_time / 3)
    return BgpTimers(session.hold_time, session.keepalive_time, session.retry)


def _asked(peer: Peer) -> int | str:
    return peer.remote_asn.value if isinstance(peer.remote_asn, DynamicASN) else peer.remote_asn


def _families(families: frozenset[Family]) -> tuple[str, ...]:
    return tuple(sorted(family.name.lower() for family in families))


def _capabilities(offered: Capabilities | None) -> tuple[str, ...]:
    return tuple(_words(offered)) if offered else ()


def _words(offered: Capabilities) -> Iterator[str]:
    for family in sorted(offered.families, key=lambda family: family.value):
        yield f"{family.name.lower()} unicast"
    if offered.asn is not None:
        yield "four-octet AS numbers"
    if offered.route_refresh:
        yield "route refresh"
    if offered.enhanced_refresh:
        yield "enhanced route refresh"
    if offered.extended_messages:
        yield "extended messages"
    for family in sorted(offered.extended_next_hop, key=lambda family: family.value):
        yield f"{family.name.lower()} over ipv6 next hops"
    if restart := offered.graceful_restart:
        kept = [family.name.lower() for family, preserved in restart.families.items() if preserved]
        yield f"graceful restart within {restart.seconds} s" + (
            f", {' and '.join(kept)} still forwarded" if kept else ""
        )
        if restart.notification:
            yield "graceful restart after a NOTIFICATION"
    if offered.role is not None:
        yield f"role {offered.role.name.lower().replace('_', '-')}"
    for code in offered.unknown:
        yield _UNUSED.get(code, f"capability {code}")


def route_statuses(facts: Facts, peer: str | None) -> Iterator[RouteStatus]:
    """What each peer, or the one of this name, hears from this node."""
    for name in sorted(facts.desired.routes):
        asked = facts.desired.peers.get(name)
        hearers = [found for found in facts.speaking.peerings if peer_of(found, facts.desired) is asked]
        for hearer in hearers or [name]:
            if peer in (None, name, hearer):
                yield from _routes(facts, name, hearer)


def _routes(facts: Facts, name: str, hearer: str) -> Iterator[RouteStatus]:
    peering = facts.speaking.peerings.get(hearer)
    session = peering.session if peering else None
    established = session is not None and session.state is State.ESTABLISHED
    services = _services(facts, name)
    for prefix, announcement in sorted(facts.desired.routes[name].items(), key=lambda item: _order(item[0])):
        next_hop = session.next_hops.get(family_of(prefix), ()) if session and established else ()
        yield RouteStatus(
            peer=hearer,
            prefix=str(prefix),
            next_hop=str(next_hop[0]) if next_hop else "",
            local_pref=announcement.local_pref,
            communities=tuple(map(str, announcement.communities)),
            services=tuple(services.get(prefix, ())),
        )


def _services(facts: Facts, peer: str) -> Mapping[IPNetwork, list[str]]:
    found: dict[IPNetwork, list[str]] = {}
    for key, plan in sorted(facts.desired.services.items()):
        for prefix in plan.bgp.heard.get(peer, ()) if plan.bgp else ():
            found.setdefault(prefix, []).append(str(key))
    return found


def _order(prefix: IPNetwork) -> tuple[int, int, int]:
    return prefix.version, int(prefix.network_address), prefix.prefixlen


def peer_problems(facts: Facts) -> Iterator[Problem]:
    """Sessions that should be there by now, and routes that cannot be told."""
    if facts.drain:
        return
    for peer in peer_statuses(facts):
        if peer.state is PeerState.ESTABLISHED:
            if peer.bfd not in ("", "up") and facts.now - peer.since > _MOMENT:
                yield Problem(Severity.WARNING, peer.object, "PeerUnwatched", _unwatched(peer))
            if peer.message:
                yield Problem(Severity.WARNING, peer.object, "NotAnnounced", f"cannot announce all: {peer.message}")
        elif peer.state is not PeerState.LISTENING and facts.now - max(facts.started, peer.lost_at or 0) > _MOMENT:
            why = peer.message or "the peer does not answer yet"
            yield Problem(Severity.ERROR, peer.object, "PeerDown", not_established(peer.name, why))


def _unwatched(peer: PeerStatus) -> str:
    hops = peer.bfd_session is not None and not peer.bfd_session.link
    port = 4784 if hops else 3784
    more = "; the profile's minimumTtl may be too high for it, BIRD sends 64" if hops else ""
    return (
        f"cannot watch {peer.name}: its BFD session is {peer.bfd}, so a failure is noticed after the hold time only: "
        f"turn BFD on for this neighbor on the router, and let UDP port {port} through{more}"
    )
