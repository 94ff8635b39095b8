"""ARP and NDP as a stranger to mlbd's own codecs reads and writes them (RFC 826, RFC 4861 4.3 and 4.4)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from tests.lab import Capture, Frame, Host, wait_for

BROADCAST = "ff:ff:ff:ff:ff:ff"
REQUEST, REPLY = 1, 2
SOLICITATION, ADVERTISEMENT = 135, 136
SOLICITED, OVERRIDE = 0x40, 0x20
ANSWER_SECONDS = 0.3  # between two questions for one answer


@dataclass(frozen=True, slots=True)
class Arp:
    destination: str
    operation: int
    sender_mac: str
    sender: str
    target: str


@dataclass(frozen=True, slots=True)
class Advertisement:
    """`to` is the IPv6 destination, `mac` the target link-layer address option."""

    to: str
    target: str
    flags: int
    mac: str


def read_arp(frame: Frame) -> Arp | None:
    octets = frame.octets
    if octets[12:14] != b"\x08\x06" or len(octets) < 42:
        return None
    operation, sender_mac, sender, _, target = struct.unpack("!6xH6s4s6s4s", octets[14:42])
    return Arp(_mac(octets[:6]), operation, _mac(sender_mac), str(ip_address(sender)), str(ip_address(target)))


def read_advertisement(frame: Frame) -> Advertisement | None:
    octets = frame.octets
    if octets[12:14] != b"\x86\xdd" or octets[20] != 58 or octets[54] != ADVERTISEMENT:
        return None
    to, target = (str(ip_address(octets[start : start + 16])) for start in (38, 62))
    return Advertisement(to, target, octets[58], _mac(octets[80:86]))


def arp_request(mac: str, sender: str, target: str) -> bytes:
    ends = _octets(mac), ip_address(sender).packed, bytes(6), ip_address(target).packed
    return _octets(BROADCAST) + _octets(mac) + struct.pack("!HHHBBH6s4s6s4s", 0x0806, 1, 0x0800, 6, 4, REQUEST, *ends)


def solicitation(mac: str, source: str, target: str) -> bytes:
    group = IPv6Address(int(IPv6Address("ff02::1:ff00:0")) | int(IPv6Address(target)) & 0xFFFFFF)
    body = struct.pack("!4x16sBB6s", IPv6Address(target).packed, 1, 1, _octets(mac))
    ends = IPv6Address(source).packed + group.packed
    pseudo = ends + struct.pack("!IHBBBBH", len(body) + 4, 0, 0, 58, SOLICITATION, 0, 0)
    message = struct.pack("!BBH", SOLICITATION, 0, _checksum(pseudo + body)) + body
    header = struct.pack("!IHBB32s", 6 << 28, len(message), 58, 255, ends)
    return b"\x33\x33" + group.packed[-4:] + _octets(mac) + b"\x86\xdd" + header + message


def _checksum(octets: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _mac(octets: bytes) -> str:
    return octets.hex(":")


def _octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


class Asker:
    """A host that asks on the wire by itself, so that no neighbour table stands between the test and the answers."""

    def __init__(self, host: Host, ipv4: str, ipv6: str, tap: Capture, sender: socket.socket) -> None:
        self.mac = host.links["eth0"].mac
        self.tap = tap
        self._ipv4 = ipv4
        self._ipv6 = ipv6
        self._sender = sender

    def send(self, frame: bytes) -> None:
        self._sender.send(frame)

    def ask(self, address: str) -> None:
        if ":" in address:
            self.send(solicitation(self.mac, self._ipv6, address))
        else:
            self.send(arp_request(self.mac, self._ipv4, address))

    def answers(self, address: str, since: int = 0) -> set[str]:
        """The MACs of answers to this host among the captured frames from number `since` on."""
        return {
            mac for frame in self.tap.frames()[since:] if not frame.sent and (mac := self._answered(frame, address))
        }

    def _answered(self, frame: Frame, address: str) -> str:
        arp, advertisement = read_arp(frame), read_advertisement(frame)
        if arp and (arp.operation, arp.sender, arp.destination) == (REPLY, address, self.mac):
            return arp.sender_mac
        if advertisement and advertisement.flags & SOLICITED and advertisement.target == str(ip_address(address)):
            return advertisement.mac
        return ""

    def who_has(self, address: str, seconds: float = 10) -> set[str]:
        """The MACs that answer one question, which is asked until it is answered: one, but while holders change."""

        def asked() -> set[str]:
            since = len(self.tap.frames())
            self.ask(address)
            try:
                return wait_for(lambda: self.answers(address, since), ANSWER_SECONDS)
            except AssertionError:
                return set()

        return wait_for(asked, seconds, f"an answer for {address}")

    def wait_for_holder(self, address: str, mac: str, seconds: float = 10) -> None:
        wait_for(lambda: self.who_has(address) == {mac}, seconds, f"{address} on {mac}")

    def assert_silence(self, address: str, answered: str) -> None:
        """Nobody answers for `address`, while questions for `answered`, asked after it, are."""
        since = len(self.tap.frames())
        for _ in range(3):
            self.ask(address)
            self.who_has(answered)
        assert not self.answers(address, since)


@contextmanager
def asking(host: Host, ipv4: str, ipv6: str) -> Iterator[Asker]:
    with host.enter():
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    with sender, host.capture("eth0") as tap:
        sender.bind(("eth0", 0))
        yield Asker(host, ipv4, ipv6, tap, sender)
