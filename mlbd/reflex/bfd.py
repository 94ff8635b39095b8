"""The sockets of BFD: single hop on UDP port 3784 (RFC 5881 4), multi-hop on 4784 (RFC 5883 5).

Links and addresses come and go between any two calls. That is never an exception here: a packet is not sent, a socket
that cannot be opened is a problem in words, and the next `watch` tries again.
"""

import errno
import select
import socket
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from ipaddress import ip_address
from itertools import cycle, islice
from typing import Final

from mlbd.proto.bfd.sessions import Arrival
from mlbd.proto.bfd.watch import Address, Watch

SINGLE_HOP_PORT: Final = 3784
MULTI_HOP_PORT: Final = 4784

_SOURCE_PORTS: Final = range(49152, 65536)
_HOPS: Final = 255
_TRAFFIC_CLASS: Final = 0xC0  # CS6, network control (RFC 4594)
_PRIORITY: Final = 6  # TC_PRIO_INTERACTIVE: the first queue of the link, the highest that takes no capability
_LONGEST_PACKET: Final = 256  # the Length field has eight bits
_PACKETS_PER_TURN: Final = 64
_ONE_INTEGER: Final = socket.CMSG_SPACE(4)
_IP_RECVTTL: Final = 12  # linux/in.h; Python has no name for it

_Place = tuple[Address, int]
"""A local address and an ifindex, 0 for multi-hop."""


class Listener:
    """Receives what comes to one local address, on one link when it is for single hop.

    Raises OSError when it cannot be opened.
    """

    def __init__(self, local: Address, link: int) -> None:
        self._local, self._link = local, link
        self._socket = _open(local, link)
        try:
            if local.version == 4:
                self._socket.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
            else:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
            self._socket.bind(_endpoint(local, _port(link)))
        except OSError:
            self._socket.close()
            raise
        # Few sources send nearly everything.
        self._arrival = lru_cache(maxsize=256)(self._make_arrival)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def receive(self) -> tuple[bytes, Arrival] | None:
        try:
            octets, ancillary, _, (source, *_) = self._socket.recvmsg(_LONGEST_PACKET, _ONE_INTEGER)
        except OSError:
            return None
        ttl = int.from_bytes(ancillary[0][2], sys.byteorder) if ancillary else 0
        return octets, self._arrival(source, ttl)

    def _make_arrival(self, source: str, ttl: int) -> Arrival:
        return Arrival(ip_address(source), self._local, self._link, ttl, self._link == 0)


class Sender:
    """Sends on one path, from a source port of its own.

    Not connected: a connected socket reports that nobody listened to the packet before, and does not send.

    Raises OSError when it cannot be opened.
    """

    def __init__(self, watch: Watch, ports: Iterable[int]) -> None:
        self._to = _endpoint(watch.remote, _port(watch.link))
        self._socket = _open(watch.local, watch.link)
        try:
            _say_control_traffic(self._socket, watch.local.version)
            self._bind_to_free_port(watch, ports)
        except OSError:
            self._socket.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def send(self, octets: bytes) -> bool:
        """Whether the kernel took the packet."""
        try:
            self._socket.sendto(octets, self._to)
        except OSError:
            return False
        return True

    def _bind_to_free_port(self, watch: Watch, ports: Iterable[int]) -> None:
        for port in ports:
            try:
                return self._socket.bind(_endpoint(watch.local, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        raise OSError(errno.EADDRINUSE, "no source port is free")


class Transport:
    """All sockets of the sessions: one to receive for each local address and link, one to send for each path.

    Readable, for epoll, while `receive` has something.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._listeners: dict[_Place, Listener] = {}
        self._by_fd: dict[int, Listener] = {}
        self._senders: dict[bytes, Sender] = {}
        self._problems: dict[str, str] = {}
        self._ports = cycle(_SOURCE_PORTS)
        self.counters: Counter[str] = Counter()

    def fileno(self) -> int:
        return self._epoll.fileno()

    def close(self) -> None:
        self.watch(())
        self._epoll.close()

    def watch(self, watches: Iterable[Watch]) -> None:
        """Opens what is needed and not open, also what could not be opened before; closes the rest.

        To be called before the sessions are told, so that no answer to their first packets is missed. Their last
        packets can be sent all the same: what is opened for them is closed by the next call.
        """
        wanted = list(watches)
        keys = {watch.key for watch in wanted}
        places = {(watch.local, watch.link) for watch in wanted}
        for key in self._senders.keys() - keys:
            self._senders.pop(key).close()
        for place in self._listeners.keys() - places:
            self._close_listener(place)
        self._problems = {}
        for place in places - self._listeners.keys():
            self._open_listener(place)

    def receive(self) -> Iterator[tuple[bytes, Arrival]]:
        """What has come, a bounded number of packets from each socket."""
        for fd, _ in self._epoll.poll(0):
            listener = self._by_fd[fd]
            for _ in range(_PACKETS_PER_TURN):
                if (received := listener.receive()) is None:
                    break
                yield received

    def send(self, watch: Watch, octets: bytes) -> bool:
        """Whether the kernel took the packet."""
        sender = self._senders.get(watch.key) or self._open_sender(watch)
        sent = sender is not None and sender.send(octets)
        self.counters["sent" if sent else "unsent"] += 1
        return sent

    def problems(self) -> Mapping[str, str]:
        """By local address and port, why nothing is received there."""
        return self._problems

    def _open_listener(self, place: _Place) -> None:
        try:
            listener = Listener(*place)
        except OSError as error:
            self._explain(place, error)
            return
        self._listeners[place] = self._by_fd[listener.fileno()] = listener
        self._epoll.register(listener.fileno(), select.EPOLLIN)

    def _close_listener(self, place: _Place) -> None:
        listener = self._listeners.pop(place)
        del self._by_fd[listener.fileno()]
        listener.close()

    def _explain(self, place: _Place, error: OSError) -> None:
        local, link = place
        subject = f"{local} port {_port(link)}"
        self._problems[subject] = f"cannot listen for BFD on {subject}: {_reason(error)}"

    def _open_sender(self, watch: Watch) -> Sender | None:
        """The ports are taken in turn, so that no two sessions have the same."""
        try:
            sender = Sender(watch, islice(self._ports, len(_SOURCE_PORTS)))
        except OSError:
            return None
        self._senders[watch.key] = sender
        return sender


def _open(local: Address, link: int) -> socket.socket:
    family = socket.AF_INET if local.version == 4 else socket.AF_INET6
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        if link:
            name = socket.if_indextoname(link).encode()
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
    except OSError:
        opened.close()
        raise
    return opened


def _say_control_traffic(sender: socket.socket, version: int) -> None:
    if version == 4:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _HOPS)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _TRAFFIC_CLASS)
    else:
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, _HOPS)
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _TRAFFIC_CLASS)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, _PRIORITY)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)  # nobody ever reads it


def _port(link: int) -> int:
    return SINGLE_HOP_PORT if link else MULTI_HOP_PORT


def _endpoint(address: Address, port: int) -> tuple[str, int]:
    """Without the scope of a link-local address: the socket is bound to the link."""
    return str(address), port


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "another program has the port; end BFD there (FRR's bfdd, BIRD): a host has room for one"
        case errno.EADDRNOTAVAIL | errno.ENODEV | errno.ENXIO:
            return "the address or its link is not there; check `ip address` and the addresses of the Node object"
        case errno.EPERM | errno.EACCES:
            return "CAP_NET_RAW is missing; add it to AmbientCapabilities= of the unit or run mlbd as root"
        case _:
            return f"{error.strerror}; check the address and its link"
