"""FRR in a host of the lab: the router whose kernel forwards, and another speaker of BFD."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path as File
from typing import Any, Final

from tests.lab import Host, wait_for

from .peer import Path, Peer, Session
from .vty import Vty

_PROGRAMS: Final = File("/usr/lib/frr")
_FAMILIES: Final = {4: "ipv4 unicast", 6: "ipv6 unicast"}
_DYNAMIC: Final = "dynamic"


class Frr:
    """`asn` and `router_id` are the router's; `lines` belong to `router bgp`. Next hops that are as good as each other
    are all used, 64 at most."""

    def __init__(self, host: Host, asn: int, router_id: str, *peers: Peer, lines: Iterable[str] = ()) -> None:
        self.host = host
        self.asn = asn
        self.peers = peers
        self._directory = host.lab.directory / f"{host.name}-frr"
        self._directory.mkdir()
        host.lab.directory.chmod(0o711)  # the daemons leave root behind
        self._configuration = (*_configuration(asn, router_id, peers, lines),)
        shutil.chown(self._directory, "frr", "frr")
        self._zebra = self._spawn("zebra")
        self._bfdd = self._spawn("bfdd", "--bfdctl", f"{self._directory}/bfdd.sock")
        self.start()

    def start(self) -> None:
        """bgpd, with all that it had when it was made."""
        self.process = self._spawn("bgpd")
        self.vty = Vty(self._directory / "bgpd.vty")
        self.vty.configure(*self._configuration)  # from a file it would skip what it does not understand

    def stop(self) -> None:
        """bgpd says goodbye."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """bgpd is gone at once; the kernel of its host closes the connections."""
        self._end(signal.SIGKILL)

    def configure(self, *lines: str) -> None:
        """Inside `router bgp`."""
        self.vty.configure(f"router bgp {self.asn}", *lines)

    def clear(self, name: str, how: str = "") -> None:
        """`clear bgp NAME [HOW]`: `how` is "soft in", "in", "out", or a hard one."""
        self.vty.say(f"clear bgp ipv4 unicast {name} {how}".rstrip())

    def session(self, name: str) -> Session:
        """Of the neighbor with that address or interface; of a dynamic one too, once it is there."""
        found = self.neighbor(name)
        return Session(
            established=found.get("bgpState") == "Established",
            state=found.get("bgpState", "unknown"),
            error=found.get("lastNotificationReason", found.get("lastResetDueTo", "")),
            shutdown=found.get("lastShutdownDescription", ""),
            bfd=found.get("peerBfdInfo", {}).get("status", "").lower(),
            hold=found.get("bgpTimerHoldTimeMsecs", 0) // 1000,
        )

    def neighbor(self, name: str) -> dict[str, Any]:
        """As `show bgp neighbors NAME json` has it."""
        return dict(self.vty.json(f"show bgp neighbors {name}").get(name, {}))

    def is_established(self, name: str) -> bool:
        return self.session(name).established

    def wait_until_established(self, name: str, seconds: float = 20) -> None:
        wait_for(lambda: self.is_established(name), seconds, f"a session of {self.host.name} with {name}")

    def count(self, name: str, version: int = 4) -> int:
        """The prefixes that came from that neighbor."""
        found = self.vty.json(f"show bgp {_FAMILIES[version]} summary")
        return int(found.get("peers", {}).get(name, {}).get("pfxRcd", 0))

    def routes(self, version: int = 4) -> dict[str, frozenset[str]]:
        """The next hops in use of each prefix in BGP's table: those that go into the kernel."""
        table = self.vty.json(f"show bgp {_FAMILIES[version]}").get("routes", {})
        return {prefix: frozenset(_used(path for path in paths if _is_chosen(path))) for prefix, paths in table.items()}

    def paths(self, prefix: str) -> list[Path]:
        """Everything BGP's table has of one prefix, whichever is used."""
        found = self.vty.json(f"show bgp {_FAMILIES[6 if ':' in prefix else 4]} {prefix}")
        return [_path(entry) for entry in found.get("paths", ())]

    def _end(self, number: int) -> None:
        self.vty.close()
        pid = File(self._directory / "bgpd.pid")
        os.kill(int(pid.read_text()), number)
        self.process.wait(timeout=20)
        for name in ("bgpd.vty", "bgpd.pid"):
            (self._directory / name).unlink(missing_ok=True)

    def _spawn(self, name: str, *options: str) -> subprocess.Popen[str]:
        d = self._directory
        files = ("-f", "/dev/null", "-i", f"{d}/{name}.pid", "-z", f"{d}/zserv.api", "--vty_socket", str(d))
        line = (str(_PROGRAMS / name), *files, "-P", "0", "-u", "frr", "-g", "frr", *options)
        with (d / f"{name}.log").open("a") as log:
            process = self.host.spawn(*line, stdout=log, stderr=log)
        wait_for((d / f"{name}.vty").exists, what=f"{name} on {self.host.name}")
        return process


def _configuration(asn: int, router_id: str, peers: Iterable[Peer], lines: Iterable[str]) -> Iterator[str]:
    """Without RFC 8212 and without a delay: what a speaker does is to be seen at once."""
    peers = tuple(peers)
    yield f"router bgp {asn}"
    yield f"bgp router-id {router_id}"
    yield "no bgp ebgp-requires-policy"
    yield "no bgp default ipv4-unicast"
    yield "bgp bestpath as-path multipath-relax"
    yield from lines
    for peer in peers:
        yield from _neighbor(peer)
    for version, family in _FAMILIES.items():
        yield f"address-family {family}"
        yield from ("maximum-paths 64", "maximum-paths ibgp 64")
        yield from (f"neighbor {_name(peer)} activate" for peer in peers if version in peer.families)
        yield "exit-address-family"


def _neighbor(peer: Peer) -> Iterator[str]:
    name = _name(peer)
    if peer.network:
        yield f"neighbor {name} peer-group"
    unnumbered = "interface " if peer.interface and not peer.address else ""
    yield f"neighbor {name} {unnumbered}remote-as {peer.asn}"
    options = {
        f"interface {peer.interface}": peer.address and peer.interface,
        f"timers {peer.hold // 3} {peer.hold}": True,
        "timers connect 1": not peer.network,
        f"password {peer.password}": peer.password,
        f"ttl-security hops {peer.ttl_security}": peer.ttl_security,
        f"ebgp-multihop {peer.multi_hop}": peer.multi_hop,
        "bfd": peer.bfd,
        "bfd 3 50 50": peer.bfd,
        "passive": peer.passive,
        f"update-source {peer.source}": peer.source,
        "capability extended-nexthop": peer.extended_next_hop,
        "graceful-restart": peer.restart_time,
        f"local-role {peer.role}": peer.role,
    }
    yield from (f"neighbor {name} {option}" for option, wanted in options.items() if wanted)
    yield from (f"neighbor {name} {line}" for line in peer.lines)
    if peer.network:
        yield f"bgp listen range {peer.network} peer-group {name}"


def _name(peer: Peer) -> str:
    return _DYNAMIC if peer.network else peer.name


def _is_chosen(path: dict[str, Any]) -> bool:
    return bool(path.get("bestpath") or path.get("multipath"))


def _used(paths: Iterable[dict[str, Any]]) -> Iterator[str]:
    for path in paths:
        yield from (hop["ip"] for hop in path["nexthops"] if hop.get("used"))


def _path(entry: dict[str, Any]) -> Path:
    lists = (entry.get(kind, {}).get("string", "").split() for kind in ("community", "largeCommunity"))
    extended = entry.get("extendedCommunity", {}).get("string", "").split()
    return Path(
        next_hops=frozenset(_used([entry])),
        as_path=tuple(number for segment in entry["aspath"].get("segments", ()) for number in segment["list"]),
        origin=entry["origin"],
        local_pref=entry.get("locPrf"),
        communities=frozenset(text for texts in lists for text in texts) | {text.lower() for text in extended},
        stale=bool(entry.get("stale")),
    )
