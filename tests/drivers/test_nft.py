from __future__ import annotations

import sys

from tests.lab import Lab

PROGRAM = """
from mlbd.drivers.nft import open_nft
nft = open_nft()
print(nft.run("add table inet mlbd"))
nft.close()
"""
WITHOUT = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")


def test_without_the_capability_it_says_so_and_nothing_else(lab: Lab) -> None:
    done = lab.host("node").run(*WITHOUT, sys.executable, "-c", PROGRAM)
    assert done.stdout == "mlbd lacks CAP_NET_ADMIN; give it that capability\n"
    assert done.stderr == ""


def test_what_is_wrong_with_a_script_is_kept_in(lab: Lab) -> None:
    done = lab.host("node").run(sys.executable, "-c", PROGRAM.replace("add table", "add tabel"))
    assert done.stdout.startswith("nftables says: syntax error")
    assert done.stderr == ""
