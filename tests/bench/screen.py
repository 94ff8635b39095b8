"""`mlbctl status` as somebody at a terminal waits for it: the whole process, from start to end."""

from __future__ import annotations

import subprocess
import time

from tests.node import PROGRAMS

from . import state
from .report import Row, Section, p50_and_p95, percentile
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
    rival = percentile(curled, 95)
    rows = [
        *p50_and_p95("mlbctl status", "ms", status, LIMIT),
        Row("mlbctl status -o json, p95", "ms", percentile(as_json, 95)),
        Row("python alone, p95", "ms", percentile(started, 95)),
    ]
    rows[1] = Row(rows[1].what, "ms", rows[1].reached, LIMIT, rival=rival)
    return Section("mlbctl status, 1,000 Services; rival: curl asking the same", rows)


def _run(argv: tuple[str, ...]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    return 1000 * (time.perf_counter() - began)
