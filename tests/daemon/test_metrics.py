from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

import pytest

from mlbd.daemon.report import compose
from mlbd.drivers import metrics as module
from mlbd.drivers.metrics import Sample, render, samples
from mlbd.model.settings import Endpoint
from mlbd.model.status import (
    DrainStatus,
    NodeStatus,
    PeerState,
    PeerStatus,
    Presence,
    Problem,
    SessionStatus,
    Severity,
    Status,
)
from mlbd.proto.neighbor.vip import State
from tests.lab import Host, Lab

from .exposition import Metrics, parse
from .known import CLASS, NODES, facts
from .objects import COUNT, IPS, balancer_class, service


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics[name][tuple(sorted(labels.items()))]


def test_the_metrics_are_the_status() -> None:
    wide = balancer_class("wide", "2001:db8:1::/112")
    web, greedy = service("web", annotations={IPS: "192.0.2.100"}), service("greedy", annotations={COUNT: "9"})
    warning = Problem(Severity.WARNING, "x", "X", "x")
    known = facts(CLASS, wide, NODES[0], web, greedy, states={"192.0.2.100": State.HOLDING}, found=(warning,))
    metrics = parse(render(samples(compose(known))))
    assert value(metrics, "mlbd_info", version="0.1.0", node="node-1") == 1
    assert value(metrics, "mlbd_ready") == 1
    assert value(metrics, "mlbd_start_time_seconds") == 1000
    assert value(metrics, "mlbd_services") == 2
    assert value(metrics, "mlbd_services_announced") == 1
    assert value(metrics, "mlbd_addresses_wanted") == 10
    assert value(metrics, "mlbd_addresses_assigned") == 4
    assert value(metrics, "mlbd_addresses", state="holding") == 1
    ingress = {"kind": "MetalLoadBalancerClass", "pool": "ingress", "family": "ipv4"}
    assert value(metrics, "mlbd_pool_addresses", **ingress) == 4
    assert value(metrics, "mlbd_pool_addresses_used", **ingress) == 4
    assert value(metrics, "mlbd_pool_addresses", **ingress | {"pool": "wide", "family": "ipv6"}) == 2**16
    assert value(metrics, "mlbd_problems", severity="warning") == 1
    assert value(metrics, "mlbd_problems", severity="error") == 1
    assert value(metrics, "mlbd_link_usable", link="eth0") == 1
    assert value(metrics, "mlbd_link_usable", link="lo") == 0
    assert value(metrics, "mlbd_reflex_alive") == 1
    assert value(metrics, "mlbd_reflex_restarts_total") == 0
    assert value(metrics, "mlbd_reflex_frames_total", outcome="answered") == 5


def session(peer: str, link: str, state: str, downs: int = 0) -> SessionStatus:
    return SessionStatus(peer, link, "198.51.100.1", "198.51.100.2", state, downs=downs)


def test_nodes_and_their_sessions() -> None:
    nodes = (
        NodeStatus("node-1", True, (), (), 0),
        NodeStatus(
            "node-2", False, (), (), 0, sessions=(session("node-2", "eth0", "up", 2), session("node-2", "", "init"))
        ),
        NodeStatus(
            "node-3", False, (), (), 0, presence=Presence.DOWN, sessions=(session("node-3", "eth0", "down", 1),)
        ),
        NodeStatus("node-4", False, (), (), 0, presence=Presence.UNWATCHED),
    )
    known = compose(facts())
    metrics = parse(render(samples(dataclasses.replace(known, nodes=nodes))))
    assert [value(metrics, "mlbd_nodes", presence=presence) for presence in Presence] == [2, 1, 0, 1, 0]
    assert metrics["mlbd_node_down"] == {(("node", "node-2"),): 0, (("node", "node-3"),): 1}
    assert value(metrics, "mlbd_bfd_session_up", peer="node-2", link="eth0") == 1
    assert value(metrics, "mlbd_bfd_session_up", peer="node-2", link="") == 0
    assert value(metrics, "mlbd_bfd_session_up", peer="node-3", link="eth0") == 0
    assert value(metrics, "mlbd_bfd_session_downs_total", peer="node-2", link="eth0") == 2
    assert value(metrics, "mlbd_drained") == 0
    drained = dataclasses.replace(known, drain=DrainStatus(1000.0, "disks", done=True))
    assert value(parse(render(samples(drained))), "mlbd_drained") == 1


def test_peers() -> None:
    up, down, listening = (
        PeerStatus(name, "BGPPeer x/tor", "198.51.100.254", "64512", 64500, state, since=1000.0, bfd=bfd)
        for name, state, bfd in (
            ("tor-1", PeerState.ESTABLISHED, "up"),
            ("tor-2", PeerState.ACTIVE, "down"),
            ("racks", PeerState.LISTENING, ""),
        )
    )
    counters = {"update.sent": 7, "open.received": 3, "endOfRib.received": 2, "established": 3, "lost": 2, "flaws": 1}
    up = dataclasses.replace(up, sent=12, received=1043, counters=counters)
    metrics = parse(render(samples(dataclasses.replace(compose(facts()), peers=(up, down, listening)))))
    assert [value(metrics, "mlbd_bgp_sessions", state=s) for s in ("idle", "active", "established")] == [0, 1, 1]
    tor_1, tor_2 = (("peer", "tor-1"),), (("peer", "tor-2"),)
    assert metrics["mlbd_bgp_session_up"] == {tor_1: 1, tor_2: 0}
    assert metrics["mlbd_bgp_session_start_time_seconds"] == {tor_1: 1000}
    assert metrics["mlbd_bgp_announced_prefixes"] == {tor_1: 12, tor_2: 0}
    assert metrics["mlbd_bgp_received_prefixes"] == {tor_1: 1043, tor_2: 0}
    assert metrics["mlbd_bgp_sessions_established_total"] == {tor_1: 3, tor_2: 0}
    assert metrics["mlbd_bgp_sessions_lost_total"] == {tor_1: 2, tor_2: 0}
    assert metrics["mlbd_bgp_bfd_up"] == {tor_1: 1, tor_2: 0}
    messages = {labels: count for labels, count in metrics["mlbd_bgp_messages_total"].items() if count}
    sent = (("direction", "sent"), ("peer", "tor-1"), ("type", "update"))
    received = (("direction", "received"), ("peer", "tor-1"), ("type", "open"))
    assert messages == {sent: 7, received: 3}


def test_what_the_reflex_counts_is_frames_or_has_a_name_of_its_own() -> None:
    counters = {"answered": 5, "conflicts.stranger": 1, "conflicts.ours": 2, "taken": 3, "frozen": 4}
    known = compose(facts())
    reflex = dataclasses.replace(known.reflex, counters=counters)
    metrics = parse(render(samples(dataclasses.replace(known, reflex=reflex))))
    assert metrics["mlbd_reflex_frames_total"] == {(("outcome", "answered"),): 5}
    assert value(metrics, "mlbd_address_conflicts_total", claimant="stranger") == 1
    assert value(metrics, "mlbd_address_conflicts_total", claimant="ours") == 2
    assert value(metrics, "mlbd_address_takeovers_total") == 3
    assert value(metrics, "mlbd_reflex_freezes_total") == 4


def test_addresses_add_no_lines() -> None:
    """Only links, pools, nodes and sessions do."""
    few, many = (
        render(samples(compose(facts(CLASS, *NODES, *(service(f"s{n}") for n in range(count)))))) for count in (1, 4)
    )
    assert few.count("\n") == many.count("\n")


def test_a_node_with_nothing_to_do_has_metrics_too() -> None:
    empty = facts()
    dead = dataclasses.replace(empty.reflex, alive=False, counters={})
    metrics = parse(render(samples(compose(dataclasses.replace(empty, reflex=dead, ready=False)))))
    assert value(metrics, "mlbd_ready") == value(metrics, "mlbd_reflex_alive") == 0


def test_labels_are_escaped() -> None:
    text = render(iter([Sample("mlbd_x", "X.", 1.5, {"a": 'a\\b"c\nd'}), Sample("mlbd_x", "X.", 2, {"a": "é"})]))
    assert text == '# HELP mlbd_x X.\n# TYPE mlbd_x gauge\nmlbd_x{a="a\\\\b\\"c\\nd"} 1.5\nmlbd_x{a="é"} 2.0\n'
    assert set(parse(text)["mlbd_x"].values()) == {1.5, 2}


PORT = 7472


class Served:
    """Metrics that answer on the loopback, their clock, and how often the Status was composed."""

    def __init__(self) -> None:
        self.composed = 0
        self.now = 0.0
        self.metrics = module.Metrics(Endpoint("127.0.0.1", PORT), self._compose, lambda: self.now)

    def _compose(self) -> Status:
        self.composed += 1
        self.now += 5  # it takes long
        return compose(facts())

    async def get(self, path: str = "/metrics") -> bytes:
        """What comes until the connection ends, with or without a word."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        except ConnectionError:
            return b""
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = await until_end(reader)
        writer.close()
        return answer

    async def listening(self) -> None:
        while not (await self.get("/")).startswith(b"HTTP/1.1 404 "):
            await asyncio.sleep(0.01)


async def until_end(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


def serve(host: Host, story: Callable[[Served], Awaitable[None]]) -> None:
    async def play() -> None:
        served = Served()
        running = asyncio.create_task(served.metrics.run())
        try:
            async with asyncio.timeout(20):
                await served.listening()
                await story(served)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    with host.enter():
        asyncio.run(play())


def test_many_scrapes_are_one_drawing(lab: Lab) -> None:
    """Whoever can reach the port must not hold up the event loop."""

    async def story(served: Served) -> None:
        answers = await asyncio.gather(*(served.get() for _ in range(10)))
        assert all(answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\n") for answer in answers)
        assert served.composed == 1
        served.now += module.REUSE_SECONDS
        await served.get()
        assert served.composed == 2

    serve(lab.host("node"), story)


def test_connections_are_few_and_short(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 1.0)

    async def story(served: Served) -> None:
        idle = [await asyncio.open_connection("127.0.0.1", PORT) for _ in range(module.CONNECTIONS)]
        assert await served.get() == b""
        for reader, writer in idle:
            assert await until_end(reader) == b""
            writer.close()
        assert b"mlbd_ready" in await served.get()

    serve(lab.host("node"), story)
