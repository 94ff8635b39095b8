"""A host of the lab with a real systemd in it, in which mlbd.service is installed as README.md says."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

from tests.lab import NAMESPACES, Host, LabError, command, wait_for

PROJECT = Path(__file__).parents[2]
CACHE = Path("/var/cache/mlbd-tests")
PACKAGES = "dbus,iproute2,libnftables1,procps,python3,systemd,systemd-sysv"

OF_TARGET = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd")
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

# nspawn wants a root directory that is a mount, which it is not in a chroot: there the whole tree is mounted once more,
# over the one directory that is surely a mount of its own. $1 is the script to go on with, the rest its arguments.
WITH_MOUNTED_ROOT = """
root=/
if ! grep -qE '^([^ ]+ ){4}/ ' /proc/self/mountinfo; then
    root=/run/netns
    mount --make-rprivate $root && mount --rbind / $root
fi
mount --make-rprivate $root && exec chroot $root sh -c "$@"
"""

# The machine outside may run another init and mount its control groups in another way, so the container gets a
# control group of its own, $0, in a hierarchy mounted for it alone. The arguments are what to run in it.
IN_OWN_CGROUP = """
umount --recursive /sys/fs/cgroup 2>/dev/null
group=/sys/fs/cgroup/$0
mount -t cgroup2 cgroup2 /sys/fs/cgroup && mkdir "$group" && echo $$ > "$group/cgroup.procs" || exit 1
"$@"
echo $$ > /sys/fs/cgroup/cgroup.procs
find "$group" -depth -type d -exec rmdir {} +
"""

# A virtual environment knows where it was made, and PYTHONPATH says where the project is now.
MLBD = """#!/bin/sh
PYTHONPATH=/opt/mlbd exec /opt/mlbd/.venv/bin/python -m mlbd.{program} "$@"
"""


class Container:
    """A running systemd; `run` is a command line in it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def run(self, *argv: str, check: bool = True) -> str:
        """Standard output of a program in the container; with `check` a failure raises LabError."""
        inside = ["nsenter", f"--target={self.pid}", *OF_TARGET, *argv]
        done = subprocess.run(inside, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=120)
        if check and done.returncode:
            raise LabError(f"cannot run {' '.join(argv)} in the container: {done.stderr}{done.stdout}")
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", "--property", name, unit).strip()

    def write(self, path: str, text: str) -> None:
        target = Path(f"/proc/{self.pid}/root{path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


@contextlib.contextmanager
def booted(host: Host) -> Iterator[Container]:
    """systemd as the init of `host`; it writes to an overlay in memory, so every boot is the first one."""
    nspawn = (
        *("systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe", "--link-journal=no"),
        *("--directory", str(root()), "--volatile=overlay", f"--machine={host.netns}"),
        *("--network-namespace-path", str(NAMESPACES / host.netns), "--capability=CAP_NET_ADMIN"),
        f"--bind-ro={PROJECT}:/opt/mlbd",
    )
    inner = (IN_OWN_CGROUP, host.netns, *nspawn)
    process = subprocess.Popen(
        ("unshare", "--mount", "--propagation", "unchanged", "sh", "-c", WITH_MOUNTED_ROOT, "sh", *inner),
        env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    host.lab.processes.append(process)
    container = Container(_init_of(host, process))
    wait_for(lambda: container.run("systemctl", "is-system-running", check=False).strip() == "running", 60, "the boot")
    try:
        yield container
    finally:
        os.kill(container.pid, 9)
        process.wait(timeout=30)


def root() -> Path:
    """The file system of a minimal Debian with systemd: made once, kept for the next run."""
    made = CACHE / f"bookworm-{zlib.crc32(PACKAGES.encode()):08x}"
    if not made.exists():
        unfinished = made.with_suffix(f".{os.getpid()}")
        try:
            command("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(unfinished), _mirror())
            unfinished.rename(made)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return made


def install(container: Container) -> None:
    """What README.md tells an administrator to do, but for the packages."""
    for program, name in (("daemon", "mlbd"), ("ctl", "mlbctl")):
        container.write(f"/usr/local/bin/{name}", MLBD.format(program=program))
        container.run("chmod", "755", f"/usr/local/bin/{name}")
    container.write("/usr/lib/sysusers.d/mlbd.conf", (PROJECT / "systemd/mlbd.sysusers").read_text())
    container.write("/etc/systemd/system/mlbd.service", (PROJECT / "systemd/mlbd.service").read_text())
    container.run("systemd-sysusers")
    container.run("systemctl", "daemon-reload")


def _mirror() -> str:
    """The one that apt of this machine uses."""
    for line in command("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)").splitlines():
        uri, codename = line.split()
        if codename == "bookworm":
            return uri
    raise LabError("cannot make a Debian root: apt-get names no mirror of bookworm; add one to its sources")


def _init_of(host: Host, nspawn: subprocess.Popen[str]) -> int:
    """The process inside that is number 1 in its own pid namespace."""

    def init() -> int:
        if nspawn.poll() is not None:
            assert nspawn.stdout
            raise LabError(f"cannot boot the container: {nspawn.stdout.read()}")
        return next((pid for pid in host.pids() if _is_init(pid)), 0)

    return wait_for(init, 60, "the init of the container")


def _is_init(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return any(line.startswith("NSpid:") and line.split()[2:] == ["1"] for line in status.splitlines())
