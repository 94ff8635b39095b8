"""Who may connect to this host, and where: all listeners together."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterator
from functools import partial
from ipaddress import ip_network

from mlbd.proto.bgp.messages import Address, Prefix

from .ends import End
from .listener import PORT, Listener
from .peering import Peering
from .reactor import Reactor
from .words import deaf, refusal

_Place = tuple[int, str]
"""A version of IP and a VRF, "" for none."""

Peer = tuple[Peering, Address | None]
"""A peer and its address as far as it is known."""

OnAccept = Callable[[str, socket.socket, End], None]


class Reception:
    """`on_accept` is called with the VRF, the socket, which it owns then, and whose it is."""

    def __init__(self, reactor: Reactor, on_accept: OnAccept) -> None:
        self._reactor, self._on_accept = reactor, on_accept
        self._listeners: dict[_Place, Listener] = {}
        self._deaf: dict[_Place, OSError] = {}

    def apply(self, peers: Collection[Peer]) -> None:
        """All of them: once this host listens for one, each may connect."""
        needed = {_place(peering) for peering, _ in peers if peering.listens}
        for place in self._listeners.keys() - needed:
            self._listeners.pop(place).close()
        self._deaf.clear()
        for place in needed:
            try:
                self._open(place).apply(dict(_keys(place, peers)))
            except OSError as error:
                self._deaf[place] = error

    def refusal(self, peering: Peering, address: Address | None) -> str:
        """Why the peer cannot connect, "" when it can or need not."""
        place = _place(peering)
        if peering.listens and (error := self._deaf.get(place)):
            return deaf(PORT, error)
        if (listener := self._listeners.get(place)) and (unsigned := listener.refused.get(_whom(peering, address))):
            return refusal(peering, unsigned)
        return ""

    def _open(self, place: _Place) -> Listener:
        if place not in self._listeners:
            version, vrf = place
            self._listeners[place] = Listener(self._reactor, version, vrf, partial(self._on_accept, vrf))
        return self._listeners[place]


def _place(peering: Peering) -> _Place:
    return peering.version, peering.vrf


def _whom(peering: Peering, address: Address | None) -> Prefix | None:
    return ip_network(address) if address else peering.network


def _keys(place: _Place, peers: Collection[Peer]) -> Iterator[tuple[Prefix, str]]:
    for peering, address in peers:
        whom = _whom(peering, address)
        if whom and peering.password and _place(peering) == place:
            yield whom, peering.password
