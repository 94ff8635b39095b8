"""The owner of the reflex, the child process that answers and announces (`mlbd.reflex`).

It keeps the whole desired part, so a reflex that died gets everything again at once. It never kills one that is
merely slow; one that has not answered five pings in a row is stuck and replaced.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from mlbd.proto.neighbor.control import (
    ConflictSeen,
    LinkChanged,
    Links,
    Ping,
    Pong,
    Ready,
    Report,
    Start,
    Unreadable,
    VipChanged,
    claim_lines,
    decode_report,
    encode,
)
from mlbd.proto.neighbor.link import Claim, Link
from mlbd.proto.neighbor.vip import State

PING_INTERVAL: Final = 1.0
STUCK_AFTER: Final = 5  # pings without an answer
_FIRST_BACK_OFF: Final = 0.1
_LONGEST_BACK_OFF: Final = 5.0
_STABLE: Final = 10.0  # seconds alive after which the next death counts as the first
_LONGEST_LINE: Final = 1 << 20
_NO_PONG: Final = Pong(0, {}, 0)

Address = IPv4Address | IPv6Address
OnChange = Callable[[VipChanged | ConflictSeen], None]


@dataclass(frozen=True, slots=True)
class ChildStatus:
    """`last_pong` is in seconds before `now`, None when there was none yet; `problems` are by link name, or by
    "reflex" for the process itself; `lateness` is the worst delay of a timer in microseconds, of the last second."""

    pid: int | None
    alive: bool
    realtime: bool
    restarts: int
    last_pong: float | None
    vips: Mapping[Address, VipChanged]
    counters: Mapping[str, int]
    lateness: int
    problems: Mapping[str, str]


@dataclass(slots=True)
class _Child:
    """What is known of one life of the reflex."""

    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    realtime: bool = False
    pings: int = 0
    stuck: bool = False
    pong: Pong = _NO_PONG
    pong_at: float | None = None
    problems: dict[str, str] = field(default_factory=dict)


class Reflex:
    """`on_change` is called in the event loop with every change that the reflex reports."""

    def __init__(self, node: str, on_change: OnChange) -> None:
        self._node = node
        self._on_change = on_change
        self._links: tuple[Link, ...] = ()
        self._claims: dict[Address, Claim] = {}
        self._vips: dict[Address, VipChanged] = {}
        self._child: _Child | None = None
        self._problem: str | None = None
        self._restarts = 0
        self._closed = asyncio.Event()
        self._held: set[Address] = set()

    async def apply(self, links: Iterable[Link], claims: Iterable[Claim]) -> None:
        """The whole desired part; only differences are sent. Returns before they have taken effect."""
        links, wanted = tuple(links), {claim.address: claim for claim in claims}
        changed = [claim for claim in wanted.values() if self._claims.get(claim.address) != claim]
        dropped = self._claims.keys() - wanted.keys()
        new_links = links != self._links
        self._links, self._claims = links, wanted
        self._held -= dropped
        for address in dropped:
            self._vips.pop(address, None)
        if new_links:
            self._send([encode(Links(links))])
        self._send(claim_lines(changed, dropped))

    def status(self, now: float) -> ChildStatus:
        """`now` is the event loop's clock."""
        child = self._child
        pong = child.pong if child else _NO_PONG
        problems = dict(child.problems) if child else {}
        if self._problem is not None:
            problems["reflex"] = self._problem
        return ChildStatus(
            pid=child.process.pid if child else None,
            alive=child is not None,
            realtime=child is not None and child.realtime,
            restarts=self._restarts,
            last_pong=now - child.pong_at if child and child.pong_at is not None else None,
            vips=dict(self._vips),
            counters=pong.counters,
            lateness=pong.lateness,
            problems=problems,
        )

    async def run(self) -> None:
        """Keeps one reflex alive until `close`: restarts it at once the first time, with back-off after that."""
        loop = asyncio.get_running_loop()
        back_off = 0.0
        while not self._closed.is_set():
            started = loop.time()
            try:
                await self._live()
            except OSError as error:
                self._problem = f"cannot start the reflex: {error.strerror}; it is tried again"
            if self._closed.is_set():
                return
            self._restarts += 1
            back_off = 0.0 if loop.time() - started > _STABLE else back_off
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), back_off)
            back_off = min(max(2 * back_off, _FIRST_BACK_OFF), _LONGEST_BACK_OFF)

    async def close(self) -> None:
        """The reflex ends with its control socket; nothing is announced on leaving."""
        self._closed.set()
        if self._child is not None:
            self._child.writer.close()
            await self._child.process.wait()

    async def _live(self) -> None:
        """One life of the reflex, from start to end."""
        child = self._child = await _spawn()
        if self._closed.is_set():
            child.writer.close()
        self._send(self._everything())
        pinger = asyncio.create_task(self._ping(child))
        try:
            while line := await child.reader.readline():
                self._take(child, decode_report(line))
        except (ValueError, ConnectionError):
            pass  # a line longer than any we write, or the socket reset: this reflex is not to be trusted
        finally:
            pinger.cancel()
            self._child = None
            await self._end(child)

    async def _end(self, child: _Child) -> None:
        child.writer.close()
        with contextlib.suppress(ProcessLookupError):
            child.process.kill()
        code = await asyncio.shield(child.process.wait())
        reason = f"it did not answer {STUCK_AFTER} pings" if child.stuck else f"it ended with code {code}"
        self._problem = f"cannot keep the reflex running: {reason}; a new one was started, see the journal"

    def _everything(self) -> list[bytes]:
        """For a new reflex. What the last one held needs no probe, so it is announced at once."""
        claims = [replace(c, probe=c.probe and c.address not in self._held) for c in self._claims.values()]
        return [encode(Start(self._node)), encode(Links(self._links)), *claim_lines(claims, ())]

    async def _ping(self, child: _Child) -> None:
        """Unanswered pings are counted rather than seconds: after both were frozen together, none is overdue."""
        while child.pings - child.pong.number < STUCK_AFTER:
            child.pings += 1
            self._send([encode(Ping(child.pings))])
            if child.pings * PING_INTERVAL > _STABLE:
                self._problem = None
            await asyncio.sleep(PING_INTERVAL)
        child.stuck = True
        with contextlib.suppress(ProcessLookupError):
            child.process.kill()

    def _send(self, lines: Iterable[bytes]) -> None:
        if self._child is not None and not self._child.writer.is_closing():
            self._child.writer.writelines(lines)

    def _take(self, child: _Child, report: Report | Unreadable) -> None:
        match report:
            case Ready(realtime):
                child.realtime = realtime
            case Pong():
                child.pong, child.pong_at = report, asyncio.get_running_loop().time()
            case LinkChanged(_, name, None):
                child.problems.pop(name, None)
            case LinkChanged(_, name, str(problem)):
                child.problems[name] = problem
            case VipChanged(address):
                # A late word about an address that was dropped meanwhile.
                if address in self._claims:
                    self._vips[address] = report
                    if report.state is State.HOLDING:
                        self._held.add(address)
                    self._on_change(report)
            case ConflictSeen():
                self._on_change(report)
            case Unreadable(reason):
                child.problems["reflex"] = reason


async def _spawn() -> _Child:
    ours, theirs = socket.socketpair()
    with theirs:
        fd = theirs.fileno()
        argv = (sys.executable, "-m", "mlbd.reflex", "--fd", str(fd))
        try:
            process = await asyncio.create_subprocess_exec(*argv, pass_fds=[fd], stdin=asyncio.subprocess.DEVNULL)
        except BaseException:
            ours.close()
            raise
    reader, writer = await asyncio.open_connection(sock=ours, limit=_LONGEST_LINE)
    return _Child(process, reader, writer)
