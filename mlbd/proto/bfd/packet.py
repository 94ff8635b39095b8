"""BFD Control packets (RFC 5880 4.1), and those checks of 6.8.6 that need no session."""

import struct
from enum import Enum, IntEnum
from typing import Final, NamedTuple

VERSION: Final = 1
HEADER_OCTETS: Final = 24
MINIMUM_AUTHENTICATED_OCTETS: Final = 26

# Version and diagnostic; state and flags; Detect Mult; Length; the two discriminators; the three intervals.
_LAYOUT: Final = struct.Struct("!BBBBIIIII")
_POLL: Final = 0x20
_FINAL: Final = 0x10
_CONTROL_PLANE_INDEPENDENT: Final = 0x08
_AUTHENTICATION: Final = 0x04
_DEMAND: Final = 0x02
_MULTIPOINT: Final = 0x01


class State(IntEnum):
    ADMIN_DOWN = 0
    DOWN = 1
    INIT = 2
    UP = 3


class Diagnostic(IntEnum):
    """Why the state last changed (IANA, BFD Diagnostic Codes). A code without an assignment is read as UNASSIGNED."""

    NONE = 0
    CONTROL_DETECTION_TIME_EXPIRED = 1
    ECHO_FUNCTION_FAILED = 2
    NEIGHBOR_SIGNALED_SESSION_DOWN = 3
    FORWARDING_PLANE_RESET = 4
    PATH_DOWN = 5
    CONCATENATED_PATH_DOWN = 6
    ADMINISTRATIVELY_DOWN = 7
    REVERSE_CONCATENATED_PATH_DOWN = 8
    MISCONNECTIVITY_DEFECT = 9
    UNASSIGNED = 31


class DropReason(Enum):
    """Why a received packet was discarded; the values are names for counters."""

    LENGTH = "length"
    VERSION = "version"
    DETECT_MULT = "detectMult"
    MULTIPOINT = "multipoint"
    MY_DISCRIMINATOR = "myDiscriminator"
    YOUR_DISCRIMINATOR = "yourDiscriminator"
    NO_SESSION = "noSession"
    ANOTHER_PATH = "anotherPath"
    TTL = "ttl"
    AUTHENTICATION_MISSING = "authenticationMissing"
    AUTHENTICATION_UNEXPECTED = "authenticationUnexpected"
    AUTHENTICATION_TYPE = "authenticationType"
    AUTHENTICATION_KEY_ID = "authenticationKeyId"
    AUTHENTICATION_SEQUENCE = "authenticationSequence"
    AUTHENTICATION_DIGEST = "authenticationDigest"


class Packet(NamedTuple):
    """Intervals are in microseconds. `authentication` is the Authentication Section, empty when there is none.

    A tuple: one is made for every packet that comes, and a dataclass takes three times as long.
    """

    state: State
    diagnostic: Diagnostic
    multiplier: int
    my_discriminator: int
    your_discriminator: int
    desired_min_tx: int
    required_min_rx: int
    required_min_echo_rx: int = 0
    poll: bool = False
    final: bool = False
    control_plane_independent: bool = False
    demand: bool = False
    authentication: bytes = b""


_STATES: Final = tuple(State)
_DIAGNOSTICS: Final = tuple(Diagnostic(n if n in tuple(Diagnostic) else Diagnostic.UNASSIGNED) for n in range(32))


def decode(octets: bytes) -> Packet | DropReason:
    """Reads the payload of a datagram; never raises. Octets behind the Length are ignored."""
    if len(octets) < HEADER_OCTETS:
        return DropReason.LENGTH
    first, second, multiplier, length, mine, yours, min_tx, min_rx, min_echo_rx = _LAYOUT.unpack_from(octets)
    if first >> 5 != VERSION:
        return DropReason.VERSION
    authenticated = bool(second & _AUTHENTICATION)
    if length < (MINIMUM_AUTHENTICATED_OCTETS if authenticated else HEADER_OCTETS) or length > len(octets):
        return DropReason.LENGTH
    if multiplier == 0:
        return DropReason.DETECT_MULT
    if second & _MULTIPOINT:
        return DropReason.MULTIPOINT
    if mine == 0:
        return DropReason.MY_DISCRIMINATOR
    state = _STATES[second >> 6]
    if yours == 0 and state > State.DOWN:
        return DropReason.YOUR_DISCRIMINATOR
    return Packet(
        state,
        _DIAGNOSTICS[first & 0x1F],
        multiplier,
        mine,
        yours,
        min_tx,
        min_rx,
        min_echo_rx,
        bool(second & _POLL),
        bool(second & _FINAL),
        bool(second & _CONTROL_PLANE_INDEPENDENT),
        bool(second & _DEMAND),
        octets[HEADER_OCTETS:length] if authenticated else b"",
    )


def encode(packet: Packet) -> bytes:
    flags = (
        _POLL * packet.poll
        | _FINAL * packet.final
        | _CONTROL_PLANE_INDEPENDENT * packet.control_plane_independent
        | _AUTHENTICATION * bool(packet.authentication)
        | _DEMAND * packet.demand
    )
    header = _LAYOUT.pack(
        VERSION << 5 | packet.diagnostic,
        packet.state << 6 | flags,
        packet.multiplier,
        HEADER_OCTETS + len(packet.authentication),
        packet.my_discriminator,
        packet.your_discriminator,
        packet.desired_min_tx,
        packet.required_min_rx,
        packet.required_min_echo_rx,
    )
    return header + packet.authentication
