from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mlbd.model.link import Link, Reason, Unusable, unusable
from mlbd.model.settings import Settings

ETH0 = Link(2, "eth0", bytes.fromhex("020000000001"))
DEFAULT = Settings(node="node-1").exclude_interfaces


@pytest.mark.parametrize("name", ["eth0", "enp1s0f0np0", "bond0", "bond0.100", "br0", "br-lan", "wlan0", "low0"])
def test_an_ordinary_link_is_usable(name: str) -> None:
    assert unusable(replace(ETH0, name=name), DEFAULT) is None


@pytest.mark.parametrize(
    "name",
    [
        "docker0",
        "cbr0",
        "dummy0",
        "virbr0",
        "lxcbr0",
        "lxc12ab",
        "veth1a2b",
        "lo",
        "cali123",
        "tunl0",
        "flannel.1",
        "kube-ipvs0",
        "cni0",
        "nodelocaldns",
        "cilium_vxlan",
    ],
)
def test_the_default_list(name: str) -> None:
    refused = unusable(replace(ETH0, name=name), DEFAULT)
    assert refused and refused.reason is Reason.EXCLUDED


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (replace(ETH0, loopback=True), Unusable(Reason.LOOPBACK, "is a loopback")),
        (
            replace(ETH0, master="br0"),
            Unusable(Reason.ENSLAVED, "is a port of br0, which is used in its place"),
        ),
        (replace(ETH0, noarp=True), Unusable(Reason.NO_ARP, "does not resolve addresses (NOARP)")),
        (replace(ETH0, mac=b""), Unusable(Reason.NO_MAC, "has no Ethernet address")),
        (replace(ETH0, mac=bytes(20)), Unusable(Reason.NO_MAC, "has no Ethernet address")),
        (replace(ETH0, up=False, carrier=False), Unusable(Reason.DOWN, "is down: ip link set eth0 up")),
        (
            replace(ETH0, carrier=False),
            Unusable(Reason.NO_CARRIER, "has no carrier: check its cable or its lower link"),
        ),
    ],
)
def test_why_a_link_is_not_used(link: Link, expected: Unusable) -> None:
    assert unusable(link) == expected


def test_the_pattern_that_excludes_is_named() -> None:
    refused = unusable(ETH0, [re.compile("^wl"), re.compile("th0$")])
    assert refused == Unusable(Reason.EXCLUDED, "is excluded by 'th0$' of excludeInterfaces")


def test_a_long_pattern_is_cut() -> None:
    refused = unusable(ETH0, [re.compile("th0|" * 1000)])
    assert refused and len(refused.message) < 200


def test_what_lasts_is_named_before_what_may_pass() -> None:
    refused = unusable(replace(ETH0, up=False, master="bond0"))
    assert refused and refused.reason is Reason.ENSLAVED
