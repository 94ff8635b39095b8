"""A session, and a peer played by hand: what it says is octets, what it hears is read without mlbd's codec."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from mlbd.proto.bgp.neighbor import Action, Close, Connect, Failure, GiveUp, Neighbor, Path, Send, State, StateChanged
from mlbd.proto.bgp.session import Session

from .octets import KEEPALIVE, NOTIFICATION, OPEN, capability, message, open_body, parameter

NEIGHBOR = Neighbor(64512, 65001, IPv4Address("192.0.2.2"))
PATH = Path(IPv4Address("192.0.2.2"), IPv4Address("192.0.2.1"), ipv4=IPv4Address("192.0.2.2"))
PATH_6 = Path(IPv6Address("fe80::2"), IPv6Address("fe80::1"), link_local=IPv6Address("fe80::2"))
KEEPALIVE_OCTETS = message(KEEPALIVE)

IPV4_UNICAST = capability(1, bytes((0, 1, 0, 1)))
IPV6_UNICAST = capability(1, bytes((0, 2, 0, 1)))
REFRESH = capability(2)
ENHANCED = capability(70)


def restart(flags: int = 0x40, families: bytes = b"\x00\x01\x01\x80") -> bytes:
    """Of a peer with notification support (RFC 8538) that preserves its IPv4 routes."""
    return capability(64, bytes((flags, 120)) + families)


def open_with(*capabilities: bytes, identifier: str = "192.0.2.1", **fixed: int) -> bytes:
    parameters = parameter(b"".join(capabilities)) if capabilities else b""
    return message(OPEN, open_body(parameters, identifier=IPv4Address(identifier).packed, **fixed))


class Opposite:
    """`messages` are what was sent to the peer on each connection, as (type, body)."""

    def __init__(
        self, neighbor: Neighbor = NEIGHBOR, path: Path = PATH, random: Callable[[], float] = lambda: 1.0
    ) -> None:
        self.session = Session(neighbor, random)
        self.path = path
        self.now = 1000.0
        self.messages: dict[int, list[tuple[int, bytes]]] = {}
        self.closed: set[int] = set()
        self.changes: list[StateChanged] = []
        self.connects: list[float] = []
        self.is_stuck = False
        self.gave_up = False

    def is_in(self, state: State) -> bool:
        return self.session.status(self.now).state is state

    @property
    def failure(self) -> Failure:
        """Why a session or an attempt ended last."""
        failure = self.session.status(self.now).failure
        assert failure is not None
        return failure

    def start(self) -> Opposite:
        self.do(self.session.start(self.now))
        return self

    def connected(self, number: int = 1) -> Opposite:
        self.do(self.session.connected(number, self.path, self.now))
        return self

    def accepted(self, number: int = 2) -> Opposite:
        self.do(self.session.accepted(number, self.path, self.now))
        return self

    def established(self, *capabilities: bytes, hold_time: int = 90, identifier: str = "192.0.2.1") -> Opposite:
        """By an OPEN with those capabilities."""
        opening = open_with(*capabilities, hold_time=hold_time, identifier=identifier)
        self.start().connected().hears(opening + KEEPALIVE_OCTETS)
        assert self.is_in(State.ESTABLISHED)
        return self

    def hears(self, octets: bytes, number: int = 1) -> Opposite:
        self.do(self.session.receive(number, octets, self.now))
        return self

    def wait(self, seconds: float) -> Opposite:
        """As a driver does: whenever a deadline comes."""
        until = self.now + seconds
        while (due := self.session.deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self.do(self.session.expire(self.now))
        self.now = until
        return self

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(number, data):
                    assert number not in self.closed
                    self.messages.setdefault(number, []).extend(_split(data))
                    self.drain(number)
                case Close(number):
                    assert number not in self.closed
                    self.closed.add(number)
                case StateChanged():
                    self.changes.append(action)
                case Connect():
                    self.connects.append(self.now)
                case GiveUp():
                    self.gave_up = True

    def drain(self, number: int) -> None:
        """The kernel takes everything, unless the peer `is_stuck`."""
        if not self.is_stuck:
            self.do(self.session.sent(number, 0, self.now))

    def said(self, number: int = 1) -> list[tuple[int, bytes]]:
        """Since it was asked last."""
        return self.messages.pop(number, [])

    def farewell(self, number: int = 1) -> tuple[int, int, bytes]:
        """The NOTIFICATION that was the last thing said on a connection that is closed."""
        assert number in self.closed
        kind, body = self.messages[number][-1]
        assert kind == NOTIFICATION
        assert [kind for kind, _ in self.messages[number]].count(NOTIFICATION) == 1
        return body[0], body[1], body[2:]


def _split(octets: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(octets):
        length = int.from_bytes(octets[at + 16 : at + 18], "big")
        found.append((octets[at + 18], octets[at + 19 : at + length]))
        at += length
    return found
