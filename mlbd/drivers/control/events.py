"""What happened lately. Followers have no queues: each has only a number, and reads on from it in the one ring."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from mlbd.model.status import Event

#: Events kept. Older ones are in the journal.
CAPACITY = 1000


class EventLog:
    """Gives every event its number, counting from 1, and keeps the last CAPACITY."""

    def __init__(self) -> None:
        self._ring: deque[Event] = deque(maxlen=CAPACITY)
        self._last = 0
        self._changed = asyncio.Event()

    def record(
        self,
        time: float,
        reason: str,
        object: str,
        message: str,
        *,
        service: str = "",
        address: str = "",
        peer: str = "",
    ) -> Event:
        """`time` in seconds since the epoch; the rest as in Event, which is returned with its number."""
        self._last += 1
        event = Event(self._last, time, reason, object, message, service, address, peer)
        self._ring.append(event)
        # Each change has an Event of its own: whoever waits for this one cannot miss it, nor see the next in it.
        self._changed.set()
        self._changed = asyncio.Event()
        return event

    def since(self, number: int) -> tuple[Event, ...]:
        """Kept events with numbers above `number`, oldest first."""
        wanted = min(self._last - number, len(self._ring))
        return tuple(self._ring)[len(self._ring) - wanted :]

    async def follow(self, number: int) -> AsyncIterator[Event]:
        """Events after `number` as they come, for ever; ends for a follower so slow that the ring overtook it."""
        while True:
            changed = self._changed
            events = self.since(number)
            if events and events[0].number != number + 1:
                return
            for event in events:
                yield event
                number = event.number
            if not events:
                await changed.wait()
