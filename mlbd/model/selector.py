"""Label selectors, meta/v1 LabelSelector: all of its requirements must hold; none at all matches everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from .fields import Fields


class Operator(StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One of matchExpressions, or one of matchLabels as `key In (value)`."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:  # a missing label is not in the set either, as in Kubernetes
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class LabelSelector:
    requirements: frozenset[Requirement] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)


def any_matches(selectors: Iterable[LabelSelector], labels: Mapping[str, str]) -> bool:
    """Selectors of a list are alternatives; an empty list selects nothing here: callers say what it means to them."""
    return any(selector.matches(labels) for selector in selectors)


def parse_selector(fields: Fields) -> LabelSelector:
    """A meta/v1 LabelSelector. Raises Invalid, also for a value that stands twice in one expression."""
    labels = fields.mapping("matchLabels").items()
    requirements = [Requirement(key, Operator.IN, frozenset((value,))) for key, value in labels]
    requirements += [_requirement(expression) for expression in fields.children("matchExpressions")]
    return LabelSelector(frozenset(requirements))


def _requirement(fields: Fields) -> Requirement:
    fields.require("key", "operator")
    operator = fields.choice("operator", Operator.IN)
    values = fields.unique_texts("values")
    if operator in (Operator.IN, Operator.NOT_IN) and not values:
        raise fields.invalid("values", f"is empty: give {operator} at least one value")
    if operator in (Operator.EXISTS, Operator.DOES_NOT_EXIST) and values:
        raise fields.invalid("values", f"is not empty: {operator} takes no values")
    return Requirement(fields.text("key"), operator, frozenset(values))


def parse_selectors(fields: Fields, name: str) -> tuple[LabelSelector, ...]:
    """A list of selectors, none of which may stand twice, however it is written."""
    return fields.unique(name, tuple(parse_selector(child) for child in fields.children(name)))
