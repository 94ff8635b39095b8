from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.lab import Host, Lab, Segment

from .node import Node, speaking


@dataclass(frozen=True, slots=True)
class Site:
    """A router at 192.0.2.1 and 2001:db8::1, a node at .11 and ::11 that speaks."""

    lab: Lab
    lan: Segment
    router: Host
    node: Node


@pytest.fixture
def site(lab: Lab) -> Iterator[Site]:
    lan = lab.segment("lan")
    router, host = lab.host("router"), lab.host("node")
    router.connect(lan, "eth0", "192.0.2.1/24", "2001:db8::1/64")
    host.connect(lan, "eth0", "192.0.2.11/24", "2001:db8::11/64")
    with speaking(host) as node:
        yield Site(lab, lan, router, node)
