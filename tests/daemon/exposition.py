"""A reader of the Prometheus text format that takes nothing but what the format's description allows.

https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4
"""

from __future__ import annotations

import re

LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"')
SAMPLE = re.compile(rf"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{{((?:{LABEL.pattern})(?:,{LABEL.pattern})*)\}})? (\S+)")
COMMENT = re.compile(r"# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)")

#: By name, and by its labels as a sorted tuple of pairs.
Metrics = dict[str, dict[tuple[tuple[str, str], ...], float]]


def parse(text: str) -> Metrics:
    """Raises AssertionError for what the format does not allow, and for a counter that is not named as one."""
    assert text.endswith("\n"), "the last line ends too"
    types: dict[str, str] = {}
    helped: set[str] = set()
    found: Metrics = {}
    current = ""
    for line in text[:-1].split("\n"):
        if comment := COMMENT.fullmatch(line):
            kind, current, rest = comment.groups()
            assert current not in found, f"{current} stands together"
            if kind == "HELP":
                assert current not in helped
                helped.add(current)
            else:
                assert current not in types
                types[current] = rest
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, line
        name, labels, value = sample[1], sample[2] or "", sample[sample.re.groups]
        assert name == current, f"{name} stands among its own"
        pairs = tuple(sorted((each[1], each[2]) for each in LABEL.finditer(labels)))
        assert pairs not in found.setdefault(name, {}), f"{line} stands twice"
        found[name][pairs] = float(value)
    assert helped == types.keys() == found.keys()
    assert {name for name, kind in types.items() if kind == "counter"} == {n for n in found if n.endswith("_total")}
    return found
