"""IP families of lists of addresses, as Kubernetes uses them: one, or one of each."""

from __future__ import annotations

from collections.abc import Sequence

from mlbd.model.address import parse_address


def families_of(texts: Sequence[str]) -> tuple[int, ...]:
    """The families of one or two addresses, in their order. Raises ValueError where Kubernetes knows no such list:
    none at all, three, two of one family, or a text that is no address."""
    if not 0 < len(texts) <= 2:
        raise ValueError(f"{len(texts)} addresses are neither single-stack nor dual-stack")
    found = tuple(parse_address(text).version for text in texts)
    if len(set(found)) != len(found):
        raise ValueError(f"{texts[0]} and {texts[1]} are of one family")
    return found
