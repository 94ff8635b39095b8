"""The lab is believed by every other test, so what it promises is checked against the kernel."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab import NAMESPACES, Host, Lab, LabError, Segment, wait_for


@pytest.fixture
def pair(lab: Lab) -> tuple[Segment, Host, Host]:
    lan = lab.segment("lan")
    one, two = lab.host("one"), lab.host("two")
    one.connect(lan, "eth0", "192.0.2.1/24", "2001:db8::1/64")
    two.connect(lan, "eth0", "192.0.2.2/24", "2001:db8::2/64")
    return lan, one, two


def answers(host: Host, address: str) -> bool:
    return host.run("ping", "-c1", "-W1", address, check=False).returncode == 0


def test_both_families_work_at_once(pair: tuple[Segment, Host, Host]) -> None:
    _, one, _ = pair
    assert answers(one, "192.0.2.2")
    assert answers(one, "2001:db8::2")


def test_a_cut_is_one_way_and_heals(pair: tuple[Segment, Host, Host]) -> None:
    lan, one, two = pair
    lan.cut(one, two)
    with one.capture("eth0") as at_one, two.capture("eth0") as at_two:
        one.run("arping", "-c1", "-W0.2", "-0", "-i", "eth0", "192.0.2.2", check=False)
        two.run("arping", "-c1", "-W0.2", "-0", "-i", "eth0", "192.0.2.1", check=False)
        at_one.wait_for(lambda frame: not frame.sent and frame.octets[:6] == b"\xff" * 6, what="two's request")
        assert not [frame for frame in at_two.frames() if not frame.sent and frame.octets[6:12].hex().endswith("01")]
    lan.heal(one, two)
    assert answers(one, "192.0.2.2")


def test_a_pulled_cable_takes_the_carrier(pair: tuple[Segment, Host, Host]) -> None:
    _, one, _ = pair
    link = one.links["eth0"]
    link.unplug()
    wait_for(lambda: "NO-CARRIER" in one.ip("link", "show", "eth0"), what="loss of carrier")
    link.plug()
    wait_for(lambda: "LOWER_UP" in one.ip("link", "show", "eth0"), what="carrier")
    assert link.mac in one.ip("link", "show", "eth0")
    assert one.ip("link", "show", "eth0").startswith(f"{link.index}:")


def test_power_off_kills_everything_inside_and_nothing_else(pair: tuple[Segment, Host, Host]) -> None:
    _, one, two = pair
    dead, alive = one.spawn("sleep", "600"), two.spawn("sleep", "600")
    wait_for(lambda: one.pids() == [dead.pid] and two.pids() == [alive.pid], what="both sleepers inside")
    one.power_off()
    assert dead.wait(timeout=10) == -signal.SIGKILL
    assert alive.poll() is None
    assert not answers(two, "192.0.2.1")


def test_a_frozen_host_stops_and_goes_on(pair: tuple[Segment, Host, Host]) -> None:
    _, one, _ = pair
    process = one.spawn("sleep", "600")
    wait_for(one.pids, what="the sleeper inside")

    def state() -> str:
        return Path(f"/proc/{process.pid}/stat").read_text().split()[2]

    one.freeze()
    wait_for(lambda: state() == "T", what="the freeze")
    one.thaw()
    wait_for(lambda: state() != "T", what="the thaw")


def test_a_capture_tells_sent_from_received_with_the_kernel_time(pair: tuple[Segment, Host, Host]) -> None:
    _, one, _ = pair
    before = time.time()
    with one.capture("eth0") as capture:
        assert answers(one, "192.0.2.2")
        request = capture.wait_for(lambda frame: frame.sent and frame.octets[12:14] == b"\x08\x06")
        reply = capture.wait_for(lambda frame: not frame.sent and frame.octets[12:14] == b"\x08\x06")
    assert before <= request.time <= reply.time <= time.time()


def test_a_failed_command_says_what_the_program_said(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"cannot run .* ip link set eth9 up: Cannot find device"):
        lab.host("one").ip("link", "set", "eth9", "up")


def left_of(pid: int) -> list[str]:
    return [path.name for path in NAMESPACES.glob(f"mlbd-{pid}-*")]


def lab_in_another_process(end: Callable[[subprocess.Popen[str]], None]) -> tuple[int, int]:
    """A process that makes a host with a sleeper, then is ended; gives its pid and the sleeper's."""
    program = (
        "import time; from tests.lab import Lab\n"
        "with Lab() as lab: print(lab.host('one').spawn('sleep', '600').pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        sleeper = int(process.stdout.readline())
        assert left_of(process.pid)
        end(process)
        process.wait(timeout=10)  # the pipe outlives it: the sleeper holds the other end
    return process.pid, sleeper


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_behind(number: signal.Signals) -> None:
    pid, sleeper = lab_in_another_process(lambda process: process.send_signal(number))
    assert not left_of(pid)
    assert not Path("/proc", str(sleeper)).exists()


def test_the_next_lab_sweeps_away_what_a_killed_one_left() -> None:
    pid, sleeper = lab_in_another_process(lambda process: process.kill())
    assert left_of(pid)
    with Lab():
        assert not left_of(pid)
        wait_for(lambda: not Path("/proc", str(sleeper)).exists(), what="the end of the orphan")


def test_two_labs_of_one_process_do_not_meet(lab: Lab) -> None:
    outer = lab.host("one")
    with Lab() as other:
        other.host("one")
    assert (NAMESPACES / outer.netns).exists()
