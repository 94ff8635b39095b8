"""The kernel's neighbour cache: whose MAC an address has (rtnetlink(7), RTM_GETNEIGH)."""

import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final

_RTM_NEWNEIGH: Final = 28
_RTM_GETNEIGH: Final = 30
_NLM_F_REQUEST: Final = 1
_NDA_DST: Final = 1
_NDA_LLADDR: Final = 2

_HEADER: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_NEIGHBOUR: Final = struct.Struct("=BxxxiHBB")  # ndmsg: family, ifindex, state, flags, type
_ATTRIBUTE: Final = struct.Struct("=HH")  # rtattr: length, type
_ANSWER_OCTETS: Final = 4096


def neighbour(index: int, address: IPv4Address | IPv6Address) -> bytes | None:
    """The MAC of the address on the link with that ifindex; None when the kernel does not know it, or no longer: it
    tells none of an entry that is incomplete or failed.

    Raises OSError when no netlink socket can be had.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    destination = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(address.packed), _NDA_DST) + address.packed
    body = _NEIGHBOUR.pack(family, index, 0, 0, 0) + destination
    header = _HEADER.pack(_HEADER.size + len(body), _RTM_GETNEIGH, _NLM_F_REQUEST, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.send(header + body)
        return _mac(kernel.recv(_ANSWER_OCTETS))


def _mac(answer: bytes) -> bytes | None:
    _, kind, *_ = _HEADER.unpack_from(answer)
    if kind != _RTM_NEWNEIGH:
        return None
    return _attribute(answer[_HEADER.size + _NEIGHBOUR.size :], _NDA_LLADDR)


def _attribute(attributes: bytes, wanted: int) -> bytes | None:
    """Attributes are padded to four octets; the kernel's are never shorter than their head."""
    while attributes:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        if kind == wanted:
            return attributes[_ATTRIBUTE.size : length]
        attributes = attributes[(length + 3) // 4 * 4 :]
    return None
