"""One TCP connection, on the loopback of a host of the lab."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from mlbd.drivers.bgp import stream
from mlbd.drivers.bgp.reactor import Reactor
from mlbd.drivers.bgp.sockets import mark
from mlbd.drivers.bgp.stream import LINGER, Stream
from tests.lab import Lab

from .peerings import internal

SECONDS = 10
MUCH = 8 << 20
KEEPALIVE = bytes(19)
MANY = 10_000


class Ends:
    """A stream, and the plain socket at its other end."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.other = socket.create_connection(listener.getsockname())
            endpoint, _ = listener.accept()
        self.other.setblocking(False)
        endpoint.setblocking(False)
        mark(endpoint, internal("127.0.0.1"))
        self.reactor = Reactor()
        self.heard = b""
        self.sent: list[int] = []
        self.ended: list[str] = []
        self.stream = Stream(self.reactor, endpoint, self._hear, self._note, self.ended.append)

    def _hear(self, data: bytes) -> None:
        self.heard += data

    def _note(self) -> None:
        self.sent.append(self.stream.pending)

    async def read(self) -> bytes:
        """Everything up to the end."""
        found = b""
        while data := await asyncio.get_running_loop().sock_recv(self.other, 1 << 20):
            found += data
        return found

    async def until(self, predicate: Callable[[], object]) -> None:
        async with asyncio.timeout(SECONDS):
            while not predicate():
                await asyncio.sleep(0.01)


@pytest.fixture
def play(lab: Lab) -> Callable[[Callable[[Ends], Awaitable[None]]], None]:
    host = lab.host("node")

    async def run(scene: Callable[[Ends], Awaitable[None]]) -> None:
        ends = Ends()
        with ends.other:
            async with asyncio.timeout(SECONDS):
                await scene(ends)
            ends.reactor.close_all()

    def enter(scene: Callable[[Ends], Awaitable[None]]) -> None:
        with host.enter():
            asyncio.run(run(scene))

    return enter


Play = Callable[[Callable[[Ends], Awaitable[None]]], None]


def test_octets_both_ways_and_the_end(play: Play) -> None:
    async def scene(ends: Ends) -> None:
        ends.stream.send(b"to the peer")
        assert ends.stream.pending == 0
        ends.other.sendall(b"from the peer")
        await ends.until(lambda: ends.heard == b"from the peer")
        ends.other.shutdown(socket.SHUT_WR)
        await ends.until(lambda: ends.ended)
        assert await ends.read() == b"to the peer"
        assert ends.ended == ["the peer closed it"]

    play(scene)


def test_a_reset_is_told(play: Play) -> None:
    async def scene(ends: Ends) -> None:
        ends.stream.send(b"never read")
        ends.other.close()
        await ends.until(lambda: ends.ended)
        assert ends.ended == ["Connection reset by peer"]

    play(scene)


def test_what_the_peer_does_not_read_waits_here(play: Play) -> None:
    """Not in the kernel, where for hours nobody would notice that KEEPALIVEs go nowhere."""

    async def scene(ends: Ends) -> None:
        ends.other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(MANY):
            ends.stream.send(KEEPALIVE)
        assert ends.stream.pending > len(KEEPALIVE) * MANY / 2
        ends.other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MUCH)
        reading = asyncio.create_task(ends.read())
        await ends.until(lambda: ends.stream.pending == 0)
        assert ends.sent == sorted(ends.sent, reverse=True) and ends.sent[-1] == 0
        ends.stream.close()
        assert await reading == KEEPALIVE * MANY

    play(scene)


def test_the_last_words_arrive_though_the_peer_was_speaking(play: Play) -> None:
    """close() alone would reset the connection for what was not read."""

    async def scene(ends: Ends) -> None:
        ends.other.sendall(bytes(1000))
        ends.stream.send(b"goodbye")
        ends.stream.close()
        ends.other.sendall(bytes(1000))
        assert await ends.read() == b"goodbye"
        ends.other.close()
        await ends.reactor.empty(SECONDS)
        assert ends.heard == b"" and ends.ended == []

    play(scene)


def test_the_end_follows_the_last_octet(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LINGER", 10 * SECONDS)

    async def scene(ends: Ends) -> None:
        ends.stream.send(bytes(MUCH))
        ends.stream.close()
        assert ends.stream.pending
        assert len(await ends.read()) == MUCH

    play(scene)


def test_the_last_words_wait_for_the_peer_to_read_but_not_for_long(play: Play) -> None:
    async def scene(ends: Ends) -> None:
        ends.stream.send(bytes(MUCH))
        ends.stream.close()
        began = asyncio.get_running_loop().time()
        await ends.reactor.empty(SECONDS)
        assert asyncio.get_running_loop().time() - began >= LINGER * 0.9
        with pytest.raises(ConnectionResetError):
            await ends.read()

    play(scene)


def test_a_bug_in_a_callback_ends_run(play: Play) -> None:
    async def scene(ends: Ends) -> None:
        running = asyncio.create_task(ends.reactor.run())
        ends.reactor.at(0, lambda: [][0])
        with pytest.raises(IndexError):
            await running

    play(scene)
