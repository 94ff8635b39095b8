"""A node that announces an address is frozen, or cut off: how long its router's kernel still forwards to it."""

from __future__ import annotations

import contextlib
import random
import socket
import statistics
import struct
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Final

from tests.bgp.peer import fib
from tests.lab import Host, wait_for

from .bgp import LINK, NODE, Uplink, bird, prefixes, uplink
from .bgp_daemon import daemon
from .report import Row, Section

TRIALS = 7
#: Seconds between two packets of BFD: what happens comes at any time of it.
PHASE = 0.05
SHARE = 1.1
#: linux/rtnetlink.h
_GROUP_IPV4_ROUTES: Final = 0x40
_RTM_DELROUTE: Final = 25

FAULTS: Final[dict[str, tuple[Callable[[Host], object], Callable[[Host], object]]]] = {
    "frozen": (Host.freeze, Host.thaw),
    "cut off": (lambda node: node.links[LINK].unplug(), lambda node: node.links[LINK].plug()),
}


def measure() -> Section:
    with uplink(bfd=True) as theirs, uplink(bfd=True) as ours:
        bird(theirs.node, bfd=True).announce(prefixes(1))
        daemon(ours.node, services=1, bfd=True).run()
        rows = [_row(name, ours, theirs) for name in FAULTS]
    return Section(
        f"BFD 3 x 50 ms: a node is lost, until its router's kernel has dropped it, p50 of {TRIALS}. Rival: BIRD", rows
    )


def _row(name: str, ours: Uplink, theirs: Uplink) -> Row:
    """In turns, because other load on this machine comes and goes."""
    pairs = [(_lose(ours, name), _lose(theirs, name)) for _ in range(TRIALS)]
    reached, rival = (statistics.median(times) for times in zip(*pairs, strict=True))
    return Row(name, "ms", reached, rival=rival, ratio_limit=SHARE)


def _lose(place: Uplink, name: str) -> float:
    """Milliseconds from before the fault until the route is gone."""
    strike, mend = FAULTS[name]
    (prefix,) = wait_for(lambda: _forwarded(place), 60, "a session with BFD and its route")
    time.sleep(random.uniform(0.5, 0.5 + PHASE))
    with _route_changes(place.router.host) as changes:
        began = time.monotonic()
        strike(place.node)
        _wait_for_end(changes, prefix)
        seconds = time.monotonic() - began
    mend(place.node)
    return 1000 * seconds


def _forwarded(place: Uplink) -> list[str]:
    """The prefixes that the router's kernel sends to the node, when BFD is up."""
    return [*fib(place.router.host)] if place.router.session(NODE).bfd == "up" else []


@contextlib.contextmanager
def _route_changes(host: Host) -> Iterator[socket.socket]:
    with host.enter():
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    with netlink:
        netlink.bind((0, _GROUP_IPV4_ROUTES))
        netlink.settimeout(30)
        yield netlink


def _wait_for_end(changes: socket.socket, prefix: str) -> None:
    """Of the route: a message is a header of 16 octets and a struct rtmsg of 12, then attributes."""
    address = ip_network(prefix).network_address.packed
    while True:
        octets = changes.recv(1 << 16)
        (kind,) = struct.unpack_from("=H", octets, 4)
        if kind == _RTM_DELROUTE and address in octets[28:]:
            return
