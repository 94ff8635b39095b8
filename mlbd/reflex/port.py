"""A link as the reflex uses it: its two sockets, each with the way from a frame to an answer."""

import errno
from collections.abc import Callable
from dataclasses import dataclass

from mlbd.proto.neighbor.filter import arp_filter, ndp_filter
from mlbd.proto.neighbor.frame import ETH_P_ARP, ETH_P_IPV6
from mlbd.proto.neighbor.link import Link
from mlbd.proto.neighbor.responder import Held, Response, respond_arp, respond_ndp
from mlbd.reflex.sockets import PacketSocket


@dataclass(frozen=True, slots=True)
class Port:
    link: Link
    socket: PacketSocket
    respond: Callable[[bytes, Link, Held], Response]


@dataclass(frozen=True, slots=True)
class LinkPorts:
    arp: Port
    ndp: Port

    def send(self, frame: bytes) -> bool:
        # A packet socket sends the whole frame as it is, whatever EtherType it receives.
        return self.arp.socket.send(frame)

    def close(self) -> None:
        self.arp.socket.close()
        self.ndp.socket.close()


def open_link(link: Link) -> LinkPorts | str:
    """The ports, or why there are none."""
    try:
        arp_socket = PacketSocket(link, ETH_P_ARP, arp_filter)
    except OSError as error:
        return _problem(link, error)
    try:
        ndp_socket = PacketSocket(link, ETH_P_IPV6, ndp_filter)
    except OSError as error:
        arp_socket.close()
        return _problem(link, error)
    return LinkPorts(
        Port(link, arp_socket, respond_arp),
        Port(link, ndp_socket, respond_ndp),
    )


def _problem(link: Link, error: OSError) -> str:
    subject = f"cannot open a packet socket on {link.name}"
    if error.errno in (errno.EPERM, errno.EACCES):
        return f"{subject}: CAP_NET_RAW is missing; add it to AmbientCapabilities= of the unit or run mlbd as root"
    return f"{subject}: {error.strerror}; check that the link exists and is up"
