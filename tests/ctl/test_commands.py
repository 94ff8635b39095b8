from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlbd.ctl import client
from mlbd.ctl.__main__ import COMMANDS, main
from mlbd.ctl.errors import Exit
from mlbd.drivers.control import routes
from mlbd.model.status import DrainStatus, ReflexStatus, SessionStatus, Status, VipState
from tests.ctl.canned import MOVES, NOBODY_TAKES, STARTED, STATUS, WEB, Daemon, session
from tests.ctl.serving import READERS, Served, as_user, directory, serve
from tests.ctl.terminal import MLBCTL, environment, piped, start_at_terminal
from tests.drivers.test_control import NOBODY, READERS_GID, record
from tests.lab import wait_for

ASKING = [name for name in COMMANDS if name != "check"]
CHANGING = ("reload", "drain", "undrain", "peers reset tor-1")


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def served(daemon: Daemon) -> Iterator[Served]:
    with directory() as parent, serve(daemon, parent / "mlbd.sock") as running:
        yield running


def run(socket_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--socket", str(socket_path), *arguments])


def arguments(command: str) -> list[str]:
    return [command, "shop/web"] if command == "why" else [command]


# Exit status


def test_nothing_wrong_is_0(daemon: Daemon, served: Served) -> None:
    daemon.current = dataclasses.replace(STATUS, problems=STATUS.problems[:1])  # a warning
    for command in ASKING:
        assert run(served.path, *arguments(command)).exit_code == Exit.OK.value == 0


@pytest.mark.parametrize(
    "wrong",
    [
        dataclasses.replace(STATUS, problems=STATUS.problems[1:]),
        dataclasses.replace(STATUS, problems=(), ready=False),
        dataclasses.replace(STATUS, problems=(), reflex=ReflexStatus(None, False, False, 3)),
    ],
    ids=["error", "not ready", "no reflex"],
)
@pytest.mark.parametrize("command", [["status"], ["status", "-o", "json"], ["status", "-o", "wide"], ["reload"]])
def test_something_wrong_is_1(daemon: Daemon, served: Served, wrong: Status, command: list[str]) -> None:
    daemon.current = wrong
    result = run(served.path, *command)
    assert result.exit_code == Exit.WRONG.value == 1
    assert result.stdout


def test_the_daemon_tells_what_the_reflex_and_the_links_lack(daemon: Daemon, served: Served) -> None:
    daemon.current = dataclasses.replace(
        STATUS, ready=False, links=STATUS.links[1:], reflex=ReflexStatus(None, False, False, 3)
    )
    shown = run(served.path, "status").stdout
    assert "node-1: not ready, up" in shown
    assert "none can announce; `mlbctl links` tells why" in shown
    assert "dead, restarted 3 times: nothing is announced" in shown


@pytest.mark.parametrize(
    ("reflex", "told"),
    [
        (ReflexStatus(8, True, True, 0), "answers, pid 8, in real time\n"),
        (ReflexStatus(8, True, False, 1), "answers, pid 8, not in real time, restarted 1 time\n"),
        (ReflexStatus(8, False, True, 0), "does not answer, pid 8: nothing is announced; "),
    ],
)
def test_what_is_said_of_the_reflex(daemon: Daemon, served: Served, reflex: ReflexStatus, told: str) -> None:
    daemon.current = dataclasses.replace(STATUS, reflex=reflex)
    assert f"Reflex     {told}" in run(served.path, "status").stdout


def test_a_reason_stands_only_beside_the_address_that_it_is_about(daemon: Daemon, served: Served) -> None:
    """Also with no usable link here: another node holds the second address, and all is well with it."""
    mine, other = WEB.addresses[0], WEB.addresses[1]
    addresses = (
        dataclasses.replace(mine, state=VipState.SILENT, reason="NoUsableInterface", message="cannot"),
        dataclasses.replace(other, state=VipState.SILENT),
    )
    web = dataclasses.replace(WEB, addresses=addresses, reason="NoUsableInterface", message="cannot")
    daemon.current = dataclasses.replace(STATUS, services=(web,))
    rows = [line.split() for line in run(served.path, "services").stdout.splitlines()[1:]]
    assert [(row[2], row[4], row[5]) for row in rows] == [
        ("192.0.2.10", "silent", "NoUsableInterface"),
        ("192.0.2.11", "silent", "-"),
    ]


@pytest.mark.parametrize(
    ("object", "reason", "more"),
    [
        ("Service shop/web", "PoolExhausted", "why Service shop/web"),
        ("BGPPeer metallb-system/tor-1", "PeerDown", "peers tor-1"),
        ("MetalLoadBalancerBGPPeer tor-1", "NotAnnounced", "peers tor-1"),
        ("BGPPeer metallb-system/tor-1", "DuplicatePeer", "why BGPPeer metallb-system/tor-1"),
    ],
)
def test_a_problem_comes_with_the_command_that_tells_more(
    daemon: Daemon, served: Served, object: str, reason: str, more: str
) -> None:
    problem = dataclasses.replace(STATUS.problems[1], object=object, reason=reason)
    daemon.current = dataclasses.replace(STATUS, problems=(problem,))
    assert run(served.path, "status").stdout.splitlines()[-1] == f"  -> mlbctl {more}"


@pytest.mark.parametrize(
    "wrong",
    [
        ["nonsense"],
        ["why"],
        ["check"],
        ["status", "-o", "xml"],
        ["pools", "extra"],
        ["status", "--nonsense"],
        ["undrain", "x"],
        ["peers", "reset"],
        ["peers", "reset", "tor-1", "tor-2"],
        ["peers", "tor-1", "reset"],
        ["peers", "tor-1", "--soft"],
    ],
)
def test_wrong_usage_is_2(served: Served, wrong: list[str]) -> None:
    result = run(served.path, *wrong)
    assert result.exit_code == Exit.USAGE.value == 2
    assert result.stderr


@pytest.mark.parametrize("command", ASKING)
def test_no_daemon_is_4_and_said_kindly(command: str) -> None:
    with directory() as parent:
        result = run(parent / "mlbd.sock", *arguments(command))
    assert (result.exit_code, result.stdout) == (Exit.UNREACHABLE, "")
    assert result.stderr.startswith("mlbctl: cannot reach mlbd: there is no ")
    assert "systemctl status mlbd" in result.stderr
    assert result.stderr.count("\n") == 1
    assert Exit.UNREACHABLE.value == 4


def test_a_dead_daemons_socket_is_4() -> None:
    with directory() as parent:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(parent / "mlbd.sock"))
        result = run(parent / "mlbd.sock", "status")
    assert result.exit_code == 4
    assert "nobody answers" in result.stderr
    assert "journalctl -u mlbd" in result.stderr


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\n\r\n<html>", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 500 No\r\n\r\n{", b"\0" * 9],
)
def test_nonsense_instead_of_an_answer_is_4(answer: bytes) -> None:
    with directory() as parent, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(parent / "mlbd.sock"))
        listener.listen()
        program = subprocess.Popen(
            [MLBCTL, "--socket", parent / "mlbd.sock", "status"], env=environment(), stderr=subprocess.PIPE
        )
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)
        _, told = program.communicate(timeout=20)
    assert program.returncode == 4
    assert told.startswith(b"mlbctl: cannot make sense of what")


@pytest.mark.parametrize("accepts", [1, 0])
def test_a_daemon_that_does_not_answer_is_4(monkeypatch: pytest.MonkeyPatch, accepts: int) -> None:
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 0.2)
    with directory() as parent, socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as other:
        listener.bind(str(parent / "mlbd.sock"))
        listener.listen(accepts)
        other.connect(str(parent / "mlbd.sock"))  # with a queue of none the next one cannot even connect
        result = run(parent / "mlbd.sock", "status")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "is there but does not answer" in result.stderr


def run_as_nobody(path: Path, groups: list[int], *command: str) -> tuple[int, str]:
    def work() -> tuple[int, str]:
        result = run(path, *command)
        return result.exit_code, result.stderr

    status, told = as_user(NOBODY, groups, work)
    return status, told


def test_not_allowed_is_5(served: Served, daemon: Daemon) -> None:
    for command in ("status", *CHANGING):
        run(
            served.path, *command.split(), "--help"
        )  # imported now: nobody may not be able to read where the program is
    status, told = run_as_nobody(served.path, [], "status")
    assert status == Exit.DENIED.value == 5
    assert "permission denied" in told
    assert f"`usermod -aG {READERS} USER`" in told
    for command in CHANGING:
        status, told = run_as_nobody(served.path, [READERS_GID], *command.split())
        assert status == 5
        assert told.startswith("mlbctl: cannot change anything: only root")
    assert run_as_nobody(served.path, [READERS_GID], "drain", "--simulate")[0] == 0
    served.path.chmod(0o666)
    status, told = run_as_nobody(served.path, [], "status")
    assert status == 5
    assert f"members of the group {READERS}" in told
    assert (daemon.reloads, daemon.resets, daemon.current.drain) == (0, [], None)


def test_a_group_without_a_name_goes_by_its_number(served: Served) -> None:
    run(served.path, "status", "--help")
    os.chown(served.path, 0, 54321)
    status, told = run_as_nobody(served.path, [], "status")
    assert status == 5
    assert "`usermod -aG 54321 USER`" in told


@pytest.mark.parametrize("closed", ["directory", "group"])
def test_there_may_be_no_group_to_join(served: Served, closed: str) -> None:
    run(served.path, "status", "--help")
    if closed == "directory":  # what is in it cannot be seen
        served.path.parent.chmod(0o700)
    else:
        os.chown(served.path, 0, 0)
    status, told = run_as_nobody(served.path, [], "status")
    assert status == 5
    assert told.endswith("permission denied; run mlbctl as root\n")


@pytest.mark.parametrize(
    "command",
    [
        ["nodes", "nothing"],
        ["why", "nothing"],
        ["services", "shop/nothing"],
        ["services", "nothing"],
        ["peers", "nothing"],
        ["peers", "reset", "nothing"],
        ["routes", "--peer", "nothing"],
    ],
)
def test_not_found_is_6(served: Served, command: list[str]) -> None:
    result = run(served.path, *command)
    assert (result.exit_code, result.stdout) == (Exit.NOT_FOUND, "")
    assert "nothing" in result.stderr
    assert Exit.NOT_FOUND.value == 6


def test_the_program_exits_as_its_commands_do(served: Served) -> None:
    assert piped(served.path, "status").status == 1
    assert piped(served.path, "pools").status == 0
    assert piped(served.path, "why", "nothing").status == 6
    assert piped(served.path.with_name("none"), "pools").status == 4


# Nodes


def test_a_node_is_alive_for_as_long_as_one_session_is(daemon: Daemon, served: Served) -> None:
    now = time.time()
    older, newer = session("eth0", "::2", "up", since=now - 7203), session("eth1", "::2", "up", since=now - 3)
    lost = session("eth2", "::2", "down", since=now - 3 * 3600 - 3)

    def shown(*sessions: SessionStatus) -> str:
        daemon.current = dataclasses.replace(STATUS, nodes=(dataclasses.replace(STATUS.nodes[1], sessions=sessions),))
        return run(served.path, "nodes").stdout.splitlines()[1].split()[3]

    assert shown(older, newer, lost) == shown(newer, older) == "2h"
    assert shown(dataclasses.replace(older, state="down"), lost) == "2h"


def test_a_session_that_sends_nothing_has_no_interval(daemon: Daemon, served: Served) -> None:
    silent = session("eth0", "::2", "admin-down", interval=0.0, remote_state="up")
    daemon.current = dataclasses.replace(STATUS, nodes=(dataclasses.replace(STATUS.nodes[1], sessions=(silent,)),))
    assert "on eth0: admin-down, up there; ups 1, downs 0\n" in run(served.path, "nodes", "node-2").stdout


# Peers


def test_a_peer_is_reset_hard_or_softly(served: Served, daemon: Daemon) -> None:
    for options in ([], ["--soft"]):
        result = run(served.path, "peers", "reset", "racks/2001:db8:0:42::17", *options)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (0, "", 1)
    assert daemon.resets == [("racks/2001:db8:0:42::17", False), ("racks/2001:db8:0:42::17", True)]


def test_routes_are_not_sent_again_where_there_is_no_session(served: Served) -> None:
    result = run(served.path, "peers", "reset", "tor-2", "--soft")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the session is not established, it is idle; `mlbctl peers tor-2` tells why" in result.stderr


def test_a_peer_may_be_called_reset(served: Served, daemon: Daemon) -> None:
    daemon.current = dataclasses.replace(STATUS, peers=(dataclasses.replace(STATUS.peers[3], name="reset"),))
    assert run(served.path, "peers", "--", "reset").stdout.startswith("reset: established for ")
    assert run(served.path, "peers", "-o", "wide", "reset").stdout.splitlines()[1].startswith("reset ")
    assert run(served.path, "peers", "reset", "reset").exit_code == 0
    assert daemon.resets == [("reset", False)]


# Drains


def test_a_drain_moves_all_and_is_0(served: Served, daemon: Daemon) -> None:
    result = run(served.path, "drain", "--reason", "kernel update & disks")
    assert daemon.current.drain == DrainStatus(STARTED, "kernel update & disks", done=True)
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["ADDRESS", "SERVICE", "TO"],
        *([move.address, ",".join(move.services), move.to] for move in MOVES),
    ]
    told = "handed 2 addresses to other nodes and withdrew all routes from 2 BGP peers"
    assert result.stderr == f"This node is drained and {told}; `mlbctl undrain` ends it.\n"
    assert result.exit_code == 0


def test_a_simulated_drain_changes_nothing(served: Served, daemon: Daemon) -> None:
    result = run(served.path, "drain", "--simulate")
    assert (result.exit_code, daemon.current.drain) == (0, None)
    assert result.stdout == run(served.path, "drain").stdout
    told = "hand 2 addresses to other nodes and withdraw all routes from 2 BGP peers"
    assert result.stderr == f"Nothing is changed. A drain would {told}.\n"


def test_an_address_that_nobody_takes_is_1(served: Served, daemon: Daemon) -> None:
    daemon.held = (NOBODY_TAKES,)
    for arguments, told in ((["--simulate"], "Nobody would hold 192.0.2.13"), ([], "Nobody holds 192.0.2.13")):
        result = run(served.path, "drain", *arguments)
        assert result.exit_code == 1
        assert result.stdout.split()[-3:] == ["192.0.2.13", "shop/cart", "nobody"]
        assert f"{told}: `mlbctl why 192.0.2.13` says who may." in result.stderr


def test_an_address_that_stays_is_1(served: Served, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "DRAIN_SECONDS", 0.2)
    daemon.stuck = MOVES[1:]
    result = run(served.path, "drain")
    assert result.exit_code == 1
    rows = [line.split()[-1] for line in result.stdout.splitlines()]
    assert rows == ["TO", "node-2", "unmoved"]
    assert "still hands over 1 address;" in result.stderr
    again = run(served.path, "drain", "-o", "json")
    assert (again.exit_code, json.loads(again.stdout)["left"]) == (1, ["2001:db8::53"])
    daemon.stuck = ()
    assert "1 address still here; `mlbctl undrain` ends it" in run(served.path, "status").stdout
    assert run(served.path, "drain").exit_code == 0
    assert "still here" not in run(served.path, "status").stdout


def test_a_drain_that_was_ended_meanwhile_is_1(served: Served, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "DRAIN_SECONDS", 0.2)
    monkeypatch.setattr(daemon, "drain", lambda reason: daemon.undrain())
    result = run(served.path, "drain")
    assert result.exit_code == 1
    assert result.stderr == "This node is not drained: somebody ended the drain.\n"


def test_drained_twice_and_undrained_twice_is_0(served: Served, daemon: Daemon) -> None:
    run(served.path, "drain", "--reason", "disks")
    for command in (["drain"], ["drain", "--simulate"]):
        result = run(served.path, *command)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr.startswith("This node is drained already, since Nov 22 ")
        assert "(disks)" in result.stderr
    result = run(served.path, "undrain")
    assert (result.exit_code, result.stdout, daemon.current.drain) == (0, "", None)
    assert result.stderr.startswith("This node was drained since Nov 22 ")
    result = run(served.path, "undrain")
    assert (result.exit_code, result.stderr) == (0, "This node is not drained: nothing is changed.\n")


def test_a_node_that_only_speaks_to_routers_is_drained_too(served: Served, daemon: Daemon) -> None:
    daemon.held = ()
    simulated = "Nothing is changed. A drain would withdraw all routes from 2 BGP peers.\n"
    assert run(served.path, "drain", "--simulate").stderr == simulated
    told = "This node is drained and withdrew all routes from 2 BGP peers; `mlbctl undrain` ends it.\n"
    assert run(served.path, "drain").stderr == told


def test_a_node_without_addresses_is_drained_too(served: Served, daemon: Daemon) -> None:
    daemon.held = ()
    daemon.current = dataclasses.replace(STATUS, peers=())
    assert run(served.path, "drain", "--simulate").stderr == "This node holds no address: nothing would move.\n"
    result = run(served.path, "drain")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "This node is drained and held no address; `mlbctl undrain` ends it.\n"


def test_programs_read_what_a_drain_did(served: Served) -> None:
    moves = [dataclasses.asdict(move) | {"services": list(move.services)} for move in MOVES]
    simulated = run(served.path, "drain", "--simulate", "-o", "json")
    unchanged = {"moves": moves, "peers": ["racks/2001:db8:0:42::17", "tor-1"]}
    assert json.loads(simulated.stdout) == {"drain": None, **unchanged}
    done = {"since": STARTED, "reason": "", "done": True}
    drained = run(served.path, "drain", "-o", "json")
    assert json.loads(drained.stdout) == {"drain": done, **unchanged, "left": []}
    assert simulated.stderr == drained.stderr == ""


@pytest.mark.parametrize("reason", ["x" * 129, "a\nb", "\x1b[2J"])
def test_a_reason_that_no_line_can_show_is_2(served: Served, daemon: Daemon, reason: str) -> None:
    result = run(served.path, "drain", "--reason", reason)
    assert (result.exit_code, daemon.current.drain) == (2, None)
    assert "Invalid value for '--reason': it has " in result.stderr


# The rest


def test_reload_is_done_and_shown(served: Served, daemon: Daemon) -> None:
    result = run(served.path, "reload")
    assert daemon.reloads == 1
    assert result.stdout.startswith("mlbd 0.1.0 on node-1: ready, up ")


def test_names_may_have_what_paths_may_not(served: Served) -> None:
    result = run(served.path, "why", "Service a/b c?d#e%2f/../x")
    assert result.exit_code == 6
    assert "'Service a/b c?d#e%2f/../x'" in result.stderr


def test_a_reader_that_goes_away_is_no_error(served: Served, daemon: Daemon) -> None:
    daemon.current = dataclasses.replace(STATUS, services=STATUS.services * 3000)
    program = f"{MLBCTL} --socket {served.path} services | head -1"
    done = subprocess.run(["bash", "-c", program], capture_output=True, env=environment(), timeout=60)
    assert done.stdout.startswith(b"SERVICE")
    assert done.stderr == b""


def test_follow_goes_on_until_interrupted(served: Served, daemon: Daemon) -> None:
    record(served, daemon)
    argv = [str(MLBCTL), "--socket", str(served.path), "events", "--follow", "-o", "json"]
    program = subprocess.Popen(argv, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert program.stdout is not None
    assert json.loads(program.stdout.readline())["number"] == 1
    record(served, daemon)
    assert json.loads(program.stdout.readline())["number"] == 2
    program.send_signal(signal.SIGINT)
    _, told = program.communicate(timeout=20)
    assert (program.returncode, told) == (0, b"")


def test_follow_says_when_the_daemon_ends(daemon: Daemon) -> None:
    with directory() as parent:
        with serve(daemon, parent / "mlbd.sock") as served:
            record(served, daemon)
            argv = [str(MLBCTL), "--socket", str(served.path), "events", "--follow"]
            program = subprocess.Popen(argv, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            assert program.stdout is not None
            assert b"AddressHeld" in program.stdout.readline()
        _, told = program.communicate(timeout=20)
    assert program.returncode == 4
    assert told.startswith(b"mlbctl: ")
    assert b"systemctl status mlbd" in told


def test_watch_draws_anew_and_outlives_the_daemon(daemon: Daemon) -> None:
    with directory() as parent:
        with serve(daemon, parent / "mlbd.sock") as served:
            program, terminal = start_at_terminal(served.path, "nodes", "--watch", NO_COLOR="1")
            shown = bytearray()
            os.set_blocking(terminal, False)

            def sees(text: bytes) -> bool:
                with contextlib.suppress(OSError):  # nothing to read now, or for ever
                    shown.extend(os.read(terminal, 65536))
                return text in shown

            wait_for(lambda: sees(b"node-1"), 20)
            daemon.current = dataclasses.replace(STATUS, nodes=(dataclasses.replace(STATUS.nodes[0], name="other"),))
            wait_for(lambda: sees(b"other"), 20)
        wait_for(lambda: sees(b"cannot reach mlbd"), 20)
        with serve(daemon, parent / "mlbd.sock"):
            shown.clear()
            wait_for(lambda: sees(b"other"), 20)
        assert program.poll() is None
        program.send_signal(signal.SIGINT)
        wait_for(lambda: sees(b"\x1b[?1049l"), 20, "the terminal's first page, back")
        assert program.wait(20) == 0
        assert b"Traceback" not in shown
        os.close(terminal)


def test_nothing_slow_is_imported(served: Served) -> None:
    """What `mlbctl status` costs is mostly what it imports."""
    code = "import sys; from mlbd.ctl.__main__ import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    argv = [sys.executable, "-c", code, "--socket", str(served.path), "status"]
    loaded = subprocess.run(argv, capture_output=True, text=True, env=environment(), timeout=60).stderr.split()
    assert "mlbd.ctl.commands.status" in loaded
    assert not {"aiohttp", "asyncio", "rich", "yaml", "scapy", "mlbd.model.manifest"} & set(loaded)
