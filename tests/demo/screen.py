"""What the demo prints of its own: tables, what is promised, and mlbctl as a person would see it."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tests.node import PROGRAMS, Node
from tests.traffic import Answers

from .crowd import Crowd
from .site import Answer


@dataclass(frozen=True, slots=True)
class Promise:
    text: str
    kept: bool


def say(text: str) -> None:
    print(text, flush=True)


def mlbctl(node: Node, *argv: str) -> bool:
    """Shows it; whether it found everything well."""
    say(f"$ mlbctl {shlex.join(argv)}   # on {node.host.name}")
    done = subprocess.run((str(PROGRAMS / "mlbctl"), "--socket", str(node.socket), *argv), check=False)
    say("")
    return done.returncode == 0


def draw_answers(answers: Collection[Answer]) -> None:
    say(f"  {'ADDRESS':<24}{'ANSWERED BY':<14}WITH MAC")
    for answer in answers:
        say(f"  {answer.address:<24}{answer.node:<14}{answer.mac}")
    say("")


def draw_moves(report: Mapping[str, Answers]) -> None:
    say(f"  {'ADDRESS':<18}{'BEFORE':<9}{'AFTER':<9}{'SENT':>7}{'LOST':>7}{'DARK FOR':>11}")
    for address, found in report.items():
        first, last = (found.holders[end].node if found.holders else "nobody" for end in (0, -1))
        dark = f"{found.longest_gap * 1000:.0f} ms" if found.lost else "-"
        say(f"  {address:<18}{first:<9}{last:<9}{found.sent:>7}{found.lost:>7}{dark:>11}")
    say("")


def draw_shares(found: Crowd) -> None:
    say("  Datagrams to it, each from a port of its own:\n")
    say(f"  {'ANSWERED BY':<14}{'DATAGRAMS':>9}")
    for name, count in sorted(found.by.items()):
        say(f"  {name:<14}{count:>9}")
    if found.lost:
        say(f"  {'nobody':<14}{len(found.lost):>9}")
    say("")


def judge(promises: Collection[Promise]) -> bool:
    """Whether every one was kept."""
    for promise in promises:
        say(f"  {'kept' if promise.kept else 'BROKEN':<8}{promise.text}")
    return all(promise.kept for promise in promises)
