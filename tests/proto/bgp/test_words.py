from __future__ import annotations

import pytest
from hypothesis import given

from mlbd.proto.bgp.messages import Notification
from mlbd.proto.bgp.notification import cease, communication, hard_reset
from mlbd.proto.bgp.numbers import (
    Cease,
    ErrorCode,
    FsmError,
    HeaderError,
    OpenError,
    RefreshError,
    UpdateError,
)
from mlbd.proto.bgp.words import describe

from .strategies import notifications

SHUTDOWN = cease(Cease.ADMINISTRATIVE_SHUTDOWN, "memory")


@pytest.mark.parametrize(
    ("notification", "words"),
    [
        (SHUTDOWN, "Cease: Administrative Shutdown, saying 'memory'"),
        (cease(Cease.ADMINISTRATIVE_RESET), "Cease: Administrative Reset"),
        (hard_reset(SHUTDOWN), "Cease: Hard Reset (Cease: Administrative Shutdown, saying 'memory')"),
        (hard_reset(hard_reset(SHUTDOWN)), "Cease: Hard Reset (Cease: Hard Reset (data 0602066d656d6f7279))"),
        (Notification(6, 9, b"\6"), "Cease: Hard Reset (data 06)"),
        (Notification(4), "Hold Timer Expired"),
        (Notification(2, 2), "OPEN Message Error: Bad Peer AS"),
        (Notification(2, 5), "OPEN Message Error: Authentication Failure"),
        (Notification(3, 7), "UPDATE Message Error: AS Routing Loop"),
        (Notification(2, 1, b"\0\4"), "OPEN Message Error: Unsupported Version Number (data 0004)"),
        (Notification(3, 5, bytes(17)), f"UPDATE Message Error: Attribute Length Error (data {'00' * 16}...)"),
        (Notification(6, 77), "Cease: Subcode 77"),
        (Notification(99, 1), "Error 99: Subcode 1"),
    ],
)
def test_words(notification: Notification, words: str) -> None:
    assert describe(notification) == words


def test_what_mlbd_sends_has_a_name() -> None:
    kinds = {
        ErrorCode.MESSAGE_HEADER: HeaderError,
        ErrorCode.OPEN_MESSAGE: OpenError,
        ErrorCode.UPDATE_MESSAGE: UpdateError,
        ErrorCode.FSM: FsmError,
        ErrorCode.CEASE: Cease,
        ErrorCode.ROUTE_REFRESH_MESSAGE: RefreshError,
    }
    words = [describe(Notification(code, sub)) for code, subcodes in kinds.items() for sub in subcodes]
    words += [describe(Notification(code)) for code in ErrorCode]
    assert not [text for text in words if "Subcode" in text or text.startswith("Error")]


@given(notifications)
def test_any_notification_has_words_that_harm_no_screen(notification: Notification) -> None:
    assert describe(notification).isprintable()


@pytest.mark.parametrize("code", [2, 4])
def test_a_communication_is_a_length_and_utf_8(code: int) -> None:
    """RFC 9003 2."""
    assert cease(Cease(code), "wartung für café") == Notification(6, code, b"\x12wartung f\xc3\xbcr caf\xc3\xa9")


def test_a_long_communication_is_cut_between_characters() -> None:
    sent = cease(Cease.ADMINISTRATIVE_SHUTDOWN, "é" * 200)
    assert sent.data == bytes((254,)) + "é".encode() * 127
    assert communication(sent) == "é" * 127


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"\0", ""),
        (b"\0behind", ""),
        (b"\3memory", "mem"),
        (b"\xffmemory", "memory"),
        (b"\4a\xff\xfeb", "a\ufffd\ufffdb"),
        (b"\5\x1b[2J\x07", "\ufffd[2J\ufffd"),
        (b"\6\xe2\x80\xaeabc", "\ufffdabc"),
    ],
)
def test_a_communication_is_read_whatever_it_is(data: bytes, text: str) -> None:
    assert communication(Notification(6, 2, data)) == text
    assert communication(Notification(6, 3, data)) == ""
