"""A client's questions, "who has this address?", and when it saw them answered."""

from __future__ import annotations

import contextlib
import math
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from mlbd.proto.neighbor import arp, ndp
from mlbd.proto.neighbor.frame import BROADCAST, ETH_P_ARP, ETH_P_IPV6, parse_mac
from mlbd.proto.neighbor.ndp import Solicitation
from tests.lab import Capture, Frame, Link

from .site import Station

#: Beyond this a question counts as not answered: hosts ask again after a second (RFC 4861 10, RETRANS_TIMER).
PATIENCE: Final = 1.0


class Asker:
    """Asks from one link, one question at a time. `address` is the client's own."""

    def __init__(self, link: Link, address: str, capture: Capture, sender: socket.socket) -> None:
        self._mac = parse_mac(link.mac)
        self._address = ip_address(address).packed
        self._capture = capture
        self._socket = sender
        self._seen = 0

    def ask(self, address: str) -> float:
        """Seconds between the question and its answer, both by the kernel's clock on this link; infinite when there
        was none."""
        question = self.question(address)
        self._socket.send(question)
        answered = self._wait(address)
        frames = self._capture.frames()[self._seen :]
        self._seen += len(frames)
        if not answered:
            return math.inf
        return self._answered(frames, address) - next(frame.time for frame in frames if frame.octets == question)

    def question(self, address: str, destination: bytes = BROADCAST) -> bytes:
        """The frame; `destination` is for ARP alone."""
        target = ip_address(address).packed
        if len(target) == 4:
            return arp.encode(destination, arp.REQUEST, self._mac, self._address, bytes(6), target)
        group = ndp.solicited_node(target)
        return ndp.encode(
            Solicitation(ndp.multicast_mac(group), self._mac, self._address, group, target, link_layer=self._mac)
        )

    def _wait(self, address: str) -> bool:
        """Whether the answer comes; other frames do not prolong the patience."""
        deadline = time.monotonic() + PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            with contextlib.suppress(TimeoutError):
                if self._answers(self._socket.recv(256), address):
                    return True
        return False

    def _answered(self, frames: list[Frame], address: str) -> float:
        return next(frame.time for frame in frames if not frame.sent and self._answers(frame.octets, address))

    def _answers(self, octets: bytes, address: str) -> bool:
        """By position, not by decoding: what the client does must not be what is measured."""
        target = ip_address(address).packed
        if len(target) == 4:
            return octets[:6] == self._mac and octets[20:22] == b"\0\2" and octets[28:32] == target
        return octets[:6] == self._mac and octets[54:55] == b"\x88" and octets[62:78] == target


@contextlib.contextmanager
def asker(client: Station, version: int) -> Iterator[Asker]:
    """For addresses of that IP version."""
    link, protocol = client.link, ETH_P_ARP if version == 4 else ETH_P_IPV6
    with link.host.enter():
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    with sender, link.host.capture(link.name) as capture:
        sender.bind((link.name, protocol))
        yield Asker(link, client.address(version), capture, sender)
