"""Questions to the control socket. Answers are JSON values; what goes wrong becomes a CtlError.

HTTP/1.0 by hand: an answer is then a head and all that follows, and importing http.client would take as long as asking.
"""

from __future__ import annotations

import grp
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

from .errors import CtlError, Denied, NotFound, Unreachable

TIMEOUT_SECONDS = 10.0
_LINE_OCTETS = 8192
_ERRORS = {403: Denied, 404: NotFound}


class Client:
    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, *segments: str, **query: str) -> Any:
        """`/v1/` and the segments, quoted; a "/" within one stays a "/"."""
        return self._value("GET", segments, query)

    def post(self, *segments: str, **query: str) -> Any:
        return self._value("POST", segments, query)

    def lines(self, *segments: str, follow: bool) -> Iterator[Any]:
        """The values of a stream as they come; with `follow` it ends when the daemon does, raising Unreachable."""
        query = {"follow": "true"} if follow else {}
        with self._connected() as connection, _asked(connection, "GET", segments, query) as answer:
            connection.settimeout(None if follow else TIMEOUT_SECONDS)
            for line in answer:
                yield json.loads(line)
        if follow:
            raise Unreachable("the stream of events has ended: mlbd stops or restarts; `systemctl status mlbd` tells")

    def _value(self, method: str, segments: tuple[str, ...], query: Mapping[str, str]) -> Any:
        with self._connected() as connection, _asked(connection, method, segments, query) as answer:
            return json.load(answer)

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT_SECONDS)
            try:
                connection.connect(str(self._path))
            except OSError as error:
                raise _unreachable(self._path, error) from None
            try:
                yield connection
            except TimeoutError as error:
                raise _unreachable(self._path, error) from None
            except (OSError, ValueError) as error:
                raise Unreachable(
                    f"cannot make sense of what {self._path} answers ({error or type(error).__name__}); "
                    "`systemctl status mlbd` and `journalctl -u mlbd` tell more"
                ) from None


@contextmanager
def _asked(
    connection: socket.socket, method: str, segments: tuple[str, ...], query: Mapping[str, str]
) -> Iterator[BinaryIO]:
    """The body of the answer, to be read on. Raises ValueError when it is no HTTP, CtlError with the daemon's own
    sentence when it is a refusal."""
    target = "/".join(map(quote, ("/v1", *segments))) + (f"?{urlencode(query)}" if query else "")
    connection.sendall(f"{method} {target} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode())
    with connection.makefile("rb") as answer:
        version, _, rest = answer.readline(_LINE_OCTETS).decode("latin-1").partition(" ")
        if not version.startswith("HTTP/"):
            raise ValueError("it is no HTTP")
        while answer.readline(_LINE_OCTETS).strip():
            pass
        if (status := int(rest[:3])) != 200:
            raise _refused(status, json.load(answer))
        yield answer


def _refused(status: int, answer: Any) -> CtlError:
    told = answer.get("error") if isinstance(answer, dict) else None
    return _ERRORS.get(status, CtlError)(str(told or f"cannot do that: HTTP status {status}"))


def _how_to_be_let_in(path: Path) -> str:
    as_root = "run mlbctl as root"
    try:
        gid = path.stat().st_gid
    except OSError:  # in a directory that is closed, its group cannot be learnt
        return as_root
    if not gid:  # mlbd's group does not exist: it lets only root in, members of the group root are not
        return as_root
    return f"{as_root}, or join the socket's group (`usermod -aG {_group_name(gid)} USER`, then log in again)"


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _unreachable(path: Path, error: OSError) -> CtlError:
    match error:
        case PermissionError():
            return Denied(f"cannot open {path}: permission denied; {_how_to_be_let_in(path)}")
        case FileNotFoundError():
            return Unreachable(
                f"cannot reach mlbd: there is no {path}; `systemctl status mlbd` tells whether it runs, "
                "and --socket names another socket"
            )
        case ConnectionRefusedError():
            return Unreachable(
                f"cannot reach mlbd: nobody answers at {path}; `systemctl status mlbd` and `journalctl -u mlbd` "
                "tell why it ended"
            )
        case TimeoutError() | BlockingIOError():  # the latter: the queue of its socket is full
            return Unreachable(
                f"cannot reach mlbd: {path} is there but does not answer; `journalctl -u mlbd` tells what it does"
            )
    return Unreachable(f"cannot reach mlbd at {path}: {error.strerror or error}; `systemctl status mlbd` tells more")
