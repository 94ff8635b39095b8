"""FRR's bfdd and BIRD in a host of the lab, without systemd and apart from any that the machine may run.

Both have 110 ms as their wish to send, 120 ms to receive and 4 as their multiplier, unless told otherwise.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

from tests.lab import Host, wait_for

FRR = "/usr/lib/frr"


class Frr:
    """One peer: `peer` is its line of bfdd.conf without `peer`, `lines` belong to it."""

    def __init__(self, host: Host, peer: str, *lines: str, transmit: int = 110, receive: int = 120) -> None:
        self.host = host
        self._peer = f"peer {peer}"
        self._directory = host.lab.directory / f"{host.name}-frr"
        self._directory.mkdir()
        host.lab.directory.chmod(0o711)  # the daemons leave root behind
        timers = f"transmit-interval {transmit}", f"receive-interval {receive}", "detect-multiplier 4"
        self._write("zebra.conf", "")
        self._write("bfdd.conf", "bfd", self._peer, *timers, *lines, "no shutdown", "")
        shutil.chown(self._directory, "frr", "frr")
        self._spawn("zebra")
        wait_for((self._directory / "zserv.api").exists, what="zebra")
        self.start()

    def start(self) -> None:
        (self._directory / "bfdd.vty").unlink(missing_ok=True)
        self.process = self._spawn("bfdd", "--bfdctl", f"{self._directory}/bfdd.sock")
        wait_for((self._directory / "bfdd.vty").exists, what="bfdd")

    def is_up(self) -> bool:
        return bool(self.peer()["status"] == "up")

    def peer(self) -> dict[str, Any]:
        """As `show bfd peers json` has it."""
        (peer,) = json.loads(self._vtysh("show bfd peers json"))
        return dict(peer)

    def downs(self) -> int:
        (counters,) = json.loads(self._vtysh("show bfd peers counters json"))
        return int(counters["session-down"])

    def disable(self) -> None:
        self._configure("shutdown")

    def enable(self) -> None:
        self._configure("no shutdown")

    def change(self, transmit: int, receive: int) -> None:
        self._configure(f"transmit-interval {transmit}", f"receive-interval {receive}")

    def _configure(self, *lines: str) -> None:
        self._vtysh("configure terminal", "bfd", self._peer, *lines)

    def _vtysh(self, *lines: str) -> str:
        commands = [part for line in lines for part in ("-c", line)]
        return self.host.run("vtysh", "--vty_socket", str(self._directory), *commands).stdout

    def _write(self, name: str, *lines: str) -> None:
        (self._directory / name).write_text("\n".join(lines))
        shutil.chown(self._directory / name, "frr", "frr")

    def _spawn(self, name: str, *options: str) -> subprocess.Popen[str]:
        d = self._directory
        files = ("-f", f"{d}/{name}.conf", "-i", f"{d}/{name}.pid", "-z", f"{d}/zserv.api", "--vty_socket", str(d))
        return self.host.spawn(
            f"{FRR}/{name}", *files, "-P", "0", "-u", "frr", "-g", "frr", *options, stderr=subprocess.DEVNULL
        )


class Bird:
    """One neighbour: `neighbor` is its line inside `protocol bfd` without `neighbor`, `options` are those of a session:
    `passive yes`, `authentication keyed sha1`."""

    def __init__(self, host: Host, neighbor: str, *options: str, transmit: int = 110, receive: int = 120) -> None:
        self.host = host
        self._neighbor = neighbor
        self._options = options
        self._files = [host.lab.directory / f"{host.name}-bird.{name}" for name in ("conf", "ctl", "pid")]
        self._write(transmit, receive)
        self.start()

    def start(self) -> None:
        config, control, pid = self._files
        control.unlink(missing_ok=True)
        files = ("-c", str(config), "-s", str(control), "-P", str(pid))
        self.process = self.host.spawn("bird", "-f", *files, stderr=subprocess.DEVNULL)
        wait_for(lambda: control.exists() and "ready" in self._birdc("show status"), what="BIRD")

    def is_up(self) -> bool:
        return self.session()["state"] == "Up"

    def session(self) -> dict[str, str]:
        """As `show bfd sessions` has it: the agreed interval to send and the Detection Time in seconds."""
        lines = self._birdc("show bfd sessions").splitlines()
        words = next((line.split() for line in lines if re.match(r"[0-9a-f]+[.:]", line)), [""] * 6)
        return dict(zip(("address", "link", "state", "since", "interval", "timeout"), words, strict=True))

    def disable(self) -> None:
        self._birdc("disable all")

    def enable(self) -> None:
        self._birdc("enable all")

    def change(self, transmit: int, receive: int) -> None:
        self._write(transmit, receive)
        self._birdc("configure")

    def _birdc(self, line: str) -> str:
        return self.host.run("birdc", "-s", str(self._files[1]), line, check=False).stdout

    def _write(self, transmit: int, receive: int) -> None:
        timers = f"min tx interval {transmit} ms", f"min rx interval {receive} ms", "multiplier 4"
        options = "; ".join((*timers, *self._options))
        bfd = f'interface "*" {{ {options}; }}; multihop {{ {options}; }}; neighbor {self._neighbor};'
        lines = ("router id 192.0.2.2;", "protocol device {}", f"protocol bfd watch {{ {bfd} }}", "")
        self._files[0].write_text("\n".join(lines))


Router = Frr | Bird
