"""The answer to `mlbctl why`: a causal chain in sentences, from the file of an object to the frames it causes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """One link of the chain: what it speaks of ("Service shop/web", "192.0.2.10") and whole sentences, causes first."""

    title: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """`object` is the question as it was asked; `sections` are everything of that name, never empty."""

    object: str
    sections: tuple[Section, ...]
