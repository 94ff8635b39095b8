"""All about one BGP session, in sentences."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from mlbd.model.wording import listed

from . import bfd
from .tables import Screen, sentence
from .words import ago, clock, lasting

#: What a state means, for the eyes of somebody who wonders.
MEANINGS = {
    "idle": "There is no connection, and this node makes none now.",
    "connect": "This node is opening a TCP connection to it.",
    "active": "There is no connection: this node waits for the peer to connect, or for its own next attempt.",
    "open-sent": "There is a connection, and the peer has not said yet who it is.",
    "open-confirm": "Both have said who they are, and the peer has not agreed yet.",
    "established": "It hears the routes of this node.",
    "listening": "Whoever connects from this network gets a session of its own.",
}
_AGREED = ("open-confirm", "established")
#: By the names of counters.
_MESSAGES = {
    "open": "OPEN",
    "update": "UPDATE",
    "keepalive": "KEEPALIVE",
    "notification": "NOTIFICATION",
    "routeRefresh": "ROUTE-REFRESH",
    "endOfRib": "End-of-RIB",
}
_LABEL = 11


def draw(peers: Any, screen: Screen, wide: bool) -> list[str]:
    now = time.time()
    lines: list[str] = []
    for peer in peers:
        lines += ["", *_whole(peer, now, screen)] if lines else _whole(peer, now, screen)
    return lines


def _whole(peer: Any, now: float, screen: Screen) -> Iterator[str]:
    yield screen.bold(f"{peer['name']}: {_state(peer, now)}")
    yield from sentence(screen, MEANINGS[peer["state"]])
    for label, text in _facts(peer, now):
        yield from sentence(screen, f"{label:{_LABEL}}{text}")


def _state(peer: Any, now: float) -> str:
    text = lasting(peer["state"], peer["since"], now)
    if peer["state"] in ("established", "listening"):
        return text
    return text + (f", lost {ago(peer['lost_at'], now)} ago" if peer["lost_at"] else ", never established yet")


def _facts(peer: Any, now: float) -> Iterator[tuple[str, str]]:
    if peer["message"] not in ("", peer["error"]):
        yield "Why not", peer["message"]
    if peer["error"]:
        yield "Last error", peer["error"] + _when(peer["error_at"], now)
    if peer["lost_why"] not in ("", peer["error"]):
        yield "Lost", peer["lost_why"] + _when(peer["lost_at"], now)
    yield "Object", peer["object"]
    yield "Peer", ", ".join(_far_end(peer))
    yield "This node", ", ".join(_near_end(peer))
    yield "Families", listed(peer["families"]) + _whether_agreed(peer)
    if peer["state"] == "listening":
        return
    yield "Prefixes", _prefixes(peer)
    yield "Timers", ", ".join(_timers(peer))
    if session := peer["bfd_session"]:
        yield "BFD", bfd.in_words(session, now)
    elif peer["bfd"]:
        yield "BFD", peer["bfd"]
    yield "It offers", listed(peer["capabilities_received"]) or "nothing, or has not said yet"
    yield "Is offered", listed(peer["capabilities_sent"]) or "nothing yet"
    for direction in ("sent", "received"):
        yield direction.capitalize(), ", ".join(_messages(peer["counters"], direction)) or "nothing"
    yield "Sessions", ", ".join(_sessions(peer["counters"]))


def _far_end(peer: Any) -> Iterator[str]:
    yield f"{peer['remote']} port {peer['port']}" if peer["port"] != 179 else peer["remote"]
    yield f"AS {peer['remote_asn']}"
    if peer["remote_identifier"]:
        yield f"identifier {peer['remote_identifier']}"
    if peer["unnumbered"]:
        yield "unnumbered"


def _near_end(peer: Any) -> Iterator[str]:
    if peer["local"]:
        yield peer["local"]
    yield f"AS {peer['local_asn']}"
    if peer["identifier"]:
        yield f"identifier {peer['identifier']}"
    if peer["passive"]:
        yield "passive: the peer is to connect"


def _whether_agreed(peer: Any) -> str:
    return "" if peer["state"] in _AGREED else " offered"


def _when(time: float | None, now: float) -> str:
    return f" ({ago(time, now)} ago, {clock(time)})" if time else ""


def _prefixes(peer: Any) -> str:
    received = f", {peer['received']} received and not used" if peer["received"] else ""
    return f"{peer['sent']} sent{received}; `mlbctl routes --peer {peer['name']}` lists what it is to hear"


def _timers(peer: Any) -> Iterator[str]:
    timers = peer["timers"]
    if timers["hold"]:
        yield f"hold time {timers['hold']:g} s" + _whether_agreed(peer)
        yield f"a KEEPALIVE every {timers['keepalive']:.3g} s"
    else:
        yield "no hold time: a dead peer is not noticed" + _whether_agreed(peer)
    if timers["retry"] is not None:
        yield f"next attempt in {timers['retry']:.0f} s"


def _messages(counters: Any, direction: str) -> Iterator[str]:
    for name, shown in _MESSAGES.items():
        if count := counters.get(f"{name}.{direction}"):
            yield f"{shown} {count}"
    if direction == "received" and (flaws := counters.get("flaws")):
        yield f"mistakes that do no harm {flaws}"


def _sessions(counters: Any) -> Iterator[str]:
    yield f"established {counters.get('established', 0)}"
    yield f"lost {counters.get('lost', 0)}"
    if rejected := counters.get("rejected"):
        yield f"connections rejected {rejected}"
