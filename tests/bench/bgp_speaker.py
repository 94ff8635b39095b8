"""mlbd's speaker alone in a process, handed routes by a pipe, a line for all that it is to announce from then on."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Collection
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import TYPE_CHECKING, Final

from mlbd.drivers.bgp.peering import Peering
from mlbd.drivers.bgp.speaker import Speaker
from mlbd.model.link import Link
from mlbd.proto.bgp.messages import Attributes
from mlbd.proto.bgp.neighbor import Neighbor

if TYPE_CHECKING:
    from tests.lab import Host

LINK: Final = "eth0"
_ATTRIBUTES: Final = Attributes()


class Alone:
    """On a host of the lab, with one router."""

    def __init__(self, host: Host, address: str, asn: int, router: str, router_asn: int) -> None:
        self.host = host
        self._arguments = (address, str(asn), router, str(router_asn))
        self._networks: dict[str, None] = {}
        self.start()

    def start(self) -> None:
        line = (sys.executable, "-m", "tests.bench.bgp_speaker", *self._arguments)
        self.process = self.host.spawn(*line, stdin=subprocess.PIPE)

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=20)

    def announce(self, networks: Collection[str]) -> None:
        self.prepared(networks)()

    def prepared(self, networks: Collection[str]) -> Callable[[], None]:
        self._networks |= dict.fromkeys(networks)
        return partial(self._write, " ".join(self._networks))

    def withdraw(self, networks: Collection[str]) -> None:
        for network in networks:
            self._networks.pop(network, None)
        self._write(" ".join(self._networks))

    def _write(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()


async def _speak(address: str, asn: int, router: str, router_asn: int) -> None:
    here, there = IPv4Address(address), IPv4Address(router)
    speaker = Speaker(lambda name, change: None)
    neighbor = Neighbor(asn, router_asn, here, hold_time=9, connect_retry_time=1)
    link = Link(socket.if_nametoindex(LINK), LINK, bytes(6), addresses=(IPv4Interface(f"{address}/24"),))
    speaker.apply({"router": Peering(neighbor, address=there)}, (link,))
    lines = _Lines(
        lambda line: speaker.advertise({"router": {IPv4Network(text): _ATTRIBUTES for text in line.split()}})
    )
    asyncio.get_running_loop().add_reader(sys.stdin, lines.read)
    await speaker.run()


class _Lines:
    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line, self._octets = on_line, bytearray()
        os.set_blocking(sys.stdin.fileno(), False)

    def read(self) -> None:
        self._octets += os.read(sys.stdin.fileno(), 1 << 20)
        if self._octets.endswith(b"\n"):
            self._on_line(self._octets.decode())
            self._octets.clear()


if __name__ == "__main__":
    asyncio.run(_speak(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
