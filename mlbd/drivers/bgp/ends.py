"""The two ends of a connection, as sockets name them."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from mlbd.proto.bgp.messages import Address


@dataclass(frozen=True, slots=True)
class End:
    """Of a connection. `scope` is the ifindex that a link-local address belongs to, else 0."""

    address: Address
    port: int
    scope: int = 0


def ends(connected: socket.socket) -> tuple[End, End]:
    """The local and the remote one. Raises OSError when the connection is gone already."""
    return end(connected.getsockname()), end(connected.getpeername())


def end(name: tuple[str | int, ...]) -> End:
    """From what Python calls the address of an AF_INET or AF_INET6 socket."""
    address = ip_address(str(name[0]).partition("%")[0])
    return End(address, int(name[1]), int(name[3]) if len(name) > 3 else 0)


def scope_of(interface: str) -> int:
    """Its ifindex, 0 for none. Raises OSError when there is no such link."""
    return socket.if_nametoindex(interface) if interface else 0


def interface_of(remote: End) -> str:
    """The name of the link of a link-local address, "" when there is none or it is gone."""
    try:
        return socket.if_indextoname(remote.scope) if remote.scope else ""
    except OSError:
        return ""


def link_local(address: Address) -> bool:
    return isinstance(address, IPv6Address) and address.is_link_local
