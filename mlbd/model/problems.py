"""What is wrong with one file: enough of it to start mending, and how much more there is.

A file may hold a mistake for each of a hundred thousand objects. Each told would be a Problem in memory, in every
answer of the control socket and in every round of the daemon.
"""

from __future__ import annotations

from .fields import Invalid
from .status import Problem, Severity

#: A file spells out at most so many, errors before warnings.
MOST = 20


class FileProblems:
    """Problems of the file that messages call `source`, in the order in which they are added."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._told: dict[Severity, list[Problem]] = {severity: [] for severity in Severity}
        self._counts = dict.fromkeys(Severity, 0)

    def add(self, severity: Severity, about: str, reason: str, failure: str, why: object, line: int = 0) -> None:
        """The message is `failure: why`; an Invalid is about its field, and put in words only if it is told."""
        self._counts[severity] += 1
        if len(self._told[severity]) < MOST:
            field = why.field if isinstance(why, Invalid) else ""
            self._told[severity].append(
                Problem(severity, about, reason, f"{failure}: {why}", field, self._source, line)
            )

    def all(self) -> tuple[Problem, ...]:
        """Those that are spelled out, by their lines, and one for the rest."""
        errors, warnings = self._told[Severity.ERROR], self._told[Severity.WARNING]
        told = sorted((errors + warnings)[:MOST], key=lambda problem: problem.line)
        return (*told, *self._rest(len(told)))

    def _rest(self, told: int) -> tuple[Problem, ...]:
        more = sum(self._counts.values()) - told
        if not more:
            return ()
        severity = Severity.ERROR if self._counts[Severity.ERROR] > MOST else Severity.WARNING
        failure = f"cannot tell all that is wrong with {self._source}"
        message = f"{failure}: {told} problems are told and {more} more in this file are not, correct those told first"
        return (Problem(severity, self._source, "MoreProblems", message, file=self._source),)
