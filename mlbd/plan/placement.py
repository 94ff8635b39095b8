"""Who holds a VIP: for every slot of a Service the ordered list of nodes that may.

Two wishes pull against each other: the N slots of a Service stand on different nodes, and a lost node moves only what
it held. No pure function of the eligible nodes alone grants both for N >= 3: three orders of the nodes cannot have
three different first places on every subset and yet move nothing but the lost node's slots. So it is done in layers.

1. A baseline over *all* candidates (every node of the class or advertisement, whatever its state).
2. A slot whose baseline node is eligible stays there, exactly; an orphan goes to the emptiest eligible nodes.
3. Behind its first node each slot lists the rest: nodes without a slot of this Service first, and each slot starts at
   another of them, so that nodes that die together hand over to different ones. Liveness acts on these lists.

Layers 1 and 2 are stable matchings by score (rendezvous hashing, Thaler and Ravishankar 1998, made one to one).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby

_ODD = 0x9E3779B97F4A7C15  # 2**64 / golden ratio: Fibonacci hashing (Knuth, TAOCP 6.4)
_WORD = (1 << 64) - 1

#: A slot and a node are numbers here: the slot's index, the node's place in Candidates.names.
Scores = Sequence[Sequence[int]]


def digest(text: str) -> int:
    """64 bits that depend on the text alone: the same on every node and in every run, unlike hash()."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True, slots=True)
class Candidates:
    """The nodes of a class or advertisement, in order of their names. `weights` (metallb.io preferredNodeSelectors,
    summed) rank above any score; a node without one has 0."""

    names: tuple[str, ...]
    hashes: tuple[int, ...]
    weights: tuple[int, ...]

    @classmethod
    def of(cls, names: Iterable[str], weights: Mapping[str, int] | None = None) -> Candidates:
        ordered = tuple(sorted(names))
        return cls(ordered, tuple(map(digest, ordered)), tuple((weights or {}).get(name, 0) for name in ordered))

    def scores(self, seed: int) -> list[int]:
        """One score a node: the middle of a 128-bit product depends on every bit of both hashes."""
        scores = [((node ^ seed) * _ODD >> 32) & _WORD for node in self.hashes]
        if any(self.weights):
            return [(weight << 64) + score for weight, score in zip(self.weights, scores, strict=True)]
        return scores


def orders(candidates: Candidates, seed: str, count: int, eligible: Collection[str]) -> tuple[tuple[str, ...], ...]:
    """The list of holders, best first, of each of `count` slots: every eligible candidate once.

    `seed` names whose slots they are (a Service, or a sharing key); slots of equal seed and index go alike.
    """
    able = [node for node, name in enumerate(candidates.names) if name in eligible]
    if not able or not count:
        return ((),) * count
    scores = [candidates.scores(digest(f"{seed}#{slot}")) for slot in range(count)]
    heads = _heads(range(len(candidates.names)), able, scores)
    names = candidates.names.__getitem__
    return tuple(tuple(map(names, order)) for order in _lists(heads, able, scores[0], candidates.weights))


def _heads(everyone: Sequence[int], able: Sequence[int], scores: Scores) -> list[int]:
    """Layers 1 and 2: the first node of every slot."""
    baseline = _spread(range(len(scores)), dict.fromkeys(everyone, 0), scores)
    load = dict.fromkeys(able, 0)
    heads = {slot: node for slot, node in baseline.items() if node in load}
    for node in heads.values():
        load[node] += 1
    heads |= _spread([slot for slot in baseline if slot not in heads], load, scores)
    return [heads[slot] for slot in range(len(scores))]


def _spread(slots: Iterable[int], load: Mapping[int, int], scores: Scores) -> dict[int, int]:
    """Slots to nodes, always to the emptiest ones; `load` is how many slots a node has already."""
    placed: dict[int, int] = {}
    loads = dict(load)
    waiting = sorted(slots)
    while waiting:
        least = min(loads.values())
        matched = _match(waiting, [node for node, slots_there in loads.items() if slots_there == least], scores)
        for node in matched.values():
            loads[node] += 1
        placed |= matched
        waiting = [slot for slot in waiting if slot not in placed]
    return placed


def _match(slots: Iterable[int], nodes: Sequence[int], scores: Scores) -> dict[int, int]:
    """The stable matching (Gale and Shapley 1962) when both sides rank by the score of the pair: at most one slot a
    node, no pair that would both rather have each other. It is unique, so the order of the slots means nothing."""
    holder: dict[int, int] = {}
    waiting = list(slots)
    while waiting:
        slot = waiting.pop()
        mine = scores[slot]
        node = max(nodes, key=mine.__getitem__)
        if node in holder and scores[holder[node]][node] > mine[node]:
            open_to_me = [n for n in nodes if n not in holder or scores[holder[n]][n] < mine[n]]
            if not open_to_me:
                continue
            node = max(open_to_me, key=mine.__getitem__)
        if node in holder:
            waiting.append(holder[node])
        holder[node] = slot
    return {slot: node for node, slot in holder.items()}


def _lists(heads: Sequence[int], able: Sequence[int], scores: Sequence[int], weights: Sequence[int]) -> list[list[int]]:
    """Layer 3: behind each head the nodes without a slot, then the others, emptiest first, preferred first."""
    load = dict.fromkeys(able, 0)
    for head in heads:
        load[head] += 1
    ranked = sorted(able, key=scores.__getitem__, reverse=True)
    if len(heads) == 1:
        return [[heads[0], *(node for node in ranked if node != heads[0])]]
    ranked.sort(key=lambda node: (load[node], -weights[node]))
    tiers = [list(tier) for _, tier in groupby(ranked, key=lambda node: (load[node], weights[node]))]
    return [_behind(head, slot, tiers) for slot, head in enumerate(heads)]


def _behind(head: int, slot: int, tiers: Iterable[Sequence[int]]) -> list[int]:
    order = [head]
    for tier in tiers:
        start = slot % len(tier)
        order += [node for node in (*tier[start:], *tier[:start]) if node != head]
    return order
