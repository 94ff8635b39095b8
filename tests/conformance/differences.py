"""Where mlbd does on purpose what MetalLB does not. Each is reported as an expected failure with its reason.

Met in other words, and therefore passing: a whole configuration that is invalid is here the one object at fault being
refused (config-parse); between nodes of equal preference the choice is ours, so any of them may stand where MetalLB's
hash puts another (l2-decisions, `order`); counters are read when somebody asks, there is nothing to count the
publishing of (`expectCounterCallbacks`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from typing import Any, NamedTuple

Case = Mapping[str, Any]

EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"


class Difference(NamedTuple):
    """`cases` is a pattern of ids within `subject`, the file's name; `where` narrows it to cases that show it."""

    subject: str
    cases: str
    reason: str
    where: Callable[[Case], bool] = lambda case: True


def _ignores_labels(case: Case) -> bool:
    nodes = case.get("nodes", {}).values()
    return bool(case.get("ignoreExcludeLB")) and any(EXCLUDE in node.get("labels", {}) for node in nodes)


def _passes_secret_through(case: Case) -> bool:
    peers = case["resources"].get("peers", [])
    return bool(case["options"].get("frrk8sSecretPassthrough")) and any(
        "passwordSecret" in peer.get("spec", {}) for peer in peers
    )


def _of_one_session(case: Case) -> bool:
    """Invalid for FRR, although no two peers are the same session."""
    specs = [peer.get("spec", {}) for peer in case["resources"].get("peers", [])]
    sessions = [tuple(spec.get(name) or "" for name in ("peerAddress", "interface", "vrf")) for spec in specs]
    return case["expect"] == "invalid" and len(set(sessions)) == len(sessions)


DIFFERENCES = (
    Difference(
        "l2-decisions",
        "l2-decide-cluster-255",
        "holders are chosen by our placement, which spreads the addresses of one Service, not by MetalLB's hash",
    ),
    Difference(
        "l2-decisions",
        "*",
        "there is no --ignore-exclude-lb: a node with the label never holds an address",
        _ignores_labels,
    ),
    Difference("l2-announcer", "*", "no reference counts: the reflex is told the whole set of claims each time"),
    Difference(
        "config-l2-dedupe",
        "*",
        "what L2Advertisements say is united, so one said twice changes nothing and none is dropped",
    ),
    Difference(
        "config-mode-validation",
        "*",
        "mlbd has one speaker, which does what MetalLB's native back end cannot",
        lambda case: case["mode"] == "native" and case["expect"] == "invalid",
    ),
    Difference(
        "config-mode-validation",
        "*",
        "each session has its own router ID and ASN: they need not agree, as FRR wants them to",
        lambda case: case["mode"] == "frr" and _of_one_session(case),
    ),
    Difference(
        "config-parse",
        "*",
        "mlbd's own speaker needs the password itself: a Secret is never passed on unread",
        _passes_secret_through,
    ),
    Difference("admission-*", "*", "no admission webhook: a bad object is refused where it is read, with its reason"),
    Difference(
        "bgp-speaker-decisions",
        "*",
        "there is no --ignore-exclude-lb: a node with the label announces nothing",
        lambda case: bool(case.get("ignoreExcludeLB") and case.get("excludedNodes")),
    ),
    Difference(
        "bgp-speaker-decisions",
        "*",
        "mlbd's own speaker needs the password itself: a Secret is never passed on unread",
        lambda case: case["op"] == "password" and bool(case.get("expectRef")),
    ),
)


def difference(subject: str, case: Case) -> str | None:
    for each in DIFFERENCES:
        if fnmatch(subject, each.subject) and fnmatch(case["id"], each.cases) and each.where(case):
            return each.reason
    return None
