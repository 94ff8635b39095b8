from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import Lab

from .cluster import Cluster, cluster, serving
from .objects import service


@pytest.fixture
def lone(lab: Lab) -> Iterator[Cluster]:
    """One node of the test's own that holds both addresses of the Service `web`."""
    with cluster(lab, 1) as one:
        one.write("web.yaml", service("web", dual=True))
        one.first.wait_for_holding(*one.first.addresses("web"))
        yield one


@pytest.fixture
def addresses(lone: Cluster) -> list[str]:
    """Those of `web`: the IPv4 one, the IPv6 one."""
    return lone.first.addresses("web")


@pytest.fixture
def pair(lab: Lab) -> Iterator[Cluster]:
    """Two nodes that hold an address each."""
    with serving(lab, 2) as two:
        yield two
