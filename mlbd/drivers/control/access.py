"""Who is at the other end of the socket, told by the kernel, and what that allows."""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass
from enum import IntEnum

# unix(7); the socket module has no name for SO_PEERGROUPS.
SO_PEERGROUPS = 59
_CREDENTIALS = struct.Struct("iII")
_GROUPS_OCTETS = 1024  # the most that socket.getsockopt() passes on: 256 groups


class Access(IntEnum):
    NONE = 0
    READ = 1
    CHANGE = 2


@dataclass(frozen=True, slots=True)
class Peer:
    """A process as it was when it connected: `groups` are its own and its supplementary ones."""

    uid: int
    groups: frozenset[int]


@dataclass(frozen=True, slots=True)
class Policy:
    """Root may change, and so may members of `admins`; the daemon's own user and members of `readers` may read."""

    readers: frozenset[int] = frozenset()
    admins: frozenset[int] = frozenset()

    def access(self, peer: Peer) -> Access:
        if peer.uid == 0 or peer.groups & self.admins:
            return Access.CHANGE
        if peer.uid == os.geteuid() or peer.groups & self.readers:
            return Access.READ
        return Access.NONE


def identify(connection: socket.socket) -> Peer:
    """The groups are those the process has, not those the user database gives its user: no look-up over a network
    can hold up the daemon, and a user without an entry there is judged like any other."""
    size = _CREDENTIALS.size
    _, uid, gid = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    try:
        groups = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, _GROUPS_OCTETS)
    except OSError:  # ERANGE, a process with more groups than that: judged by its own group alone
        groups = b""
    return Peer(uid, frozenset({gid, *(group for (group,) in struct.iter_unpack("I", groups))}))
