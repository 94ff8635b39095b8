"""The sockets of rtnetlink (RFC 3549, rtnetlink(7)) and nfnetlink(7). What goes through them is pyroute2's to write and
to read: a message here is one of its nlmsg.

Its own sockets do not do: AsyncIPRoute is of no use any more after the overrun (ENOBUFS) that a burst of events brings,
and it waits for the answer to each request before the next, 1 to 2 ms an address, where a node may hold thousands.
Requests that share a datagram take 0.1 ms each, nearly all of it pyroute2's for the writing.

The kernel carries a request out before send() returns, and its answer is then already queued: what cannot be received
at once never comes, and nothing here waits for it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from itertools import islice

from pyroute2.netlink import (
    NETLINK_ROUTE,
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    nlmsg,
)
from pyroute2.netlink.exceptions import NetlinkDecodeError
from pyroute2.netlink.marshal import Marshal
from pyroute2.netlink.rtnl.marshal import MarshalRtnl

DATAGRAM_OCTETS = 1 << 16  # the kernel's dumps come in parts of 32 kB at most
BATCH = 64  # requests in one datagram: their answers must fit in the receive buffer
DUMP_ATTEMPTS = 10
RECEIVE_OCTETS = 4 << 20
RTNETLINK: Marshal = MarshalRtnl()
HEADERS = Marshal()  # knows no kind of message, hence reads no more

SO_RCVBUFFORCE = 33  # asm-generic/socket.h; Python has no name for it


def unpack(octets: bytes, marshal: Marshal = RTNETLINK) -> Iterator[nlmsg]:
    """The messages of one datagram, up to the first that cannot be read.

    Attributes are read when they are asked for. Of one that cannot be read, pyroute2 logs that and returns the octets.
    """
    try:
        for message in marshal.parse(octets):
            yield message
            _release(message)
    except (struct.error, NetlinkDecodeError):
        return


def _release(message: nlmsg) -> None:
    """Let go at once of what is no longer used. A message refers to itself, and so does each of its attributes (by
    `chain`, which nothing here asks for): thousands of them would wait for the collector, which is off at the start.
    """
    message.chain.clear()
    for attribute in message.get("attrs", ()):
        attribute.cell[1].chain.clear()


def open_socket(groups: int = 0, protocol: int = NETLINK_ROUTE) -> socket.socket:
    """A netlink socket that hears what happens in the multicast `groups`; raises OSError."""
    route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    try:
        route.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_OCTETS)
    except PermissionError:  # without CAP_NET_ADMIN the default has to do
        pass
    route.bind((0, groups))
    return route


def dump(kind: int) -> Iterator[nlmsg]:
    """All links (RTM_GETLINK) or addresses (RTM_GETADDR), asked again when they change meanwhile or some get lost.

    Raises OSError when that happens each time.
    """
    request = RTNETLINK.msg_map[kind]().load({"header": {"type": kind, "flags": NLM_F_REQUEST | NLM_F_DUMP}})
    request.encode()
    for _ in range(DUMP_ATTEMPTS):
        with open_socket() as route:
            route.setblocking(False)
            if (datagrams := _dump_once(route, request.data)) is not None:
                return _messages(datagrams)
    raise OSError(errno.EAGAIN, "the kernel's list could not be read whole")


def _dump_once(route: socket.socket, request: bytes) -> list[bytes] | None:
    route.send(request)
    datagrams: list[bytes] = []
    interrupted = False
    while (octets := _receive(route)) is not None:
        datagrams.append(octets)
        for message in unpack(octets, HEADERS):
            header = message["header"]
            interrupted |= bool(header["flags"] & NLM_F_DUMP_INTR)
            if header["type"] == NLMSG_DONE:
                return None if interrupted else datagrams
            if header["type"] == NLMSG_ERROR:
                raise _failure(message)
    return None


def _receive(route: socket.socket) -> bytes | None:
    """None when what was to come is lost."""
    try:
        return route.recv(DATAGRAM_OCTETS)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.ENOBUFS):
            raise
        return None


def _messages(datagrams: Iterable[bytes], marshal: Marshal = RTNETLINK) -> Iterator[nlmsg]:
    """One at a time: a message that is read weighs forty times its octets, and a burst has thousands."""
    for octets in datagrams:
        yield from unpack(octets, marshal)


async def change(requests: Iterable[nlmsg]) -> list[OSError | None]:
    """Carry the requests out in order and say of each how it went; others get their turn between the batches."""
    outcomes: list[OSError | None] = []
    pending = iter(requests)
    while batch := list(islice(pending, BATCH)):
        outcomes += _change_batch(batch)
        await asyncio.sleep(0)
    return outcomes


def _change_batch(batch: Sequence[nlmsg]) -> list[OSError | None]:
    """On a socket of its own, where no late answer is taken for another one's."""
    outcomes: dict[int, OSError | None] = {}
    unknown = OSError(errno.EBADMSG, "the kernel's answer was lost")
    try:
        with open_socket() as route:
            route.setblocking(False)
            route.send(b"".join(_pack(request, sequence) for sequence, request in enumerate(batch)))
            while len(outcomes) < len(batch) and (octets := _receive(route)) is not None:
                for message in unpack(octets):
                    outcomes[message["header"]["sequence_number"]] = _failure(message) if message["error"] else None
    except OSError as error:
        unknown = error
    return [outcomes.get(sequence, unknown) for sequence in range(len(batch))]


def _pack(request: nlmsg, sequence: int) -> bytes:
    request["header"]["sequence_number"] = sequence
    request["header"]["flags"] |= NLM_F_REQUEST | NLM_F_ACK
    request.encode()
    _release(request)
    return bytes(request.data)


def _failure(message: nlmsg) -> OSError:
    """What an NLMSG_ERROR says; its error is a negated errno."""
    number = -message["error"]
    return OSError(number, os.strerror(number))


class Watch:
    """Hears what happens in the multicast groups, from the moment it is made. Raises OSError."""

    def __init__(self, groups: int, protocol: int = NETLINK_ROUTE, marshal: Marshal = RTNETLINK) -> None:
        self._marshal = marshal
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

    def events(self) -> Iterator[nlmsg] | None:
        """All that has happened; None when the kernel had to drop some of it: then only a dump tells the truth.

        Even then the queue is read to its end first: until it is empty the kernel drops more without saying so again.
        """
        datagrams: list[bytes] = []
        dropped = False
        while True:
            try:
                datagrams.append(self._socket.recv(DATAGRAM_OCTETS))
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                dropped = True
        return None if dropped else _messages(datagrams, self._marshal)

    def close(self) -> None:
        self._socket.close()


def interface(message: nlmsg) -> IPv4Interface | IPv6Interface | None:
    """What an RTM_NEWADDR or RTM_DELADDR is about; None when that is neither IPv4 nor IPv6, or cannot be read."""
    if message["family"] not in (socket.AF_INET, socket.AF_INET6):
        return None
    # IFA_ADDRESS is the other end of a point-to-point link, and there IFA_LOCAL is this one.
    local = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    try:
        return ip_interface(f"{local}/{message['prefixlen']}")
    except ValueError:
        return None
