"""The rival: Debian's keepalived on hosts of the lab, VRRP version 3 (RFC 5798).

Every address is a virtual router of its own, so that several addresses stand on several hosts: what mlbd calls the
ordered list of an address is here the priorities that the hosts have in its router.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from .lab import Host

PROGRAM = "/usr/sbin/keepalived"
LINK = "eth0"
FOREGROUND = ("--dont-fork", "--log-console", "--vrrp")
#: By rank. The skew time (RFC 5798 6.1) keeps two heirs apart only when their priorities are: otherwise both take over,
#: and a client may have heard the one last that yields.
_PRIORITIES = (254, 200, 100)
_CONFIG = """
global_defs {{
    vrrp_version 3
}}
{routers}
"""
_ROUTER = """
vrrp_instance router-{number} {{
    interface {link}
    virtual_router_id {number}
    priority {priority}
    advert_int {interval}
    virtual_ipaddress {{
        {addresses}
    }}
}}
"""
# The address of an IPv6 router that comes first is a link-local one (RFC 5798 5.2.9).
_LINK_LOCAL = "fe80::5:{number:x}"


class Keepalived:
    """`ranks`: for each address how many hosts stand before this one. `interval` is that of the advertisements, in
    seconds; 1 is keepalived's default."""

    def __init__(self, host: Host, ranks: dict[str, int], interval: float = 1) -> None:
        self.host = host
        bound = [_bound(number, address) for number, address in enumerate(ranks, 1)]
        self._bound = [address for addresses in bound for address in addresses]
        self.directory = host.lab.directory / f"{host.name}-keepalived-{interval:g}"
        self.directory.mkdir()
        self._config = self.directory / "keepalived.conf"
        routers = (_router(number, rank, interval, bound[number - 1]) for number, rank in enumerate(ranks.values(), 1))
        self._config.write_text(_CONFIG.format(routers="".join(routers)))
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """A host that lost power has neither the addresses nor the files with pids when it is back; the lab kept
        both."""
        self.host.ip_batch(*(f"addr flush dev {LINK} to {address}" for address in self._bound))
        files = {f"--{name}": self.directory / name for name in ("pid", "vrrp_pid")}
        for file in files.values():
            file.unlink(missing_ok=True)
        options = (f"{option}={file}" for option, file in {**files, "--use-file": self._config}.items())
        with (self.directory / "log").open("a") as log:
            self.process = self.host.spawn(PROGRAM, *FOREGROUND, *options, stdout=log, stderr=log)

    def stop(self) -> int:
        """As `systemctl stop` does; the exit status."""
        assert self.process
        self.process.terminate()
        return self.process.wait(timeout=20)


def ranks(addresses: Sequence[str], position: int, hosts: int) -> dict[str, int]:
    """Each of the addresses stands first on another of the hosts; the other hosts follow in turn."""
    return {address: (position - number) % hosts for number, address in enumerate(addresses)}


def _bound(number: int, address: str) -> list[str]:
    return [_LINK_LOCAL.format(number=number), address] if ":" in address else [address]


def _router(number: int, rank: int, interval: float, addresses: list[str]) -> str:
    return _ROUTER.format(
        link=LINK, number=number, priority=_PRIORITIES[rank], interval=interval, addresses="\n        ".join(addresses)
    )
