"""What befalls a host, and what is told to the program on it."""

from __future__ import annotations

from collections.abc import Callable

from tests.lab import Host
from tests.node import Node
from tests.traffic import serve

from .contest import Program


def _power_on(program: Program) -> None:
    program.host.power_on()
    serve(program.host)
    program.start()


def _unplug(host: Host) -> None:
    for link in host.links.values():
        link.unplug()


def _restart(program: Program) -> None:
    program.stop()
    program.start()


def _mlbctl(*argv: str) -> Callable[[Program], None]:
    def run(program: Program) -> None:
        assert isinstance(program, Node)
        done = program.mlbctl(*argv)
        if done.returncode:
            raise AssertionError(f"cannot {argv[0]} {program.host.name}: {done.stderr}")

    return run


#: What happens to a host, and what ends it.
FAULTS: dict[str, tuple[Callable[[Host], None], Callable[[Program], None]]] = {
    "power lost": (Host.power_off, _power_on),
    "frozen": (Host.freeze, lambda program: program.host.thaw()),
    "carrier lost": (_unplug, lambda program: program.host.power_on()),
}
#: What a node is told, and whether its addresses are at home afterwards, in this order.
TOLD: dict[str, tuple[Callable[[Program], object], bool]] = {
    "drain": (_mlbctl("drain"), False),
    "undrain": (_mlbctl("undrain"), True),
    "stop": (lambda program: program.stop(), False),
    "start": (lambda program: program.start(), True),
    "restart": (_restart, True),
}
#: What a program without orders can be told as well.
ANY = ("stop", "start", "restart")
