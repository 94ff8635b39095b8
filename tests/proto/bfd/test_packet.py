"""The wire format, octet by octet, and every packet that must be discarded without looking for a session."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbd.proto.bfd.packet import Diagnostic, DropReason, Packet, State, decode, encode

# RFC 5880 4.1 by hand: version 1 and diagnostic 3, Init, multiplier 3, 24 octets, 1 -> 2, 100 ms, 50 ms, no Echo.
INIT = bytes.fromhex("23 80 03 18 00000001 00000002 000186a0 0000c350 00000000")
PACKET = Packet(State.INIT, Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN, 3, 1, 2, 100_000, 50_000)

EXPIRED = Diagnostic.CONTROL_DETECTION_TIME_EXPIRED


def changed(index: int, value: int, octets: bytes = INIT) -> bytes:
    return octets[:index] + bytes([value]) + octets[index + 1 :]


def test_a_packet_is_the_octets_of_the_rfc() -> None:
    assert encode(PACKET) == INIT
    assert decode(INIT) == PACKET


@pytest.mark.parametrize(
    ("flags", "packet"),
    [
        (0x00, PACKET._replace(state=State.ADMIN_DOWN)),
        (0x40, PACKET._replace(state=State.DOWN)),
        (0xC0, PACKET._replace(state=State.UP)),
        (0xA0, PACKET._replace(poll=True)),
        (0x90, PACKET._replace(final=True)),
        (0x88, PACKET._replace(control_plane_independent=True)),
        (0x82, PACKET._replace(demand=True)),
    ],
)
def test_states_and_flags(flags: int, packet: Packet) -> None:
    assert encode(packet) == changed(1, flags)
    assert decode(changed(1, flags)) == packet


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (0, "NONE"),
        (1, "CONTROL_DETECTION_TIME_EXPIRED"),
        (2, "ECHO_FUNCTION_FAILED"),
        (3, "NEIGHBOR_SIGNALED_SESSION_DOWN"),
        (4, "FORWARDING_PLANE_RESET"),
        (5, "PATH_DOWN"),
        (6, "CONCATENATED_PATH_DOWN"),
        (7, "ADMINISTRATIVELY_DOWN"),
        (8, "REVERSE_CONCATENATED_PATH_DOWN"),
        (9, "MISCONNECTIVITY_DEFECT"),
        (10, "UNASSIGNED"),
        (16, "UNASSIGNED"),
        (30, "UNASSIGNED"),
    ],
)
def test_diagnostics(code: int, name: str) -> None:
    packet = decode(changed(0, 0x20 | code))
    assert isinstance(packet, Packet)
    assert packet.diagnostic.name == name


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", DropReason.LENGTH),
        (INIT[:23], DropReason.LENGTH),
        (changed(3, 23), DropReason.LENGTH),
        (changed(3, 25), DropReason.LENGTH),
        (changed(3, 25, changed(1, 0x84)) + b"\x04", DropReason.LENGTH),
        (changed(0, 0x03), DropReason.VERSION),
        (changed(0, 0x43), DropReason.VERSION),
        (changed(2, 0), DropReason.DETECT_MULT),
        (changed(1, 0x81), DropReason.MULTIPOINT),
        (changed(7, 0), DropReason.MY_DISCRIMINATOR),
        (changed(11, 0), DropReason.YOUR_DISCRIMINATOR),
        (changed(11, 0, changed(1, 0xC0)), DropReason.YOUR_DISCRIMINATOR),
    ],
)
def test_what_must_be_discarded(octets: bytes, reason: DropReason) -> None:
    assert decode(octets) is reason


SELF, US = 0x9B2BE99A, 0x070B6B28


@pytest.mark.parametrize(
    ("octets", "packet"),
    [
        # FRR 8.4.4 bfdd, 110 ms and 120 ms times 4, which is ready to loop Echo packets back; captured.
        (
            "20800418 9b2be99a 070b6b28 000f4240 000f4240 0000c350",
            Packet(State.INIT, Diagnostic.NONE, 4, SELF, US, 1_000_000, 1_000_000, 50_000),
        ),
        (
            "20e00418 9b2be99a 070b6b28 0001adb0 0001d4c0 0000c350",
            Packet(State.UP, Diagnostic.NONE, 4, SELF, US, 110_000, 120_000, 50_000, poll=True),
        ),
        (
            "20d00418 9b2be99a 070b6b28 0001adb0 0001d4c0 0000c350",
            Packet(State.UP, Diagnostic.NONE, 4, SELF, US, 110_000, 120_000, 50_000, final=True),
        ),
        (
            "21400418 25e068a7 00000000 000f4240 000f4240 0000c350",
            Packet(State.DOWN, EXPIRED, 4, 0x25E068A7, 0, 1_000_000, 1_000_000, 50_000),
        ),
        (
            "20000418 25e068a7 d3917246 0001adb0 0001d4c0 0000c350",
            Packet(State.ADMIN_DOWN, Diagnostic.NONE, 4, 0x25E068A7, 0xD3917246, 110_000, 120_000, 50_000),
        ),
        # BIRD 2.0.12, 120 ms and 110 ms times 4; captured.
        (
            "21400418 9e0d883d 00000000 000f4240 0001adb0 00000000",
            Packet(State.DOWN, EXPIRED, 4, 0x9E0D883D, 0, 1_000_000, 110_000),
        ),
        (
            "20e00418 9e0d883d c0e67d1a 0001d4c0 0001adb0 00000000",
            Packet(State.UP, Diagnostic.NONE, 4, 0x9E0D883D, 0xC0E67D1A, 120_000, 110_000, poll=True),
        ),
    ],
)
def test_what_others_send_is_read_and_written_to_the_last_bit(octets: str, packet: Packet) -> None:
    assert decode(bytes.fromhex(octets)) == packet
    assert encode(packet) == bytes.fromhex(octets)


@pytest.mark.parametrize("state", [State.DOWN, State.ADMIN_DOWN])
def test_who_does_not_know_us_yet_may_say_down(state: State) -> None:
    packet = PACKET._replace(state=state, your_discriminator=0)
    assert decode(encode(packet)) == packet


def test_what_follows_the_length_is_ignored_and_the_authentication_section_is_kept() -> None:
    assert decode(INIT + b"more") == PACKET
    packet = PACKET._replace(authentication=b"\x04\x1c" + bytes(26))
    assert encode(packet)[:4] == bytes.fromhex("23840334")
    assert decode(encode(packet) + b"more") == packet


@given(st.binary(max_size=80))
def test_no_octets_raise(octets: bytes) -> None:
    assert isinstance(decode(octets), Packet | DropReason)


@given(st.binary(min_size=32, max_size=80))
def test_no_octets_behind_a_plausible_beginning_raise_and_what_is_read_is_what_is_written(octets: bytes) -> None:
    packet = decode(bytes([0x20 | octets[0] & 0x1F, octets[1] & 0xFE, 3, octets[3] % len(octets)]) + octets[4:])
    if isinstance(packet, Packet):
        assert decode(encode(packet)) == packet
