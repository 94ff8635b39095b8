"""The owner of the reflex, the child process that answers and announces (`mlbd.reflex`).

It keeps the whole desired part, so a reflex that died gets everything again at once. It never kills one that is
merely slow; one that has not answered five pings in a row is stuck and replaced.
"""

import asyncio
import contextlib
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from mlbd.proto.bfd.watch import Path
from mlbd.proto.control import (
    ConflictSeen,
    Drain,
    Drained,
    Links,
    Ping,
    Pong,
    ProblemChanged,
    Ready,
    Report,
    SessionReport,
    Unreadable,
    VipChanged,
    Watches,
)
from mlbd.proto.lines import MAX_LINE, claim_lines, decode_report, encode
from mlbd.proto.neighbor.group import MEMORY
from mlbd.proto.neighbor.link import Claim, Link
from mlbd.proto.neighbor.vip import State

PING_INTERVAL: Final = 1.0
QUIET_AFTER: Final = 3  # pings without an answer: it is told
STUCK_AFTER: Final = 5  # pings without an answer: it is replaced
_FIRST_BACK_OFF: Final = 0.1
_LONGEST_BACK_OFF: Final = 5.0
_STABLE: Final = 10.0  # seconds alive after which the next death counts as the first
_STABLE_PONGS: Final = round(_STABLE / PING_INTERVAL)
_PONGS_A_MINUTE: Final = round(60 / PING_INTERVAL)
_GRACE: Final = 1.0  # seconds in which it is to end by itself
_NO_PONG: Final = Pong(0, {}, 0)
_HELP: Final = "a new one is started by itself, `journalctl -u mlbd` tells more"

Address = IPv4Address | IPv6Address
Vips = Mapping[Address, Mapping[str, VipChanged]]
"""The last word about each address, by the name of each link."""
Told = VipChanged | ConflictSeen | SessionReport
OnChange = Callable[[Told], None]


@dataclass(frozen=True, slots=True)
class ChildStatus:
    """`alive`: it is there and answers; `last_pong` is in seconds before `now`, None when there was none yet;
    `sessions` with nodes are by their two addresses and ifindex, those with `routers` by the BGP peer's name;
    `problems` are by link name, by what BFD wants to listen on, or by "reflex" for the process itself; `lateness` is
    the worst delay of a timer in microseconds of the last second, `worst_lateness` of the last minute; `ready` when it
    has spoken."""

    pid: int | None
    alive: bool
    realtime: bool
    restarts: int
    last_pong: float | None
    vips: Vips
    sessions: Mapping[Path, SessionReport]
    counters: Mapping[str, int]
    lateness: int
    problems: Mapping[str, str]
    worst_lateness: int = 0
    ready: bool = True
    routers: Mapping[str, SessionReport] = field(default_factory=dict)


@dataclass(slots=True)
class _Child:
    """What is known of one life of the reflex; `relapse` when the last ones were short; `ready` once it has spoken,
    and the very first is believed to be."""

    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    relapse: bool = False
    ready: bool = False
    realtime: bool = False
    pings: int = 0
    stuck: bool = False
    pong: Pong = _NO_PONG
    pong_at: float | None = None
    lateness: deque[int] = field(default_factory=lambda: deque(maxlen=_PONGS_A_MINUTE))
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def unanswered(self) -> int:
        """Pings rather than seconds: after mlbd and the reflex were frozen together, none is overdue."""
        return self.pings - self.pong.number

    @property
    def alive(self) -> bool:
        return self.ready and self.unanswered < QUIET_AFTER


class Reflex:
    """`on_change` is called in the event loop with every change that the reflex reports."""

    def __init__(self, node: str, on_change: OnChange) -> None:
        self._node = node
        self._on_change = on_change
        self._links: tuple[Link, ...] = ()
        self._claims: dict[Address, Claim] = {}
        self._watches: Watches | None = None
        self._drain = False
        self._drained = asyncio.Event()
        self._vips: dict[Address, dict[str, VipChanged]] = {}
        self._sessions: dict[Path, SessionReport] = {}
        self._routers: dict[str, SessionReport] = {}
        self._child: _Child | None = None
        self._problem: str | None = None
        self._restarts = 0
        self._deaths: list[float] = []

    async def apply(self, links: Iterable[Link], claims: Iterable[Claim], watches: Watches) -> None:
        """The whole desired part; only differences are sent. Returns before they have taken effect."""
        links, wanted = tuple(links), {claim.address: claim for claim in claims}
        changed = [claim for claim in wanted.values() if self._claims.get(claim.address) != claim]
        dropped = self._claims.keys() - wanted.keys()
        self._forget(dropped, wanted.values() if links != self._links else changed, links)
        news = [] if links == self._links else [encode(Links(links))]
        news += claim_lines(changed, dropped)
        # Last: who is watched is to find this node ready.
        news += [] if watches == self._watches else [encode(watches)]
        self._links, self._claims, self._watches = links, wanted, watches
        self._keep_reports(watches)
        self._send(news)

    async def drain(self, drained: bool, seconds: float) -> bool:
        """Hand all addresses to other nodes, or be one of those that hold them again. Waits so long at most until
        nothing is answered for any more; whether that was reached."""
        self._drain = drained
        self._drained.clear()
        self._send([encode(Drain(drained))])
        if drained and self._child is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), seconds)
        return self._drained.is_set()

    @property
    def drained(self) -> bool:
        """Whether it was drained, and nothing is answered for any more."""
        return self._drained.is_set()

    @property
    def vips(self) -> Vips:
        return self._vips

    def status(self, now: float) -> ChildStatus:
        """`now` is the event loop's clock."""
        child = self._child
        pong = child.pong if child else _NO_PONG
        alive = child is not None and child.alive
        problems = dict(child.problems) if child else {}
        if self._problem is not None:
            problems["reflex"] = self._problem
        elif child is not None and child.ready and not alive:
            problems["reflex"] = f"cannot reach the reflex: it left {child.unanswered} pings unanswered; {_HELP}"
        return ChildStatus(
            pid=child.process.pid if child else None,
            alive=alive,
            realtime=child is not None and child.realtime,
            restarts=self._restarts,
            last_pong=now - child.pong_at if child and child.pong_at is not None else None,
            vips=dict(self._vips) if alive else _silenced(self._vips),
            sessions=dict(self._sessions),
            counters=pong.counters,
            lateness=pong.lateness,
            problems=problems,
            worst_lateness=max(child.lateness, default=0) if child else 0,
            ready=child is not None and child.pong_at is not None,
            routers=dict(self._routers),
        )

    async def run(self, failures: int = 0) -> None:
        """Keeps one reflex alive until cancelled: restarts it at once the first time, with back-off after that. When
        it is cancelled the reflex ends first. `failures` tells how often this node failed in the minutes before."""
        loop = asyncio.get_running_loop()
        back_off = 0.0
        while True:
            started = loop.time()
            try:
                await self._live(failures + len(self._deaths), relapse=back_off > _FIRST_BACK_OFF)
            except OSError as error:
                self._problem = f"cannot start the reflex: {error.strerror}; it is tried again, see the journal"
            self._restarts += 1
            self._deaths = [at for at in self._deaths if loop.time() - at < MEMORY] + [loop.time()]
            back_off = 0.0 if loop.time() - started > _STABLE else back_off
            await asyncio.sleep(back_off)
            back_off = min(max(2 * back_off, _FIRST_BACK_OFF), _LONGEST_BACK_OFF)

    async def _live(self, failures: int, relapse: bool) -> None:
        """One life of the reflex, from start to end."""
        child = self._child = await _spawn(self._node, failures)
        child.relapse, child.ready = relapse, self._restarts == 0
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
            code = await _end(child)
        reason = f"it did not answer {STUCK_AFTER} pings" if child.stuck else _ending(code)
        self._problem = f"cannot keep the reflex running: {reason}; {_HELP}"
        self._fall_silent()

    def _fall_silent(self) -> None:
        """Nobody speaks for what it held."""
        self._sessions.clear()
        self._routers.clear()
        before, self._vips = self._vips, _silenced(self._vips)
        for address, changes in self._vips.items():
            for link, change in changes.items():
                if before[address][link] is not change:
                    self._on_change(change)

    def _forget(self, dropped: Iterable[Address], changed: Iterable[Claim], links: Iterable[Link]) -> None:
        """What the reflex said of addresses and links that it will know no longer."""
        for address in dropped:
            self._vips.pop(address, None)
        names = {link.index: link.name for link in links}
        for claim in changed:
            if told := self._vips.get(claim.address):
                kept = {names[index] for index in claim.links if index in names}
                self._vips[claim.address] = {link: change for link, change in told.items() if link in kept}

    def _file(self, report: SessionReport) -> None:
        if report.router:
            self._routers[report.peer] = report
        else:
            self._sessions[report.path] = report

    def _keep_reports(self, watches: Watches) -> None:
        """Of sessions that are still watched."""
        paths = {watch.path for watch in watches.watches}
        self._sessions = {path: report for path, report in self._sessions.items() if path in paths}
        peers = {(watch.peer, watch.path) for watch in watches.routers}
        self._routers = {peer: report for peer, report in self._routers.items() if (peer, report.path) in peers}

    def _everything(self) -> list[bytes]:
        """For a new reflex, which has to find out what others took since the last one ended."""
        orders = [encode(Links(self._links))]
        if self._drain:
            orders.append(encode(Drain(True)))
        orders += claim_lines(self._claims.values(), ())
        return [*orders, encode(self._watches)] if self._watches else orders

    async def _ping(self, child: _Child) -> None:
        while child.unanswered < STUCK_AFTER:
            child.pings += 1
            self._send([encode(Ping(child.pings))])
            await asyncio.sleep(PING_INTERVAL)
        child.stuck = True
        with contextlib.suppress(ProcessLookupError):
            child.process.kill()

    def _send(self, lines: Iterable[bytes]) -> None:
        if self._child is not None and not self._child.writer.is_closing():
            self._child.writer.writelines(lines)

    def _welcome(self, child: _Child, realtime: bool) -> None:
        """Of what it does not speak of from now on it says that others hold it. One after many short lives has to
        prove itself first."""
        child.ready, child.realtime = True, realtime
        if not child.relapse:
            self._problem = None
        self._vips = {
            address: {link: change for link, change in changes.items() if change.state is not State.SILENT}
            for address, changes in self._vips.items()
        }

    def _take(self, child: _Child, report: Report | Unreadable) -> None:
        match report:
            case Ready(realtime):
                self._welcome(child, realtime)
            case Pong():
                child.pong, child.pong_at = report, asyncio.get_running_loop().time()
                child.lateness.append(report.lateness)
                if report.number >= _STABLE_PONGS:
                    self._problem = None
            case ProblemChanged(subject, None):
                child.problems.pop(subject, None)
            case ProblemChanged(subject, str(problem)):
                child.problems[subject] = problem
            case VipChanged(address, link):
                # A late word about an address that was dropped meanwhile.
                if address in self._claims:
                    self._vips.setdefault(address, {})[link] = report
                    self._on_change(report)
            case ConflictSeen():
                self._on_change(report)
            case SessionReport():
                self._file(report)
                self._on_change(report)
            case Drained():
                self._drained.set()
            case Unreadable(reason):
                child.problems["reflex"] = reason


def _ending(code: int) -> str:
    if code >= 0:
        return f"it ended with code {code}"
    return f"it was killed by {next((one.name for one in signal.Signals if one == -code), f'signal {-code}')}"


def _silenced(vips: Vips) -> dict[Address, dict[str, VipChanged]]:
    """A reflex that is not there cannot be said to hold an address, nor to be about to."""
    return {address: {link: _silent(change) for link, change in changes.items()} for address, changes in vips.items()}


def _silent(change: VipChanged) -> VipChanged:
    active = change.state in (State.HOLDING, State.LEAVING, State.PROBING, State.WAITING)
    return VipChanged(change.address, change.link, State.SILENT) if active else change


async def _end(child: _Child) -> int:
    """It ends with its control socket, and with which code. Only one that cannot end is killed: asyncio loses how a
    process ended when it is sent a signal just then."""
    child.writer.close()
    try:
        return await asyncio.wait_for(child.process.wait(), _GRACE)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            child.process.kill()
        return await child.process.wait()


async def _spawn(node: str, failures: int) -> _Child:
    ours, theirs = socket.socketpair()
    with theirs:
        fd = theirs.fileno()
        argv = (sys.executable, "-m", "mlbd.reflex", "--fd", str(fd), "--node", node, "--failures", str(failures))
        try:
            process = await asyncio.create_subprocess_exec(*argv, pass_fds=[fd], stdin=asyncio.subprocess.DEVNULL)
        except BaseException:
            ours.close()
            raise
    reader, writer = await asyncio.open_connection(sock=ours, limit=MAX_LINE)
    return _Child(process, reader, writer)
