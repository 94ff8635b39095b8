"""Names of objects, as they stand in messages: `Service shop/web`, `Node node-1`."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """Which object of a kind: its namespace ("" for kinds without one) and name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Reference(NamedTuple):
    """An object of any kind: what a Problem, an Event or `mlbctl why` speaks of."""

    kind: str
    key: Key

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"
