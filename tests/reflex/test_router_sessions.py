"""A real reflex and a router of each kind: how sessions come up, which of their ends are failures, and who is told."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address

import pytest

from mlbd.proto.bfd.packet import Diagnostic, Packet, State, decode
from mlbd.proto.bfd.watch import Watch
from mlbd.proto.control import Drain, Drained, SessionReport, Watches
from mlbd.proto.neighbor import vip
from tests.lab import Capture, Host, Lab, Link, Segment, wait_for
from tests.reflex.bfd_wire import datagrams, wait_until_said
from tests.reflex.conftest import Reflex, StartReflex
from tests.reflex.routers import Bird, Frr, Router

OURS, THEIRS = ip_address("192.0.2.1"), ip_address("192.0.2.2")
EXPIRED, BY_WILL = Diagnostic.CONTROL_DETECTION_TIME_EXPIRED, Diagnostic.ADMINISTRATIVELY_DOWN
VIP = "192.0.2.10"


def reports(reflex: Reflex) -> list[SessionReport]:
    """Those of the router, the newest last."""
    reflex.pong()
    return [report for report in reflex.read() if isinstance(report, SessionReport) and report.router]


def state(reflex: Reflex) -> str:
    return next((report.state for report in reversed(reports(reflex))), "")


def failures(reflex: Reflex) -> int:
    return sum(report.failed for report in reports(reflex))


def wait_until_up(reflex: Reflex, router: Router) -> None:
    wait_for(lambda: state(reflex) == "up" and router.is_up(), 20, "both ends Up")


@dataclass
class Net:
    lan: Segment
    us: Host
    link: Link
    them: Host

    def watch(self, ours: str = "192.0.2.1", theirs: str = "192.0.2.2", milliseconds: int = 100) -> Watch:
        pace = milliseconds * 1000
        return Watch("tor", ip_address(ours), ip_address(theirs), self.link.index, pace, pace, 3)


def wire(lab: Lab) -> Net:
    lan, us, them = lab.segment("lan"), lab.host("us"), lab.host("them")
    link = us.connect(lan, "eth0", "192.0.2.1/24", "2001:db8::1/64", "fe80::1/64")
    them.connect(lan, "eth0", "192.0.2.2/24", "2001:db8::2/64", "fe80::2/64")
    return Net(lan, us, link, them)


@pytest.fixture
def net(lab: Lab) -> Net:
    return wire(lab)


def bfdd(host: Host, ours: str = "192.0.2.1", theirs: str = "192.0.2.2", milliseconds: int = 110) -> Router:
    line = f"{ours} local-address {theirs} interface eth0"
    return Frr(host, line, transmit=milliseconds, receive=milliseconds)


def bird(host: Host, ours: str = "192.0.2.1", theirs: str = "192.0.2.2", milliseconds: int = 110) -> Router:
    return Bird(host, f'{ours} dev "eth0" local {theirs}', transmit=milliseconds, receive=milliseconds)


Kind = Callable[..., Router]
kinds = pytest.mark.parametrize("kind", [bfdd, bird])


@kinds
@pytest.mark.parametrize("ours", ["192.0.2.1", "2001:db8::1", "fe80::1"])
@pytest.mark.parametrize("passive", [False, True])
def test_one_hop(net: Net, start: StartReflex, kind: Kind, ours: str, passive: bool) -> None:
    theirs = ours[:-1] + "2"
    reflex = start(net.us)
    reflex.order(Watches((), 0.0, (replace(net.watch(ours, theirs), passive=passive),)))
    wait_until_up(reflex, kind(net.them, ours, theirs))
    last = reports(reflex)[-1]
    assert (last.peer, last.path) == ("tor", (ip_address(theirs), ip_address(ours), net.link.index))
    assert failures(reflex) == 0


@kinds
@pytest.mark.parametrize("milliseconds", [10, 50])
def test_fast_ones_agree_and_notice(net: Net, start: StartReflex, kind: Kind, milliseconds: int) -> None:
    """The routers have a multiplier of 4."""
    reflex, router = start(net.us), kind(net.them, milliseconds=milliseconds)
    reflex.order(Watches((), 0.0, (net.watch(milliseconds=milliseconds),)))
    agreed = milliseconds * 1000, 4 * milliseconds * 1000
    wait_for(lambda: [(r.interval, r.detection) for r in reports(reflex)][-1:] == [agreed], 20, "agreement")
    with net.them.capture("eth0") as capture:
        net.lan.cut(net.us, net.them)
        wait_until_said(capture, True, State.DOWN, EXPIRED)
    wait_for(lambda: failures(reflex))
    assert not router.is_up()


@pytest.mark.parametrize(("kind", "ttl"), [(Frr, 255), (Bird, 64)])
def test_several_hops(lab: Lab, start: StartReflex, kind: type[Router], ttl: int) -> None:
    """As far as the minimum TTL lets them come. BIRD starts at 64, so that the 254 of a profile are never reached."""
    here, there = lab.segment("here"), lab.segment("there")
    us, hop, them = lab.host("us"), lab.host("hop"), lab.host("them")
    us.connect(here, "eth0", "192.0.2.1/24")
    hop.connect(here, "eth0", "192.0.2.254/24")
    hop.connect(there, "eth1", "198.51.100.254/24")
    them.connect(there, "eth0", "198.51.100.1/24")
    hop.sysctl("net/ipv4/ip_forward", "1")
    us.ip("route", "add", "default", "via", "192.0.2.254")
    them.ip("route", "add", "default", "via", "198.51.100.254")
    if kind is Frr:
        router: Router = Frr(them, "192.0.2.1 multihop local-address 198.51.100.1")
    else:
        router = Bird(them, "192.0.2.1 local 198.51.100.1 multihop yes")
    reflex = start(us)
    watch = Watch("spine", OURS, ip_address("198.51.100.1"), 0, 100_000, 100_000, 3, minimum_ttl=ttl)
    reflex.order(Watches((), 0.0, (watch,)))
    wait_for(lambda: reflex.pong().counters.get("dropped.bfd.ttl"), 20, "one hop too many")
    assert state(reflex) == "down"
    reflex.order(Watches((), 0.0, (replace(watch, minimum_ttl=ttl - 1),)))
    wait_until_up(reflex, router)
    hop.links["eth1"].down()
    wait_for(lambda: failures(reflex) == 1, what="a failure behind the hop")


@dataclass
class Session:
    net: Net
    reflex: Reflex
    router: Router

    @property
    def us(self) -> Host:
        return self.net.us

    @property
    def them(self) -> Host:
        return self.net.them

    def cut(self, sender: Host, receiver: Host) -> None:
        self.net.lan.cut(sender, receiver)

    def heal(self, sender: Host, receiver: Host) -> None:
        self.net.lan.heal(sender, receiver)


@pytest.fixture(scope="module", params=[bfdd, bird])
def running(request: pytest.FixtureRequest) -> Iterator[Session]:
    with Lab() as lab:
        net = wire(lab)
        reflex = Reflex(net.us)
        reflex.order(Watches((), 0.0, (net.watch(milliseconds=50),)))
        yield Session(net, reflex, request.param(net.them, milliseconds=50))
        reflex.hang_up()
        reflex.process.wait()


@pytest.fixture
def session(running: Session) -> Session:
    wait_until_up(running.reflex, running.router)
    running.reflex.reports.clear()
    return running


Act = Callable[[Session], object]


@contextlib.contextmanager
def failing(session: Session, fail: Act, mend: Act) -> Iterator[None]:
    fail(session)
    try:
        yield
    finally:
        mend(session)
    wait_until_up(session.reflex, session.router)


@pytest.mark.parametrize(
    ("fail", "mend"),
    [
        (lambda s: s.them.freeze(), lambda s: s.them.thaw()),
        (lambda s: s.cut(s.them, s.us), lambda s: s.heal(s.them, s.us)),
        (lambda s: s.cut(s.us, s.them), lambda s: s.heal(s.us, s.them)),
        (lambda s: s.net.link.unplug(), lambda s: s.net.link.plug()),
    ],
    ids=["frozen", "not heard", "hears nothing", "unplugged"],
)
def test_a_failure_is_told_once(session: Session, fail: Act, mend: Act) -> None:
    with failing(session, fail, mend):
        wait_for(lambda: failures(session.reflex), what="a failure")
    assert failures(session.reflex) == 1


def test_a_frozen_reflex_is_gone_to_the_router_and_knows_it_when_it_wakes(session: Session) -> None:
    frozen, woken = (
        lambda s, number=number: s.reflex.process.send_signal(number) for number in (signal.SIGSTOP, signal.SIGCONT)
    )
    with session.them.capture("eth0") as capture, failing(session, frozen, woken):
        wait_until_said(capture, True, State.DOWN, EXPIRED)
    assert failures(session.reflex) == 1


def test_a_router_that_is_shut_down_has_not_failed(session: Session) -> None:
    """BIRD 2.0 has no AdminDown: disabled, it falls silent."""
    wanted = 1 if isinstance(session.router, Bird) else 0
    with failing(session, lambda s: s.router.disable(), lambda s: s.router.enable()):
        wait_for(lambda: state(session.reflex) == "down", what="our end Down")
        assert failures(session.reflex) == wanted


def test_a_drain_is_none_of_its_business(session: Session) -> None:
    session.reflex.order(Drain(True))
    wait_for(lambda: any(isinstance(report, Drained) for report in session.reflex.read()))
    assert state(session.reflex) in ("", "up")
    session.reflex.order(Watches((), 0.0))
    wait_for(lambda: not session.router.is_up(), what="the end of the session")
    session.reflex.order(Drain(False), Watches((), 0.0, (session.net.watch(milliseconds=50),)))
    wait_until_up(session.reflex, session.router)
    assert failures(session.reflex) == 0


def test_a_new_reflex_says_nothing_of_what_the_last_one_saw(net: Net, start: StartReflex) -> None:
    router, first = bfdd(net.them), start(net.us)
    first.order(Watches((), 0.0, (net.watch(),)))
    wait_until_up(first, router)
    with net.them.capture("eth0") as capture:
        first.process.kill()
        wait_until_said(capture, True, State.DOWN, EXPIRED)
    second = start(net.us)
    second.order(Watches((), 0.0, (net.watch(),)))
    wait_until_up(second, router)
    assert failures(second) == 0


def test_who_has_only_routers_is_alone_and_serves(net: Net, start: StartReflex) -> None:
    """Whether they are there or not."""
    reflex = start(net.us)
    reflex.use(net.link)
    reflex.claim(VIP, on=(net.link,))
    reflex.order(Watches((), 3600.0, (net.watch(), replace(net.watch(), peer="gone", remote=ip_address("192.0.2.9")))))
    reflex.wait_for_state(vip.State.HOLDING, VIP)
    router = bfdd(net.them)
    wait_for(lambda: router.is_up(), 20)
    net.them.freeze()
    wait_for(lambda: failures(reflex))
    net.them.thaw()
    wait_for(lambda: router.is_up(), 20)
    assert reflex.pong().counters.get("frozen", 0) == 0
    assert [change.state for change in reflex.changes(VIP)] == [vip.State.PROBING, vip.State.HOLDING]


def farewells(capture: Capture) -> dict[str, float]:
    """When whom AdminDown reached first."""
    found: dict[str, float] = {}
    for frame in capture.frames():
        datagram = datagrams(frame)
        packet = decode(datagram[1][8:]) if datagram else None
        if datagram and isinstance(packet, Packet) and packet.state is State.ADMIN_DOWN:
            found.setdefault(str(ip_address(datagram[0][16:20])), frame.time)
    return found


def test_routers_hear_of_the_daemon_s_death_when_tcp_has_told_them(net: Net, start: StartReflex) -> None:
    """Nodes at once."""
    node = replace(net.watch(), peer="node-2", remote=ip_address("192.0.2.3"))
    net.them.ip("addr", "add", "192.0.2.3/24", "dev", "eth0")
    reflex = start(net.us)
    reflex.order(Watches((node,), 0.0, (net.watch(),)))
    reflex.pong()
    with net.them.capture("eth0") as capture:
        reflex.hang_up()
        wait_for(lambda: len(farewells(capture)) == 2, what="AdminDown to both")
        told = farewells(capture)
    assert told["192.0.2.2"] - told["192.0.2.3"] >= 0.1
