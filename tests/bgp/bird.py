"""BIRD in a host of the lab: a router that enforces GTSM, and an announcer with BFD."""

from __future__ import annotations

import os
import re
import signal
import socket
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from tests.lab import Host, wait_for

from .peer import Path, Peer, Session

_SECONDS: Final = 10
_FAMILIES: Final = {4: "ipv4", 6: "ipv6"}
_BFD: Final = "min rx interval 50 ms; min tx interval 50 ms; multiplier 3;"
#: A line of an answer that is the last: its code is followed by a space, not by a dash (the protocol of birdc).
_LAST: Final = re.compile(rb"^\d{4} ", re.MULTILINE)


class Bird:
    """`asn` and `router_id` are the router's, `networks` what it announces. The first of the `peers` is the protocol
    `peer0`, the next `peer1`; of dynamic ones each that came is `dynamic1` and so on."""

    def __init__(self, host: Host, asn: int, router_id: str, *peers: Peer, networks: Iterable[str] = ()) -> None:
        self.host = host
        self._asn = asn
        self._router_id = router_id
        self._peers = peers
        self._files = [host.lab.directory / f"{host.name}-bird.{name}" for name in ("conf", "ctl", "pid", "log")]
        self._networks = dict.fromkeys(networks)
        self._write()
        self.start()

    def start(self) -> None:
        config, control, pid, log = self._files
        control.unlink(missing_ok=True)
        files = ("-c", str(config), "-s", str(control), "-P", str(pid))
        with log.open("a") as stream:
            self.process = self.host.spawn("bird", "-f", *files, stdout=stream, stderr=stream)
        self._control = socket.socket(socket.AF_UNIX)
        self._control.settimeout(_SECONDS)
        self._hang_up = weakref.finalize(self, self._control.close)  # a test ends without a word
        wait_for(self._is_there, what=f"BIRD on {self.host.name}")
        self._read()

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def announce(self, networks: Iterable[str]) -> None:
        """These too."""
        self.prepared(networks)()

    def prepared(self, networks: Iterable[str]) -> Callable[[], None]:
        """As announce(), but that only happens when it is called: nothing but the order to read the new file."""
        self._networks |= dict.fromkeys(networks)
        self._write()
        return self._reconfigure

    def withdraw(self, networks: Iterable[str]) -> None:
        for network in networks:
            self._networks.pop(network, None)
        self._write()
        self._reconfigure()

    def say(self, line: str) -> str:
        """As birdc would; the answer with its codes."""
        self._control.sendall(f"{line}\n".encode())
        return self._read()

    def session(self, protocol: str = "peer0") -> Session:
        told = self.say(f"show protocols all {protocol}")
        state = _after("BGP state:", told)
        error = _after("Last error:", told)
        hold = re.match(r"[\d.]+/(\d+)", _after("Hold timer:", told))
        return Session(
            established=state == "Established",
            state=state,
            error=error,
            shutdown=_after("Message:", told),
            bfd=self._bfd(_after("Neighbor address:", told)),
            hold=int(hold[1]) if hold else 0,
        )

    def wait_until_established(self, protocol: str = "peer0", seconds: float = 20) -> None:
        what = f"a session of {self.host.name} as {protocol}"
        wait_for(lambda: self.session(protocol).established, seconds, what)

    def count(self, protocol: str = "peer0") -> int:
        """The prefixes that came from that neighbor, of both families."""
        found = re.findall(r"Routes: +(\d+) imported", self.say(f"show protocols all {protocol}"))
        return sum(map(int, found))

    def paths(self, prefix: str) -> list[Path]:
        """Everything in the table about one prefix, whichever is used."""
        return [_path(text) for text in re.split(r"\n.*(?=unicast \[)", self.say(f"show route {prefix} all"))[1:]]

    def _is_there(self) -> bool:
        assert self.process.poll() is None, self._files[3].read_text()
        return self._control.connect_ex(str(self._files[1])) == 0

    def _bfd(self, address: str) -> str:
        told = self.say("show bfd sessions")
        found = re.search(rf"{re.escape(address.split('%')[0])}\s+\S+\s+(\S+)", told) if address else None
        return found[1].lower() if found else ""

    def _read(self) -> str:
        octets = b""
        while not (_LAST.search(octets) and octets.endswith(b"\n")):
            octets += self._control.recv(1 << 20)
        return octets.decode()

    def _end(self, number: int) -> None:
        self._hang_up()
        os.kill(int(self._files[2].read_text()), number)
        self.process.wait(timeout=20)

    def _reconfigure(self) -> None:
        answer = self.say("configure")
        assert "Reconfigur" in answer, answer

    def _write(self) -> None:
        text = "\n".join(_configuration(self._asn, self._router_id, self._peers, self._networks))
        self._files[0].write_text(f"{text}\n")


def _configuration(asn: int, router_id: str, peers: Iterable[Peer], networks: Iterable[str]) -> Iterator[str]:
    networks = tuple(networks)
    yield f"router id {router_id};"
    yield "protocol device {}"
    yield f'protocol bfd {{ interface "*" {{ {_BFD} }}; multihop {{ {_BFD} }}; }}'
    for version, family in _FAMILIES.items():
        export = "import none; export where source = RTS_BGP;"
        yield f"protocol kernel kernel{version} {{ merge paths on limit 64; {family} {{ {export} }}; }}"
        routes = "".join(f"route {prefix} blackhole;\n" for prefix in networks if (":" in prefix) == (version == 6))
        yield f"protocol static static{version} {{ {family};\n{routes}}}"
    for number, peer in enumerate(peers):
        yield f"protocol bgp peer{number} {{"
        yield from (f"  {line};" for line in _neighbor(asn, peer))
        yield "}"


def _neighbor(asn: int, peer: Peer) -> Iterator[str]:
    """Two seconds at most between any two attempts, where the defaults are up to five minutes."""
    yield f"local {peer.source} as {asn}"
    yield f"neighbor {f'range {peer.network}' if peer.network else peer.address} as {peer.asn}"
    yield from ("connect delay time 1", "connect retry time 1", "error wait time 1, 1", "error forget time 1")
    hops = f"multihop {peer.multi_hop}" if peer.multi_hop else "direct"
    options = {
        'dynamic name "dynamic"': peer.network,
        f'interface "{peer.interface}"': peer.interface,
        hops: True,
        f"hold time {peer.hold}": True,
        f'password "{peer.password}"': peer.password,
        "ttl security on": peer.ttl_security,
        "bfd on": peer.bfd,
        "passive": peer.passive,
        "enable extended messages": True,
        f"graceful restart {'on' if peer.restart_time else 'aware'}": True,
        f"graceful restart time {peer.restart_time}": peer.restart_time,
        f"local role {peer.role.replace('-', '_')}": peer.role,
    }
    yield from (option for option, wanted in options.items() if wanted)
    yield from peer.lines
    extended = "extended next hop on; " if peer.extended_next_hop else ""
    for version in peer.families:
        wishes = "" if version == 6 else extended
        yield f"{_FAMILIES[version]} {{ import all; export where source = RTS_STATIC; {wishes}}}"


def _after(label: str, text: str) -> str:
    found = re.search(rf"{re.escape(label)} +(.*)", text)
    return found[1].strip() if found else ""


def _path(text: str) -> Path:
    communities = re.findall(r"\((\d+),(\d+)\)", _after("BGP.community:", text))
    large = re.findall(r"\((\d+), (\d+), (\d+)\)", _after("BGP.large_community:", text))
    extended = re.findall(r"\((\w+), (\d+), (\d+)\)", _after("BGP.ext_community:", text))
    preference = _after("BGP.local_pref:", text)
    return Path(
        next_hops=frozenset(re.findall(r"\tvia (\S+) on", text)),
        as_path=tuple(map(int, _after("BGP.as_path:", text).split())),
        origin=_after("BGP.origin:", text),
        local_pref=int(preference) if preference else None,
        communities=frozenset(":".join(found) for found in (*communities, *large, *extended)),
        stale="(stale)" in text,
    )
