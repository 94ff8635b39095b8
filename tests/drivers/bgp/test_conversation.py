"""What one session makes of news."""

from __future__ import annotations

import asyncio
import itertools
from ipaddress import IPv6Address, ip_address, ip_interface

from mlbd.drivers.bgp.conversation import Conversation
from mlbd.drivers.bgp.peering import Peering
from mlbd.drivers.bgp.reactor import Reactor
from mlbd.model.link import Link
from mlbd.proto.bgp.neighbor import State, StateChanged
from tests.bgp.raw import listening
from tests.lab import Lab

from .peerings import peering

ONE, OTHER = IPv6Address("fe80::1"), IPv6Address("fe80::2")
LINKS = (Link(2, "eth0", b"\x02\0\0\0\0\1", addresses=(ip_interface("fe80::11/64"),)),)


def converse(peer: Peering, changes: list[State], reactor: Reactor) -> Conversation:
    def note(_: str, change: StateChanged) -> None:
        changes.append(change.state)

    return Conversation("router", "router", peer, reactor, itertools.count(1), note)


def test_a_router_with_a_new_address_is_connected_at_once(lab: Lab) -> None:
    host = lab.host("node")
    host.connect(lab.segment("lan"), "eth0")
    changes: list[State] = []

    async def play() -> None:
        conversation = converse(peering(interface="eth0"), changes, Reactor())
        for address in (None, ONE, ONE, OTHER):
            conversation.apply(address, LINKS)
        conversation.stop(None)

    with host.enter():
        asyncio.run(play())
    assert changes == [State.CONNECT, State.IDLE, State.CONNECT, State.IDLE]


def test_who_answers_is_there_whoever_else_is_heard(lab: Lab) -> None:
    host = lab.host("node")
    changes: list[State] = []

    async def play() -> None:
        reactor = Reactor()
        conversation = converse(peering("127.0.0.1"), changes, reactor)
        conversation.apply(ip_address("127.0.0.1"), ())
        async with asyncio.timeout(10):
            while not conversation.connected:
                await asyncio.sleep(0.01)
        conversation.apply(ip_address("127.0.0.2"), ())
        assert conversation.status(0).remote == ip_address("127.0.0.1")
        conversation.stop(None)
        conversation.apply(ip_address("127.0.0.2"), ())
        assert conversation.status(0).remote == ip_address("127.0.0.2")
        conversation.stop(None)
        reactor.close_all()

    with listening(host, "127.0.0.1"), host.enter():
        asyncio.run(play())
    assert changes == [State.CONNECT, State.OPEN_SENT, State.IDLE, State.CONNECT, State.IDLE]
