"""Who holds a VIP: for every slot of a Service the ordered list of nodes that may.

Two wishes pull against each other: the N slots of a Service stand on different nodes, and a lost node moves only what
it held. No pure function of the eligible nodes alone grants both for N >= 3: three orders of the nodes cannot have
three different first places on every subset and yet move nothing but the lost node's slots. So it is done in layers.

1. A baseline over *all* candidates (every node of the class or advertisement, whatever its state).
2. A slot whose baseline node is eligible stays there, exactly; an orphan goes to the emptiest eligible nodes.
3. Behind its first node each slot lists the rest: nodes without a slot of this Service first, and each slot starts at
   another of them, so that nodes that die together hand over to different ones. Liveness acts on these lists.

Layers 1 and 2 are stable matchings by score (rendezvous hashing, Thaler and Ravishankar 1998, made one to one). Of the
baselines tried it moves least when a Node object comes or goes: besides the slots of the node itself, for each of them,
0.05 to 0.3 others of 3 slots on 3 to 20 nodes; greedy by slot 0.1 to 0.5, the first N of one ranking 1.0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby, islice

_WORD = (1 << 64) - 1

#: A slot and a node are numbers here: the slot's index, the node's place in Candidates.names.
Scores = Sequence[Sequence[int]]


def digest(text: str) -> int:
    """64 bits that depend on the text alone: the same on every node and in every run, unlike hash()."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8, person=b"placement").digest(), "big")


@dataclass(frozen=True, slots=True)
class Candidates:
    """The nodes of a class or advertisement, in order of their names. `weights` (metallb.io preferredNodeSelectors,
    summed) rank above any score; it is empty when no node has one."""

    names: tuple[str, ...]
    hashes: tuple[int, ...]
    weights: tuple[int, ...] = ()

    @classmethod
    def of(cls, names: Iterable[str], weights: Mapping[str, int] | None = None) -> Candidates:
        ordered = tuple(sorted(names))
        weighed = tuple(weights.get(name, 0) for name in ordered) if weights else ()
        return cls(ordered, tuple(map(digest, ordered)), weighed)

    def scores(self, seed: int) -> list[int]:
        """One score a node: multiply-shift hashing (Dietzfelbinger 1996) with a multiplier of the slot's own. One
        multiplier for all slots would be as fast and leave some nodes a third too few."""
        odd = seed | 1
        scores = [((node + seed) * odd >> 32) & _WORD for node in self.hashes]
        if self.weights:
            return [(weight << 64) + score for weight, score in zip(self.weights, scores, strict=True)]
        return scores

    def able(self, eligible: Container[str]) -> tuple[int, ...]:
        return tuple(node for node, name in enumerate(self.names) if name in eligible)


def orders(candidates: Candidates, seed: str, count: int, able: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    """The list of holders, best first, of each of `count` slots: every node of `able` (`Candidates.able`) once.

    `seed` names whose slots they are (a Service, or a sharing key); slots of equal seed and index go alike.
    """
    if not able:
        return ((),) * count
    scores = [candidates.scores(digest(f"{seed}#{slot}")) for slot in range(count)]
    ranked = sorted(able, key=scores[0].__getitem__, reverse=True)
    if count == 1:  # all three layers come to this
        return (tuple(map(candidates.names.__getitem__, ranked)),)
    return _lists(_heads(len(candidates.names), able, scores), ranked, candidates)


def _heads(everyone: int, able: Sequence[int], scores: Scores) -> list[int]:
    """Layers 1 and 2: the first node of every slot."""
    baseline = _baseline(range(everyone), scores)
    load = dict.fromkeys(able, 0)
    heads = {slot: node for slot, node in baseline.items() if node in load}
    for node in heads.values():
        load[node] += 1
    _settle([slot for slot in baseline if slot not in heads], heads, load, scores)
    return [heads[slot] for slot in range(len(scores))]


def _baseline(nodes: Sequence[int], scores: Scores) -> dict[int, int]:
    """In rounds, of which each gives every node at most one slot."""
    placed: dict[int, int] = {}
    while waiting := [slot for slot in range(len(scores)) if slot not in placed]:
        placed |= _match(waiting, nodes, scores)
    return placed


def _settle(orphans: Iterable[int], heads: dict[int, int], load: dict[int, int], scores: Scores) -> None:
    """Slots whose baseline node may not hold them, to the emptiest nodes."""
    waiting = list(orphans)
    while waiting:
        least = min(load.values())
        matched = _match(waiting, [node for node, slots in load.items() if slots == least], scores)
        for node in matched.values():
            load[node] += 1
        heads |= matched
        waiting = [slot for slot in waiting if slot not in matched]


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


def _lists(heads: Sequence[int], ranked: Sequence[int], candidates: Candidates) -> tuple[tuple[str, ...], ...]:
    """Layer 3: behind each head the others, emptiest first, preferred first."""
    names = candidates.names
    load = Counter(heads)
    tiers = [tuple(names[node] for node in tier) for tier in _tiers(ranked, load, candidates.weights)]
    several = [node for node in ranked if load[node] > 1] if len(heads) > len(load) else []
    heirs = {
        node: _deal(load[node], [(names[other], load[other]) for other in ranked if other != node]) for node in several
    }
    busy = frozenset(names[head] for head in heads)
    return tuple(_behind(names[head], slot, tiers, busy, heirs.get(head)) for slot, head in enumerate(heads))


def _tiers(ranked: Sequence[int], load: Mapping[int, int], weights: Sequence[int]) -> list[list[int]]:
    """Nodes with equally many slots and of equal preference, in the order of their scores."""

    def rank(node: int) -> tuple[int, int]:
        return load.get(node, 0), -weights[node] if weights else 0

    if weights:
        return [list(tier) for _, tier in groupby(sorted(ranked, key=rank), rank)]
    spares = [node for node in ranked if node not in load]
    others = sorted((node for node in ranked if node in load), key=rank)
    return [*([spares] if spares else []), *(list(tier) for _, tier in groupby(others, rank))]


def _deal(slots: int, others: Sequence[tuple[str, int]]) -> Iterator[str]:
    """Who inherits each of several slots of one node, so that the others, which have some already, stay even."""
    load = dict(others)
    for _ in range(slots if load else 0):
        heir = min(load, key=load.__getitem__)
        load[heir] += 1
        yield heir


def _behind(
    head: str, slot: int, tiers: Iterable[tuple[str, ...]], busy: frozenset[str], heirs: Iterator[str] | None
) -> tuple[str, ...]:
    """Each slot starts at another place of every tier, so that nodes that die together have different heirs. `busy`
    are all heads: a tier has only such nodes, or none."""
    order = [head]
    for tier in tiers:
        start = slot % len(tier)
        turned = tier[start:] + tier[:start]
        order += (name for name in turned if name != head) if tier[0] in busy else turned
    if heirs is None:
        return tuple(order)
    return tuple(dict.fromkeys((head, *islice(heirs, 1), *order)))
