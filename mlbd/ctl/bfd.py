"""A BFD session in words, whether a node or a router is at its other end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .words import interval, lasting

_DIAGNOSTICS = {"this end says": "diagnostic", "the other end says": "remote_diagnostic"}


def in_words(session: Any, now: float) -> str:
    """`session` as in SessionStatus."""
    return "; ".join(_clauses(session, now))


def _clauses(session: Any, now: float) -> Iterator[str]:
    where = f"on {session['link']}" if session["link"] else "over several hops"
    there = "" if session["remote_state"] in ("", session["state"]) else f", {session['remote_state']} there"
    state = lasting(session["state"], session["since"], now) + there
    yield f"{session['local']} to {session['remote']} {where}: {state}"
    if session["interval"]:  # else nothing is sent
        lost = f", lost after {interval(session['detection'])}" if session["detection"] else ""
        yield f"a packet every {interval(session['interval'])}{lost}"
    yield f"ups {session['ups']}, downs {session['downs']}"
    for end, field in _DIAGNOSTICS.items():
        if session[field]:
            yield f"{end}: {session[field]}"
