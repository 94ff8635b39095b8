"""All BGP sessions of this host: which there are, who may connect to which, and what each has to tell."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable, Mapping, Set
from dataclasses import replace
from ipaddress import IPv6Address
from typing import Final

from mlbd.model.link import Link
from mlbd.proto.bgp.messages import Address, Attributes, Notification, Prefix
from mlbd.proto.bgp.neighbor import State, StateChanged
from mlbd.proto.bgp.notification import cease
from mlbd.proto.bgp.numbers import Cease

from .conversation import Conversation
from .ends import End, interface_of
from .peering import Peering, PeeringStatus
from .reactor import Reactor
from .reception import Reception
from .routers import Routers

Routes = Mapping[Prefix, Attributes]

#: So many sessions from one network at most.
MOST_DYNAMIC: Final = 256

_NOTHING: Final[Routes] = {}


class Speaker:
    """`on_change` is called in the event loop with the name of a peer and what became of its session; whoever came
    from the network of a peer NAME is NAME/ADDRESS."""

    def __init__(self, on_change: Callable[[str, StateChanged], None]) -> None:
        self._on_change = on_change
        self._reactor = Reactor()
        self._reception = Reception(self._reactor, self._accept)
        self._routers = Routers(self._meet)
        self._numbers = itertools.count(1)
        self._peers: dict[str, Peering] = {}
        self._links: tuple[Link, ...] = ()
        self._heard: dict[str, IPv6Address] = {}
        self._routes: Mapping[str, Routes] | None = None
        self._conversations: dict[str, Conversation] = {}

    def apply(self, peers: Mapping[str, Peering], links: tuple[Link, ...]) -> None:
        """The whole desired part, and the links of this host as they are now. The first SYN of a new peer is out when
        this returns. A session whose Peering did not change goes on."""
        self._links = links
        for conversation in list(self._conversations.values()):
            self._keep(conversation, peers)
        self._peers = dict(peers)
        self._solicit({peering.interface for peering in peers.values() if peering.unnumbered})
        # Nobody gets in without the key: listeners know all keys before there is somebody to talk with.
        self._listen()
        for name, peering in peers.items():
            if peering.network is None and name not in self._conversations:
                self._add(name, name, peering)
        self._go_on()

    def advertise(self, routes: Mapping[str, Routes]) -> None:
        """By the name of the peer; one that is absent is to hear nothing. Mappings are kept: they must not change."""
        self._routes = routes
        for conversation in self._conversations.values():
            conversation.advertise(routes.get(conversation.peer, _NOTHING))

    def reset(self, name: str, soft: bool) -> None:
        """Of a network, all who came from it. Softly: the routes are sent again, and asked for, and the session stays
        (RFC 2918)."""
        for conversation in self._named(name):
            if soft:
                conversation.refresh()
            else:
                conversation.reset(cease(Cease.ADMINISTRATIVE_RESET))

    def bfd(self, name: str, up: bool) -> None:
        """What BFD says of a peer. Only from up to down ends the session (RFC 9384)."""
        for conversation in self._named(name):
            conversation.bfd(up)

    async def leave(self, cease: Notification | None, seconds: float) -> None:
        """Ends all sessions; without `cease` as a crash would, which graceful restart is for. Returns when the peers
        have read what was sent, or so much later. apply() would begin them again."""
        self._solicit(frozenset())
        self._reception.apply(())
        for conversation in self._conversations.values():
            conversation.stop(cease)
        await self._reactor.empty(seconds)

    def status(self, now: float) -> Mapping[str, PeeringStatus]:
        """`now` is the event loop's clock."""
        found = {
            name: PeeringStatus(None, peering.neighbor.identifier, self._reception.refusal(peering, None))
            for name, peering in self._peers.items()
            if peering.network
        }
        return found | {name: self._status(one, now) for name, one in self._conversations.items()}

    async def run(self) -> None:
        """Until cancelled; leaves no socket behind. An unexpected exception in a callback is raised here."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._routers.run(), name="Routers")
                group.create_task(self._reactor.run(), name="Reactor")
        finally:
            for conversation in self._conversations.values():
                conversation.stop(None)
            self._reactor.close_all()

    def _keep(self, conversation: Conversation, peers: Mapping[str, Peering]) -> None:
        wanted = peers.get(conversation.peer)
        if wanted == self._peers[conversation.peer]:
            return
        why = Cease.PEER_DE_CONFIGURED if wanted is None else Cease.OTHER_CONFIGURATION_CHANGE
        self._remove(conversation, cease(why))

    def _add(self, name: str, peer: str, peering: Peering) -> Conversation:
        conversation = Conversation(name, peer, peering, self._reactor, self._numbers, self._changed)
        self._conversations[name] = conversation
        return conversation

    def _remove(self, conversation: Conversation, cease: Notification | None) -> None:
        del self._conversations[conversation.name]
        conversation.stop(cease)

    def _named(self, name: str) -> list[Conversation]:
        return [one for one in self._conversations.values() if name in (one.name, one.peer)]

    def _solicit(self, interfaces: Set[str]) -> None:
        self._routers.apply(interfaces)
        self._heard = {interface: router for interface, router in self._heard.items() if interface in interfaces}

    def _listen(self) -> None:
        self._reception.apply([(peering, self._address(peering)) for peering in self._peers.values()])

    def _address(self, peering: Peering) -> Address | None:
        return self._heard.get(peering.interface) if peering.unnumbered else peering.address

    def _meet(self, interface: str, router: IPv6Address) -> None:
        self._heard[interface] = router
        self._listen()
        self._go_on()

    def _accept(self, vrf: str, accepted: socket.socket, remote: End) -> None:
        conversation = self._expected(vrf, remote) or self._newcomer(vrf, remote)
        if conversation is None:
            accepted.close()
        else:
            conversation.accept(accepted)

    def _go_on(self) -> None:
        for conversation in list(self._conversations.values()):
            conversation.apply(self._address(conversation.peering), self._links)

    def _expected(self, vrf: str, remote: End) -> Conversation | None:
        interface = interface_of(remote)
        found = (
            one for one in self._conversations.values() if one.peering.vrf == vrf and one.is_with(remote, interface)
        )
        return next(found, None)

    def _newcomer(self, vrf: str, remote: End) -> Conversation | None:
        """Of the networks that it is in the smallest is meant."""
        found = [
            (peering.network.prefixlen, name)
            for name, peering in self._peers.items()
            if peering.network and peering.vrf == vrf and remote.address in peering.network
        ]
        if not found:
            return None
        peer = max(found)[1]
        peering = self._peers[peer]
        if len(self._named(peer)) >= MOST_DYNAMIC or self._reception.refusal(peering, None):
            return None
        alone = replace(peering, network=None, address=remote.address, neighbor=replace(peering.neighbor, passive=True))
        conversation = self._add(f"{peer}/{remote.address}", peer, alone)
        if self._routes is not None:
            conversation.advertise(self._routes.get(peer, _NOTHING))
        conversation.apply(alone.address, self._links)
        return conversation

    def _changed(self, name: str, change: StateChanged) -> None:
        self._on_change(name, change)
        if name not in self._peers and change.state <= State.ACTIVE:
            self._reactor.at(self._reactor.now(), self._forget)

    def _forget(self) -> None:
        """Whoever came from a network and is no longer connected."""
        for conversation in list(self._conversations.values()):
            if conversation.name != conversation.peer and not conversation.connected:
                self._remove(conversation, None)

    def _status(self, conversation: Conversation, now: float) -> PeeringStatus:
        status = conversation.status(now)
        peering = conversation.peering
        silent = self._routers.status().get(peering.interface, "") if peering.unnumbered else ""
        refusal = silent or status.refusal or self._reception.refusal(peering, status.remote)
        return replace(status, refusal=refusal)
