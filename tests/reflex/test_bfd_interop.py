"""What is agreed with FRR's bfdd and with BIRD, as both sides see it, and who is not let in."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

import pytest

from mlbd.proto.bfd.authentication import Authentication, AuthenticationType
from mlbd.proto.bfd.packet import Diagnostic, Packet, State, encode
from mlbd.proto.bfd.watch import Watch
from tests.lab import Host, Lab, Link, wait_for
from tests.reflex.bfd_wire import payloads
from tests.reflex.routers import Bird, Frr, Router
from tests.reflex.speaker import Speaker

KEYED, METICULOUS = AuthenticationType.KEYED_SHA1, AuthenticationType.METICULOUS_KEYED_SHA1


@dataclass
class Hosts:
    us: Host
    link: Link
    them: Host
    watch: Watch


@pytest.fixture
def hosts(lab: Lab) -> Hosts:
    lan, us, them = lab.segment("lan"), lab.host("us"), lab.host("them")
    link = us.connect(lan, "eth0", "192.0.2.1/24", "2001:db8::1/64", "fe80::1/64")
    them.connect(lan, "eth0", "192.0.2.2/24", "2001:db8::2/64", "fe80::2/64")
    watch = Watch("them", ip_address("192.0.2.1"), ip_address("192.0.2.2"), link.index, 100_000, 100_000, 3)
    return Hosts(us, link, them, watch)


def wait_until_agreed(speaker: Speaker, router: Router, interval: int = 120_000, detection: int = 440_000) -> None:
    """The defaults follow from 100 ms times 3 here and 110 ms, 120 ms times 4 there."""

    def agreed() -> bool:
        status = speaker.status()
        intervals = status["transmit_interval"], status["detection_time"]
        return status["state"] == "UP" and intervals == (interval, detection) and router.is_up()

    wait_for(agreed, 20, "agreement")


def see(router: Router, ours: tuple[int, int], interval: int, timeout: int) -> None:
    """All in milliseconds: what bfdd has heard of us (our wishes to send and to receive), or, of BIRD, how often it
    sends and how long it waits."""

    def seen() -> bool:
        if isinstance(router, Frr):
            peer = router.peer()
            return (peer["remote-transmit-interval"], peer["remote-receive-interval"]) == ours
        session = router.session()
        return (session["interval"], session["timeout"]) == (f"{interval / 1000:.3f}", f"{timeout / 1000:.3f}")

    wait_for(seen, what=f"{ours} with them")


@pytest.mark.parametrize("ours", ["192.0.2.1", "2001:db8::1", "fe80::1"])
@pytest.mark.parametrize("kind", [Frr, Bird])
def test_both_sides_agree(hosts: Hosts, kind: type[Router], ours: str) -> None:
    theirs = ours[:-1] + "2"
    if kind is Frr:
        router: Router = Frr(hosts.them, f"{ours} local-address {theirs} interface eth0")
    else:
        router = Bird(hosts.them, f'{ours} dev "eth0" local {theirs}')
    speaker = Speaker(hosts.us, replace(hosts.watch, local=ip_address(ours), remote=ip_address(theirs)))
    wait_until_agreed(speaker, router)
    see(router, (100, 100), 110, 360)
    assert len(speaker.reasons()) == 1


@pytest.mark.parametrize(("kind", "ttl"), [(Frr, 255), (Bird, 64)])
def test_both_sides_agree_over_a_hop(lab: Lab, kind: type[Router], ttl: int) -> None:
    """BIRD sends them with a TTL of 64: RFC 5883 does not say which."""
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
    ends = ip_address("192.0.2.1"), ip_address("198.51.100.1")
    watch = Watch("them", *ends, 0, 100_000, 100_000, 3, minimum_ttl=ttl - 1)
    speaker = Speaker(us, watch)
    wait_until_agreed(speaker, router)
    see(router, (100, 100), 110, 360)
    speaker.watch(replace(watch, minimum_ttl=ttl))
    wait_for(lambda: speaker.state() == "DOWN", what="one hop too many")
    assert set(speaker.status()["drops"]) == {"ttl"}


def start(kind: type[Router], hosts: Hosts, *frr: str, bird: tuple[str, ...] = (), **timers: int) -> Router:
    if kind is Frr:
        return Frr(hosts.them, "192.0.2.1 local-address 192.0.2.2 interface eth0", *frr, **timers)
    return Bird(hosts.them, '192.0.2.1 dev "eth0" local 192.0.2.2', *bird, **timers)


@pytest.mark.parametrize("kind", [Frr, Bird])
def test_intervals_change_while_up_without_a_flap(hosts: Hosts, kind: type[Router]) -> None:
    router = start(kind, hosts)
    speaker = Speaker(hosts.us, hosts.watch)
    wait_until_agreed(speaker, router)
    speaker.watch(replace(hosts.watch, desired_min_tx=300_000, required_min_rx=250_000))
    wait_until_agreed(speaker, router, 300_000, 1_000_000)
    see(router, (300, 250), 250, 900)
    speaker.watch(replace(hosts.watch, desired_min_tx=150_000, required_min_rx=50_000, multiplier=5))
    wait_until_agreed(speaker, router, 150_000, 440_000)
    see(router, (150, 50), 110, 750)
    router.change(400, 500)
    wait_until_agreed(speaker, router, 500_000, 1_600_000)
    router.change(200, 100)
    wait_until_agreed(speaker, router, 150_000, 800_000)
    assert [state for state, _, _ in speaker.reasons()] == ["UP"]
    assert not isinstance(router, Frr) or router.downs() == 0


@pytest.mark.parametrize("kind", [Frr, Bird])
def test_twenty_milliseconds_times_three(hosts: Hosts, kind: type[Router]) -> None:
    router = start(kind, hosts, transmit=20, receive=20)
    speaker = Speaker(hosts.us, replace(hosts.watch, desired_min_tx=20_000, required_min_rx=20_000))
    wait_until_agreed(speaker, router, 20_000, 80_000)
    see(router, (20, 20), 20, 60)
    hosts.link.unplug()
    wait_for(lambda: speaker.state() == "DOWN", 2, "our end Down")


@pytest.mark.parametrize("kind", [Frr, Bird])
def test_we_may_be_passive(hosts: Hosts, kind: type[Router]) -> None:
    speaker = Speaker(hosts.us, replace(hosts.watch, passive=True))
    assert speaker.status()["sent"] == 0
    router = start(kind, hosts)
    wait_until_agreed(speaker, router)


@pytest.mark.parametrize("kind", [Frr, Bird])
def test_they_may_be_passive_and_two_are_silent(hosts: Hosts, kind: type[Router]) -> None:
    with hosts.them.capture("eth0") as capture:
        router = start(kind, hosts, "passive-mode", bird=("passive yes",))
        speaker = Speaker(hosts.us, replace(hosts.watch, passive=True))
        assert (speaker.state(), router.is_up()) == ("DOWN", False)
        assert payloads(capture, True) == payloads(capture, False) == []
        speaker.watch(hosts.watch)
        wait_until_agreed(speaker, router)


@pytest.mark.parametrize(("kind", "line"), [(KEYED, "keyed sha1"), (METICULOUS, "meticulous keyed sha1")])
def test_authentication(hosts: Hosts, kind: AuthenticationType, line: str) -> None:
    router = start(Bird, hosts, bird=(f"authentication {line}", 'password "secret" { id 7; }'))
    right = replace(hosts.watch, authentication=Authentication(kind, 7, b"secret"))
    speaker = Speaker(hosts.us, right)
    wait_until_agreed(speaker, router)
    restarted(router)
    wait_until_agreed(speaker, router)
    speaker.watch(replace(hosts.watch, authentication=Authentication(kind, 7, b"guessed")))
    wait_for(lambda: speaker.state() == "DOWN" and not router.is_up(), what="both ends Down")
    assert speaker.status()["drops"]["authenticationDigest"]
    speaker.watch(hosts.watch)
    wait_for(lambda: "authenticationUnexpected" in speaker.status()["drops"], what="a packet that has too much")
    assert not router.is_up()
    speaker.watch(right)
    wait_until_agreed(speaker, router)


def restarted(router: Router) -> None:
    router.process.kill()
    router.process.wait()
    router.start()


def forge(hosts: Hosts, ttl: int, **fields: Any) -> None:
    """A packet from their address."""
    packet = Packet(State.ADMIN_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN, 3, 1, 0, 1_000_000, 100_000)
    with hosts.them.enter(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        sender.bind(("192.0.2.2", 0))
        sender.sendto(encode(packet._replace(**fields)), ("192.0.2.1", 3784))


def test_who_is_far_away_or_guesses_is_not_heard(hosts: Hosts) -> None:
    """The last packet shows that the first would have taken the session down, had it been heard."""
    router = start(Bird, hosts)
    speaker = Speaker(hosts.us, hosts.watch)
    wait_until_agreed(speaker, router)
    discriminator = speaker.status()["local_discriminator"]
    forge(hosts, 254, your_discriminator=discriminator)
    wait_for(lambda: speaker.status()["drops"] == {"ttl": 1}, what="a packet from too far away")
    forge(hosts, 255, your_discriminator=discriminator ^ 1)
    wait_for(lambda: speaker.status()["drops"] == {"ttl": 1, "noSession": 1}, what="a wrong discriminator")
    assert [state for state, _, _ in speaker.reasons()] == ["UP"]
    forge(hosts, 255, your_discriminator=discriminator)
    wait_for(lambda: speaker.reasons()[-1][2] == "ADMIN_DOWN", what="AdminDown")
