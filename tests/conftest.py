from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.lab import Lab


def pytest_configure() -> None:
    # A suite that skipped what needs root would be green and prove nothing.
    if os.geteuid() != 0:
        raise pytest.UsageError("cannot run the tests without root: they build networks out of namespaces")


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A lab of the test's own, gone when the test is over."""
    with Lab() as network:
        yield network
