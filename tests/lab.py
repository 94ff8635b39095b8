"""A network on one machine: hosts that can be wired, cut, frozen and powered off.

A host is a network namespace, a link a veth pair, a segment a bridge in a namespace of its own. Nothing of the
machine's own network is touched, and a lab leaves nothing behind: namespaces are named after the process that made
them, so the next lab also sweeps away what a killed one could not.

    with Lab() as lab:
        lan = lab.segment("lan")
        node = lab.host("node-1")
        eth0 = node.connect(lan, "eth0", "192.0.2.11/24", "2001:db8::11/64")
        node.run("ping", "-c1", "192.0.2.12")
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

NAMESPACES = Path("/run/netns")
THIS_THREAD = Path("/proc/thread-self/ns/net")
PREFIX = "mlbd-"
CLONE_NEWNET = 0x40000000
IFNAME_OCTETS = 15
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Without duplicate address detection an address works at once; without router solicitations a capture holds only
# what the test caused.
HOST_SYSCTLS = {
    "net/ipv6/conf/all/accept_dad": "0",
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/default/router_solicitations": "0",
}
# The bridge itself must stay silent on the segment.
SEGMENT_SYSCTLS = {"net/ipv6/conf/all/disable_ipv6": "1", "net/ipv6/conf/default/disable_ipv6": "1"}

# One way from port to port; a flooded frame passes this hook once for each port it leaves by.
CUTS = """
add table bridge lab
add set bridge lab cuts { type ifname . ifname; }
add chain bridge lab forward { type filter hook forward priority 0; }
flush chain bridge lab forward
add rule bridge lab forward iifname . oifname @cuts drop
"""

T = TypeVar("T")
_libc = ctypes.CDLL(None, use_errno=True)
_serial = itertools.count(1)


class LabError(Exception):
    """A command of the lab failed: the message holds the command and what it said."""


def command(*argv: str, stdin: str | None = None) -> str:
    """Run a program to its end outside any namespace and return its standard output."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"cannot run {' '.join(argv)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def wait_for(predicate: Callable[[], T], seconds: float = 10, what: str = "") -> T:
    """Poll until `predicate` returns something true, and return that; an AssertionError names `what` did not come."""
    deadline = time.monotonic() + seconds
    while not (result := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or predicate} did not happen within {seconds} s; last seen: {result!r}")
        time.sleep(0.01)
    return result


class Namespace:
    """A network namespace by its name in /run/netns."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.lab = lab
        self.name = name
        self.netns = f"{lab.prefix}{name}"
        command("ip", "netns", "add", self.netns)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.netns}>"

    @contextlib.contextmanager
    def enter(self) -> Iterator[None]:
        """This thread is inside for the length of the block: sockets opened there stay inside. Never await in it."""
        with THIS_THREAD.open() as home, (NAMESPACES / self.netns).open() as there:
            _set_namespace(there.fileno())
            try:
                yield
            finally:
                _set_namespace(home.fileno())

    def inside(self, *argv: str) -> tuple[str, ...]:
        """The command line that runs `argv` inside. Not by `ip netns exec`: that wants to remount /, which a chroot
        refuses."""
        return ("nsenter", f"--net={NAMESPACES / self.netns}", *argv)

    def ip(self, *argv: str) -> str:
        """`ip ARGV...` inside."""
        return command(*self.inside("ip", *argv))

    def ip_batch(self, *lines: str) -> None:
        """Several `ip` commands inside, for the price of one."""
        command(*self.inside("ip", "-batch", "-"), stdin="\n".join(lines))

    def sysctl(self, key: str, value: str) -> None:
        """Write net/... under /proc/sys as seen from inside."""
        with self.enter():
            Path("/proc/sys", key).write_text(value)

    def run(self, *argv: str, check: bool = True, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a program inside to its end; with `check` a failure raises LabError."""
        done = subprocess.run(self.inside(*argv), capture_output=True, text=True, check=False, timeout=seconds)
        if check and done.returncode:
            said = (done.stderr or done.stdout).strip()
            raise LabError(f"cannot run {' '.join(argv)} in {self.netns}: {said}")
        return done

    def spawn(self, *argv: str, **options: Any) -> subprocess.Popen[str]:
        """Start a program inside; it ends with the lab. Ctrl-C at the terminal does not reach it."""
        process = subprocess.Popen(self.inside(*argv), text=True, start_new_session=True, **options)
        self.lab.processes.append(process)
        return process

    def pids(self) -> list[int]:
        """Every process inside, but for this one."""
        return _pids_inside([self.netns])


@dataclass(slots=True, eq=False)
class Link:
    """A host's interface `name`, and the bridge port that is its other end."""

    host: Host
    segment: Segment
    name: str
    port: str
    mac: str

    @property
    def index(self) -> int:
        with self.host.enter():
            return socket.if_nametoindex(self.name)

    def is_working(self) -> bool:
        """The kernel takes notice of a carrier when it has time, the bridge and IPv6 after that."""
        forwarding = "state forwarding" in self.segment.ip("-details", "link", "show", self.port)
        return forwarding and " state UP " in self.host.ip("link", "show", self.name)

    def unplug(self) -> None:
        """The cable is pulled: the host sees its carrier go."""
        self.segment.ip("link", "set", self.port, "down")

    def plug(self) -> None:
        self.segment.ip("link", "set", self.port, "up")

    def down(self) -> None:
        """What `ip link set down` does on the host."""
        self.host.ip("link", "set", self.name, "down")

    def up(self) -> None:
        self.host.ip("link", "set", self.name, "up")


class Segment(Namespace):
    """A switch."""

    def __init__(self, lab: Lab, name: str) -> None:
        super().__init__(lab, name)
        self.links: list[Link] = []
        for key, value in SEGMENT_SYSCTLS.items():
            self.sysctl(key, value)
        self.ip_batch("link add br0 type bridge", "link set br0 up")

    def cut(self, sender: Host, receiver: Host) -> None:
        """Frames from `sender` no longer reach `receiver`; the other way still works."""
        self._nft(f"{CUTS}add element bridge lab cuts {{ {self._paths(sender, receiver)} }}")

    def heal(self, sender: Host, receiver: Host) -> None:
        self._nft(f"delete element bridge lab cuts {{ {self._paths(sender, receiver)} }}")

    def _paths(self, sender: Host, receiver: Host) -> str:
        sources = [link.port for link in self.links if link.host is sender]
        targets = [link.port for link in self.links if link.host is receiver]
        return ", ".join(f'"{source}" . "{target}"' for source in sources for target in targets)

    def _nft(self, rules: str) -> None:
        command(*self.inside("nft", "-f", "-"), stdin=rules)


class Host(Namespace):
    """A machine: its links, its processes and its power."""

    def __init__(self, lab: Lab, name: str) -> None:
        super().__init__(lab, name)
        self.links: dict[str, Link] = {}
        for key, value in HOST_SYSCTLS.items():
            self.sysctl(key, value)
        self.ip("link", "set", "lo", "up")

    def connect(self, segment: Segment, name: str, *addresses: str) -> Link:
        """A new interface `name` with `addresses` ("192.0.2.1/24"), wired to the segment, up."""
        link = Link(self, segment, name, port=f"{self.name}.{name}", mac=self.lab.next_mac())
        if len(link.port) > IFNAME_OCTETS:
            raise LabError(f"cannot name a bridge port {link.port}: choose a shorter host or interface name")
        end, other_end = f"{name} netns {self.netns}", f"{link.port} netns {segment.netns}"
        command("ip", *f"link add {end} address {link.mac} type veth peer name {other_end}".split())
        segment.ip("link", "set", link.port, "master", "br0", "up")
        self.ip_batch(*(f"addr add {address} dev {name}" for address in addresses), f"link set {name} up")
        wait_for(link.is_working, what=f"a working {link}")
        segment.links.append(link)
        self.links[name] = link
        return link

    @contextlib.contextmanager
    def capture(self, name: str) -> Iterator[Capture]:
        """Every frame the interface receives or sends from now on."""
        with self.enter():
            tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with tap:
            yield Capture(tap, name)

    def power_off(self) -> None:
        """The plug is pulled: no carrier for the neighbours, no process gets to say goodbye."""
        for link in self.links.values():
            link.unplug()
        _kill(self.pids())

    def power_on(self) -> None:
        for link in self.links.values():
            link.plug()

    def freeze(self) -> None:
        """Every process stops where it is; the kernel goes on."""
        for pid in self.pids():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self.pids():
            os.kill(pid, signal.SIGCONT)


ETH_P_ALL = 3
CAPTURE_OCTETS = 16 << 20
SO_RCVBUFFORCE = 33  # asm-generic/socket.h; Python has no names for these two
SO_TIMESTAMPNS = 35


@dataclass(frozen=True, slots=True)
class Frame:
    """`time` is the kernel's, in seconds since the epoch; `sent` tells what left the host from what came."""

    time: float
    sent: bool
    octets: bytes = field(repr=False)


class Capture:
    """The frames of one interface since the capture began, oldest first."""

    def __init__(self, tap: socket.socket, interface: str) -> None:
        tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, CAPTURE_OCTETS)
        tap.setblocking(False)
        tap.bind((interface, ETH_P_ALL))
        self._tap = tap
        self._frames: list[Frame] = []

    def frames(self) -> list[Frame]:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._frames.append(self._receive())
        return list(self._frames)

    def wait_for(self, wanted: Callable[[Frame], bool], seconds: float = 10, what: str = "the frame") -> Frame:
        """The first captured frame that is `wanted`, past or to come."""
        found = wait_for(lambda: [frame for frame in self.frames() if wanted(frame)], seconds, what)
        return found[0]

    def _receive(self) -> Frame:
        octets, ancillary, _, address = self._tap.recvmsg(1 << 16, socket.CMSG_SPACE(16))
        stamp = ancillary[0][2]
        seconds, nanoseconds = (int.from_bytes(half, "little") for half in (stamp[:8], stamp[8:16]))
        return Frame(seconds + nanoseconds / 1e9, address[2] == socket.PACKET_OUTGOING, octets)


class Lab:
    """All hosts and segments made in one `with` block; `directory` is a scratch directory of the same life."""

    def __init__(self) -> None:
        self.prefix = f"{PREFIX}{os.getpid()}-{next(_serial)}-"
        self.processes: list[subprocess.Popen[str]] = []
        self._macs = itertools.count(1)
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        sweep()
        self.directory = Path(tempfile.mkdtemp(prefix=self.prefix))
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, _interrupt) for number in ENDING_SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        # A second Ctrl-C must not leave half of the lab behind.
        for number in self._handlers:
            signal.signal(number, signal.SIG_IGN)
        try:
            _remove(_owned(self.prefix), [self.directory])
            for process in self.processes:
                process.kill()
                process.communicate()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    def segment(self, name: str) -> Segment:
        return Segment(self, name)

    def host(self, name: str) -> Host:
        return Host(self, name)

    def next_mac(self) -> str:
        """A locally administered address that tells links apart at a glance."""
        return f"02:00:00:00:00:{next(self._macs):02x}"


def sweep() -> None:
    """Remove what labs of processes that are no more have left."""
    scratch = Path(tempfile.gettempdir()).glob(f"{PREFIX}[0-9]*-*")
    _remove([name for name in _owned(PREFIX) if _is_left_over(name)], [d for d in scratch if _is_left_over(d.name)])


def _owned(prefix: str) -> list[str]:
    return [path.name for path in NAMESPACES.glob(f"{prefix}*")]


def _is_left_over(name: str) -> bool:
    pid = name.removeprefix(PREFIX).split("-")[0]
    return pid.isdigit() and not Path("/proc", pid).exists()


def _remove(namespaces: list[str], directories: list[Path]) -> None:
    _kill(_pids_inside(namespaces))
    if namespaces:
        command("ip", "-batch", "-", stdin="\n".join(f"netns del {name}" for name in namespaces))
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


def _pids_inside(namespaces: list[str]) -> list[int]:
    """One walk over /proc for all of them, where `ip netns pids` needs one for each."""
    wanted = {(NAMESPACES / name).stat().st_ino for name in namespaces}
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if (process / "ns/net").stat().st_ino in wanted and int(process.name) != os.getpid():
                found.append(int(process.name))
    return found


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _set_namespace(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot enter the network namespace")


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM and SIGHUP end a lab the way Ctrl-C does: through the `with` blocks."""
    raise KeyboardInterrupt
