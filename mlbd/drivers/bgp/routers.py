"""The links of unnumbered peers: router advertisements (RFC 4861) sent and heard, one raw ICMPv6 socket a link.

Links come and go at any time. That is never an exception here: it is a reason in status(), and the link begins anew
until it works.
"""

from __future__ import annotations

import array
import asyncio
import errno
import fcntl
import random
import socket
import struct
import sys
from collections.abc import Callable, Collection, Mapping
from ipaddress import IPv6Address
from typing import Final

from mlbd.proto.neighbor import router
from mlbd.proto.neighbor.frame import DropReason
from mlbd.proto.neighbor.unnumbered import Unnumbered

RETRY_SECONDS: Final = 1.0
_MESSAGES_PER_TURN: Final = 64
_LONGEST_MESSAGE: Final = 2048
_ONE_INTEGER: Final = socket.CMSG_SPACE(4)
_DISCARD_PORT: Final = 9
_ICMP6_FILTER: Final = 1  # linux/icmpv6.h, linux/sockios.h, linux/if_arp.h; Python has no names for them
_SIOCGIFHWADDR: Final = 0x8927
_ARPHRD_ETHER: Final = 1
_INTERFACE_REQUEST: Final = struct.Struct("16sH6s16x")

OnHeard = Callable[[str, IPv6Address], None]


class Routers:
    """`on_heard(interface, address)` is called in the event loop with the link-local address of the router on a link:
    when it is first heard, when another has taken its place, and again after the link was gone."""

    def __init__(self, on_heard: OnHeard) -> None:
        self._on_heard = on_heard
        self._links: dict[str, _Link] = {}
        self._wake = asyncio.Event()

    def apply(self, interfaces: Collection[str]) -> None:
        """The names of all links with an unnumbered peer."""
        for name in self._links.keys() - interfaces:
            self._links.pop(name).close()
        for name in interfaces - self._links.keys():
            self._links[name] = _Link(name, self._wake.set)
        self._wake.set()

    def status(self) -> Mapping[str, str]:
        """By name, why a link cannot be used."""
        return {name: link.problem for name, link in self._links.items() if link.problem}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._wake.clear()
                for name in tuple(self._links):
                    if (link := self._links.get(name)) is not None:  # whom on_heard() told may have called apply()
                        self._turn(link, loop.time())
                await self._sleep_until(min((link.deadline() for link in self._links.values()), default=None))
        finally:
            self.apply(())

    def _turn(self, link: _Link, now: float) -> None:
        before = link.neighbor
        link.receive(now)
        link.expire(now)
        if link.neighbor is not None and link.neighbor != before:
            self._on_heard(link.name, link.neighbor)

    async def _sleep_until(self, when: float | None) -> None:
        try:
            async with asyncio.timeout_at(when):
                await self._wake.wait()
        except TimeoutError:
            pass


class _Link:
    """`on_readable` is called when receive() has something to do; `problem` is why nothing goes, "" when it does."""

    def __init__(self, name: str, on_readable: Callable[[], None]) -> None:
        self.name = name
        self.problem = ""
        self._on_readable = on_readable
        self._socket: socket.socket | None = None
        self._index = 0
        self._begin(0.0)

    @property
    def neighbor(self) -> IPv6Address | None:
        return self._machine.neighbor

    def deadline(self) -> float:
        return self._machine.deadline()

    def close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def receive(self, now: float) -> None:
        for _ in range(_MESSAGES_PER_TURN):
            if self._socket is None:
                return
            try:
                octets, ancillary, _, sender = self._socket.recvmsg(_LONGEST_MESSAGE, _ONE_INTEGER)
                self._hear(octets, IPv6Address(sender[0].partition("%")[0]), _hop_limit(ancillary), now)
            except OSError:  # nothing more to read, or the link went: sending tells which
                return

    def expire(self, now: float) -> None:
        if now < self._machine.deadline():
            return
        try:
            self._send(now)
            self.problem = ""
        except OSError as error:
            self.problem = f"cannot advertise this router on {self.name}: {_reason(error)}"
            self.close()
            self._begin(now + RETRY_SECONDS)

    def _begin(self, now: float) -> None:
        self._machine = Unnumbered(random.random, now)

    def _hear(self, octets: bytes, source: IPv6Address, hop_limit: int, now: float) -> None:
        message = router.decode(octets, source, hop_limit)
        if isinstance(message, DropReason) or (source != self.neighbor and _is_own(source, self._index)):
            return
        self._machine.receive(message, source, now)

    def _send(self, now: float) -> None:
        opened = self._opened()
        for message in self._machine.expire(now, _mac(opened, self.name)):
            opened.sendto(router.encode(message), (str(router.destination(message)), 0))

    def _opened(self) -> socket.socket:
        """The link of this name may be another one by now."""
        index = socket.if_nametoindex(self.name)
        if self._socket is None or self._index != index:
            self.close()
            self._socket, self._index = _open(self.name, index), index
            asyncio.get_running_loop().add_reader(self._socket, self._on_readable)
        return self._socket


def _open(name: str, index: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMPV6)
    try:
        opened.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, _only_routers())
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode())
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, router.HOP_LIMIT)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        # Of itself the kernel is in this group only where it forwards IPv6.
        group = struct.pack("16sI", router.ALL_ROUTERS.packed, index)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    except OSError:
        opened.close()
        raise
    return opened


def _only_routers() -> bytes:
    """RFC 3542 3.2, as Linux has it: a bit for each type that does not pass."""
    blocked = [0xFFFF_FFFF] * 8
    for kind in (router.ROUTER_SOLICITATION, router.ROUTER_ADVERTISEMENT):
        blocked[kind >> 5] &= ~(1 << (kind & 31))
    return struct.pack("8I", *blocked)


def _hop_limit(ancillary: list[tuple[int, int, bytes]]) -> int:
    return int.from_bytes(ancillary[0][2], sys.byteorder) if ancillary else 0


def _is_own(address: IPv6Address, index: int) -> bool:
    """Another program on this host may advertise it too. To its own address a host speaks from that address; connecting
    a datagram socket sends nothing."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.connect((str(address), _DISCARD_PORT, 0, index))
        return IPv6Address(probe.getsockname()[0].partition("%")[0]) == address


def _mac(opened: socket.socket, name: str) -> bytes | None:
    """The Ethernet address of the link, None when it is of another kind."""
    request = array.array("B", _INTERFACE_REQUEST.pack(name.encode(), 0, b""))
    fcntl.ioctl(opened, _SIOCGIFHWADDR, request)
    _, kind, mac = _INTERFACE_REQUEST.unpack(request)
    return mac if kind == _ARPHRD_ETHER else None


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.EPERM | errno.EACCES:
            return "CAP_NET_RAW is missing; add it to AmbientCapabilities= of the unit or run mlbd as root"
        case errno.ENODEV | errno.ENXIO | None:  # if_nametoindex() gives no number
            return "there is no such link; check `ip link` and the interface of the peer"
        case errno.EADDRNOTAVAIL | errno.ENETUNREACH | errno.ENETDOWN:
            return "it is down or has no link-local address; check `ip -6 address`"
        case _:
            return f"{error.strerror}; check the link"
