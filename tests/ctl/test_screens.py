"""Whole screens. MLBD_REWRITE_SCREENS=1 writes them anew: look at each before you commit it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlbd.drivers.control import routes
from mlbd.drivers.control.server import encode
from mlbd.model.status import DrainStatus, Move, PeerState, Presence, Status, VipState
from tests.ctl.canned import API, DNS, MOVES, NOBODY_TAKES, ROUTES, STARTED, STATUS, Daemon, moved_to
from tests.ctl.serving import Served, directory, serve
from tests.ctl.terminal import at_terminal, piped

SCREENS = Path(__file__).with_name("screens")


@pytest.fixture
def live() -> Status:
    return moved_to(time.time())


@pytest.fixture
def served(live: Status) -> Iterator[Served]:
    daemon = Daemon(live)
    with directory() as parent, serve(daemon, parent / "mlbd.sock") as running:
        text = "192.0.2.10 is assigned from MetalLoadBalancerClass public"
        about = {"service": "shop/web", "address": "192.0.2.10"}
        running.call(daemon.events.record, STARTED, "AddressAssigned", "Service shop/web", text, **about)
        text = "node-1 holds 192.0.2.10 now and answers for it on eth0 with 02:00:5e:00:53:01"
        running.call(daemon.events.record, STARTED + 75, "AddressHeld", "Service shop/web", text, **about)
        yield running


COMMANDS = (
    "status",
    "services",
    "services web",
    "services shop/web",
    "pools",
    "nodes",
    "nodes node-1",
    "nodes node-2",
    "nodes node-3",
    "nodes node-4",
    "links",
    "peers",
    "peers tor-1",
    "peers tor-2",
    "peers racks",
    "peers border-router-2.campus.example.net",
    "routes",
    "routes --peer tor-1",
    "events",
    "drain --simulate",
    "why shop/web",
    "why Service shop/web",
    "services -o wide",
    "pools -o wide",
    "nodes -o wide",
    "nodes node-3 -o wide",
    "links -o wide",
    "peers -o wide",
    "peers tor-1 -o wide",
    "events -o wide",
    "status -o wide",
)


def assert_screen(name: str, shown: str) -> None:
    file = SCREENS / f"{re.sub('[^a-z0-9]+', '-', name.lower())}.txt"
    shown = re.sub(r"( ago,\s+)\w{3} \d\d [\d:]{8}", r"\1Nov 22 14:03:07", shown)  # as far from now as it says
    if os.environ.get("MLBD_REWRITE_SCREENS"):
        file.write_text(shown)
    assert shown == file.read_text()


@pytest.mark.parametrize("command", [command for command in COMMANDS if "wide" not in command])
def test_at_a_terminal_of_80_columns(served: Served, command: str) -> None:
    shown = at_terminal(served.path, *command.split(), NO_COLOR="1")
    assert_screen(f"terminal {command}", shown)
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_in_a_pipe(served: Served, command: str) -> None:
    ran = piped(served.path, *command.split())
    assert_screen(f"pipe {command}", ran.out + ran.err)
    assert "\x1b" not in ran.out


def test_colours_only_colour(served: Served) -> None:
    for command in ("status", "services", "links", "peers", "peers tor-2", "why shop/web"):
        coloured = at_terminal(served.path, *command.split())
        plain = at_terminal(served.path, *command.split(), NO_COLOR="1")
        assert "\x1b[1m" in coloured
        assert re.sub(r"\x1b\[\d+m", "", coloured) == plain
    assert "\x1b[32mholding\x1b[0m" in at_terminal(served.path, "services")
    assert "\x1b[31merror\x1b[0m: Service shop/web" in at_terminal(served.path, "status")
    assert "\x1b" not in at_terminal(served.path, "services", TERM="dumb")


def test_a_wide_terminal_shows_all(served: Served) -> None:
    shown = at_terminal(served.path, "services", columns=200, NO_COLOR="1")
    assert f"{DNS.namespace}/{DNS.name}" in shown
    assert "…" not in shown


def test_a_line_of_a_pipe_has_a_word_for_every_column(served: Served) -> None:
    lines = piped(served.path, "services").out.splitlines()
    assert {len(re.split(r"  +", line)) for line in lines} == {6}


@pytest.mark.parametrize("noun", ["services", "pools", "nodes", "links", "peers", "routes"])
@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_json_and_yaml_have_everything(
    served: Served, live: Status, noun: str, form: str, load: Callable[[str], Any]
) -> None:
    whole = json.loads(encode(live)) | {"routes": json.loads(encode(ROUTES))}
    assert load(piped(served.path, noun, "-o", form).out) == whole[noun]


def test_status_as_json_is_the_whole_status(served: Served, live: Status) -> None:
    assert json.loads(piped(served.path, "status", "-o", "json").out) == json.loads(encode(live))


def test_services_by_name_are_a_list_too(served: Served) -> None:
    for name in ("web", "shop/web"):
        told = json.loads(piped(served.path, "services", name, "-o", "json").out)
        assert [service["name"] for service in told] == ["web"]


def test_a_node_by_its_name_is_a_list_too(served: Served) -> None:
    told = json.loads(piped(served.path, "nodes", "node-3", "-o", "json").out)
    assert [node["name"] for node in told] == ["node-3"]
    assert len(told[0]["sessions"]) == 2


def test_peers_by_name_are_a_list_too(served: Served) -> None:
    for name, found in (("tor-1", ["tor-1"]), ("racks", ["racks", "racks/2001:db8:0:42::17"])):
        told = json.loads(piped(served.path, "peers", name, "-o", "json").out)
        assert [peer["name"] for peer in told] == found


def test_every_presence_has_a_meaning_of_its_own(live: Status) -> None:
    unseen = dataclasses.replace(live.nodes[1], sessions=())
    nodes = tuple(dataclasses.replace(unseen, name=presence, presence=presence) for presence in Presence)
    nodes += (dataclasses.replace(live.nodes[1], name="seen", presence=Presence.UNWATCHED), live.nodes[0])
    with directory() as parent, serve(Daemon(dataclasses.replace(live, nodes=nodes)), parent / "s") as served:
        meanings = {piped(served.path, "nodes", node.name).out.splitlines()[1] for node in nodes}
    assert len(meanings) == len(nodes)
    assert meanings >= {"This node is drained and watches no other.", "It is this node."}


def test_a_hundred_nodes_are_a_hundred_lines(live: Status) -> None:
    nodes = tuple(dataclasses.replace(live.nodes[2], name=f"worker-{n}.rack-7.example.net") for n in range(100))
    with directory() as parent, serve(Daemon(dataclasses.replace(live, nodes=nodes)), parent / "s") as served:
        lines = at_terminal(served.path, "nodes", NO_COLOR="1").splitlines()
        assert len(lines) == 101
        assert max(map(len, lines)) <= 80
        first = "worker-0.rack-7.example.net, worker-1.rack-7.example.net, worker-2.rack-7.example.net"
        assert f"100 lost: {first} and 97 more\n" in piped(served.path, "status").out


def test_three_hundred_peers_are_three_hundred_lines_and_trouble_is_last(live: Status) -> None:
    *_, well, lost = live.peers
    peers = tuple(dataclasses.replace(well, name=f"tor-{n}.rack-7.dc-2.example.net") for n in range(299))
    with directory() as parent, serve(Daemon(dataclasses.replace(live, peers=(lost, *peers))), parent / "s") as served:
        lines = at_terminal(served.path, "peers", NO_COLOR="1").splitlines()
        assert len(lines) == 301
        assert max(map(len, lines)) <= 80
        assert [line.split()[0] for line in lines if " idle " in line] == [lines[-1].split()[0]] == ["tor-2"]
        assert "Peers      300, 299 established, 1 not: tor-2\n" in piped(served.path, "status").out


def test_an_established_session_that_lacks_something_comes_before_those_that_are_none(live: Status) -> None:
    *_, well, lost = live.peers
    lacking = dataclasses.replace(well, name="lacking", message="cannot announce IPv6 routes: it did not offer IPv6")
    with (
        directory() as parent,
        serve(Daemon(dataclasses.replace(live, peers=(lost, lacking, well))), parent / "s") as s,
    ):
        lines = piped(s.path, "peers").out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["tor-1", "lacking", "tor-2"]
    assert lines[1].endswith("  cannot announce IPv6 routes: it did not offer IPv6")


def test_every_state_of_a_peer_has_a_meaning_and_a_colour(live: Status) -> None:
    peers = tuple(dataclasses.replace(live.peers[-1], name=f"to-{state}", state=state) for state in PeerState)
    with directory() as parent, serve(Daemon(dataclasses.replace(live, peers=peers)), parent / "s") as served:
        table = at_terminal(served.path, "peers", columns=200)
        meanings = {piped(served.path, "peers", peer.name).out.splitlines()[1] for peer in peers}
    assert len(meanings) == len(PeerState)
    assert all(re.search(rf"\x1b\[3[1236]m{state}\x1b", table) for state in PeerState)


def test_who_hears_of_a_service_stands_where_its_holder_would(live: Status) -> None:
    announced = dataclasses.replace(API.addresses[0], holder=None, order=(), state=VipState.ADVERTISED)
    both = dataclasses.replace(announced, slot=1, address="192.0.2.77", holder="node-2", state=VipState.STANDBY)
    none = dataclasses.replace(announced, slot=2, address=None, state=VipState.NONE)
    api = dataclasses.replace(API, addresses=(announced, both, none), reason="PoolExhausted", peers=("tor-1", "tor-2"))
    with directory() as parent, serve(Daemon(dataclasses.replace(live, services=(api,))), parent / "s") as served:
        rows = [re.split("  +", line) for line in piped(served.path, "services").out.splitlines()[1:]]
    assert [row[3:] for row in rows] == [
        ["tor-1,tor-2", "advertised", "-"],
        ["node-2", "standby", "-"],
        ["-", "-", "PoolExhausted"],
    ]


def test_events_as_json_are_one_list(served: Served) -> None:
    told = json.loads(piped(served.path, "events", "-o", "json").out)
    assert [event["number"] for event in told] == [1, 2]


def drained(*arguments: str, stuck: tuple[Move, ...] = ()) -> str:
    """What a terminal shows when a node is drained that has one address which nobody takes."""
    daemon = Daemon()
    daemon.held = (*MOVES, NOBODY_TAKES)
    daemon.stuck = stuck
    with directory() as parent, serve(daemon, parent / "mlbd.sock") as served:
        return at_terminal(served.path, *arguments, NO_COLOR="1")


def test_a_drain_on_a_screen() -> None:
    assert_screen("terminal drain", drained("drain"))
    assert_screen("terminal drain --simulate nobody", drained("drain", "--simulate"))


def test_a_drain_that_cannot_end_on_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "DRAIN_SECONDS", 0.2)
    assert_screen("terminal drain stuck", drained("drain", stuck=MOVES[1:]))


def test_a_drained_node_on_a_screen(live: Status) -> None:
    drain = DrainStatus(STARTED, "kernel update", done=False)
    nodes = (*live.nodes[:2], dataclasses.replace(live.nodes[2], presence=Presence.DRAINED), live.nodes[3])
    daemon = Daemon(dataclasses.replace(live, drain=drain, nodes=nodes))
    with directory() as parent, serve(daemon, parent / "mlbd.sock") as served:
        assert_screen("terminal status drained", at_terminal(served.path, "status", NO_COLOR="1"))


def test_nothing_is_said_on_standard_error() -> None:
    empty = dataclasses.replace(STATUS, services=(), pools=(), nodes=(), links=(), problems=(), state=(), peers=())
    daemon = Daemon(empty)
    daemon.announced = ()
    with directory() as parent, serve(daemon, parent / "mlbd.sock") as served:
        for noun in ("services", "pools", "nodes", "links", "peers", "routes", "events"):
            ran = piped(served.path, noun)
            assert (ran.status, ran.out) == (0, "")
            assert ran.err.endswith(".\n")
            assert piped(served.path, noun, "-o", "json").out == "[]\n"
        status = piped(served.path, "status").out
        assert status.endswith("\nNothing is wrong.\n")
        assert "Peers" not in status


def test_more_problems_than_a_screen_has_room_for() -> None:
    daemon = Daemon(dataclasses.replace(STATUS, problems=STATUS.problems * 30))
    with directory() as parent, serve(daemon, parent / "mlbd.sock") as served:
        lines = piped(served.path, "status").out.splitlines()
        assert "30 errors, 30 warnings:" in lines
        assert lines[-1] == "and 40 more: `mlbctl status -o wide` shows all"
        wide = piped(served.path, "status", "-o", "wide").out
        assert (wide.count("\nerror: "), wide.count("\nwarning: ")) == (30, 30)
        assert wide.index("\nwarning: ") > wide.rindex("\nerror: ")
        assert " more: " not in wide


def test_a_manifest_cannot_command_the_terminal() -> None:
    evil = dataclasses.replace(
        STATUS.problems[1], message="cannot use \x1b]0;owned\x07\x9b2J\u202e it", object="Service x\x1b[2J"
    )
    daemon = Daemon(
        dataclasses.replace(STATUS, problems=(evil,), nodes=(dataclasses.replace(STATUS.nodes[0], name="a\x1bb"),))
    )
    with directory() as parent, serve(daemon, parent / "mlbd.sock") as served:
        for command in ("status", "nodes", "status -o json", "status -o yaml"):
            ran = piped(served.path, *command.split())
            assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", ran.out), command
