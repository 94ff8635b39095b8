"""The process: its settings, its signals, its rights, its socket, and the commands that ask it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import wait_for
from tests.node import PROGRAMS

from .cluster import Cluster, Daemon
from .objects import service


def start(config: Path) -> subprocess.CompletedProcess[str]:
    """For a daemon that ends before it touches anything."""
    line = (str(PROGRAMS / "mlbd"), "--config", str(config))
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=30)


BAD_SETTINGS = {
    "broken YAML": ("node: [", "broken YAML in line"),
    "no setting": ("- node\n", "line 1 is not a setting"),
    "two documents": ("node: a\n---\nnode: b\n", "a second document starts in line 3"),
    "unknown": ("bindAdresses: true\n", "bindAddresses"),
    "not a boolean": ("bindAddresses: maybe\n", "bindAddresses"),
    "relative path": ("socket: mlbd.sock\n", "write an absolute path"),
    "no pattern": ("excludeInterfaces: ['(']\n", "excludeInterfaces[0]"),
    "metrics": ("metrics: localhost:7472\n", "127.0.0.1:7472"),
    "no state": ("state: []\n", "name at least one directory"),
}


@pytest.mark.parametrize(("text", "says"), BAD_SETTINGS.values(), ids=BAD_SETTINGS.keys())
def test_settings_that_cannot_be_used_end_the_start(tmp_path: Path, text: str, says: str) -> None:
    config = tmp_path / "mlbd.yaml"
    config.write_text(text)
    done = start(config)
    assert done.returncode == 78
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"mlbd: cannot use the settings in {config}: ")
    assert says in line


def test_a_settings_file_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    done = start(tmp_path / "mlbd.yaml")
    assert done.returncode == 78
    assert done.stderr == (
        f"mlbd: cannot read the settings: there is no {tmp_path}/mlbd.yaml; --config names the file\n"
    )


def test_a_second_daemon_on_the_same_socket_is_refused(lone: Cluster, addresses: list[str]) -> None:
    daemon = lone.first
    second = daemon.host.run(str(PROGRAMS / "mlbd"), "--config", str(daemon.config), check=False)
    assert second.returncode == 1
    (line,) = second.stderr.splitlines()
    assert line.startswith(f"mlbd: cannot create the control socket {daemon.socket}: another mlbd answers there; ")
    assert daemon.holds() == daemon.bound() == set(addresses)
    lone.asker.wait_for_holder(addresses[0], daemon.mac)


def test_what_stands_in_the_place_of_the_socket(lone: Cluster) -> None:
    daemon = lone.first
    daemon.stop()
    daemon.socket.write_text("mine")
    daemon.start()
    assert daemon.process
    assert daemon.process.wait(timeout=20) == 1
    assert "something else has that name; move it away" in daemon.log.read_text()
    assert daemon.socket.read_text() == "mine"
    daemon.socket.unlink()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(daemon.socket))
    daemon.run()
    assert daemon.mlbctl("status").returncode == 0


def without(capability: str) -> tuple[str, ...]:
    return "setpriv", "--bounding-set", f"-{capability}", "--inh-caps", f"-{capability}", "--"


def test_without_cap_net_raw_it_says_so_by_name(lone: Cluster, addresses: list[str]) -> None:
    daemon = lone.first
    daemon.stop()
    daemon.start_under(*without("net_raw"))
    daemon.wait_until_ready()
    problem = daemon.problem("ReflexFailed")
    assert problem["object"] == "link eth0"
    assert "CAP_NET_RAW is missing" in problem["message"]
    assert daemon.mlbctl("status").returncode == 1
    assert "CAP_NET_RAW" in daemon.mlbctl("links").stdout
    assert "Links      none can announce" in daemon.mlbctl("status").stdout
    assert " error link eth0: cannot open a packet socket on eth0: CAP_NET_RAW is missing" in daemon.log.read_text()
    lone.asker.assert_silence(addresses[0], answered="192.0.2.11")


def test_without_cap_net_admin_it_says_so_by_name(lone: Cluster, addresses: list[str]) -> None:
    daemon = lone.first
    daemon.stop()
    daemon.start_under(*without("net_admin"))
    daemon.wait_until_ready()
    wait_for(lambda: len(daemon.problems("AddressNotBound")) == 2, what="word of both addresses")
    for reason in ("AddressNotBound", "KernelNotSilent", "NoGuard"):
        for problem in daemon.problems(reason):
            assert "CAP_NET_ADMIN" in problem["message"], problem
    assert not daemon.bound()
    daemon.assert_no_traceback()


def reloaded(daemon: Daemon, **settings: Any) -> None:
    daemon.configure(**settings)
    os.kill(daemon.pid, signal.SIGHUP)


def test_sighup_takes_the_new_settings(lone: Cluster, addresses: list[str]) -> None:
    daemon = lone.first
    reloaded(daemon, bindAddresses=False)
    wait_for(lambda: not daemon.bound() and daemon.tables() == {"arp mlbd"}, what="nothing bound, nothing guarded")
    lone.asker.wait_for_holder(addresses[0], daemon.mac)
    reloaded(daemon, bindAddresses=True, guard=False)
    wait_for(lambda: daemon.bound() == set(addresses) and daemon.tables() == {"arp mlbd"})
    reloaded(daemon, excludeInterfaces=["^eth"])
    wait_for(lambda: daemon.states("web") == ["silent", "silent"], what="no link")
    assert "is excluded by '^eth' of excludeInterfaces" in daemon.mlbctl("links").stdout
    lone.asker.assert_silence(addresses[0], answered="192.0.2.11")
    reloaded(daemon)
    for address in addresses:
        lone.asker.wait_for_holder(address, daemon.mac)
    daemon.wait_until_well()


def test_settings_that_cannot_be_taken_while_running_are_told_of(lone: Cluster, addresses: list[str]) -> None:
    daemon = lone.first
    reloaded(daemon, node="node-9", socketGroup="daemon", bindAddresses=False)
    told = wait_for(lambda: daemon.problems("NeedsRestart"))
    assert {problem["severity"] for problem in told} == {"warning"}
    assert [problem["message"] for problem in told] == [
        f"cannot change the setting `{name}` while running: systemctl restart mlbd" for name in ("node", "socketGroup")
    ]
    assert daemon.get("status")["node"] == "node-1"
    wait_for(lambda: not daemon.bound(), what="the other change taken all the same")
    daemon.config.write_text("node: [")
    os.kill(daemon.pid, signal.SIGHUP)
    problem = daemon.problem("BadSettings")
    assert f"cannot use the settings in {daemon.config}: broken YAML" in problem["message"]
    assert not daemon.bound(), "the old ones stay"
    lone.asker.wait_for_holder(addresses[0], daemon.mac)
    daemon.configure()
    assert daemon.mlbctl("reload").returncode == 0
    assert daemon.bound() == set(addresses), "done when mlbctl returns"
    assert not daemon.problems()


def test_nobody_needs_a_group_for_the_socket(lone: Cluster) -> None:
    daemon = lone.first
    daemon.stop()
    daemon.configure(socketGroup=None)
    daemon.run()
    assert not daemon.problems()
    daemon.stop()
    daemon.configure(socketGroup="no-such-group")
    daemon.run()
    assert "groupadd --system no-such-group" in daemon.problem("NoSuchGroup")["message"]


def test_mlbctl_asks_the_running_daemon(lone: Cluster, addresses: list[str]) -> None:
    daemon = lone.first
    told = {name: daemon.mlbctl(name) for name in ("status", "services", "pools", "nodes", "links", "peers", "events")}
    assert {name: done.returncode for name, done in told.items()} == dict.fromkeys(told, 0)
    assert "Nothing is wrong." in told["status"].stdout
    assert "eth0" in told["links"].stdout
    assert "ingress" in told["pools"].stdout
    assert "node-1" in told["nodes"].stdout
    assert told["peers"].stderr.startswith("No BGP session is asked of this node: ")
    for address in addresses:
        assert any(address in line and "holding" in line for line in told["services"].stdout.splitlines())
        assert f"{address} is announced here" in told["events"].stdout
        assert "This node, node-1, holds it now" in daemon.mlbctl("why", address).stdout
    status = json.loads(daemon.mlbctl("status", "-o", "json").stdout)
    assert status["holding"] == len(addresses)
    assert yaml.safe_load(daemon.mlbctl("status", "-o", "yaml").stdout)["services"] == status["services"]


def test_a_port_of_the_metrics_that_is_taken(lone: Cluster) -> None:
    daemon = lone.first
    daemon.stop()
    daemon.configure(metrics="[::1]:7472")
    with daemon.host.enter():
        taken = socket.create_server(("::1", 7472), family=socket.AF_INET6)
    with taken:
        daemon.run()
        problem = daemon.problem("NoMetrics")
    assert problem["severity"] == "warning"
    assert "cannot serve metrics on ::1 port 7472: " in problem["message"]


CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


def test_mlbctl_ends_as_its_help_says(lone: Cluster) -> None:
    daemon = lone.first
    assert daemon.mlbctl("why", "shop/nothing").returncode == 6
    assert daemon.mlbctl("services", "shop/nothing").returncode == 6
    assert daemon.mlbctl("bogus").returncode == 2
    daemon.directory.chmod(0o755)
    daemon.directory.parent.chmod(0o755)
    # With the system's Python: nobody may not be able to read where mlbctl is. What it says then is tests/ctl's.
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", CONNECT)
    denied = daemon.host.run(*nobody, str(daemon.socket), check=False)
    assert "PermissionError" in denied.stderr
    broken = service("x")
    broken["metadata"]["annotations"] = {"a": 1}
    lone.write("broken.yaml", broken)
    wait_for(daemon.problems)
    assert daemon.mlbctl("status").returncode == 1
    daemon.stop()
    unreachable = daemon.mlbctl("status")
    assert unreachable.returncode == 4
    assert unreachable.stderr.startswith("mlbctl: cannot reach mlbd: there is no ")
    assert "systemctl status mlbd" in unreachable.stderr
