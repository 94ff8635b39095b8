"""From a request to a handler of the table, and from its value to an answer."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any

from aiohttp import web

from .access import Access, Policy, identify
from .connections import Connections
from .routes import BadQuery, Lines, NotFound, Question, Source, find

BODY_OCTETS = 64 * 1024
FOLLOWERS = 16
#: How long a follower may read nothing while there is something to read.
FOLLOWER_SECONDS = 10.0

_NDJSON = "application/x-ndjson"

log = logging.getLogger(__name__)


class Server:
    """Answers what comes to `listener` for `source`; `group` and `admin_group` are named to those who may not ask."""

    def __init__(self, policy: Policy, group: str, admin_group: str | None, source: Source) -> None:
        self._policy = policy
        self._group = group
        self._admin_group = admin_group
        self._source = source
        self._followers: set[asyncio.Task[Any]] = set()
        self._unfinished: set[asyncio.Future[Any]] = set()
        self._connections = Connections(self._answer)

    async def run(self, listener: socket.socket) -> None:
        """Until cancelled: then no new requests; those under way have a second to end, followers none."""
        try:
            await self._connections.accept(listener)
        finally:
            for task in (*self._followers, *self._unfinished):
                task.cancel()
            await self._connections.shutdown(timeout=1)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            match await self._value(request):
                case AsyncIterator() as values:
                    return await self._stream(request, values)
                case Lines(values):
                    return _response(200, _NDJSON, b"".join(map(_line, values)))
                case value:
                    return _json(200, value)
        except _Refused as refused:
            return _json(refused.status, {"error": str(refused)})
        except ConnectionError:
            raise
        except Exception:
            log.exception("cannot answer %s %s", request.method, request.path)
            return _json(500, {"error": "cannot answer: mlbd failed inside; `journalctl -u mlbd` tells where"})

    async def _value(self, request: web.BaseRequest) -> Any:
        """What the handler returns. Raises _Refused."""
        if (request.content_length or 0) > BODY_OCTETS:
            raise _Refused(413, f"cannot take a body of more than {BODY_OCTETS} octets")
        try:
            match = find(request.path)
            if (route := match.routes.get(request.method)) is None:
                raise _Refused(405, f"cannot {request.method} {request.path}: it takes {', '.join(match.routes)}")
            if self._access(request) < route.access:
                raise _Refused(403, _denied(route.access, self._group, self._admin_group))
            value = route.handler(self._source, Question(match.names, request.query))
            return await self._finish(value) if inspect.isawaitable(value) else value
        except NotFound as error:
            raise _Refused(404, str(error)) from None
        except BadQuery as error:
            raise _Refused(400, str(error)) from None

    async def _finish(self, work: Awaitable[Any]) -> Any:
        """What is begun is done to its end, whether or not the client waits for it."""
        task = asyncio.ensure_future(work)
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)
        return await asyncio.shield(task)

    def _access(self, request: web.BaseRequest) -> Access:
        connection: socket.socket | None = request.get_extra_info("socket")
        return Access.NONE if connection is None else self._policy.access(identify(connection))

    async def _stream(self, request: web.BaseRequest, values: AsyncIterator[Any]) -> web.StreamResponse:
        if len(self._followers) >= FOLLOWERS:
            raise _Refused(503, f"cannot stream to more than {FOLLOWERS} at once; end another `mlbctl events --follow`")
        task = asyncio.current_task()
        assert task is not None
        self._followers.add(task)
        self._connections.lift_deadline(request)
        try:
            return await _write_lines(request, values)
        finally:
            self._followers.discard(task)


class _Refused(Exception):
    """The answer is no: an HTTP status and a text for the user."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def _write_lines(request: web.BaseRequest, values: AsyncIterator[Any]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": _NDJSON})
    response.force_close()
    try:
        async with asyncio.timeout(FOLLOWER_SECONDS):
            await response.prepare(request)
        async for value in values:
            async with asyncio.timeout(FOLLOWER_SECONDS):
                await response.write(_line(value))
        async with asyncio.timeout(FOLLOWER_SECONDS):
            await response.write_eof()
    except TimeoutError:
        # An orderly close would wait for the client to read what it does not read.
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the follower is too slow") from None
    return response


def _json(status: int, value: Any) -> web.Response:
    return _response(status, "application/json", _line(value))


def _response(status: int, content_type: str, body: bytes) -> web.Response:
    response = web.Response(status=status, body=body, content_type=content_type)
    response.force_close()
    return response


def _line(value: Any) -> bytes:
    return encode(value) + b"\n"


def encode(value: Any) -> bytes:
    """`value`, dataclasses included, as JSON in ASCII."""
    return json.dumps(value, default=_fields, separators=(",", ":")).encode("ascii")


def _fields(value: Any) -> Any:
    # Not dataclasses.asdict(): it copies all the way down, which at 10,000 Services is felt. All of ours have slots.
    if isinstance(value, Mapping):
        return dict(value)
    return {name: getattr(value, name) for name in value.__slots__}


def _denied(access: Access, group: str, admin_group: str | None) -> str:
    if access is Access.READ:
        return f"cannot read: only root and members of the group {group} may; `usermod -aG {group} USER` adds one"
    others = f" and members of the group {admin_group}" if admin_group else ""
    return f"cannot change anything: only root{others} may"
