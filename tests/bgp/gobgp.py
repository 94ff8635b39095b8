"""GoBGP in a host of the lab: a speaker without a kernel behind it."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from tests.lab import Host, LabError, wait_for

from .add_path import WITHDRAWN, path_of, stream
from .peer import Path, Peer, Session

_API: Final = 50051
_ESTABLISHED: Final = 6
_FAMILIES: Final = {4: "ipv4", 6: "ipv6"}
_STREAM: Final = f"http://127.0.0.1:{_API}/apipb.GobgpApi/AddPathStream"
_GRPC: Final = ("Content-Type: application/grpc", "TE: trailers")
#: The types of path attributes (IANA).
_ORIGIN, _AS_PATH, _NEXT_HOP, _LOCAL_PREF, _COMMUNITIES, _MP_REACH, _EXTENDED, _LARGE = 1, 2, 3, 5, 8, 14, 16, 32
_SUBTYPES: Final = {2: "rt", 3: "soo"}  # RFC 4360 4 and 5
_ORIGINS: Final = ("IGP", "EGP", "incomplete")


class Gobgp:
    """`asn` and `router_id` are the speaker's. It waits at least five seconds before it connects for the first time,
    and after an error; whoever connects in need not wait for that."""

    def __init__(self, host: Host, asn: int, router_id: str, *peers: Peer) -> None:
        self.host = host
        self._next_hop = router_id
        self._config, self.log = (host.lab.directory / f"{host.name}-gobgp.{name}" for name in ("toml", "log"))
        self._config.write_text("\n".join((*_configuration(asn, router_id, peers), "")))
        self.start()

    def start(self) -> None:
        line = ("gobgpd", "-t", "toml", "-f", str(self._config), "--api-hosts", f"127.0.0.1:{_API}", "-p")
        with self.log.open("a") as log:
            self.process = self.host.spawn(*line, stdout=log, stderr=log)
        wait_for(self._is_there, what=f"GoBGP on {self.host.name}")

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def announce(self, networks: Iterable[str]) -> None:
        """These too, with `router_id` as next hop. IPv4 alone."""
        self.prepared(networks)()

    def prepared(self, networks: Iterable[str]) -> Callable[[], None]:
        """As announce(), but that only happens when it is called: the messages are there."""
        return partial(self._tell, b"".join(stream(path_of(network, self._next_hop) for network in networks)))

    def withdraw(self, networks: Iterable[str]) -> None:
        self._tell(b"".join(stream(path_of(network, self._next_hop) + WITHDRAWN for network in networks)))

    def session(self, name: str) -> Session:
        found = self._ask("neighbor", name)
        state = found.get("state", {}).get("session_state", 0)
        hold = found.get("timers", {}).get("state", {}).get("negotiated_hold_time", 0)
        return Session(state == _ESTABLISHED, str(state), error=self._last_notification(name), hold=int(hold))

    def wait_until_established(self, name: str, seconds: float = 30) -> None:
        wait_for(lambda: self.session(name).established, seconds, f"a session of {self.host.name} with {name}")

    def count(self, name: str, version: int = 4) -> int:
        """The prefixes that came from that neighbor."""
        return len(self._ask("neighbor", name, "adj-in", "-a", _FAMILIES[version]))

    def paths(self, prefix: str) -> list[Path]:
        table = self._ask("global", "rib", "-a", _family(prefix))
        return [_path(entry) for entry in table.get(prefix, ())]

    def _tell(self, messages: bytes) -> None:
        """By gRPC's AddPathStream, many in one message. curl speaks HTTP/2, so no library is needed."""
        headers = (part for header in _GRPC for part in ("--header", header))
        options = ("--silent", "--show-error", "--http2-prior-knowledge", "--data-binary", "@-")
        line = self.host.inside("curl", *options, *headers, "--dump-header", "-", _STREAM)
        told = subprocess.run(line, input=messages, capture_output=True, check=True, timeout=60).stdout
        assert b"grpc-status: 0" in told, told

    def _last_notification(self, name: str) -> str:
        lines = [line for line in self.log.read_text().splitlines() if "notification" in line and name in line]
        return lines[-1] if lines else ""

    def _ask(self, *argv: str) -> Any:
        return json.loads(self.host.run("gobgp", "--json", *argv).stdout or "{}")

    def _is_there(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return bool(self._ask("global"))
        except LabError:
            return False

    def _end(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.wait(timeout=20)


def _configuration(asn: int, router_id: str, peers: Iterable[Peer]) -> Iterator[str]:
    yield f'[global.config]\nas = {asn}\nrouter-id = "{router_id}"'
    for peer in peers:
        if peer.network:
            yield f'[[peer-groups]]\n[peer-groups.config]\npeer-group-name = "dynamic"\npeer-as = {peer.asn}'
            yield f'[[dynamic-neighbors]]\n[dynamic-neighbors.config]\nprefix = "{peer.network}"'
            yield 'peer-group = "dynamic"'
        else:
            yield from _neighbor(peer)


def _neighbor(peer: Peer) -> Iterator[str]:
    where = f'neighbor-address = "{peer.address}"' if peer.address else f'neighbor-interface = "{peer.interface}"'
    yield f"[[neighbors]]\n[neighbors.config]\n{where}\npeer-as = {peer.asn}"
    if peer.password:
        yield f'auth-password = "{peer.password}"'
    timers = f"hold-time = {peer.hold}\nkeepalive-interval = {peer.hold // 3}\nconnect-retry = 5"
    yield f"[neighbors.timers.config]\n{timers}\nidle-hold-time-after-reset = 5"
    yield f"[neighbors.transport.config]\npassive-mode = {str(peer.passive).lower()}"
    if peer.source:
        yield f'local-address = "{peer.source}"'
    if peer.ttl_security:
        yield f"[neighbors.ttl-security.config]\nenabled = true\nttl-min = {256 - peer.ttl_security}"
    if peer.multi_hop:
        yield f"[neighbors.ebgp-multihop.config]\nenabled = true\nmultihop-ttl = {peer.multi_hop}"
    if peer.restart_time:
        yield f"[neighbors.graceful-restart.config]\nenabled = true\nrestart-time = {peer.restart_time}"
        yield "notification-enabled = true"
    for version in peer.families:
        yield f'[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = "ipv{version}-unicast"'
        if peer.restart_time:
            yield "[neighbors.afi-safis.mp-graceful-restart.config]\nenabled = true"
    yield from peer.lines


def _family(prefix: str) -> str:
    return _FAMILIES[6 if ":" in prefix else 4]


def _path(entry: dict[str, Any]) -> Path:
    found = {attribute["type"]: attribute for attribute in entry["attrs"]}
    hops = {found[kind]["nexthop"] for kind in (_NEXT_HOP, _MP_REACH) if kind in found}
    segments = found.get(_AS_PATH, {}).get("as_paths") or ()
    plain = (f"{number >> 16}:{number & 0xFFFF}" for number in found.get(_COMMUNITIES, {}).get("communities", ()))
    large = (f"{v['ASN']}:{v['LocalData1']}:{v['LocalData2']}" for v in found.get(_LARGE, {}).get("value", ()))
    values = found.get(_EXTENDED, {}).get("value", ())
    extended = (f"{_SUBTYPES[value['subtype']]}:{value['value']}" for value in values)
    return Path(
        next_hops=frozenset(hops),
        as_path=tuple(number for segment in segments for number in segment["asns"]),
        origin=_ORIGINS[found[_ORIGIN]["value"]],
        local_pref=found.get(_LOCAL_PREF, {}).get("value"),
        communities=frozenset((*plain, *large, *extended)),
        stale=bool(entry.get("stale")),
    )
