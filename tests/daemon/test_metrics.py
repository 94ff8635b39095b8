from __future__ import annotations

import dataclasses

from mlbd.daemon.report import compose
from mlbd.drivers.metrics import Sample, render, samples
from mlbd.model.status import Problem, Severity
from mlbd.proto.neighbor.vip import State

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


def test_a_node_with_nothing_to_do_has_metrics_too() -> None:
    empty = facts()
    dead = dataclasses.replace(empty.reflex, alive=False, counters={})
    metrics = parse(render(samples(compose(dataclasses.replace(empty, reflex=dead, ready=False)))))
    assert value(metrics, "mlbd_ready") == value(metrics, "mlbd_reflex_alive") == 0


def test_labels_are_escaped() -> None:
    text = render(iter([Sample("mlbd_x", "X.", 1.5, {"a": 'a\\b"c\nd'}), Sample("mlbd_x", "X.", 2, {"a": "é"})]))
    assert text == '# HELP mlbd_x X.\n# TYPE mlbd_x gauge\nmlbd_x{a="a\\\\b\\"c\\nd"} 1.5\nmlbd_x{a="é"} 2.0\n'
    assert set(parse(text)["mlbd_x"].values()) == {1.5, 2}
