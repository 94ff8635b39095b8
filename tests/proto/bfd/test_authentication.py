"""Sealed packets against a digest worked out here by the text of RFC 5880 6.7.4, and the sequence windows."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbd.proto.bfd.authentication import Authentication, AuthenticationType, Authenticator
from mlbd.proto.bfd.packet import Diagnostic, DropReason, Packet, State, decode

KEYED, METICULOUS = AuthenticationType.KEYED_SHA1, AuthenticationType.METICULOUS_KEYED_SHA1
PACKET = Packet(State.UP, Diagnostic.NONE, 3, 1, 2, 100_000, 100_000)


def authentication(kind: AuthenticationType = KEYED, key_id: int = 7, key: bytes = b"secret") -> Authentication:
    return Authentication(kind, key_id, key)


def refusal(receiver: Authenticator, octets: bytes) -> DropReason | None:
    packet = decode(octets)
    assert isinstance(packet, Packet)
    return receiver.refuse(packet, octets)


def sealed(sequence: int, kind: AuthenticationType = KEYED, packet: Packet = PACKET) -> bytes:
    return Authenticator(authentication(kind), sequence).seal(packet)


@pytest.mark.parametrize(("kind", "number"), [(KEYED, "04"), (METICULOUS, "05")])
def test_a_sealed_packet_is_the_octets_of_the_rfc(kind: AuthenticationType, number: str) -> None:
    head = bytes.fromhex(f"20c40334 00000001 00000002 000186a0 000186a0 00000000 {number}1c0700 fffffffe")
    digest = hashlib.sha1(head + b"secret" + bytes(14)).digest()
    assert sealed(0xFFFF_FFFE, kind) == head + digest


def test_a_key_of_twenty_octets_is_not_padded() -> None:
    octets = Authenticator(authentication(key=b"k" * 20), 1).seal(PACKET)
    assert octets[32:] == hashlib.sha1(octets[:32] + b"k" * 20).digest()


def sequences(kind: AuthenticationType, *packets: Packet) -> list[int]:
    sender = Authenticator(authentication(kind), 0xFFFF_FFFF)
    return [int.from_bytes(sender.seal(packet)[28:32]) for packet in packets]


def test_keyed_counts_when_the_contents_change_meticulous_always() -> None:
    down = PACKET._replace(state=State.DOWN)
    assert sequences(KEYED, PACKET, PACKET, down, down) == [0xFFFF_FFFF, 0xFFFF_FFFF, 0, 0]
    assert sequences(METICULOUS, PACKET, PACKET, down, down) == [0xFFFF_FFFF, 0, 1, 2]


@pytest.mark.parametrize(
    ("kind", "received", "accepted"),
    [
        (KEYED, 100, True),
        (KEYED, 109, True),
        (KEYED, 110, False),
        (KEYED, 99, False),
        (METICULOUS, 100, False),
        (METICULOUS, 101, True),
        (METICULOUS, 109, True),
        (METICULOUS, 110, False),
    ],
)
def test_the_window_behind_sequence_100_of_a_sender_with_multiplier_3(
    kind: AuthenticationType, received: int, accepted: bool
) -> None:
    receiver = Authenticator(authentication(kind), 0)
    assert refusal(receiver, sealed(100, kind)) is None
    assert refusal(receiver, sealed(received, kind)) is (None if accepted else DropReason.AUTHENTICATION_SEQUENCE)


def test_the_window_is_circular() -> None:
    receiver = Authenticator(authentication(METICULOUS), 0)
    assert refusal(receiver, sealed(0xFFFF_FFFF, METICULOUS)) is None
    assert refusal(receiver, sealed(0, METICULOUS)) is None


def test_any_sequence_is_taken_once_the_last_is_forgotten() -> None:
    receiver = Authenticator(authentication(), 0)
    assert refusal(receiver, sealed(100)) is None
    receiver.forget()
    assert refusal(receiver, sealed(7)) is None
    assert refusal(receiver, sealed(100)) is DropReason.AUTHENTICATION_SEQUENCE


def test_a_forged_packet_does_not_move_the_window() -> None:
    receiver = Authenticator(authentication(), 0)
    assert refusal(receiver, sealed(5000)[:-1] + b"\0") is DropReason.AUTHENTICATION_DIGEST
    assert refusal(receiver, sealed(100)) is None


@pytest.mark.parametrize(
    ("kind", "octets"),
    [
        (
            KEYED,
            "20c40434 9e0d883d 37dc42b1 0001d4c0 0001adb0 00000000 041c0700 3af9b5c5"
            "d07888cd2a06e68407f70c66a0c6c444f94f675f",
        ),
        (
            METICULOUS,
            "20c40434 9e0d883d b931de52 0001d4c0 0001adb0 00000000 051c0700 3af9b5ca"
            "8940aa715e0589a6ecb2fec28c069c67b4fe49ee",
        ),
    ],
)
def test_what_bird_sealed_is_accepted(kind: AuthenticationType, octets: str) -> None:
    assert refusal(Authenticator(authentication(kind), 0), bytes.fromhex(octets)) is None


@pytest.mark.parametrize(
    ("sender", "reason"),
    [
        (authentication(key=b"Secret"), DropReason.AUTHENTICATION_DIGEST),
        (authentication(key_id=8), DropReason.AUTHENTICATION_KEY_ID),
        (authentication(METICULOUS), DropReason.AUTHENTICATION_TYPE),
    ],
)
def test_another_key_id_or_type_is_refused(sender: Authentication, reason: DropReason) -> None:
    assert refusal(Authenticator(authentication(), 0), Authenticator(sender, 0).seal(PACKET)) is reason


@pytest.mark.parametrize("index", [*range(24), 28, 31, 32, 51])
def test_no_octet_can_be_changed_unnoticed(index: int) -> None:
    octets = bytearray(sealed(100))
    octets[index] ^= 0x02 if index == 1 else 0x08  # Demand: any other flag changes what the packet is
    packet = decode(bytes(octets))
    refused = packet if isinstance(packet, DropReason) else refusal(Authenticator(authentication(), 0), bytes(octets))
    assert refused is not None


def test_a_missing_section_and_a_short_one_are_refused() -> None:
    receiver = Authenticator(authentication(), 0)
    assert receiver.refuse(PACKET, b"") is DropReason.AUTHENTICATION_MISSING
    short = PACKET._replace(authentication=b"\x04\x1c\x07\x00")
    assert receiver.refuse(short, b"") is DropReason.AUTHENTICATION_TYPE


@given(st.binary(min_size=2, max_size=60))
def test_no_section_raises_or_passes(section: bytes) -> None:
    octets = bytes.fromhex("20c403") + bytes([24 + len(section)]) + bytes.fromhex("00000001 00000002") + bytes(12)
    assert refusal(Authenticator(authentication(), 0), octets + section) is not None


def test_no_key_is_ever_shown() -> None:
    assert "secret" not in repr(authentication())
    assert "secret" not in repr(Authenticator(authentication(), 0))


@pytest.mark.parametrize(("key_id", "key"), [(1, b""), (1, b"k" * 21), (-1, b"k"), (256, b"k")])
def test_what_is_no_key_is_refused_without_being_shown(key_id: int, key: bytes) -> None:
    with pytest.raises(ValueError, match="cannot use") as error:
        Authentication(KEYED, key_id, key)
    assert "kkk" not in str(error.value)
