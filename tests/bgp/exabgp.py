"""ExaBGP in a host of the lab: it announces what is written into its pipe."""

from __future__ import annotations

import os
import signal
import weakref
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from tests.lab import Host

from .peer import Peer

#: Root, because it may not write anywhere otherwise; no pipes of its own command line.
_ENVIRONMENT: Final = {
    "exabgp_daemon_user": "root",
    "exabgp_daemon_drop": "false",
    "exabgp_api_cli": "false",
    "exabgp_api_ack": "false",
    "exabgp_tcp_delay": "0",
    "exabgp_log_destination": "stderr",
}


class Exabgp:
    """`asn` and `router_id` are the speaker's; a peer's `source` is needed."""

    def __init__(self, host: Host, asn: int, router_id: str, *peers: Peer) -> None:
        self.host = host
        names = ("conf", "pipe", "log")
        self._config, self._pipe, self.log = (host.lab.directory / f"{host.name}-exabgp.{name}" for name in names)
        os.mkfifo(self._pipe)
        self._config.write_text("\n".join((*_configuration(asn, router_id, peers, self._pipe), "")))
        # Open for both, the pipe neither waits for a reader nor ends when there is none.
        self._writer = os.open(self._pipe, os.O_RDWR)
        weakref.finalize(self, os.close, self._writer)
        self.start()

    def start(self) -> None:
        environment = (f"{key}={value}" for key, value in _ENVIRONMENT.items())
        with self.log.open("a") as log:
            self.process = self.host.spawn("env", *environment, "exabgp", str(self._config), stdout=log, stderr=log)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def announce(self, networks: Iterable[str]) -> None:
        """These too."""
        self.prepared(networks)()

    def prepared(self, networks: Iterable[str]) -> Callable[[], None]:
        """As announce(), but that only happens when it is called: the orders are there."""
        return partial(self._write, _octets("announce", networks))

    def withdraw(self, networks: Iterable[str]) -> None:
        self._write(_octets("withdraw", networks))

    def _write(self, octets: bytes) -> None:
        """As soon as it takes them."""
        while octets:
            octets = octets[os.write(self._writer, octets) :]

    def _end(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.wait(timeout=20)


def _octets(verb: str, networks: Iterable[str]) -> bytes:
    """Lines of its API."""
    return "".join(f"{verb} route {network} next-hop self\n" for network in networks).encode()


def _configuration(asn: int, router_id: str, peers: Iterable[Peer], pipe: Path) -> Iterator[str]:
    yield f"process pipe {{ run /bin/cat {pipe}; encoder text; }}"
    for peer in peers:
        yield f"neighbor {peer.address} {{"
        yield f"  router-id {router_id}; local-address {peer.source}; local-as {asn}; peer-as {peer.asn};"
        yield f"  hold-time {peer.hold};"
        yield from (f"  {line};" for line in peer.lines)
        if peer.password:
            yield f'  md5-password "{peer.password}";'
        if peer.multi_hop:
            yield f"  outgoing-ttl {peer.multi_hop};"
        yield f"  family {{ {' '.join(f'ipv{version} unicast;' for version in peer.families)} }}"
        yield "  api { processes [ pipe ]; }"
        yield "}"
