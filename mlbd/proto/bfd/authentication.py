"""Keyed SHA1 and Meticulous Keyed SHA1 (RFC 5880 4.4, 6.7.4)."""

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from mlbd.proto.bfd.packet import HEADER_OCTETS, DropReason, Packet, encode

KEY_OCTETS: Final = 20

# Type, length, key ID, reserved, sequence number; behind it the digest, or the key while the digest is computed.
_SECTION: Final = struct.Struct("!BBBxI")
_SECTION_OCTETS: Final = 28
_DIGEST_START: Final = HEADER_OCTETS + _SECTION.size
_DIGEST_END: Final = HEADER_OCTETS + _SECTION_OCTETS


class AuthenticationType(IntEnum):
    KEYED_SHA1 = 4
    METICULOUS_KEYED_SHA1 = 5


@dataclass(frozen=True, slots=True)
class Authentication:
    """One key of 1 to 20 octets and its ID of 0 to 255, the same on both sides.

    Raises ValueError when one of them is out of range.
    """

    type: AuthenticationType
    key_id: int
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.key) <= KEY_OCTETS:
            raise ValueError(f"cannot use a BFD key of {len(self.key)} octets: SHA1 takes 1 to {KEY_OCTETS}")
        if not 0 <= self.key_id <= 255:
            raise ValueError(f"cannot use BFD key ID {self.key_id}: it must be from 0 to 255")


class Authenticator:
    """The two sequence numbers of a session; `sequence` is the first that is sent, random in 32 bits."""

    __slots__ = ("_authentication", "_equal", "_key", "_received", "_sent", "_sequence", "_sha1")

    def __init__(self, authentication: Authentication, sequence: int) -> None:
        # OpenSSL takes 4 MB of memory: only who authenticates has it.
        from hashlib import sha1
        from hmac import compare_digest

        self._sha1, self._equal = sha1, compare_digest
        self._authentication = authentication
        self._key = authentication.key.ljust(KEY_OCTETS, b"\0")
        self._sequence = sequence
        self._sent: Packet | None = None
        self._received: int | None = None  # bfd.RcvAuthSeq, None while bfd.AuthSeqKnown is 0

    def seal(self, packet: Packet) -> bytes:
        """The packet with its section. Keyed SHA1 counts on when the contents changed, Meticulous always."""
        if self._sent is not None and (self._is_meticulous() or packet != self._sent):
            self._sequence = (self._sequence + 1) % 2**32
        self._sent = packet
        kind, key_id = self._authentication.type, self._authentication.key_id
        section = _SECTION.pack(kind, _SECTION_OCTETS, key_id, self._sequence) + self._key
        octets = encode(packet._replace(authentication=section))
        return octets[:_DIGEST_START] + self._sha1(octets).digest()

    def refuse(self, packet: Packet, octets: bytes) -> DropReason | None:
        """Why the packet, which came as `octets`, must be discarded.

        The sequence number counts as received only when the digest is right: taken before, as the order of the RFC
        has it, a forged packet would shut the real ones out.
        """
        section = packet.authentication
        if not section:
            return DropReason.AUTHENTICATION_MISSING
        if section[0] != self._authentication.type or section[1] != _SECTION_OCTETS or len(section) < _SECTION_OCTETS:
            return DropReason.AUTHENTICATION_TYPE
        _, _, key_id, sequence = _SECTION.unpack_from(section)
        if key_id != self._authentication.key_id:
            return DropReason.AUTHENTICATION_KEY_ID
        if not self._is_in_window(sequence, packet.multiplier):
            return DropReason.AUTHENTICATION_SEQUENCE
        whole = octets[: HEADER_OCTETS + len(section)]
        digest = self._sha1(whole[:_DIGEST_START] + self._key + whole[_DIGEST_END:]).digest()
        if not self._equal(digest, whole[_DIGEST_START:_DIGEST_END]):
            return DropReason.AUTHENTICATION_DIGEST
        self._received = sequence
        return None

    def forget(self) -> None:
        """After twice the Detection Time without a packet: the other side may have begun anew (6.8.1)."""
        self._received = None

    def _is_in_window(self, sequence: int, multiplier: int) -> bool:
        if self._received is None:
            return True
        return self._is_meticulous() <= (sequence - self._received) % 2**32 <= 3 * multiplier

    def _is_meticulous(self) -> bool:
        return self._authentication.type is AuthenticationType.METICULOUS_KEYED_SHA1
