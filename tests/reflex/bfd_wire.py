"""Captured frames as BFD packets."""

from __future__ import annotations

from mlbd.proto.bfd.packet import Diagnostic, Packet, State, decode
from tests.lab import Capture, Frame, wait_for

_PORTS = (3784, 4784)
_UDP = 17


def datagrams(frame: Frame) -> tuple[bytes, bytes] | None:
    """The IP header, and the UDP header with its payload, if the frame is BFD."""
    version = frame.octets[14] >> 4
    ip, udp = (frame.octets[14:34], frame.octets[34:]) if version == 4 else (frame.octets[14:54], frame.octets[54:])
    protocol = ip[9] if version == 4 else ip[6]
    return (ip, udp) if protocol == _UDP and int.from_bytes(udp[2:4]) in _PORTS else None


def payloads(capture: Capture, sent: bool) -> list[bytes]:
    """What the captured host sent, or what it received."""
    found = [datagrams(frame) for frame in capture.frames() if frame.sent is sent]
    return [datagram[1][8:] for datagram in found if datagram]


def packets(capture: Capture, sent: bool) -> list[Packet]:
    decoded = [decode(payload) for payload in payloads(capture, sent)]
    return [packet for packet in decoded if isinstance(packet, Packet)]


def wait_until_said(capture: Capture, sent: bool, state: State, diagnostic: Diagnostic) -> None:
    def said() -> bool:
        return any((p.state, p.diagnostic) == (state, diagnostic) for p in packets(capture, sent))

    wait_for(said, what=f"a packet with {state.name} and {diagnostic.name}")
