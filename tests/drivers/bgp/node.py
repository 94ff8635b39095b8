"""A Speaker in a host of the lab: in a thread of its own, so that a test may poll routers meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from mlbd.drivers.bgp.peering import Peering, PeeringStatus
from mlbd.drivers.bgp.speaker import Routes, Speaker
from mlbd.drivers.links import Links
from mlbd.model.link import Link
from mlbd.proto.bgp.messages import Notification
from mlbd.proto.bgp.neighbor import State, StateChanged
from mlbd.proto.bgp.snapshot import Snapshot
from tests.lab import Host, wait_for

T = TypeVar("T")
SECONDS = 20


class Node:
    """`changes` is what the Speaker told, oldest first."""

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop) -> None:
        self.host = host
        self.changes: list[tuple[str, StateChanged]] = []
        self.speaker = Speaker(lambda name, change: self.changes.append((name, change)))
        self._loop = loop

    def do(self, act: Callable[[], T]) -> T:
        """In the loop of the Speaker."""

        async def play() -> T:
            return act()

        return self.wait(play())

    def wait(self, scene: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(scene, self._loop).result(SECONDS)

    def links(self) -> tuple[Link, ...]:
        with self.host.enter():
            links = Links(lambda: None)
        links.close()
        return links.current()

    def apply(self, **peers: Peering) -> None:
        links = self.links()
        self.do(lambda: self.speaker.apply(peers, links))

    def advertise(self, **routes: Routes) -> None:
        self.do(lambda: self.speaker.advertise(routes))

    def leave(self, cease: Notification | None, seconds: float) -> None:
        self.wait(self.speaker.leave(cease, seconds))

    def status(self) -> Mapping[str, PeeringStatus]:
        return self.do(lambda: self.speaker.status(self._loop.time()))

    def session(self, name: str = "router") -> Snapshot:
        found = self.status()[name].session
        assert found
        return found

    def wait_until_established(self, name: str = "router") -> None:
        wait_for(
            lambda: self.session(name).state is State.ESTABLISHED, SECONDS, f"a session of {self.host.name} with {name}"
        )

    def failure(self, name: str = "router") -> str:
        """Why its last session or attempt ended, once one has."""
        (found,) = wait_for(
            lambda: [why for why in [self.session(name).failure] if why], SECONDS, f"a failure of {name}"
        )
        return found.text


@contextlib.contextmanager
def speaking(host: Host) -> Iterator[Node]:
    """What a callback of the Speaker raised is raised at the end of the block."""
    begun: Future[Node] = Future()
    over = threading.Event()

    async def play() -> None:
        node = Node(host, asyncio.get_running_loop())
        running = asyncio.create_task(node.speaker.run())
        begun.set_result(node)
        await asyncio.to_thread(over.wait)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    def live() -> None:
        with host.enter():
            asyncio.run(play())

    with ThreadPoolExecutor(1) as threads:
        life = threads.submit(live)
        try:
            yield begun.result(SECONDS)
        finally:
            over.set()
        life.result(SECONDS)
