"""What this node says over BGP: its sessions, what is announced in them, and how it takes its leave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum, auto
from ipaddress import IPv4Address

from mlbd.drivers.bgp.peering import Peering
from mlbd.drivers.bgp.speaker import Speaker
from mlbd.model.address import IPAddress
from mlbd.model.desired import Desired
from mlbd.model.link import Link
from mlbd.model.metallb import DynamicASN
from mlbd.model.peering import Announcement, Peer, Routes
from mlbd.model.settings import Settings
from mlbd.proto.bfd.watch import Watch
from mlbd.proto.bgp.messages import Attributes, Prefix
from mlbd.proto.bgp.neighbor import Neighbor, Remote, State, StateChanged
from mlbd.proto.bgp.notification import cease
from mlbd.proto.bgp.numbers import GRACEFUL_SHUTDOWN, Cease, Family, Role
from mlbd.proto.control import SessionReport

from .changes import Change, PeerStanding, peer_change
from .facts import Loss, Speaking
from .lookout import session_status
from .passwords import Passwords
from .routers import RouterPath, router_watches

#: For so long routers keep what a node announced that is started again (RFC 4724 4.1), as FRR and BIRD ask for.
RESTART_SECONDS = 120
#: From the graceful shutdown community to the withdrawal: routers find other paths meanwhile (RFC 8326 4.1). FRR takes
#: 0.06 s.
SHUTDOWN_SECONDS = 1.0
#: From the withdrawal to the end of the session, and from there to the end of this process.
FLUSH_SECONDS = 0.3
#: So long a withdrawn address stays on lo.
LINGER_SECONDS = 5.0
_CONNECT_RETRY = 120.0  # RFC 4271 10


class Phase(Enum):
    """Of taking leave: everything is announced as the last resort (RFC 8326), then nothing is, then nobody speaks.
    PAUSED is the end of a process that is started again."""

    SPEAKING = auto()
    LEAVING = auto()
    WITHDRAWN = auto()
    SILENT = auto()
    PAUSED = auto()


class Bgp:
    """`restarted`: routers may still forward to what a run before announced. `drained` from the start: it says
    nothing."""

    def __init__(self, on_change: Callable[[str, StateChanged], None], restarted: bool, drained: bool) -> None:
        self.speaker = Speaker(on_change)
        self.passwords = Passwords()
        self._restarted = restarted
        self._phase = Phase.SILENT if drained else Phase.SPEAKING
        self._leaving: asyncio.Task[None] | None = None
        self._told: Mapping[str, tuple[Routes, Phase, Mapping[Prefix, Attributes]]] = {}
        self._last: dict[IPAddress, float] = {}
        self._standings: dict[str, PeerStanding] = {}
        self._losses: dict[str, Loss] = {}
        self._bfd_since: dict[str, tuple[str, float]] = {}
        self._router_id: IPv4Address | None = None

    @property
    def silent(self) -> bool:
        return self._phase is Phase.SILENT

    def connect(self, desired: Desired, settings: Settings, router_id: IPv4Address, links: tuple[Link, ...]) -> None:
        """`router_id`, for those peers whose object has none, is taken once: another one would end their sessions.
        `links` are all of the host."""
        if self._phase is Phase.PAUSED:
            return
        self._router_id = identifier = self._router_id or router_id
        self.passwords.look(settings)
        peers = {} if self.silent else self.passwords.given_to(desired.peers)
        peerings = {name: _peering(peer, identifier, self._restarted) for name, peer in peers.items()}
        self.speaker.apply(peerings, links)
        self._forget(desired.peers.keys() | self.speaker.status(0.0).keys())

    def _forget(self, names: AbstractSet[str]) -> None:
        """All others: whoever came from a network once, and peers that are asked for no more."""
        self._losses = {name: loss for name, loss in self._losses.items() if name in names}
        self._standings = {name: standing for name, standing in self._standings.items() if name in names}
        self._bfd_since = {name: since for name, since in self._bfd_since.items() if name in names}

    def advertise(self, desired: Desired) -> None:
        """What is the very same as before costs nothing, whoever hears it."""
        if self._phase is Phase.PAUSED:
            return
        routes = desired.routes if self._phase in (Phase.SPEAKING, Phase.LEAVING) else {}
        known = {id(each): (each, phase, told) for each, phase, told in self._told.values() if phase is self._phase}
        for each in routes.values():
            if id(each) not in known:
                known[id(each)] = (each, self._phase, self._wire(each))
        self._told = {name: known[id(each)] for name, each in routes.items()}
        self.speaker.advertise({name: told for name, (_, _, told) in self._told.items()})

    def on_loopback(self, desired: Desired, now: float) -> frozenset[IPAddress]:
        """What it announces, and what it only just withdrew: routers take a moment. `now` is the event loop's clock."""
        announced = desired.advertised if not self.silent else frozenset()
        self._last |= dict.fromkeys(announced, now)
        self._last = {address: at for address, at in self._last.items() if now - at < LINGER_SECONDS}
        return frozenset(self._last.keys() & desired.vips.keys())

    def restartable(self, desired: Desired) -> frozenset[IPAddress]:
        """What must stay on lo while mlbd is started again: some router goes on sending to it."""
        return desired.advertised if any(peer.graceful_restart for peer in desired.peers.values()) else frozenset()

    def watches(self, desired: Desired, now: float) -> tuple[Watch, ...]:
        """The BFD sessions beside those of BGP: of each peer that was connected once, for only then both ends are
        known. `now` is the event loop's clock."""
        if self.silent:
            return ()
        return router_watches(
            RouterPath(name, peer.bfd, status.local, status.remote, status.link, status.on_link and not peer.multi_hop)
            for name, status in self.speaker.status(now).items()
            if (peer := peer_of(name, desired)) and peer.bfd and status.local and status.remote
        )

    def news(self, name: str, change: StateChanged, desired: Desired) -> Change | None:
        """What is worth telling of a session's change."""
        peer, before = peer_of(name, desired), self._standings.get(name, PeerStanding())
        failure = change.failure.text if change.failure else before.failure
        established = change.state is State.ESTABLISHED
        if before.established and not established:
            self._losses[name] = Loss(time.time(), change.failure.text if change.failure else "")
        self._standings[name] = PeerStanding(established, "" if established else failure)
        return peer_change(name, str(peer.object) if peer else name, change, before)

    def hear(self, report: SessionReport) -> None:
        """Of the BFD session to a router. That the other end took it down on purpose is no failure (RFC 5882 4.2)."""
        if self._bfd_since.get(report.peer, ("", 0.0))[0] != report.state:
            self._bfd_since[report.peer] = report.state, time.time()
        if report.failed or report.state == "up":
            self.speaker.bfd(report.peer, not report.failed)

    async def leave(self, desired: Desired, reason: str) -> None:
        """Other paths first, then no path, then no session, and the routers hear why. Returns when that is done. Who
        waits no longer does not stop it, come_back() does."""
        if self._phase is Phase.SPEAKING:
            self._leaving = asyncio.create_task(self._leave(desired, reason))
        if self._leaving is not None:
            await asyncio.shield(self._leaving)

    async def _leave(self, desired: Desired, reason: str) -> None:
        if any(self._told):
            for phase, seconds in ((Phase.LEAVING, SHUTDOWN_SECONDS), (Phase.WITHDRAWN, FLUSH_SECONDS)):
                self._phase = phase
                self.advertise(desired)
                await asyncio.sleep(seconds)
        self._phase = Phase.SILENT
        await self.speaker.leave(cease(Cease.ADMINISTRATIVE_SHUTDOWN, reason), FLUSH_SECONDS)

    async def pause(self) -> None:
        """To be started again: those who agreed on graceful restart go on forwarding. BFD stays as it is: to a router
        that hears of its end before that of TCP it is a failure."""
        self._phase = Phase.PAUSED
        await self.speaker.leave(None, FLUSH_SECONDS)

    def come_back(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
        self._leaving = None
        self._phase = Phase.SPEAKING

    def status(self, reports: Mapping[str, SessionReport], links: Mapping[int, str], now: float) -> Speaking:
        """`reports` are the reflex's, by peer; `links` are names by ifindex; `now` is the event loop's clock."""
        bfd = {
            name: session_status(report, links, self._bfd_since.get(name, ("", time.time()))[1])
            for name, report in reports.items()
        }
        return Speaking(self.speaker.status(now), bfd, dict(self._losses), now, str(self._router_id or ""))

    def _wire(self, routes: Routes) -> dict[Prefix, Attributes]:
        wired: dict[Announcement, Attributes] = {}
        for announcement in routes.values():
            if announcement not in wired:
                wired[announcement] = attributes(announcement, self._phase is Phase.LEAVING)
        return {prefix: wired[announcement] for prefix, announcement in routes.items()}


def peer_of(name: str, desired: Desired) -> Peer | None:
    """Whose session it is: who came from the network of NAME is NAME/ADDRESS."""
    return desired.peers.get(name) or desired.peers.get(name.rpartition("/")[0])


def families_of(peer: Peer) -> frozenset[Family]:
    return frozenset(Family.IPV4 if family == 4 else Family.IPV6 for family in peer.families)


def attributes(announcement: Announcement, leaving: bool) -> Attributes:
    """`leaving`: whoever has another path should take that (RFC 8326 4.1)."""
    communities: list[int] = [GRACEFUL_SHUTDOWN] * leaving
    large: list[tuple[int, int, int]] = []
    extended: list[int] = []
    for community in announcement.communities:
        match community.numbers:
            case (upper, lower):
                communities.append(upper << 16 | lower)
            case (first, second, third):
                large.append((first, second, third))
            case (number,):
                extended.append(number)
    return Attributes(
        local_pref=0 if leaving else announcement.local_pref,
        communities=tuple(sorted(set(communities))),
        large_communities=tuple(sorted(large)),
        extended_communities=tuple(sorted(extended)),
    )


def _peering(peer: Peer, router_id: IPv4Address, restarted: bool) -> Peering:
    chosen = peer.router_id if isinstance(peer.router_id, IPv4Address) else router_id
    neighbor = Neighbor(
        local_as=peer.local_asn,
        remote_as=Remote(peer.remote_asn.value) if isinstance(peer.remote_asn, DynamicASN) else peer.remote_asn,
        identifier=chosen,
        families=families_of(peer),
        hold_time=peer.hold_time,
        keepalive_time=peer.keepalive_time,
        connect_retry_time=peer.connect_time or _CONNECT_RETRY,
        passive=peer.passive,
        restart_time=RESTART_SECONDS if peer.graceful_restart else 0,
        restarted=restarted and peer.graceful_restart,
        role=Role[peer.role.upper().replace("-", "_")] if peer.role else None,
    )
    return Peering(
        neighbor,
        address=peer.address,
        network=peer.network,
        interface=peer.interface,
        port=peer.port,
        source=peer.source,
        vrf=peer.vrf,
        password=peer.password,
        multi_hop=peer.multi_hop,
        ttl_security=peer.ttl_security,
    )
