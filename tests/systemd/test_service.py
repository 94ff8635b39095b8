"""mlbd.service as it is shipped, under a real systemd."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest

from mlbd.proto.bfd.watch import Watch
from tests.bgp.frr import Frr
from tests.bgp.peer import Peer, fib
from tests.lab import Host, Lab, wait_for
from tests.reflex.speaker import Speaker

from .container import PROJECT, Container, booted, install

STATE = PROJECT / "etc/state.d"
HOSTS = {"node-1": 11, "client": 200}
ADDRESSES = 6  # the other nodes of that state are not there: one alone serves everything


class Machine:
    """The container, and the client on the same switch."""

    def __init__(self, container: Container, client: Host) -> None:
        self.container = container
        self.client = client

    def services(self) -> Any:
        return json.loads(self.container.run("mlbctl", "services", "-o", "json", check=False))

    def announced(self) -> list[str]:
        """The addresses that this node answers for."""
        slots = [slot for service in self.services() for slot in service["addresses"]]
        return [slot["address"] for slot in slots if slot["state"] == "holding"]

    def presence(self, name: str) -> str:
        nodes = json.loads(self.container.run("mlbctl", "nodes", "-o", "json", check=False))
        return next(str(node["presence"]) for node in nodes if node["name"] == name)

    def answers(self, address: str) -> bool:
        probe = (
            ("arping", "-c1", "-W1", "-i", "eth0", address)
            if "." in address
            else ("ndisc6", "-1", "-r1", address, "eth0")
        )
        return self.client.run(*probe, check=False).returncode == 0

    def journal(self, **fields: str) -> list[dict[str, str]]:
        wanted = [f"{name}={value}" for name, value in fields.items()]
        lines = self.container.run("journalctl", "-u", "mlbd", "-o", "json", *wanted).splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Lab() as lab:
        lan = lab.segment("lan")
        hosts = {name: lab.host(name) for name in HOSTS}
        for name, number in HOSTS.items():
            hosts[name].connect(lan, "eth0", f"192.0.2.{number}/24", f"2001:db8::{number}/64")
        with booted(hosts["node-1"]) as container:
            install(container)
            for manifest in STATE.glob("*.yaml"):
                container.write(f"/etc/mlbd/state.d/{manifest.name}", manifest.read_text())
            container.write("/etc/mlbd/mlbd.yaml", "node: node-1\n")
            container.run("systemctl", "start", "mlbd")
            yield Machine(container, hosts["client"])


def test_start_returns_when_everything_is_applied(machine: Machine) -> None:
    assert machine.container.show("mlbd", "ActiveState") == "active"
    assert "addresses: 6" in machine.container.show("mlbd", "StatusText")
    assert len(machine.services()[0]["addresses"]) == 6


def test_the_sandbox_does_not_stop_what_mlbd_is_for(machine: Machine) -> None:
    wait_for(lambda: len(machine.announced()) == ADDRESSES, what="every address announced here")
    for address in machine.announced():
        assert machine.answers(address)
        assert address in machine.container.run("ip", "address", "show", "lo")
    status = json.loads(machine.container.run("mlbctl", "status", "-o", "json"))
    assert {problem["reason"] for problem in status["problems"]} <= {"NodeDown"}
    assert machine.container.run("cat", "/proc/sys/net/ipv4/conf/all/arp_announce").strip() == "2"


def test_the_sandbox_lets_bfd_through(machine: Machine) -> None:
    node_1, node_2 = ip_address("192.0.2.11"), ip_address("192.0.2.12")
    machine.client.ip("address", "add", f"{node_2}/24", "dev", "eth0")
    index = machine.client.links["eth0"].index
    speaker = Speaker(machine.client, Watch("node-1", node_2, node_1, index, 100_000, 100_000, 3))
    wait_for(lambda: speaker.state() == "UP", what="the session")
    wait_for(lambda: machine.presence("node-2") == "alive", what="node-2 seen")
    speaker.process.kill()
    wait_for(lambda: machine.presence("node-2") == "down", what="node-2 lost")
    machine.client.ip("address", "delete", f"{node_2}/24", "dev", "eth0")


def test_the_sandbox_is_there(machine: Machine) -> None:
    pid = machine.container.show("mlbd", "MainPID")
    status = machine.container.run("cat", f"/proc/{pid}/status")
    lines = dict(line.split(":\t", 1) for line in status.splitlines())
    assert lines["Uid"].split()[0] == machine.container.run("id", "-u", "mlbd").strip() != "0"
    wanted = 1 << 10 | 1 << 12 | 1 << 13  # CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW
    assert int(lines["CapBnd"], 16) == int(lines["CapEff"], 16) == wanted
    assert lines["NoNewPrivs"] == "1"
    assert lines["Seccomp"] == "2"


def test_the_reflex_runs_in_real_time_where_systemd_may_allow_it(machine: Machine) -> None:
    """LimitRTPRIO= takes CAP_SYS_RESOURCE, which the machine of the tests may lack itself."""
    bounds = machine.container.run("sed", "-n", "s/^CapBnd:\\t//p", "/proc/1/status")
    status = json.loads(machine.container.run("mlbctl", "status", "-o", "json", check=False))
    assert status["reflex"]["realtime"] == bool(int(bounds, 16) >> 24 & 1)


def test_systemd_finds_little_to_attack(machine: Machine) -> None:
    verdict = machine.container.run("systemd-analyze", "security", "--no-pager", "mlbd.service").splitlines()[-1]
    print(verdict)
    machine.container.run("systemd-analyze", "security", "--threshold=25", "mlbd.service")


def test_the_unit_has_no_mistakes(machine: Machine) -> None:
    assert machine.container.run("systemd-analyze", "verify", "--man=no", "mlbd.service") == ""


def test_a_member_of_the_group_may_ask(machine: Machine) -> None:
    machine.container.run("useradd", "--groups", "mlbd", "alice")
    machine.container.run("useradd", "bob")
    assert "default/web" in machine.container.run("runuser", "-u", "alice", "mlbctl", "services")
    assert "default/web" not in machine.container.run("runuser", "-u", "bob", "mlbctl", "services", check=False)


def test_the_journal_has_fields_to_search_by(machine: Machine) -> None:
    address = machine.announced()[0]
    of_address = machine.journal(MLBD_ADDRESS=address)
    assert of_address
    assert {line["MLBD_SERVICE"] for line in of_address} == {"default/web"}
    assert machine.journal(MLBD_SERVICE="default/web")


def test_a_reload_reads_the_settings_and_keeps_the_process(machine: Machine) -> None:
    pid = machine.container.show("mlbd", "MainPID")
    machine.container.write("/etc/mlbd/mlbd.yaml", "node: node-1\nbindAddresses: false\n")
    machine.container.run("systemctl", "reload", "mlbd")
    wait_for(lambda: "192.0.2.1" not in machine.container.run("ip", "address", "show", "lo"), what="lo without VIPs")
    machine.container.write("/etc/mlbd/mlbd.yaml", "node: node-1\n")
    machine.container.run("systemctl", "reload", "mlbd")
    wait_for(lambda: "192.0.2.1" in machine.container.run("ip", "address", "show", "lo"), what="VIPs on lo again")
    assert machine.container.show("mlbd", "MainPID") == pid
    assert machine.container.show("mlbd", "ActiveState") == "active"


def test_a_frozen_daemon_is_killed_and_replaced(machine: Machine) -> None:
    pid = machine.container.show("mlbd", "MainPID")
    machine.container.run("kill", "-STOP", pid)
    wait_for(lambda: machine.container.show("mlbd", "NRestarts") == "1", 60, "the restart by the watchdog")
    wait_for(lambda: machine.container.show("mlbd", "ActiveState") == "active", 30, "the new daemon")
    assert machine.container.show("mlbd", "MainPID") != pid
    wait_for(lambda: len(machine.announced()) == ADDRESSES, what="the addresses announced again")


BGP = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: public, namespace: metallb-system}
spec: {addresses: [198.51.100.1/32]}
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: public, namespace: metallb-system}
spec: {ipAddressPools: [public]}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: router, namespace: metallb-system}
spec: {myASN: 64512, peerASN: 64500, peerAddress: 192.0.2.200, holdTime: 9s, enableGracefulRestart: true}
---
apiVersion: v1
kind: Service
metadata: {name: routed, namespace: default, annotations: {metallb.io/address-pool: public}}
spec: {type: LoadBalancer, ports: [{port: 80, protocol: TCP}]}
"""
ROUTED = "198.51.100.1/32"


def test_a_restart_keeps_the_routes_and_a_stop_does_not(machine: Machine) -> None:
    router = Frr(machine.client, 64500, "192.0.2.200", Peer(64512, "192.0.2.11"))
    machine.container.write("/etc/mlbd/state.d/bgp.yaml", BGP)
    wait_for(lambda: ROUTED in fib(machine.client), 20, "the route")
    watch = machine.client.spawn("ip", "monitor", "route", stdout=subprocess.PIPE)
    machine.container.run("systemctl", "restart", "mlbd")
    router.wait_until_established("192.0.2.11")
    wait_for(lambda: not any(path.stale for path in router.paths(ROUTED)), what="a fresh path")
    watch.terminate()
    assert "198.51.100.1" not in watch.communicate(timeout=20)[0]
    machine.container.run("systemctl", "stop", "mlbd")
    wait_for(lambda: ROUTED not in fib(machine.client), what="the route gone")
    assert router.session("192.0.2.11").shutdown == "mlbd stops"
    assert "198.51.100.1" not in machine.container.run("ip", "address", "show", "lo")
    machine.container.run("rm", "/etc/mlbd/state.d/bgp.yaml")
    machine.container.run("systemctl", "start", "mlbd")


def test_wrong_settings_are_not_tried_for_ever(machine: Machine) -> None:
    machine.container.write("/etc/mlbd/mlbd.yaml", "nodes: node-1\n")
    machine.container.run("systemctl", "restart", "mlbd", check=False)
    assert machine.container.show("mlbd", "ActiveState") == "failed"
    assert any("mlbd.yaml" in line["MESSAGE"] for line in machine.journal())
    machine.container.write("/etc/mlbd/mlbd.yaml", "node: node-1\n")
    machine.container.run("systemctl", "start", "mlbd")


def test_a_stop_leaves_nothing_behind(machine: Machine) -> None:
    wait_for(lambda: len(machine.announced()) == ADDRESSES, what="the addresses announced")
    machine.container.run("systemctl", "stop", "mlbd")
    assert machine.container.show("mlbd", "Result") == "success"
    assert "192.0.2.1" not in machine.container.run("ip", "address", "show", "lo")
