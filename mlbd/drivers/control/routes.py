"""The whole surface of the control socket, and who may use it, in one table.

Handlers return values, the server makes answers of them: what JSON can hold (dataclasses included), Lines, or an
asynchronous iterator, whose values are sent as they come. A list of nothing is [], never null.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from mlbd.model.drain import flaw
from mlbd.model.explanation import Explanation
from mlbd.model.status import Event, Move, PeerState, PeerStatus, RouteStatus, Status
from mlbd.model.summary import summarize

from .access import Access
from .events import EventLog

#: A drain is answered by then, done or not: nodes that take over do so in less.
DRAIN_SECONDS = 5.0


class Source(Protocol):
    """What the daemon offers to the socket."""

    @property
    def events(self) -> EventLog: ...

    def status(self) -> Status: ...

    def why(self, text: str) -> Explanation | None:
        """`text` names an object as a user would; None when there is no such thing."""

    async def reload(self) -> None:
        """Read settings and state directories again, and return when the new plan is applied."""

    async def drain(self, reason: str) -> None:
        """Hand every address to other nodes, over restarts too, and return when this one answers for none. A node that
        is drained already keeps its `since`, and its reason unless there is a new one. To be cancelled is to wait no
        longer: the drain stays."""

    async def undrain(self) -> None: ...

    def moves(self) -> Sequence[Move]:
        """What a drain would move now: every address that this node answers for."""

    def routes(self, peer: str | None) -> Sequence[RouteStatus]:
        """What this node announces over BGP, to the peer of that name or to all."""

    async def reset_peer(self, name: str, soft: bool) -> bool:
        """End the session with that peer and begin anew. `soft`: keep it, send all routes again and ask for the peer's
        (RFC 2918). False when there is no such peer."""


class NotFound(LookupError):
    """Nothing has that name; the text is for the user."""


class BadQuery(ValueError):
    """The query cannot be taken; the text is for the user."""


class Question(NamedTuple):
    """A request, reduced to what a handler may know of it."""

    names: Mapping[str, str]
    query: Mapping[str, str]


class Lines(NamedTuple):
    """Values to be sent as JSON, one a line."""

    values: Iterable[Any]


Handler = Callable[[Source, Question], Any]


def services(source: Source, question: Question) -> Any:
    return source.status().services


def service(source: Source, question: Question) -> Any:
    namespace, name = question.names["namespace"], question.names["name"]
    for candidate in source.status().services:
        if (candidate.namespace, candidate.name) == (namespace, name):
            return candidate
    raise NotFound(f"cannot find Service {namespace}/{name}: no state directory has it; `mlbctl services` lists all")


def why(source: Source, question: Question) -> Any:
    text = question.names["object"]
    if (explanation := source.why(text)) is None:
        raise NotFound(
            f"cannot explain {text!r}: no Service, address, node, link, class or pool has that name; "
            "`mlbctl services`, `nodes`, `links` and `pools` list them"
        )
    return explanation


def events(source: Source, question: Question) -> Lines | AsyncIterator[Event]:
    stored = source.events.since(0)
    if question.query.get("follow") == "true":
        return source.events.follow(stored[0].number - 1 if stored else 0)
    return Lines(stored)


async def reload(source: Source, question: Question) -> Any:
    await source.reload()
    return summarize(source.status())


def draining(source: Source, question: Question) -> Any:
    """`peers` are the BGP peers that hear routes of this node."""
    status = source.status()
    hearing = [peer.name for peer in status.peers if peer.state is PeerState.ESTABLISHED and peer.sent]
    return {"drain": status.drain, "moves": source.moves(), "peers": hearing}


async def drain(source: Source, question: Question) -> Any:
    """The DrainStatus when all addresses are gone, or as far as it came in DRAIN_SECONDS; None when an undrain came
    in between."""
    reason = question.query.get("reason", "")
    if wrong := flaw(reason):
        raise BadQuery(f"cannot take this reason for a drain: {wrong}")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            await source.drain(reason)
    return source.status().drain


async def undrain(source: Source, question: Question) -> Any:
    await source.undrain()
    return source.status().drain


def peer(source: Source, question: Question) -> Any:
    return _peer(source, question.names["name"])


def peer_routes(source: Source, question: Question) -> Any:
    name = question.query.get("peer")
    if name is not None:
        _peer(source, name)
    return source.routes(name)


async def reset_peer(source: Source, question: Question) -> Any:
    """The PeerStatus as it is then."""
    name = question.names["name"]
    if not await source.reset_peer(name, soft=question.query.get("soft") == "true"):
        raise _no_peer(name)
    return _peer(source, name)


def _peer(source: Source, name: str) -> PeerStatus:
    for candidate in source.status().peers:
        if candidate.name == name:
            return candidate
    raise _no_peer(name)


def _no_peer(name: str) -> NotFound:
    return NotFound(f"cannot find a BGP peer {name}: this node has none of that name; `mlbctl peers` lists all")


class Route(NamedTuple):
    """`{name}` in a path is one segment; `{name*}` is one or more. Of several that fit the first one counts."""

    method: str
    path: str
    access: Access
    handler: Handler | Callable[[Source, Question], Awaitable[Any]]


ROUTES = (
    Route("GET", "/v1/summary", Access.READ, lambda source, question: summarize(source.status())),
    Route("GET", "/v1/status", Access.READ, lambda source, question: source.status()),
    Route("GET", "/v1/services", Access.READ, services),
    Route("GET", "/v1/services/{namespace}/{name}", Access.READ, service),
    Route("GET", "/v1/pools", Access.READ, lambda source, question: source.status().pools),
    Route("GET", "/v1/nodes", Access.READ, lambda source, question: source.status().nodes),
    Route("GET", "/v1/links", Access.READ, lambda source, question: source.status().links),
    Route("GET", "/v1/peers", Access.READ, lambda source, question: source.status().peers),
    Route("POST", "/v1/peers/{name*}/reset", Access.CHANGE, reset_peer),
    Route("GET", "/v1/peers/{name*}", Access.READ, peer),
    Route("GET", "/v1/routes", Access.READ, peer_routes),
    Route("GET", "/v1/problems", Access.READ, lambda source, question: source.status().problems),
    Route("GET", "/v1/events", Access.READ, events),
    Route("GET", "/v1/why/{object*}", Access.READ, why),
    Route("POST", "/v1/reload", Access.CHANGE, reload),
    Route("GET", "/v1/drain", Access.READ, draining),
    Route("POST", "/v1/drain", Access.CHANGE, drain),
    Route("POST", "/v1/undrain", Access.CHANGE, undrain),
)


@dataclass(frozen=True, slots=True)
class Match:
    """What a path leads to: the routes of all its methods, and the names found in it."""

    routes: Mapping[str, Route]
    names: Mapping[str, str]


def find(path: str) -> Match:
    """Raises NotFound, which names the paths there are."""
    for pattern, template in _PATTERNS.items():
        if matched := pattern.fullmatch(path):
            return Match({route.method: route for route in ROUTES if route.path == template}, matched.groupdict())
    raise NotFound(f"cannot find {path!r}: the paths are {', '.join(_PATTERNS.values())}")


def _pattern(template: str) -> re.Pattern[str]:
    rest = re.sub(r"\{(\w+)\*\}", r"(?P<\1>.+)", template)
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", rest), re.DOTALL)


_PATTERNS = {_pattern(route.path): route.path for route in ROUTES}
