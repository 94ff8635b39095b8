"""Everything that a peer may send, sought by coverage: python -m tests.proto.bgp.fuzz SECONDS

It begins with what other speakers sent, and keeps in build/fuzz what led it somewhere new. A finding is written there
too, and ends the run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["mlbd.proto.bgp"]):
    from .harmless import check

DIRECTORY = Path("build/fuzz")
#: The choices of harmless.check() under which a captured message is tried, whole and without its header.
WHOLE, BODIES = (0xE5, 0xEE, 0xEF), (0x05, 0x0E, 0x0C, 0x06, 0x45, 0x85, 0xA5, 0xB5, 0xD5)


def main() -> None:
    corpus = DIRECTORY / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(json.loads(Path(__file__).with_name("captures.json").read_text())):
        octets = bytes.fromhex(case["octets"])
        for choice in WHOLE:
            (corpus / f"captured-{number}-{choice:02x}").write_bytes(bytes((choice,)) + octets)
        for choice in BODIES:
            (corpus / f"captured-{number}-{choice:02x}").write_bytes(bytes((choice,)) + octets[19:])
    options = [
        f"-max_total_time={sys.argv[1]}",
        "-max_len=4000",
        f"-artifact_prefix={DIRECTORY}/",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
