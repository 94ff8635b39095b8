"""What must hold for any octets that a peer sends. Tried by Hypothesis (test_harmless.py) and by a coverage-guided
fuzzer (fuzz.py); both give octets, the first of which chooses what they stand for and what was agreed."""

from __future__ import annotations

from dataclasses import replace

from mlbd.proto.bgp.encoding import encode
from mlbd.proto.bgp.messages import BgpError, Message, Notification, Open, RouteRefresh, Update
from mlbd.proto.bgp.negotiated import Negotiated
from mlbd.proto.bgp.nlri import BITS, decode_nlri
from mlbd.proto.bgp.numbers import Family
from mlbd.proto.bgp.reader import Reader
from mlbd.proto.bgp.words import describe

from .octets import OPEN, UPDATE, message, open_body, update

MOST_OCTETS = 4000


def check(data: bytes) -> None:
    """Raises AssertionError, or whatever the code under test raises, when something does not hold."""
    choice, octets = data[0] if data else 0, data[1:MOST_OCTETS]
    negotiated = _negotiated(choice)
    stream = _stream(choice, octets)
    whole, error = read(stream, len(stream) or 1, negotiated)
    assert (whole, error) == read(stream, 1 + choice % 7, negotiated), "it matters how the stream was cut"
    for received in whole:
        _check_message(received, negotiated)
    if error is not None:
        assert read(encode(error), LONG, None) == ([error], None), "the answer cannot be sent"
        assert describe(error).isprintable()


LONG = 1 << 16


def _negotiated(choice: int) -> Negotiated | None:
    if choice % 16 == 15:
        return None
    return Negotiated(
        65001,
        internal=bool(choice & 1),
        four_octet_as=bool(choice & 2),
        families=frozenset(Family) if choice & 4 else frozenset({Family.IPV4}),
        extended_next_hop=frozenset({Family.IPV4}) if choice & 8 else frozenset(),
        longest_received=65535 if choice & 8 else 4096,
    )


def _stream(choice: int, octets: bytes) -> bytes:
    """As it is; or with the right lengths around it, so that what is inside is reached."""
    match choice >> 4:
        case 0 | 1 | 2 | 3:
            return message(UPDATE, octets)
        case 4 | 5 | 6 | 7:
            return message(UPDATE, update(octets[1:], octets[: octets[0] % 32] if octets else b""))
        case 8 | 9:
            return message(OPEN, open_body(octets[:255]))
        case 10:
            return message(OPEN, octets)
        case kind if kind < 14:
            return message(kind - 8, octets)
        case _:
            return octets


def read(stream: bytes, step: int, negotiated: Negotiated | None) -> tuple[list[Message], Notification | None]:
    """All that is read when `step` octets come at a time, and the error that ended it."""
    reader, found = Reader(), []
    reader.negotiated = negotiated
    try:
        for start in range(0, len(stream), step):
            reader.feed(stream[start : start + step])
            while received := reader.next():
                found.append(received)
    except BgpError as error:
        return found, error.notification
    return found, None


def _check_message(received: Message, negotiated: Negotiated | None) -> None:
    match received:
        case Open():
            _check_open(received)
        case Update() if negotiated:
            _check_update(received, negotiated)
        case Notification():
            assert describe(received).isprintable()
        case RouteRefresh(family) if family:
            assert read(encode(received), LONG, None) == ([received], None)


def _check_open(received: Open) -> None:
    """What was read is written and read again, but for what mlbd does not know."""
    assert received.asn and received.hold_time not in (1, 2) and int(received.identifier)
    if received.capabilities.families:
        known = replace(received, capabilities=replace(received.capabilities, unknown=()))
        assert read(encode(known), LONG, None) == ([known], None)


def _check_update(received: Update, negotiated: Negotiated) -> None:
    withdrawn = any(flaw.endswith("withdrawn") for flaw in received.flaws)
    assert not (withdrawn and received.announced), "a route of a malformed UPDATE stays"
    assert len(received.flaws) < 300
    for by_family in (received.announced, received.withdrawn):
        assert by_family.keys() <= negotiated.families
        for family, found in by_family.items():
            assert decode_nlri(b"".join(found), family) == found, "prefixes are not as they are written"
            assert all(nlri[0] <= BITS[family] for nlri in found)
