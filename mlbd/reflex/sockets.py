"""What the reflex has open on a link: one packet socket for ARP, one for NDP, and multicast groups.

A link may go down or vanish between any two calls. That is never an exception here: nothing is received, a
frame is not sent, and the daemon, which watches the links, says what comes next.
"""

import array
import contextlib
import errno
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Set
from typing import Final

from mlbd.proto.neighbor.bpf import MAX_INSTRUCTIONS, REJECT, Program, assemble
from mlbd.proto.neighbor.link import Link

_SO_ATTACH_FILTER: Final = 26
_SHORTEST_LIMIT: Final = 64
_JOINS_PER_STEP: Final = 32
_LONGEST_FRAME: Final = 2048  # neither ARP nor a useful NDP message comes near

FilterBuilder = Callable[[Iterable[bytes], int], Program]


class PacketSocket:
    """Frames of one EtherType that arrive on one link, and of these only what `admit` names.

    What this host sends is not among them: the kernel shows that to sockets for every EtherType alone.

    Raises OSError when it cannot be opened: PermissionError without CAP_NET_RAW, ENODEV or ENXIO when the
    link is gone.
    """

    def __init__(self, link: Link, ethertype: int, build_filter: FilterBuilder) -> None:
        self._build_filter = build_filter
        self._addresses: Set[bytes] = frozenset()
        # Protocol 0 receives nothing, so no frame comes before the filter is there.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            self._attach([REJECT])
            # By the name of now: the link may have been renamed since it was chosen.
            self._socket.bind((socket.if_indextoname(link.index), ethertype))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def receive(self) -> bytes | None:
        try:
            return self._socket.recv(_LONGEST_FRAME)
        except OSError:
            # Nothing more to read, or ENETDOWN, which the kernel says once.
            return None

    def send(self, frame: bytes) -> bool:
        """Whether the kernel took the frame: not when the link is down or gone or its queue is full."""
        try:
            self._socket.send(frame)
        except OSError:
            return False
        return True

    def admit(self, addresses: Set[bytes]) -> None:
        """Replaces the filter, if it differs; in between the old one is in force.

        A filter is charged to the socket's option memory (net.core.optmem_max, 20 KiB before Linux 6.6), so
        a shorter and less exact one is tried when the kernel refuses a long one.
        """
        if addresses == self._addresses:
            return
        limit = MAX_INSTRUCTIONS
        while not self._fits(self._build_filter(addresses, limit), limit > _SHORTEST_LIMIT):
            limit //= 2
        self._addresses = addresses

    def _fits(self, program: Program, may_shorten: bool) -> bool:
        try:
            self._attach(program)
        except OSError as error:
            if error.errno != errno.ENOMEM or not may_shorten:
                raise
            return False
        return True

    def _attach(self, program: Program) -> None:
        instructions = array.array("B", assemble(program))
        address, _ = instructions.buffer_info()
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), address))


Membership = tuple[int, bytes]
"""An ifindex and a packed IPv6 multicast group."""


class Groups:
    """Solicited-node groups, joined through the kernel so that MLD tells snooping switches (RFC 3810)."""

    def __init__(self) -> None:
        self._joined: dict[Membership, socket.socket] = {}
        self._sockets: list[socket.socket] = []
        self.incomplete = False
        """Whether a group could not be joined: a link may be without IPv6 for a while."""

    def join_exactly(self, wanted: Set[Membership]) -> Iterator[None]:
        """Goes on with each step. What cannot be joined now is tried again with the next call."""
        self.incomplete = False
        changes = [(self._leave, membership) for membership in self._joined.keys() - wanted]
        changes += [(self._join, membership) for membership in wanted - self._joined.keys()]
        for start in range(0, len(changes), _JOINS_PER_STEP):
            for change, membership in changes[start : start + _JOINS_PER_STEP]:
                change(membership)
            yield

    def _join(self, membership: Membership) -> None:
        if self._sockets and self._join_with(self._sockets[-1], membership):
            return
        # Memberships are charged to a socket's option memory: when one is full, the next takes over.
        fresh = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        if self._join_with(fresh, membership):
            self._sockets.append(fresh)
        else:
            fresh.close()
            self.incomplete = True

    def _join_with(self, holder: socket.socket, membership: Membership) -> bool:
        try:
            holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, _request(membership))
        except OSError:
            return False
        self._joined[membership] = holder
        return True

    def _leave(self, membership: Membership) -> None:
        holder = self._joined.pop(membership)
        with contextlib.suppress(OSError):  # the link may be gone, and the membership with it
            holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP, _request(membership))


def _request(membership: Membership) -> bytes:
    index, group = membership
    return struct.pack("16sI", group, index)
