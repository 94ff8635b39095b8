"""Many clients of one address: a datagram a millisecond, each from a port of its own, and who answered them."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from selectors import EVENT_READ, DefaultSelector

from tests.lab import Host
from tests.traffic import INTERVAL, PATIENCE, PORT


@dataclass(slots=True)
class Crowd:
    """`by` is how many datagrams a node answered, by its name; `lost` is when each was sent that nobody answered, in
    seconds (time.monotonic()). Both are there when the crowd has gone."""

    by: Counter[str] = field(default_factory=Counter)
    lost: list[float] = field(default_factory=list)

    @property
    def dark(self) -> float:
        """Seconds from the first lost datagram to the last."""
        return max(self.lost) - min(self.lost) if self.lost else 0.0


@contextlib.contextmanager
def crowd(client: Host, address: str) -> Iterator[Crowd]:
    """It comes for the length of the block."""
    found, over = Crowd(), threading.Event()
    thread = threading.Thread(target=_come, args=(client, address, found, over))
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def _come(client: Host, address: str, found: Crowd, over: threading.Event) -> None:
    with client.enter(), DefaultSelector() as waiting:
        turn = time.monotonic()
        while not over.is_set():
            _send(waiting, address)
            turn += INTERVAL
            _hear(waiting, found, turn)
        patience = time.monotonic() + PATIENCE
        while waiting.get_map() and time.monotonic() < patience:
            _hear(waiting, found, time.monotonic() + INTERVAL)
        for key in list(waiting.get_map().values()):
            found.lost.append(key.data)
            _leave(waiting, key.fileobj)


def _send(waiting: DefaultSelector, address: str) -> None:
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    waiting.register(asking, EVENT_READ, time.monotonic())
    with contextlib.suppress(OSError):  # no route: it is not answered
        asking.sendto(bytes(4), (address, PORT))


def _hear(waiting: DefaultSelector, found: Crowd, until: float) -> None:
    """Answers, until then."""
    while (left := until - time.monotonic()) > 0:
        for key, _ in waiting.select(left):
            asking = key.fileobj
            assert isinstance(asking, socket.socket)
            with contextlib.suppress(OSError):  # an ICMP error is no answer
                found.by[asking.recv(256)[4:].decode()] += 1
                _leave(waiting, asking)


def _leave(waiting: DefaultSelector, asking: object) -> None:
    assert isinstance(asking, socket.socket)
    waiting.unregister(asking)
    asking.close()
