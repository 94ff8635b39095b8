"""TCP sockets as BGP wants them: bound, marked, signed (RFC 2385) and guarded by their TTL (RFC 5082).

What the kernel refuses is an OSError here; callers have the words for it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from ipaddress import ip_network
from typing import Final

from mlbd.proto.bgp.messages import Address, Prefix

from .peering import Peering

#: Octets of a TCP-MD5 key.
LONGEST_KEY: Final = 80

_TRAFFIC_CLASS: Final = 0xC0  # CS6, network control (RFC 4594)
_PRIORITY: Final = 6  # TC_PRIO_INTERACTIVE: the first queue of the link, the highest that takes no capability
_FARTHEST: Final = 255
_SEVERAL_HOPS: Final = 64

# Of linux/in.h, linux/in6.h and linux/tcp.h; Python has no names for them.
_IP_MINTTL: Final = 21
_IP_BIND_ADDRESS_NO_PORT: Final = 24
_IPV6_MINHOPCOUNT: Final = 73
_TCP_MD5SIG: Final = 14
_TCP_SAVE_SYN: Final = 27
_TCP_SAVED_SYN: Final = 28
_TCP_MD5SIG_EXT: Final = 32
_MD5SIG_PREFIX: Final = 1

_MD5SIG: Final = struct.Struct(f"=128sBBHi{LONGEST_KEY}s")  # struct tcp_md5sig
_LONGEST_SYN: Final = 1024  # its headers; a shorter buffer is an error
_TTL_OFFSET: Final = {4: 8, 6: 7}  # in an IP header


def to_connect(peering: Peering, remote: Address) -> socket.socket:
    """Ready for connect(). Raises OSError: EADDRNOTAVAIL when the source is not on this host, ENODEV for the link."""
    endpoint = _open(peering.version, peering.interface or peering.vrf)
    try:
        mark(endpoint, peering)
        if peering.password:
            sign(endpoint, ip_network(remote), peering.password)
        if peering.source:
            # The port is chosen by connect(), when the other end is known: one may serve for several peers.
            endpoint.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            endpoint.bind((str(peering.source), 0))
    except OSError:
        endpoint.close()
        raise
    return endpoint


def to_listen(version: int, port: int, vrf: str) -> socket.socket:
    """Ready for listen(). Raises OSError: EADDRINUSE when another process listens there, EACCES without
    CAP_NET_BIND_SERVICE, ENODEV without the VRF."""
    endpoint = _open(version, vrf)
    try:
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        endpoint.setsockopt(socket.IPPROTO_TCP, _TCP_SAVE_SYN, 1)
        # The answer to a SYN goes out before it is known whose it was, so it must get as far as any.
        _send_with(endpoint, version, _FARTHEST)
        endpoint.bind(("", port))
    except OSError:
        endpoint.close()
        raise
    return endpoint


def mark(endpoint: socket.socket, peering: Peering) -> None:
    """The options of a connection with this peer, either way it came about."""
    endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # The kernel takes more only when it has sent what it has: what a peer does not read stays visible here, and no
    # KEEPALIVE hides for hours in a buffer of megabytes (RFC 9687 2).
    endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 1)
    if peering.version == 4:
        endpoint.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _TRAFFIC_CLASS)
    else:
        endpoint.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _TRAFFIC_CLASS)
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, _PRIORITY)
    _send_with(endpoint, peering.version, _hops(peering))
    _accept_from(endpoint, peering.version, _nearest_ttl(peering))


def sign(endpoint: socket.socket, remote: Prefix, password: str) -> None:
    """Every segment to and from `remote` carries an MD5 digest; the empty password ends that. Raises OSError: E2BIG for
    a key that is too long, ENOPROTOOPT from a kernel without TCP-MD5."""
    key = password.encode()
    if len(key) > LONGEST_KEY:
        raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
    family = socket.AF_INET if remote.version == 4 else socket.AF_INET6
    address = remote.network_address.packed
    # sockaddr_in has the address after family and port, sockaddr_in6 after the flow label too.
    sockaddr = struct.pack("=HH", family, 0) + (b"" if remote.version == 4 else bytes(4)) + address
    one_host = remote.prefixlen == remote.max_prefixlen
    flags, length, option = (0, 0, _TCP_MD5SIG) if one_host else (_MD5SIG_PREFIX, remote.prefixlen, _TCP_MD5SIG_EXT)
    endpoint.setsockopt(socket.IPPROTO_TCP, option, _MD5SIG.pack(sockaddr, flags, length, len(key), 0, key))


def came_from_afar(accepted: socket.socket, peering: Peering) -> bool:
    """Whether the SYN of an accepted connection had a TTL that GTSM refuses: the socket that listens serves all peers,
    so the kernel did not look. Tells it once. A kernel under a flood of SYNs keeps none; then what follows is all that
    it looks at."""
    header = accepted.getsockopt(socket.IPPROTO_TCP, _TCP_SAVED_SYN, _LONGEST_SYN)
    return bool(header) and header[_TTL_OFFSET[peering.version]] < _nearest_ttl(peering)


def goes_one_hop(peering: Peering) -> bool:
    """An external peer is a neighbor on a link unless it is said to be farther (RFC 4271 5.1.3)."""
    return peering.external and not peering.multi_hop and not peering.ttl_security


def reset(endpoint: socket.socket) -> None:
    """What is not sent yet is thrown away on close()."""
    with contextlib.suppress(OSError):
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _open(version: int, device: str) -> socket.socket:
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    endpoint = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        if version == 6:
            endpoint.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if device:
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    except OSError:
        endpoint.close()
        raise
    return endpoint


def _hops(peering: Peering) -> int:
    if peering.ttl_security:
        return _FARTHEST
    return 1 if goes_one_hop(peering) else _SEVERAL_HOPS


def _nearest_ttl(peering: Peering) -> int:
    """The lowest TTL that is received, 0 for any."""
    return _FARTHEST + 1 - peering.ttl_security if peering.ttl_security else 0


def _send_with(endpoint: socket.socket, version: int, ttl: int) -> None:
    if version == 4:
        endpoint.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    else:
        endpoint.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)


def _accept_from(endpoint: socket.socket, version: int, ttl: int) -> None:
    if version == 4:
        endpoint.setsockopt(socket.IPPROTO_IP, _IP_MINTTL, ttl)
    else:
        endpoint.setsockopt(socket.IPPROTO_IPV6, _IPV6_MINHOPCOUNT, ttl)
