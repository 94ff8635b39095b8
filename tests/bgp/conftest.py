from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import Lab

from .interop import Site, node_with_a_service, untouched


@pytest.fixture(scope="module")
def lasting_site() -> Iterator[Site]:
    with Lab() as lab, node_with_a_service(lab) as site:
        yield site


@pytest.fixture
def site(lasting_site: Site) -> Iterator[Site]:
    """The node of this module as it was at the beginning; the routers are the test's own."""
    with untouched(lasting_site) as site:
        yield site
