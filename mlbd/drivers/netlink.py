"""Links and addresses in the kernel's own words: rtnetlink (RFC 3549, rtnetlink(7)).

Why not pyroute2: importing it costs 13 MB and 80 ms of processor, a tenth of what the whole daemon may weigh, and its
socket is of no use any more after the overrun that a burst of events brings. What is needed of rtnetlink is four
messages and a dozen attributes.

The kernel carries a request out before send() returns, and its answer is then already queued: requests here do not
block for longer than the kernel works on them.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import NamedTuple

NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
NLM_F_DUMP_INTR = 0x10
RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x100

HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
ERROR = struct.Struct("=i")  # nlmsgerr: a negated errno
ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type
TYPE_BITS = 0x3FFF  # above them: NLA_F_NESTED, NLA_F_NET_BYTEORDER
DATAGRAM_OCTETS = 1 << 16  # the kernel's dumps come in parts of 32 kB at most
BATCH = 64  # requests in one datagram: their answers must fit in the receive buffer
RECEIVE_OCTETS = 4 << 20

IFADDRMSG = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
IFA_ADDRESS, IFA_LOCAL, IFA_CACHEINFO, IFA_FLAGS, IFA_PROTO = 1, 2, 6, 8, 11
IFA_F_NODAD, IFA_F_DADFAILED, IFA_F_TENTATIVE, IFA_F_NOPREFIXROUTE = 0x02, 0x08, 0x40, 0x200
ADDRESS_OCTETS = {socket.AF_INET: 4, socket.AF_INET6: 16}

SO_RCVBUFFORCE = 33  # asm-generic/socket.h; Python has no name for it


class Message(NamedTuple):
    type: int
    flags: int
    sequence: int
    body: bytes


class Request(NamedTuple):
    type: int
    flags: int
    body: bytes


def align(length: int) -> int:
    return length + 3 & ~3


def pack(request: Request, sequence: int) -> bytes:
    header = HEADER.pack(HEADER.size + len(request.body), request.type, request.flags, sequence, 0)
    return (header + request.body).ljust(align(HEADER.size + len(request.body)), b"\0")


def unpack(octets: bytes) -> Iterator[Message]:
    """The messages of one datagram, up to the first that claims to be longer than what is there."""
    offset = 0
    while offset + HEADER.size <= len(octets):
        length, kind, flags, sequence, _ = HEADER.unpack_from(octets, offset)
        if length < HEADER.size or offset + length > len(octets):
            return
        yield Message(kind, flags, sequence, octets[offset + HEADER.size : offset + length])
        offset += align(length)


def attribute(kind: int, value: bytes) -> bytes:
    length = ATTRIBUTE.size + len(value)
    return (ATTRIBUTE.pack(length, kind) + value).ljust(align(length), b"\0")


def attributes(octets: bytes) -> dict[int, bytes]:
    """Attribute values by type, up to the first that claims to be longer than what is there."""
    found, offset = {}, 0
    while offset + ATTRIBUTE.size <= len(octets):
        length, kind = ATTRIBUTE.unpack_from(octets, offset)
        if length < ATTRIBUTE.size or offset + length > len(octets):
            break
        found[kind & TYPE_BITS] = octets[offset + ATTRIBUTE.size : offset + length]
        offset += align(length)
    return found


def open_socket(groups: int = 0, protocol: int = socket.NETLINK_ROUTE) -> socket.socket:
    """A netlink socket that hears what happens in the multicast `groups`; raises OSError."""
    route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    try:
        route.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_OCTETS)
    except PermissionError:  # without CAP_NET_ADMIN the default has to do
        pass
    route.bind((0, groups))
    return route


def dump(kind: int, body: bytes = b"\0") -> list[Message]:
    """All links (RTM_GETLINK) or addresses (RTM_GETADDR), asked again as long as they change meanwhile."""
    with open_socket() as route:
        while (found := _dump_once(route, kind, body)) is None:
            pass
        return found


def _dump_once(route: socket.socket, kind: int, body: bytes) -> list[Message] | None:
    route.send(pack(Request(kind, NLM_F_REQUEST | NLM_F_DUMP, body), 0))
    found: list[Message] = []
    interrupted = False
    while True:
        for message in unpack(route.recv(DATAGRAM_OCTETS)):
            interrupted |= bool(message.flags & NLM_F_DUMP_INTR)
            if message.type == NLMSG_DONE:
                return None if interrupted else found
            if message.type == NLMSG_ERROR:
                raise _failure(message)
            found.append(message)


async def change(requests: Sequence[Request]) -> list[OSError | None]:
    """Carry the requests out in order and say of each how it went; others get their turn between the batches."""
    outcomes: list[OSError | None] = []
    with open_socket() as route:
        for start in range(0, len(requests), BATCH):
            outcomes += _change_batch(route, requests[start : start + BATCH])
            await asyncio.sleep(0)
    return outcomes


def _change_batch(route: socket.socket, batch: Sequence[Request]) -> list[OSError | None]:
    acknowledged = (request._replace(flags=request.flags | NLM_F_REQUEST | NLM_F_ACK) for request in batch)
    route.send(b"".join(pack(request, sequence) for sequence, request in enumerate(acknowledged)))
    outcomes: dict[int, OSError | None] = {}
    while len(outcomes) < len(batch):
        for message in unpack(route.recv(DATAGRAM_OCTETS)):
            failure = _failure(message)
            outcomes[message.sequence] = failure if failure.errno else None
    return [outcomes[sequence] for sequence in range(len(batch))]


def _failure(message: Message) -> OSError:
    """What an NLMSG_ERROR says; its errno is 0 in an acknowledgement."""
    number = -ERROR.unpack_from(message.body)[0]
    return OSError(number, os.strerror(number))


class Watch:
    """Hears what happens in the multicast groups, from the moment it is made. Raises OSError."""

    def __init__(self, groups: int, protocol: int = socket.NETLINK_ROUTE) -> None:
        self._socket = open_socket(groups, protocol)
        self._socket.setblocking(False)

    async def readable(self) -> None:
        """Wait until something has happened that events() has not returned yet."""
        loop = asyncio.get_running_loop()
        happened = asyncio.Event()
        loop.add_reader(self._socket, happened.set)
        try:
            await happened.wait()
        finally:
            loop.remove_reader(self._socket)

    def events(self) -> list[Message] | None:
        """All that has happened; None when the kernel had to drop some of it: then only a dump tells the truth.

        Even then the queue is read to its end first: until it is empty the kernel drops more without saying so again.
        """
        found: list[Message] = []
        dropped = False
        while True:
            try:
                found += unpack(self._socket.recv(DATAGRAM_OCTETS))
            except BlockingIOError:
                return None if dropped else found
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                dropped = True

    def close(self) -> None:
        self._socket.close()


@dataclass(frozen=True, slots=True)
class Address:
    """An address on the link `index`; `protocol` is who put it there (IFA_PROTO, 0 when nobody said)."""

    index: int
    interface: IPv4Interface | IPv6Interface
    flags: int = 0
    scope: int = 0
    protocol: int = 0

    @property
    def usable(self) -> bool:
        """Not while duplicate address detection runs on it (RFC 4862 5.4), nor after it failed."""
        return not self.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)


def unpack_address(body: bytes) -> Address | None:
    """The body of RTM_NEWADDR and RTM_DELADDR; None when it is neither IPv4 nor IPv6, or cut short."""
    if len(body) < IFADDRMSG.size:
        return None
    family, length, flags, scope, index = IFADDRMSG.unpack_from(body)
    found = attributes(body[IFADDRMSG.size :])
    # IFA_ADDRESS is the other end of a point-to-point link, and there IFA_LOCAL is this one.
    octets = found.get(IFA_LOCAL) or found.get(IFA_ADDRESS, b"")
    if family not in ADDRESS_OCTETS or len(octets) != ADDRESS_OCTETS[family] or length > 8 * len(octets):
        return None
    return Address(
        index=index,
        interface=ip_interface((octets, length)),
        flags=int.from_bytes(found.get(IFA_FLAGS, bytes([flags])), sys.byteorder),
        scope=scope,
        protocol=int.from_bytes(found.get(IFA_PROTO, b""), sys.byteorder),
    )
