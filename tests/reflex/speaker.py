"""BFD sessions and their sockets in a process of their own, so that it can be frozen and killed like any other.

The process reads a JSON object a line: {"watches": [...]}, {"down": true}, {"ask": true}; and writes one for every
change of a session and for every question.
"""

from __future__ import annotations

import json
import os
import random
import select
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from mlbd.proto.bfd.authentication import Authentication, AuthenticationType
from mlbd.proto.bfd.session import Action, Send, SessionChanged
from mlbd.proto.bfd.sessions import Sessions
from mlbd.proto.bfd.watch import Watch
from mlbd.reflex.bfd import Transport

if TYPE_CHECKING:
    from tests.lab import Host


class Speaker:
    """The test's end. States and diagnostics are names of the enums."""

    def __init__(self, host: Host, *watches: Watch) -> None:
        self.changes: list[dict[str, Any]] = []
        self._answers: list[dict[str, Any]] = []
        command = (sys.executable, "-u", "-m", "tests.reflex.speaker")
        self.process = host.spawn(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.watch(*watches)

    def watch(self, *watches: Watch) -> None:
        self._say(watches=[_plain(watch) for watch in watches])

    def disable(self, down: bool = True) -> None:
        self._say(down=down)

    def status(self) -> dict[str, Any]:
        """Of the process, and of its first session if it has one."""
        self._say(ask=True)
        assert self.process.stdout
        while True:
            line: dict[str, Any] = json.loads(self.process.stdout.readline())
            if "counters" in line:
                return line
            self.changes.append(line)

    def state(self) -> str:
        return str(self.status().get("state"))

    def reasons(self) -> list[tuple[str, str, str]]:
        """State, diagnostic and remote state of every change until now."""
        self.status()
        return [(change["state"], change["diagnostic"], change["remote_state"]) for change in self.changes]

    def _say(self, **order: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()


def _plain(watch: Watch) -> dict[str, Any]:
    plain = asdict(watch) | {"local": str(watch.local), "remote": str(watch.remote)}
    if watch.authentication:
        plain["authentication"]["key"] = watch.authentication.key.decode()
    del plain["key"]
    return plain


def _watch(plain: dict[str, Any]) -> Watch:
    secret = plain.pop("authentication")
    watch = Watch(**plain | {name: ip_address(plain[name]) for name in ("local", "remote")})
    if secret is None:
        return watch
    key = Authentication(AuthenticationType(secret["type"]), secret["key_id"], secret["key"].encode())
    return replace(watch, authentication=key)


def _tell(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def _named(value: Any) -> dict[str, str]:
    return {name: getattr(value, name).name for name in ("state", "diagnostic", "remote_state", "remote_diagnostic")}


class _Process:
    def __init__(self) -> None:
        self._sessions = Sessions(random.random)
        self._transport = Transport()
        self._watches: list[Watch] = []

    def run(self) -> None:
        poll = select.epoll()
        poll.register(self._transport.fileno(), select.EPOLLIN)
        orders = sys.stdin.fileno()
        poll.register(orders, select.EPOLLIN)
        while True:
            due = self._sessions.deadline()
            ready = poll.poll(None if due is None else max(0.0, due - time.monotonic()))
            self._now = time.monotonic()
            for fd, _ in ready:
                if fd == self._transport.fileno():
                    for octets, arrival in self._transport.receive():
                        self._perform(self._sessions.receive(octets, arrival, self._now))
                elif not (lines := os.read(orders, 1 << 16)):
                    return
                else:
                    for line in lines.splitlines():
                        self._obey(line)
            self._perform(self._sessions.expire(self._now))

    def _obey(self, line: bytes) -> None:
        match json.loads(line):
            case {"watches": watches}:
                self._watches = [_watch(plain) for plain in watches]
                self._transport.watch(self._watches)
                self._perform(self._sessions.watch(self._watches, self._now))
            case {"down": down}:
                disabled = {watch.key for watch in self._watches} if down else set()
                self._perform(self._sessions.watch(self._watches, self._now, disabled))
            case {"ask": True}:
                self._transport.watch(self._watches)
                self._answer()

    def _answer(self) -> None:
        answer = {
            "counters": dict(self._transport.counters),
            "problems": dict(self._transport.problems()),
            "drops": {reason.value: number for reason, number in self._sessions.drops.items()},
        }
        for status in self._sessions.status()[:1]:
            plain = {name: getattr(status, name) for name in status.__slots__ if name != "watch"}
            answer |= plain | _named(status)
        _tell(answer)

    def _perform(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Send(watch, octets):
                    self._transport.send(watch, octets)
                case SessionChanged():
                    _tell(_named(action))


if __name__ == "__main__":
    _Process().run()
