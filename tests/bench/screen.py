"""`mlbctl status` as somebody at a terminal waits for it: the whole process, from start to end."""

from __future__ import annotations

import subprocess
import time

from tests.node import PROGRAMS

from . import state
from .report import Section, p50_and_p95
from .site import site

TRIALS = 40
LIMIT = 200


def measure() -> Section:
    with site(state.THOUSAND) as place:
        place.start()
        place.wait_until_announced()
        socket = str(place.node.socket)
        ours = (str(PROGRAMS / "mlbctl"), "--socket", socket, "status")
        everything = (*ours, "-o", "json")
        curl = ("curl", "--silent", "--unix-socket", socket, "http://localhost/v1/summary")
        bare = (str(PROGRAMS / "python"), "-I", "-c", "pass")
        status, as_json, curled, started = zip(
            *((_run(ours), _run(everything), _run(curl), _run(bare)) for _ in range(TRIALS)), strict=True
        )
    rows = [
        *p50_and_p95("mlbctl status", "ms", status, LIMIT, rival=curled),
        *p50_and_p95("mlbctl status -o json", "ms", as_json),
        *p50_and_p95("a Python that does nothing", "ms", started),
    ]
    return Section("mlbctl status, 1,000 Services; rival: curl asking the same", rows)


def _run(argv: tuple[str, ...]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    return 1000 * (time.perf_counter() - began)
