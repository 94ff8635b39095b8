"""How long the engine has been at it, and when what was asked for is done."""

from __future__ import annotations

import asyncio


class Turns:
    """Entered and left around each turn of the engine."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._ended = 0
        self._changed = asyncio.Event()

    async def __aenter__(self) -> None:
        self._began = asyncio.get_running_loop().time()

    async def __aexit__(self, *_: object) -> None:
        self._began = None
        self._ended += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def lasting(self, now: float) -> float:
        """Seconds since the turn under way began, 0 when there is none; `now` is the event loop's clock."""
        return now - self._began if self._began is not None else 0.0

    async def next(self) -> None:
        """Returns when a turn that has not begun yet has ended: one under way may have looked too early."""
        awaited = self._ended + (1 if self._began is None else 2)
        while self._ended < awaited:
            await self._changed.wait()
