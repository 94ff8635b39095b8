"""Every fault of a session with FRR's bfdd and with BIRD, from both sides, and the way back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

import pytest

from mlbd.proto.bfd.packet import Diagnostic, State
from mlbd.proto.bfd.watch import Watch
from tests.lab import Host, Lab, Link, Segment, wait_for
from tests.reflex.bfd_wire import wait_until_said
from tests.reflex.routers import Bird, Frr, Router
from tests.reflex.speaker import Speaker

EXPIRED, SIGNALED = Diagnostic.CONTROL_DETECTION_TIME_EXPIRED, Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN
FAILURE = ("DOWN", "CONTROL_DETECTION_TIME_EXPIRED", "UP")
UNHEARD = ("DOWN", "NEIGHBOR_SIGNALED_SESSION_DOWN", "DOWN")
PLANNED = ("DOWN", "NEIGHBOR_SIGNALED_SESSION_DOWN", "ADMIN_DOWN")


@dataclass
class Pair:
    lan: Segment
    us: Host
    link: Link
    them: Host
    watch: Watch
    router: Router
    speaker: Speaker

    def wait_until_up(self) -> None:
        wait_for(lambda: self.speaker.state() == "UP" and self.router.is_up(), 20, "both ends Up")
        self.speaker.changes.clear()


def bfdd(host: Host) -> Router:
    return Frr(host, "192.0.2.1 local-address 192.0.2.2 interface eth0")


def bird(host: Host) -> Router:
    return Bird(host, '192.0.2.1 dev "eth0" local 192.0.2.2')


@pytest.fixture(scope="module", params=[bfdd, bird])
def running(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with Lab() as lab:
        lan, us, them = lab.segment("lan"), lab.host("us"), lab.host("them")
        link = us.connect(lan, "eth0", "192.0.2.1/24")
        them.connect(lan, "eth0", "192.0.2.2/24")
        watch = Watch("them", ip_address("192.0.2.1"), ip_address("192.0.2.2"), link.index, 100_000, 100_000, 3)
        yield Pair(lan, us, link, them, watch, request.param(them), Speaker(us, watch))


@pytest.fixture
def pair(running: Pair) -> Pair:
    running.wait_until_up()
    return running


@contextlib.contextmanager
def failing(pair: Pair, fail: Callable[[Pair], object], mend: Callable[[Pair], object]) -> Iterator[None]:
    """The block runs while it is broken; afterwards both ends come up again."""
    fail(pair)
    try:
        yield
    finally:
        mend(pair)
    pair.wait_until_up()


def restart_speaker(pair: Pair) -> None:
    pair.speaker = Speaker(pair.us, pair.watch)


@pytest.mark.parametrize(
    ("fail", "mend", "theirs"),
    [
        (lambda p: p.us.freeze(), lambda p: p.us.thaw(), EXPIRED),
        (lambda p: p.speaker.process.kill(), restart_speaker, EXPIRED),
        (lambda p: p.lan.cut(p.us, p.them), lambda p: p.lan.heal(p.us, p.them), EXPIRED),
        (lambda p: p.speaker.disable(), lambda p: p.speaker.disable(False), SIGNALED),
        (lambda p: p.speaker.watch(), lambda p: p.speaker.watch(p.watch), SIGNALED),
    ],
    ids=["frozen", "killed", "not heard", "admin down", "watched no more"],
)
def test_what_they_notice(
    pair: Pair, fail: Callable[[Pair], object], mend: Callable[[Pair], object], theirs: Diagnostic
) -> None:
    with pair.them.capture("eth0") as capture, failing(pair, fail, mend):
        wait_until_said(capture, True, State.DOWN, theirs)
        assert not pair.router.is_up()


def test_what_they_notice_when_we_hear_nothing(pair: Pair) -> None:
    """RFC 5880 6.8.1 makes us forget their discriminator, and bfdd ignores a Down without it until its own Detection
    Time is over."""
    theirs = EXPIRED if isinstance(pair.router, Frr) else SIGNALED
    broken = failing(pair, lambda p: p.lan.cut(p.them, p.us), lambda p: p.lan.heal(p.them, p.us))
    with pair.them.capture("eth0") as capture, broken:
        wait_until_said(capture, True, State.DOWN, theirs)


def restart_router(pair: Pair) -> None:
    pair.router.process.wait()
    pair.router.start()


@pytest.mark.parametrize(
    ("fail", "mend", "ours"),
    [
        (lambda p: p.them.freeze(), lambda p: p.them.thaw(), FAILURE),
        (lambda p: p.router.process.kill(), restart_router, FAILURE),
        (lambda p: p.lan.cut(p.them, p.us), lambda p: p.lan.heal(p.them, p.us), FAILURE),
        (lambda p: p.lan.cut(p.us, p.them), lambda p: p.lan.heal(p.us, p.them), UNHEARD),
        (lambda p: p.link.unplug(), lambda p: p.link.plug(), FAILURE),
        (lambda p: p.link.down(), lambda p: p.link.up(), FAILURE),
        (
            lambda p: p.us.ip("addr", "del", "192.0.2.1/24", "dev", "eth0"),
            lambda p: p.us.ip("addr", "add", "192.0.2.1/24", "dev", "eth0"),
            FAILURE,
        ),
    ],
    ids=["frozen", "killed", "not heard", "hears nothing", "unplugged", "link down", "address gone"],
)
def test_what_we_notice(
    pair: Pair, fail: Callable[[Pair], object], mend: Callable[[Pair], object], ours: tuple[str, str, str]
) -> None:
    with failing(pair, fail, mend):
        wait_for(pair.speaker.reasons, what="a change of our end")
        assert pair.speaker.reasons()[0] == ours


def test_their_planned_stop_is_no_failure_to_us(pair: Pair) -> None:
    """BIRD 2.0 has no AdminDown: disabled, it falls silent."""
    ours = PLANNED if isinstance(pair.router, Frr) else FAILURE
    with failing(pair, lambda p: p.router.disable(), lambda p: p.router.enable()):
        wait_for(pair.speaker.reasons, what="a change of our end")
        assert pair.speaker.reasons()[0] == ours
