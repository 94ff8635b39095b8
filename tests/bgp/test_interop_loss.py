"""How sessions end and come back, whoever is at fault; and what people are told of it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable

import pytest

from tests.lab import wait_for

from .bird import Bird
from .frr import Frr
from .gobgp import Gobgp
from .interop import NODE, PEER, Kind, Router, Site, session_of, wait_for_path, wait_for_withdrawal

every_kind = pytest.mark.parametrize("kind", [Frr, Bird, Gobgp])


@every_kind
def test_a_router_that_was_started_again_is_back_by_itself(site: Site, kind: type[Kind]) -> None:
    router = site.router(kind, passive=True)
    site.peer(router)
    wait_for_path(router)
    router.kill()
    wait_for(lambda: not site.is_established(), what="the loss")
    router.start()
    wait_for_path(router)
    assert site.status()["counters"] | {"established": 2, "lost": 1} == site.status()["counters"]


@every_kind
def test_a_router_that_says_goodbye(site: Site, kind: type[Kind]) -> None:
    router = site.router(kind)
    site.peer(router)
    wait_for_path(router)
    router.stop()
    site.wait_for_loss("Cease")


@every_kind
def test_a_router_that_stands_still(site: Site, kind: type[Kind]) -> None:
    router = site.router(kind, hold=3, passive=True)
    site.peer(router, holdTime="3s")
    wait_for_path(router)
    router.host.freeze()
    site.wait_for_loss("nothing was heard from the peer for 3 s: look at the link")
    assert site.status()["counters"] | {"lost": 1, "notification.sent": 1} == site.status()["counters"]
    router.host.thaw()
    if not isinstance(router, Gobgp):  # that takes five seconds to talk to somebody again
        wait_for_path(router)


@pytest.mark.parametrize("kind", [Frr, Bird])
def test_a_node_that_stands_still(site: Site, kind: type[Kind]) -> None:
    router = site.router(kind, hold=3, passive=True)
    site.peer(router, holdTime="3s")
    wait_for_path(router)
    os.kill(site.node.pid, signal.SIGSTOP)
    try:
        wait_for_withdrawal(router)
        assert re.search("Hold [Tt]imer", session_of(router).error), session_of(router)
    finally:
        os.kill(site.node.pid, signal.SIGCONT)
    wait_for_path(router)
    assert "Hold Timer Expired; it heard nothing from here" in site.status()["lost_why"]


@pytest.mark.parametrize(
    ("kind", "shut"),
    [
        (Frr, lambda router: router.configure(f"neighbor {NODE} shutdown message new memory")),
        (Bird, lambda router: router.say('disable peer0 "new memory"')),
        (Gobgp, lambda router: router.host.run("gobgp", "neighbor", NODE, "shutdown", "--reason", "new memory")),
    ],
)
def test_the_operator_of_the_router_says_why(site: Site, kind: type[Kind], shut: Callable[[Kind], object]) -> None:
    router = site.router(kind)
    site.peer(router)
    site.wait_until_established()
    shut(router)
    words = "Administrative Shutdown, saying 'new memory'; it was shut down by its operator"
    site.wait_for_loss(words)
    assert words in " ".join(site.node.mlbctl("peers", PEER).stdout.split())


@every_kind
def test_our_operator_says_why(site: Site, kind: type[Kind]) -> None:
    router = site.router(kind)
    site.peer(router)
    wait_for_path(router)
    try:
        site.node.mlbctl("drain", "--reason", "new memory")
        assert not router.paths("198.51.100.7/32")
        wait_for(lambda: told(router), what="the reason")
        assert "this node is drained: `mlbctl undrain`" in site.status()["message"]
    finally:
        site.node.mlbctl("undrain")


def told(router: Router) -> bool:
    """GoBGP only logs it."""
    return "new memory" in (router.log.read_text() if isinstance(router, Gobgp) else session_of(router).shutdown)
