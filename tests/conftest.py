from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.lab import Lab


def pytest_configure() -> None:
    # A suite that skipped what needs root would be green and prove nothing.
    if os.geteuid() != 0:
        raise pytest.UsageError("cannot run the tests without root: they build networks out of namespaces")
    # A shell starts what it puts into the background with SIGINT ignored, and every child inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A lab of the test's own, gone when the test is over."""
    with Lab() as network:
        yield network
