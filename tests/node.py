"""A real mlbd on a host of the lab, with settings, socket and data of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from mlbd.ctl.client import Client
from mlbd.ctl.errors import CtlError

from .lab import Host, wait_for

PROGRAMS = Path(sys.executable).parent


class Node:
    """`settings` are those of mlbd.yaml(5), laid over the ones that keep many nodes on one machine apart. Several nodes
    may share the directory `state`; without one it is the node's own."""

    def __init__(self, host: Host, state: Path | None = None, **settings: Any) -> None:
        self.host = host
        self.directory = host.lab.directory / host.name
        self.state = state or self.directory / "state"
        self.config = self.directory / "mlbd.yaml"
        self.socket = self.directory / "mlbd.sock"
        self.log = self.directory / "mlbd.log"
        self.client = Client(self.socket)
        self.process: subprocess.Popen[str] | None = None
        self.directory.mkdir()
        self.state.mkdir(exist_ok=True)
        self.configure(**settings)

    def configure(self, **settings: Any) -> None:
        """Write mlbd.yaml; a running mlbd reads it on SIGHUP."""
        own = {
            "node": self.host.name,
            "state": [str(self.state)],
            "socket": str(self.socket),
            "socketGroup": "root",
            "data": str(self.directory / "data"),
            "metrics": None,
        }
        self.config.write_text(yaml.safe_dump(own | settings))

    def write(self, name: str, *manifests: dict[str, Any]) -> None:
        """Put objects into a file of the state directory, at once as a careful writer would."""
        unfinished = self.state / f".{name}"
        unfinished.write_text(yaml.safe_dump_all(manifests))
        unfinished.rename(self.state / name)

    def start(self) -> None:
        """Returns before mlbd is ready: see `wait_until_ready`."""
        with self.log.open("a") as log:
            self.process = self.host.spawn(str(PROGRAMS / "mlbd"), "--config", str(self.config), stderr=log)

    def wait_until_ready(self, seconds: float = 20) -> None:
        try:
            wait_for(self._is_ready, seconds, f"mlbd ready on {self.host.name}")
        except AssertionError as error:
            raise AssertionError(f"{error}; its log:\n{self.log.read_text()}") from None

    def stop(self) -> int:
        """As `systemctl stop` does; the exit status."""
        assert self.process
        self.process.terminate()
        return self.process.wait(timeout=20)

    def get(self, *path: str) -> Any:
        """The JSON at /v1/PATH of the control socket."""
        return self.client.get(*path)

    def command(self, *argv: str) -> tuple[str, ...]:
        """The command line of mlbctl with these arguments."""
        return (str(PROGRAMS / "mlbctl"), "--socket", str(self.socket), *argv)

    def mlbctl(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*argv), capture_output=True, text=True, check=False, timeout=60)

    def holds(self) -> set[str]:
        """The addresses this node answers for."""
        return {
            address["address"]
            for service in self.get("services")
            for address in service["addresses"]
            if address["state"] == "holding"
        }

    def _is_ready(self) -> bool:
        assert self.process
        if self.process.poll() is not None:
            raise AssertionError(f"mlbd on {self.host.name} ended with {self.process.returncode}")
        try:
            return bool(self.get("status")["ready"])
        except CtlError:
            return False
