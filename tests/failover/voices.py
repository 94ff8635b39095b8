"""Who answers for an address on the wire, asked all the time, and who announces it unasked."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from itertools import groupby
from typing import Final

from tests.daemon.frames import BROADCAST, REPLY, SOLICITATION, SOLICITED, Asker, read_advertisement, read_arp
from tests.lab import Frame

#: Seconds between two questions about an address.
INTERVAL: Final = 0.02


@dataclass(slots=True)
class Question:
    """Asked at `time` (seconds since the epoch); `by`: the MACs that answered before the next question, and when."""

    time: float
    by: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Announcement:
    """Of the address by `mac`, unasked, at `time` (seconds since the epoch)."""

    time: float
    mac: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `began` (seconds since the epoch) on, for so many seconds."""

    began: float
    seconds: float


@dataclass(slots=True)
class Voices:
    """About one address, oldest first."""

    questions: list[Question] = field(default_factory=list)
    announcements: list[Announcement] = field(default_factory=list)

    def doubled(self) -> list[Stretch]:
        """The times in which more than one answered each question."""
        return self._stretches(lambda question: len(question.by) > 1)

    def silent(self) -> list[Stretch]:
        """The times in which nobody answered."""
        return self._stretches(lambda question: not question.by)

    def between(self, began: float, ended: float = float("inf")) -> Voices:
        """What was asked and announced then (seconds since the epoch)."""
        return Voices(
            [question for question in self.questions if began < question.time < ended],
            [announcement for announcement in self.announcements if began < announcement.time < ended],
        )

    def first(self, mac: str) -> tuple[float, float]:
        """When that MAC first announced the address, and when it first answered for it."""
        announced = next(one.time for one in self.announcements if one.mac == mac)
        return announced, next(question.by[mac] for question in self.questions if mac in question.by)

    def last_answer(self, mac: str) -> float:
        return next(question.by[mac] for question in reversed(self.questions) if mac in question.by)

    def _stretches(self, wrong: Callable[[Question], bool]) -> list[Stretch]:
        """A question counts until the next is asked."""
        ends = [question.time for question in (*self.questions[1:], *self.questions[-1:])]
        runs = groupby(zip(self.questions, ends, strict=True), lambda pair: wrong(pair[0]))
        found = ([*run] for is_wrong, run in runs if is_wrong)
        return [Stretch(run[0][0].time, run[-1][1] - run[0][0].time) for run in found]


@contextlib.contextmanager
def listening(asker: Asker, addresses: Collection[str]) -> Iterator[dict[str, Voices]]:
    """Questions are asked for the length of the block; what is given is filled at its end."""
    heard: dict[str, Voices] = {address: Voices() for address in addresses}
    before, over = len(asker.tap.frames()), threading.Event()
    asking = threading.Thread(target=_ask, args=(asker, addresses, over))
    asking.start()
    try:
        yield heard
    finally:
        over.set()
        asking.join()
    _sort(asker.tap.frames()[before:], asker.mac, heard)


def _ask(asker: Asker, addresses: Collection[str], over: threading.Event) -> None:
    while not over.wait(INTERVAL):
        for address in addresses:
            asker.ask(address)


def _sort(frames: Iterable[Frame], mac: str, heard: dict[str, Voices]) -> None:
    for frame in frames:
        address, sender, asked = _about(frame, mac)
        if (voices := heard.get(address)) is None:
            continue
        if frame.sent:
            voices.questions.append(Question(frame.time))
        elif not asked:
            voices.announcements.append(Announcement(frame.time, sender))
        elif voices.questions:
            voices.questions[-1].by.setdefault(sender, frame.time)


def _about(frame: Frame, mac: str) -> tuple[str, str, bool]:
    """The address, who speaks of it, and whether it is an answer to the owner of `mac`; "" when it is about none."""
    if arp := read_arp(frame):
        if frame.sent:
            return arp.target, mac, False
        if arp.operation == REPLY and arp.destination == mac:
            return arp.sender, arp.sender_mac, True
        return (arp.sender if arp.destination == BROADCAST and arp.sender == arp.target else ""), arp.sender_mac, False
    if frame.sent and (target := _solicited(frame)):
        return target, mac, False
    if advertisement := read_advertisement(frame):
        return advertisement.target, advertisement.mac, bool(advertisement.flags & SOLICITED)
    return "", "", False


def _solicited(frame: Frame) -> str:
    octets = frame.octets
    if octets[12:14] != b"\x86\xdd" or octets[20] != 58 or octets[54] != SOLICITATION:
        return ""
    return str(IPv6Address(octets[62:78]))
