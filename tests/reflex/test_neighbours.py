"""The kernel's neighbour cache as the kernel of a host has it."""

from __future__ import annotations

from ipaddress import ip_address
from subprocess import DEVNULL

import pytest

from mlbd.reflex.neighbours import neighbour
from tests.lab import Host, Lab, Link, wait_for

MAC = bytes.fromhex("020000000099")


@pytest.fixture
def linked(lab: Lab) -> tuple[Host, Link, Link]:
    us, them, lan = lab.host("us"), lab.host("them"), lab.segment("lan")
    eth0 = us.connect(lan, "eth0", "192.0.2.1/24", "2001:db8::1/64")
    return us, eth0, them.connect(lan, "eth0", "192.0.2.2/24", "2001:db8::2/64")


def ask(host: Host, index: int, address: str) -> bytes | None:
    with host.enter():
        return neighbour(index, ip_address(address))


@pytest.mark.parametrize("address", ["192.0.2.2", "2001:db8::2"])
def test_who_was_talked_to_is_known(linked: tuple[Host, Link, Link], address: str) -> None:
    us, eth0, theirs = linked
    us.run("ping", "-c1", address)
    assert ask(us, eth0.index, address) == bytes.fromhex(theirs.mac.replace(":", ""))


@pytest.mark.parametrize("address", ["192.0.2.9", "2001:db8::9"])
def test_who_is_permanent_is_known_and_on_that_link_alone(linked: tuple[Host, Link, Link], address: str) -> None:
    us, eth0, _ = linked
    us.ip("neigh", "add", address, "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "permanent")
    assert ask(us, eth0.index, address) == MAC
    assert ask(us, 1, address) is None


@pytest.mark.parametrize("address", ["192.0.2.9", "2001:db8::9"])
def test_who_does_not_answer_is_not_known(linked: tuple[Host, Link, Link], address: str) -> None:
    us, eth0, _ = linked
    us.spawn("ping", "-q", "-i0.2", address, stdout=DEVNULL, stderr=DEVNULL)
    wait_for(lambda: "INCOMPLETE" in us.ip("neigh", "show", address), what="an incomplete entry")
    assert ask(us, eth0.index, address) is None
    wait_for(lambda: "FAILED" in us.ip("neigh", "show", address), what="a failed entry")
    assert ask(us, eth0.index, address) is None


def test_a_failed_entry_that_still_has_a_mac_is_not_believed(linked: tuple[Host, Link, Link]) -> None:
    us, eth0, _ = linked
    us.ip("neigh", "add", "192.0.2.9", "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "failed")
    assert ask(us, eth0.index, "192.0.2.9") is None


@pytest.mark.parametrize(("address", "index"), [("192.0.2.9", None), ("2001:db8::9", None), ("192.0.2.2", 4711)])
def test_who_is_absent_and_links_that_are_not_there(
    linked: tuple[Host, Link, Link], address: str, index: int | None
) -> None:
    us, eth0, _ = linked
    assert ask(us, index or eth0.index, address) is None
