from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import grp
import json
import logging
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlbd.drivers.control import Control, ControlError, EventLog, connections, routes, server
from mlbd.drivers.control.access import Access, Peer, Policy
from mlbd.drivers.control.events import CAPACITY
from mlbd.drivers.control.listener import Listener
from mlbd.drivers.control.routes import ROUTES
from mlbd.model.status import Event
from tests.ctl.canned import EXPLANATION, MOVES, STARTED, STATUS, Daemon
from tests.ctl.canned import ROUTES as ROUTES_OF_PEERS
from tests.ctl.serving import ADMINS, READERS, Served, as_user, ask, directory, serve
from tests.lab import wait_for

NOBODY = 65534
READERS_GID = grp.getgrnam(READERS).gr_gid
ADMINS_GID = grp.getgrnam(ADMINS).gr_gid


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def path() -> Iterator[Path]:
    with directory() as parent:
        yield parent / "mlbd.sock"


@pytest.fixture
def served(daemon: Daemon, path: Path) -> Iterator[Served]:
    with serve(daemon, path) as running:
        yield running


def as_json(value: Any) -> object:
    """What a client should see, reckoned another way than the server does."""
    if isinstance(value, tuple):
        return [as_json(item) for item in value]
    return json.loads(json.dumps(dataclasses.asdict(value)))


# Answers


def test_everything_is_answered_as_the_status_has_it(served: Served) -> None:
    assert served.ask("/v1/status") == (200, as_json(STATUS))
    assert served.ask("/v1/services") == (200, as_json(STATUS.services))
    assert served.ask("/v1/services/shop/web") == (200, as_json(STATUS.services[1]))
    assert served.ask("/v1/pools") == (200, as_json(STATUS.pools))
    assert served.ask("/v1/nodes") == (200, as_json(STATUS.nodes))
    assert served.ask("/v1/links") == (200, as_json(STATUS.links))
    assert served.ask("/v1/problems") == (200, as_json(STATUS.problems))
    assert served.ask("/v1/peers") == (200, as_json(STATUS.peers))
    assert served.ask("/v1/routes") == (200, as_json(ROUTES_OF_PEERS))


def test_summary_counts_what_status_lists(served: Served) -> None:
    status, summary = served.ask("/v1/summary")
    assert status == 200
    counted = {"services": 3, "announced": 1, "wanted": 5, "assigned": 4, "pools": 2, "nodes": 4, "eligible": 2}
    assert counted.items() <= summary.items()
    assert (summary["lost"], summary["drained"]) == (["node-3"], [])
    assert (summary["links"], summary["errors"], summary["warnings"]) == (["eth0"], 1, 1)
    assert (summary["peers"], summary["unestablished"]) == (4, ["border-router-2.campus.example.net", "tor-2"])
    assert [problem["severity"] for problem in summary["problems"]] == ["error", "warning"]


def test_summary_does_not_grow_with_the_problems(daemon: Daemon, served: Served) -> None:
    daemon.current = dataclasses.replace(STATUS, problems=STATUS.problems * 500)
    summary = served.ask("/v1/summary").value
    assert (summary["errors"], summary["warnings"], len(summary["problems"])) == (500, 500, 20)
    assert {problem["severity"] for problem in summary["problems"]} == {"error"}


def test_nothing_is_an_empty_list(daemon: Daemon, served: Served) -> None:
    daemon.current = dataclasses.replace(STATUS, services=(), pools=(), nodes=(), links=(), problems=(), peers=())
    for noun in ("services", "pools", "nodes", "links", "problems", "peers"):
        assert served.ask(f"/v1/{noun}") == (200, [])


@pytest.mark.parametrize("text", ["shop/web", "shop%2Fweb", "Service%20shop/web"])
def test_why_takes_the_rest_of_the_path(served: Served, text: str) -> None:
    assert served.ask(f"/v1/why/{text}") == (200, as_json(EXPLANATION))


def test_what_nobody_knows_is_not_found(served: Served) -> None:
    status, answer = served.ask("/v1/services/shop/nothing")
    assert status == 404
    assert "Service shop/nothing" in answer["error"]
    status, answer = served.ask("/v1/why/the%0aweather")
    assert status == 404
    assert r"'the\nweather'" in answer["error"]


def test_an_unknown_path_names_the_known_ones(served: Served) -> None:
    status, answer = served.ask("/v2/services")
    assert status == 404
    assert all(route.path in answer["error"] for route in ROUTES)


def test_a_wrong_method_names_the_right_one(served: Served, daemon: Daemon) -> None:
    status, answer = served.ask("/v1/reload")
    assert (status, answer["error"]) == (405, "cannot GET /v1/reload: it takes POST")
    assert daemon.reloads == 0
    assert served.ask("/v1/status", "DELETE").status == 405


def test_reload_reloads_and_tells_how_things_stand(served: Served, daemon: Daemon) -> None:
    status, summary = served.ask("/v1/reload", "POST")
    assert (status, summary["errors"], daemon.reloads) == (200, 1, 1)


def test_a_reload_is_finished_although_nobody_waits_for_it(served: Served, daemon: Daemon) -> None:
    daemon.reload_may_end.clear()
    with served.connect() as client:
        client.sendall(b"POST /v1/reload HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: served.control._server._unfinished)
    wait_for(lambda: not served.control._server._connections.connections)
    assert daemon.reloads == 0
    daemon.reload_may_end.set()
    wait_for(lambda: daemon.reloads == 1)


# Peers


@pytest.mark.parametrize("name", ["tor-1", "racks/2001:db8:0:42::17"])
def test_a_peer_and_its_routes(served: Served, name: str) -> None:
    peer = next(peer for peer in STATUS.peers if peer.name == name)
    assert served.ask(f"/v1/peers/{name}") == (200, as_json(peer))
    routes = tuple(route for route in ROUTES_OF_PEERS if route.peer == name)
    assert served.ask(f"/v1/routes?peer={name}") == (200, as_json(routes))
    assert len(routes) == 2


def test_a_peer_is_reset_hard_unless_softly(served: Served, daemon: Daemon) -> None:
    assert served.ask("/v1/peers/tor-1/reset", "POST") == (200, as_json(STATUS.peers[3]))
    assert served.ask("/v1/peers/racks/2001:db8:0:42::17/reset?soft=true", "POST").status == 200
    assert served.ask("/v1/peers/tor-2/reset?soft=no", "POST").status == 200
    assert daemon.resets == [("tor-1", False), ("racks/2001:db8:0:42::17", True), ("tor-2", False)]


def test_a_peer_that_nobody_knows_is_not_found(served: Served, daemon: Daemon) -> None:
    for path, method in (("peers/tor-9", "GET"), ("routes?peer=tor-9", "GET"), ("peers/tor-9/reset", "POST")):
        status, answer = served.ask(f"/v1/{path}", method)
        assert (status, answer["error"].startswith("cannot find a BGP peer tor-9: ")) == (404, True)
    assert served.ask("/v1/peers/tor-1/reset").status == 405


# Drains


def test_a_drain_is_told_before_and_after(served: Served, daemon: Daemon) -> None:
    hearing = ["racks/2001:db8:0:42::17", "tor-1"]
    assert served.ask("/v1/drain") == (200, {"drain": None, "moves": as_json(MOVES), "peers": hearing})
    drained = {"since": STARTED, "reason": "kernel update", "done": True}
    assert served.ask("/v1/drain?reason=kernel%20update", "POST") == (200, drained)
    assert served.ask("/v1/drain") == (200, {"drain": drained, "moves": [], "peers": hearing})
    assert served.ask("/v1/undrain", "POST") == (200, None)
    assert served.ask("/v1/drain").value["moves"] == as_json(MOVES)


def test_a_reason_is_not_needed(served: Served) -> None:
    assert served.ask("/v1/drain", "POST").value["reason"] == ""


@pytest.mark.parametrize("reason", ["x" * 129, "a%0ab", "%1b[2J", "%e2%80%ae", "%00"])
def test_a_reason_that_no_line_can_show_is_refused(served: Served, daemon: Daemon, reason: str) -> None:
    status, answer = served.ask(f"/v1/drain?reason={reason}", "POST")
    assert (status, daemon.current.drain) == (400, None)
    assert answer["error"].startswith("cannot take this reason for a drain: it has ")


def test_a_reason_is_counted_in_characters(served: Served) -> None:
    assert served.ask(f"/v1/drain?reason={'%D0%B6' * 128}", "POST").value["reason"] == "ж" * 128


def test_a_drain_that_cannot_end_is_answered_and_goes_on(
    served: Served, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert routes.DRAIN_SECONDS < connections.REQUEST_SECONDS
    monkeypatch.setattr(routes, "DRAIN_SECONDS", 0.2)
    daemon.stuck = MOVES[1:]
    status, drain = served.ask("/v1/drain", "POST")
    assert (status, drain["done"]) == (200, False)
    assert served.ask("/v1/drain").value.items() >= {"drain": drain, "moves": as_json(MOVES[1:])}.items()
    assert not served.control._server._unfinished


def test_an_undrain_ends_a_drain_under_way(served: Served, daemon: Daemon) -> None:
    daemon.stuck = MOVES
    with served.connect() as client:
        client.sendall(b"POST /v1/drain HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: daemon.current.drain)
        daemon.stuck = ()
        assert served.ask("/v1/undrain", "POST") == (200, None)
        daemon.held = ()
        assert ends(client).endswith(b"\r\n\r\nnull\n")


def test_a_bug_is_an_error_500_and_a_log_line(
    daemon: Daemon, served: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "current", None)
    status, answer = served.ask("/v1/status/")
    assert status == 404
    status, answer = served.ask("/v1/services")
    assert status == 500
    assert answer["error"].startswith("cannot answer")
    assert "cannot answer GET /v1/services" in caplog.text
    assert served.ask("/v1/routes").status == 200


# Who may


def test_the_socket_is_its_groups(served: Served) -> None:
    status = served.path.stat()
    assert stat.S_IMODE(status.st_mode) == 0o660
    assert (status.st_uid, status.st_gid) == (0, READERS_GID)


def reads_and_reloads(path: Path) -> list[int]:
    return [ask(path, "/v1/peers").status, ask(path, "/v1/reload", "POST").status]


READING = [route.path for route in ROUTES if route.method == "GET" and "{" not in route.path]
CHANGING = ["/v1/peers/tor-1/reset", "/v1/reload", "/v1/drain", "/v1/undrain"]


def test_whoever_may_read_may_change_nothing(served: Served, daemon: Daemon) -> None:
    def work() -> list[list[int]]:
        read = [ask(served.path, path).status for path in READING if path != "/v1/events"]
        return [read, [ask(served.path, path, "POST").status for path in CHANGING]]

    assert [route.path.format_map({"name*": "tor-1"}) for route in ROUTES if route.method != "GET"] == CHANGING
    assert as_user(NOBODY, [READERS_GID], work) == [[200] * (len(READING) - 1), [403] * 4]
    assert (daemon.reloads, daemon.resets, daemon.current.drain) == (0, [], None)


def test_root_may_change(served: Served) -> None:
    assert reads_and_reloads(served.path) == [200, 200]


def test_a_member_of_the_group_may_read(served: Served, daemon: Daemon) -> None:
    assert as_user(NOBODY, [READERS_GID], lambda: reads_and_reloads(served.path)) == [200, 403]
    assert daemon.reloads == 0


def test_a_member_of_the_admin_group_may_change(served: Served) -> None:
    assert as_user(NOBODY, [READERS_GID, ADMINS_GID], lambda: reads_and_reloads(served.path)) == [200, 200]


def test_others_cannot_even_connect(served: Served) -> None:
    assert as_user(NOBODY, [ADMINS_GID], lambda: reads_and_reloads(served.path)) == "PermissionError"


def test_others_are_refused_even_where_the_file_lets_them_in(served: Served) -> None:
    served.path.chmod(0o666)
    assert as_user(NOBODY, [], lambda: reads_and_reloads(served.path)) == [403, 403]
    status, answer = as_user(NOBODY, [], lambda: ask(served.path, "/v1/status"))
    assert (status, list(answer)) == (403, ["error"])
    assert f"members of the group {READERS}" in answer["error"]


def test_the_daemons_own_user_may_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    policy = Policy(frozenset({5}), frozenset({6}))
    assert policy.access(Peer(1234, frozenset())) is Access.READ
    assert policy.access(Peer(1235, frozenset())) is Access.NONE
    assert policy.access(Peer(0, frozenset())) is Access.CHANGE


def test_a_missing_group_leaves_the_socket_to_root(
    daemon: Daemon, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(daemon, path, "no-such-group", "neither-this") as served:
        assert served.path.stat().st_gid == 0
        assert reads_and_reloads(path) == [200, 200]
        served.path.chmod(0o666)
        assert as_user(NOBODY, [READERS_GID], lambda: ask(path, "/v1/peers").status) == 403
        problems = served.control.status()
    assert [problem.reason for problem in problems] == ["NoSuchGroup", "NoSuchGroup"]
    assert "no-such-group" in problems[0].message
    assert "no-such-group" in caplog.text


# Whose socket it is


async def start_and_close(path: Path) -> None:
    control = Control(path, READERS, None, Daemon())
    control.start()
    control.close()


def test_a_second_daemon_is_refused(served: Served) -> None:
    with pytest.raises(ControlError, match="another mlbd answers there"):
        asyncio.run(start_and_close(served.path))
    assert served.ask("/v1/peers").status == 200


def race(path: Path) -> list[bytes]:
    """Who of eight processes that start at once gets the socket: b"w" for a winner, b"l" for a loser."""
    go_read, go_write = os.pipe()
    told_read, told_write = os.pipe()
    done_read, done_write = os.pipe()
    children = []
    for _ in range(8):
        if not (child := os.fork()):
            os.close(go_write)
            os.close(done_write)
            os.read(go_read, 1)  # ends for all of them at once, with the pipe
            try:
                Listener(path, None)
                os.write(told_write, b"w")
            except ControlError:
                os.write(told_write, b"l")
            os.read(done_read, 1)
            os._exit(0)
        children.append(child)
    os.close(go_write)
    told = [os.read(told_read, 1) for _ in children]
    os.close(done_write)
    for child in children:
        os.waitpid(child, 0)
    for end in (go_read, told_read, told_write, done_read):
        os.close(end)
    return sorted(told)


def test_of_many_at_once_one_wins(path: Path) -> None:
    """All find a stale socket, at first one left here and then the last winner's; nobody may replace the winner's."""
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    for _ in range(40):
        assert race(path) == [b"l"] * 7 + [b"w"]


def test_the_socket_of_a_killed_daemon_is_replaced(path: Path, daemon: Daemon) -> None:
    if not (child := os.fork()):
        Listener(path, None)
        os._exit(0)
    os.waitpid(child, 0)
    assert path.is_socket()
    with serve(daemon, path) as served:
        assert served.ask("/v1/peers").status == 200


def test_a_listener_without_the_lock_is_not_pushed_aside(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(ControlError, match="another mlbd answers there"):
            Listener(path, None)
        assert path.is_socket()


def test_what_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(ControlError, match="something else has that name"):
        Listener(path, None)
    assert path.read_text() == "precious"


def test_a_path_that_cannot_be_is_told(path: Path) -> None:
    with pytest.raises(ControlError, match="too long"):
        Listener(path.with_name("x" * 108), None)
    path.write_text("")
    with pytest.raises(ControlError, match="cannot create the control socket"):
        Listener(path / "mlbd.sock", None)


def test_the_directory_is_made_and_the_socket_goes_with_the_daemon(path: Path) -> None:
    inside = path.parent / "run" / "mlbd.sock"
    listener = Listener(inside, None)
    assert inside.is_socket()
    listener.close()
    assert not inside.exists()
    asyncio.run(start_and_close(inside))


# Clients that mean no good


def test_a_slow_client_holds_up_nobody_and_is_cut_off(
    daemon: Daemon, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 1.0)
    with serve(daemon, path) as served, served.connect() as silent, served.connect() as slow, served.connect() as body:
        slow.sendall(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        body.sendall(b"POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
        assert served.ask("/v1/peers").status == 200
        for client in (silent, slow):
            assert ends(client) == b""
        assert ends(body).startswith(b"HTTP/1.1 200")


def ends(client: socket.socket) -> bytes:
    """All that comes until the server closes; the socket's timeout fails the test when it does not."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := client.recv(65536):
            received += data
    return received


def test_a_client_that_does_not_read_is_cut_off(daemon: Daemon, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 1.0)
    daemon.current = dataclasses.replace(STATUS, services=STATUS.services * 2000)
    with serve(daemon, path) as served, served.connect() as client:
        client.sendall(b"GET /v1/services HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_for(lambda: not served.control._server._connections.connections and client.recv(1, socket.MSG_PEEK))
        assert len(ends(client)) < len(json.dumps(as_json(daemon.current.services)))


def test_connections_beyond_the_limit_wait(daemon: Daemon, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 3)
    with serve(daemon, path) as served:
        idle = [served.connect() for _ in range(3)]
        with served.connect() as waiting:
            waiting.sendall(b"GET /v1/peers HTTP/1.1\r\nHost: localhost\r\n\r\n")
            wait_for(lambda: len(served.control._server._connections.connections) == 3)
            waiting.settimeout(0.2)
            with pytest.raises(TimeoutError):
                waiting.recv(1)
            idle.pop().close()
            waiting.settimeout(20)
            assert ends(waiting).startswith(b"HTTP/1.1 200")
        for client in idle:
            client.close()
        assert served.ask("/v1/peers").status == 200


def test_hundreds_of_requests_leave_nothing_behind(served: Served) -> None:
    for _ in range(200):
        assert served.ask("/v1/peers").status == 200
    wait_for(lambda: not served.control._server._connections.connections)
    assert not served.control._server._connections._deadlines
    # All but the one that the next client will take.
    assert served.control._server._connections._free._value == connections.CONNECTIONS - 1


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n", b"413"),
        (b"GET /v1/peers HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET /v1/peers HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % i for i in range(1000)) + b"\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"GET /v1/why/%ff%fe%00 HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"GET /v1/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
    ],
)
def test_what_is_too_big_or_no_http_is_refused(
    served: Served, caplog: pytest.LogCaptureFixture, request_: bytes, status: bytes
) -> None:
    with served.connect() as client:
        with contextlib.suppress(BrokenPipeError):
            client.sendall(request_)
        assert ends(client).split()[1] == status
    assert served.ask("/v1/peers").status == 200
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


# Events


def record(served: Served, daemon: Daemon, count: int = 1, message: str = "192.0.2.10 is held") -> None:
    for _ in range(count):
        served.call(daemon.events.record, 1.0, "AddressHeld", "Service shop/web", message, service="shop/web")


def test_events_are_lines_oldest_first(served: Served, daemon: Daemon) -> None:
    record(served, daemon, 3)
    with served.connect() as client:
        client.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        head, _, body = ends(client).partition(b"\r\n\r\n")
    assert b"application/x-ndjson" in head
    lines = [json.loads(line) for line in body.splitlines()]
    assert [line["number"] for line in lines] == [1, 2, 3]
    assert lines[0] == as_json(
        Event(1, 1.0, "AddressHeld", "Service shop/web", "192.0.2.10 is held", service="shop/web")
    )


class Follower:
    def __init__(self, served: Served) -> None:
        self.socket = served.connect()
        self.socket.sendall(b"GET /v1/events?follow=true HTTP/1.1\r\nHost: x\r\n\r\n")
        self._received = b""

    def numbers(self, count: int) -> list[int]:
        """Of the first events that came, as soon as there are so many."""
        while self._received.count(b'"number"') < count or not self._received.endswith(b"\n"):
            self._received += self.socket.recv(65536)
        return [json.loads(line)["number"] for line in self._received.splitlines() if line.startswith(b"{")]


def test_following_starts_with_what_was_and_goes_on(served: Served, daemon: Daemon) -> None:
    record(served, daemon, 2)
    followers = [Follower(served), Follower(served)]
    for follower in followers:
        assert follower.numbers(2) == [1, 2]
    record(served, daemon)
    for follower in followers:
        assert follower.numbers(3) == [1, 2, 3]
        follower.socket.close()
    wait_for(lambda: not served.control._server._followers)


def test_a_follower_outlives_the_deadline_of_a_request(
    daemon: Daemon, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.5)
    with serve(daemon, path) as served:
        follower = Follower(served)
        with served.connect() as silent:
            ends(silent)  # one whose deadline is later has been cut off
        record(served, daemon)
        assert follower.numbers(1) == [1]
        follower.socket.close()


def test_a_follower_that_does_not_read_is_dropped(daemon: Daemon, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "FOLLOWER_SECONDS", 0.5)
    with serve(daemon, path) as served:
        record(served, daemon)
        slow, quick = Follower(served), Follower(served)
        assert slow.numbers(1) == quick.numbers(1) == [1]
        record(served, daemon, 100, "x" * 10_000)
        assert len(quick.numbers(101)) == 101
        wait_for(lambda: len(served.control._server._followers) == 1)
        assert len(ends(slow.socket)) < 100 * 10_000
        record(served, daemon)
        assert quick.numbers(102)[-1] == 102
        quick.socket.close()
        slow.socket.close()


def test_followers_are_counted(daemon: Daemon, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "FOLLOWERS", 1)
    with serve(daemon, path) as served:
        follower = Follower(served)
        wait_for(lambda: served.control._server._followers)
        assert served.ask("/v1/events?follow=true").status == 503
        record(served, daemon)
        assert served.ask("/v1/events").value["number"] == 1
        follower.socket.close()
        wait_for(lambda: not served.control._server._followers)


def test_a_follower_does_not_hold_up_the_end(daemon: Daemon, path: Path) -> None:
    with serve(daemon, path) as served:
        follower = Follower(served)
        wait_for(lambda: served.control._server._followers)
    assert ends(follower.socket).startswith(b"HTTP/1.1 200")
    follower.socket.close()


def log_of(count: int) -> EventLog:
    log = EventLog()
    for _ in range(count):
        log.record(0.0, "AddressHeld", "Service shop/web", "")
    return log


def test_the_ring_keeps_the_last_thousand() -> None:
    numbers = [event.number for event in log_of(CAPACITY + 500).since(0)]
    assert numbers == list(range(501, CAPACITY + 501))


@pytest.mark.parametrize(("after", "numbers"), [(0, [1, 2, 3]), (2, [3]), (3, []), (7, [])])
def test_since_is_what_came_after(after: int, numbers: list[int]) -> None:
    assert [event.number for event in log_of(3).since(after)] == numbers


def test_a_follower_that_the_ring_overtook_is_let_go() -> None:
    async def follow() -> list[int]:
        log, numbers = log_of(2), []
        async for event in log.follow(0):
            numbers.append(event.number)
            if event.number == 2:
                for _ in range(CAPACITY + 1):
                    log.record(0.0, "AddressHeld", "Service shop/web", "")
        return numbers

    assert asyncio.run(asyncio.wait_for(follow(), 20)) == [1, 2]
