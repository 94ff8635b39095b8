"""BFD beside BGP: a dead path is known in a fraction of a second, where the hold time would take minutes."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.daemon.objects import metallb
from tests.lab import wait_for

from .bird import Bird
from .frr import Frr
from .interop import NODE, PREFIX, Kind, Site, session_of, wait_for_path
from .peer import fib

#: Long enough that BGP's own notice would come after any test.
HOLD = 240

every_kind = pytest.mark.parametrize("kind", [Frr, Bird])


def watched(site: Site, kind: type[Kind], **options: Any) -> Kind:
    """Both ends have BFD up, and the router forwards to the node."""
    profile = metallb("BFDProfile", "fast", receiveInterval=50, transmitInterval=50, detectMultiplier=3)
    site.node.write("profile.yaml", profile)
    router = site.router(kind, bfd=True, hold=HOLD, **options)
    site.peer(router, bfdProfile="fast", holdTime=f"{HOLD}s")
    wait_for(lambda: site.status().get("bfd") == session_of(router).bfd == "up", 20, "BFD on both ends")
    wait_for(lambda: fib(router.host) == {PREFIX: {NODE}}, what="a route in the kernel")
    return router


@every_kind
def test_a_cut(site: Site, kind: type[Kind]) -> None:
    router = watched(site, kind)
    site.lan.cut(site.node.host, router.host)
    try:
        wait_for(lambda: not fib(router.host), what="no route in the kernel")
        site.wait_for_loss("BFD")
    finally:
        site.lan.heal(site.node.host, router.host)
    wait_for_path(router)


@every_kind
def test_a_frozen_node(site: Site, kind: type[Kind]) -> None:
    router = watched(site, kind)
    site.node.host.freeze()
    try:
        wait_for(lambda: not fib(router.host), what="no route in the kernel")
    finally:
        site.node.host.thaw()
    wait_for_path(router)


@every_kind
def test_a_frozen_router(site: Site, kind: type[Kind]) -> None:
    router = watched(site, kind)
    router.host.freeze()
    site.wait_for_loss("this end ended the session: Cease: BFD Down")
    router.host.thaw()
    wait_for(lambda: fib(router.host) == {PREFIX: {NODE}}, 30, what="the route again")


@every_kind
def test_without_bfd_on_the_other_end_there_is_a_session(site: Site, kind: type[Kind]) -> None:
    site.node.write("profile.yaml", metallb("BFDProfile", "fast"))
    router = site.router(kind)
    site.peer(router, bfdProfile="fast")
    wait_for_path(router)
    assert site.status()["bfd"] == "down" and site.is_established()


def test_kill_9_with_bfd_leaves_the_routes(site: Site) -> None:
    """The reflex goes on answering BFD until its heir is there."""
    frr = watched(site, Frr, restart_time=60)
    site.peer(frr, bfdProfile="fast", holdTime=f"{HOLD}s", enableGracefulRestart=True)
    wait_for(lambda: "gracefulRestart" in str(frr.neighbor(NODE)) and site.is_established(), what="another session")
    wait_for(lambda: fib(frr.host) == {PREFIX: {NODE}} and session_of(frr).bfd == "up", what="all as before")
    os.kill(site.node.pid, signal.SIGKILL)
    site.node.run()
    wait_for_path(frr)
    assert fib(frr.host) == {PREFIX: {NODE}}
