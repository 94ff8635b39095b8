from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.lab import Lab

from .scene import Scene, scene


@pytest.fixture(scope="module")
def stage() -> Iterator[Scene]:
    with Lab() as lab, scene(lab) as three:
        yield three


@pytest.fixture
def trio(stage: Scene) -> Iterator[Scene]:
    """Everybody at home, before and after; no daemon met a bug. pytest shows the events of a test that failed."""
    stage.wait_until_home()
    began = time.time()
    yield stage
    print(stage.timeline(began))
    stage.wait_until_home()
    for node in stage.nodes:
        node.assert_no_traceback()
