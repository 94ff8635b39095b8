"""50,000 ARP requests a second for an address that is held: do the answers go on, does memory stay?"""

from __future__ import annotations

import json
import math
import sys
import time

from mlbd.proto.neighbor.frame import parse_mac
from tests.lab import Host

from . import state
from .answers import PAUSE
from .memory import megabytes
from .questions import asker
from .report import Row, Section, percentile
from .site import site

RATE = 50_000
SECONDS = 8
#: Sends one frame, given in hexadecimal, so many times a second for so many seconds.
FLOODER = """
import socket, sys, time
frame, rate, seconds = bytes.fromhex(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
link.bind(("eth0", 0))
sent, began = 0, time.monotonic()
while (gone := time.monotonic() - began) < seconds:
    for _ in range(min(1000, int(gone * rate) - sent)):
        link.send(frame)
        sent += 1
"""


def measure() -> Section:
    with site(state.THOUSAND) as place:
        place.start()
        place.wait_until_announced()
        vip = place.held(4)[0]
        attacker = place.wire_client("attacker")
        host = attacker.link.host
        before = megabytes(place, "Rss")
        with asker(attacker, 4) as asking:
            # By unicast: on this one machine the copies of a broadcast to all other hosts would cost the node's time.
            question = asking.question(vip, parse_mac(place.station.link.mac))
        counted, began = _counters(host), time.monotonic()
        flood = host.spawn(sys.executable, "-c", FLOODER, question.hex(), str(RATE), str(SECONDS))
        waited = []
        with asker(place.client, 4) as asking:
            while flood.poll() is None:
                waited.append(asking.ask(vip))
                time.sleep(PAUSE)
        seconds = time.monotonic() - began
        asked, answered = (after - count for after, count in zip(_counters(host), counted, strict=True))
        after = megabytes(place, "Rss")
    unanswered = sum(map(math.isinf, waited))
    rows = [
        Row("requests sent", "/s", asked / seconds),
        Row("answers received", "/s", answered / seconds),
        Row("another client's answer, p50", "ms", 1000 * percentile(waited, 50)),
        Row("another client's answer, p99", "ms", 1000 * percentile(waited, 99)),
        Row(f"its {len(waited)} questions not answered", "", unanswered),
        Row("memory of mlbd and reflex", "MB", after, rival=before),
    ]
    return Section(f"A flood of {RATE:,} ARP requests a second; rival of memory: before it", rows)


def _counters(host: Host) -> tuple[int, int]:
    """Frames sent and received."""
    (link,) = json.loads(host.ip("-json", "-statistics", "link", "show", "dev", "eth0"))
    return link["stats64"]["tx"]["packets"], link["stats64"]["rx"]["packets"]
