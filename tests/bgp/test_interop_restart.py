"""The daemon goes and comes back: routers that agreed on graceful restart go on forwarding, and a stop says goodbye."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab import Host, wait_for

from .bird import Bird
from .frr import Frr
from .gobgp import Gobgp
from .interop import ADDRESS, NODE, PEER, PREFIX, Kind, Router, Site, session_of, wait_for_path, wait_for_withdrawal
from .peer import fib

every_kind = pytest.mark.parametrize("kind", [Frr, Bird, Gobgp])
#: GoBGP takes five seconds to talk to somebody again.
with_kernel = pytest.mark.parametrize("kind", [Frr, Bird])


@contextmanager
def monitored(host: Host) -> Iterator[Path]:
    """What becomes of the routes in its kernel, a line for each change."""
    told = host.lab.directory / f"{host.name}-routes"
    with told.open("w") as stream:
        monitor = host.spawn("ip", "-oneline", "monitor", "route", stdout=stream)
    wait_for(lambda: _is_heard(host, told), what="the monitor of routes")
    yield told
    monitor.terminate()
    monitor.wait()


def _is_heard(host: Host, told: Path) -> bool:
    host.ip("route", "replace", "blackhole", "203.0.113.1")
    host.ip("route", "delete", "blackhole", "203.0.113.1")
    return "203.0.113.1" in told.read_text()


@every_kind
def test_kill_9_leaves_the_routes(site: Site, kind: type[Kind]) -> None:
    router = site.router(kind, passive=True, restart_time=60)
    site.peer(router, enableGracefulRestart=True)
    wait_for_path(router)
    wait_for(lambda: is_forwarding(router), what="a route in the kernel")
    with monitored(router.host) as changes:
        os.kill(site.node.pid, signal.SIGKILL)
        wait_for(lambda: is_stale(router), what="a stale path")
        site.node.run()
        wait_for(lambda: not wait_for_path(router).stale, what="a fresh path")
        assert session_of(router).established and is_forwarding(router)
        assert ADDRESS not in changes.read_text()
    told = site.node.mlbctl("peers", PEER).stdout
    assert "ipv4 still forwarded" in told.partition("Is offered")[2]


def is_stale(router: Router) -> bool:
    """BIRD's paths do not show it."""
    (path,) = router.paths(PREFIX)
    return not session_of(router).established if isinstance(router, Bird) else path.stale


def is_forwarding(router: Router) -> bool:
    """GoBGP has no kernel behind it."""
    return isinstance(router, Gobgp) or fib(router.host) == {PREFIX: {NODE}}


@with_kernel
def test_without_graceful_restart_kill_9_takes_the_routes(site: Site, kind: type[Kind]) -> None:
    router = site.router(kind, passive=True)
    site.peer(router)
    wait_for_path(router)
    os.kill(site.node.pid, signal.SIGKILL)
    wait_for_withdrawal(router)
    site.node.run()
    wait_for_path(router)


@with_kernel
def test_after_a_stop_no_route_is_kept(site: Site, kind: type[Kind]) -> None:
    router = site.router(kind, passive=True, restart_time=60)
    site.peer(router, enableGracefulRestart=True)
    wait_for_path(router)
    site.node.stop()
    wait_for_withdrawal(router)
    site.node.run()
    wait_for_path(router)


@pytest.mark.parametrize("kind", [Frr, Gobgp])
def test_a_peer_that_is_deleted_is_gone_for_good(site: Site, kind: type[Kind]) -> None:
    """These two keep routes over a NOTIFICATION, but for a Hard Reset (RFC 8538)."""
    router = site.router(kind, passive=True, restart_time=60)
    site.peer(router, enableGracefulRestart=True)
    wait_for_path(router)
    site.node.remove("peer.yaml")
    wait_for_withdrawal(router)
