"""Questions to the control socket. Answers are JSON values; what goes wrong becomes a CtlError."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .errors import CtlError, Denied, NotFound, Unreachable

TIMEOUT_SECONDS = 10.0
_ERRORS = {403: Denied, 404: NotFound}


class Client:
    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, *segments: str) -> Any:
        """`/v1/` and the segments, quoted; a "/" within one stays a "/"."""
        return self._value("GET", segments)

    def post(self, *segments: str) -> Any:
        return self._value("POST", segments)

    def lines(self, *segments: str, follow: bool) -> Iterator[Any]:
        """The values of a stream as they come; with `follow` it ends when the daemon does, raising Unreachable."""
        with self._ask("GET", segments, "?follow=true" if follow else "") as connection:
            try:
                with connection.getresponse() as response:
                    _check(response)
                    if follow and connection.sock:
                        connection.sock.settimeout(None)
                    for line in response:
                        yield json.loads(line)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise self._broken(error) from None
        if follow:
            raise Unreachable("the stream of events has ended: mlbd stops or restarts; `systemctl status mlbd` tells")

    def _value(self, method: str, segments: tuple[str, ...]) -> Any:
        with self._ask(method, segments) as connection:
            try:
                with connection.getresponse() as response:
                    _check(response)
                    return json.load(response)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise self._broken(error) from None

    def _ask(self, method: str, segments: tuple[str, ...], query: str = "") -> _Connection:
        connection = _Connection(self._path)
        try:
            connection.request(method, "/v1/" + "/".join(map(quote, segments)) + query)
        except OSError as error:
            connection.close()
            raise _unreachable(self._path, error) from None
        return connection

    def _broken(self, error: Exception) -> CtlError:
        return Unreachable(
            f"cannot make sense of what {self._path} answers ({error or type(error).__name__}); "
            "`systemctl status mlbd` and `journalctl -u mlbd` tell more"
        )


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))

    def __enter__(self) -> _Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check(response: http.client.HTTPResponse) -> None:
    """Raises CtlError with the daemon's own sentence for anything but 200."""
    if response.status == 200:
        return
    answer = json.load(response)
    message = answer.get("error") if isinstance(answer, dict) else None
    raise _ERRORS.get(response.status, CtlError)(str(message or f"cannot do that: HTTP status {response.status}"))


def _unreachable(path: Path, error: OSError) -> CtlError:
    match error:
        case PermissionError():
            return Denied(
                f"cannot open {path}: permission denied; run mlbctl as root, or join the socket's group "
                "(`usermod -aG mlbd USER`, then log in again)"
            )
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
        case TimeoutError():
            return Unreachable(
                f"cannot reach mlbd: {path} does not answer within {TIMEOUT_SECONDS:.0f} s; "
                "`journalctl -u mlbd` tells what it does"
            )
    return Unreachable(f"cannot reach mlbd at {path}: {error.strerror or error}; `systemctl status mlbd` tells more")
