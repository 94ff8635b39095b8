"""The one loop of the reflex.

A turn takes what has come, BFD first, then a bounded number of frames from each link, and then does one piece of other
work: one line of the daemon, or a batch of announcements and a step towards the filters that go with them. So nothing
else is ever more than about a millisecond in the way of an answer. Probes wait for the filters, which have to let their
answers through; announcements do not: the sooner others know, the shorter nobody answers.
"""

import contextlib
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from typing import Final, assert_never

from mlbd.proto.control import (
    Claims,
    ConflictSeen,
    Drain,
    Drained,
    Links,
    Ping,
    Pong,
    ProblemChanged,
    Ready,
    Report,
    Unreadable,
    VipChanged,
    Watches,
)
from mlbd.proto.lines import LineBuffer, decode_order, encode
from mlbd.proto.neighbor.announcer import Action, Announcer, Contested, Send, StateChanged
from mlbd.proto.neighbor.frame import DropReason, format_mac
from mlbd.proto.neighbor.group import Group
from mlbd.proto.neighbor.link import Link
from mlbd.proto.neighbor.ndp import solicited_node
from mlbd.proto.neighbor.vip import State
from mlbd.reflex.port import LinkPorts, Port, open_link
from mlbd.reflex.sockets import Groups, PacketSocket
from mlbd.reflex.watcher import Watcher

LEASE: Final = 10.0
"""Seconds without a word of the daemon after which its orders are no longer trusted."""

FRAMES_PER_TURN: Final = 64
_MAX_UNSENT: Final = 4 << 20
_TCP_ENDS: Final = 0.1  # seconds
_CONTROL_READ: Final = 1 << 16
_REFRESHED: Final = object()


class Loop:
    """`clock` gives seconds; it must not stand still while the process does. `node` is this node's name in the order of
    claims; `failures` is how often it failed in the minutes before."""

    def __init__(self, control: socket.socket, clock: Callable[[], float], node: str, failures: int = 0) -> None:
        control.setblocking(False)
        self._control = control
        self._clock = clock
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._watch(control, self._read_control)
        self._open = True
        self._lines: deque[bytes] = deque()
        self._buffer = LineBuffer()
        self._unsent = bytearray()
        self._before = self._now = self._heard = clock()
        self._silent = False
        self._group = Group(node, failures, self._now)
        self._watcher = Watcher(self._group, self._report)
        self._watch(self._watcher, self._hear)
        self._announcer = Announcer(node, self._group)
        self._starting = True
        self._group_due: float | None = None
        self._draining = self._drained = False
        self._wanted: dict[int, Link] = {}
        self._links: dict[int, LinkPorts] = {}
        self._problems: dict[str, str] = {}
        self._groups = Groups()
        self._stale = False
        self._refreshing: Iterator[None] | None = None
        self._counters: Counter[str] = Counter()
        self._lateness = 0.0

    def run(self, realtime: bool) -> None:
        """Until the other end of the control socket is closed. The others are told on leaving."""
        self._report(Ready(realtime))
        while self._open:
            # Woken from a freeze with its time over, Python's poll returns nothing of what has come meanwhile.
            ready = self._epoll.poll(self._timeout()) or self._epoll.poll(0)
            self._before, self._now = self._now, self._clock()
            self._measure()
            self._keep_lease()
            self._notice_freeze()
            for fd, _ in sorted(ready, key=self._urgency):
                # An earlier one of this turn may have closed it.
                if (handler := self._handlers.get(fd)) is not None:
                    handler()
            if self._open:
                self._work()
                self._tell()
                self._flush()
        self._leave()

    def _leave(self) -> None:
        """A daemon that was killed has closed this socket and those of BGP in any order. A router that hears of BFD
        first lets the routes go; one that has seen TCP end may begin a graceful restart, and then does not mind. It is
        not left to its Detection Time either: that might end only when the next daemon's session of BGP is there."""
        self._watcher.administratively_down(True, self._now)
        if self._watcher.has_routers:
            time.sleep(_TCP_ENDS)
        self._watcher.leave(self._clock())

    def _urgency(self, event: tuple[int, int]) -> bool:
        """What a node says of itself is read before what it says of addresses."""
        return event[0] != self._watcher.fileno()

    def _timeout(self) -> float | None:
        """None is for ever; epoll has milliseconds, rounded up so that it does not wake before its time."""
        if self._lines or self._stale or self._refreshing is not None:
            return 0
        deadlines = (self._announcer.deadline(), self._watcher.deadline(), self._group_due, self._lease_end())
        times = [time for time in deadlines if time is not None]
        return max(0.0, min(times) - self._clock()) if times else None

    def _lease_end(self) -> float | None:
        return None if self._silent else self._heard + LEASE

    def _keep_lease(self) -> None:
        if not self._silent and self._now > self._heard + LEASE:
            self._silent = True
            self._perform(self._announcer.silence(self._now))
            self._meet(self._watcher.administratively_down(True, self._now))

    def _notice_freeze(self) -> None:
        if self._watcher.is_overdue(self._now):
            self._counters["frozen"] += 1
            self._group.frozen(self._now)
            self._perform(self._announcer.doubt(self._now))
            self._meet(())

    def _work(self) -> None:
        if (deadline := self._watcher.deadline()) is not None and deadline <= self._now:
            self._meet(self._watcher.expire(self._now))
        if self._group_due is not None and self._group_due <= self._now:
            self._group.expire(self._now)
            self._watcher.learn()
            self._perform(self._announcer.review(self._now))
            self._group_due = self._group.deadline(self._now)
        if self._lines:
            self._obey(self._lines.popleft())
            return
        deadline = self._announcer.deadline()
        filtered = not self._stale and self._refreshing is None
        if deadline is not None and deadline <= self._now and (filtered or not self._announcer.asks_next):
            self._perform(self._announcer.expire(self._now))
        if self._refreshing is not None:
            if next(self._refreshing, _REFRESHED) is _REFRESHED:
                self._refreshing = None
        elif self._stale:
            self._stale = False
            self._refreshing = self._refresh()

    def _measure(self) -> None:
        """How late it is; what was due before the last turn already waits for its batch and is not late."""
        for deadline in (self._announcer.deadline(), self._watcher.deadline(), self._group_due):
            if deadline is not None and deadline > self._before:
                self._lateness = max(self._lateness, self._now - deadline)

    def _tell(self) -> None:
        self._watcher.tell()
        if self._draining and not self._drained and not self._announcer.held:
            self._drained = True
            self._report(Drained())

    def _meet(self, nodes: Iterable[str]) -> None:
        """What follows from nodes that came into sight or were lost."""
        starting = self._starting
        for node in nodes:
            self._perform(self._announcer.seen(node, self._now))
        self._starting = self._group.starting
        is_due = self._group_due is not None and self._group_due <= self._now
        self._group_due = self._now if is_due or starting > self._starting else self._group.deadline(self._now)

    def _read_control(self) -> None:
        if self._lines:
            return  # the socket holds what comes faster than it is obeyed
        try:
            octets = self._control.recv(_CONTROL_READ)
        except BlockingIOError:
            return
        except OSError:
            octets = b""
        if not octets:
            self._open = False
            return
        self._lines.extend(self._buffer.feed(octets))
        self._heard = self._now
        if self._silent:
            self._silent = False
            self._group.frozen(self._now)
            self._come_back()
            self._perform(self._announcer.resume(self._now))

    def _obey(self, line: bytes) -> None:
        match decode_order(line):
            case Links(links):
                self._wanted = {link.index: link for link in links}
                self._open_links()
            case Claims(wanted, dropped):
                self._stale = True
                self._perform(self._announcer.claims(wanted, (a.packed for a in dropped), self._now))
            case Watches() as watches:
                self._meet(self._watcher.watch(watches, self._announcer.has_claims, self._now))
                self._explain_sockets()
            case Drain(drained):
                self._drain(drained)
            case Ping(number):
                self._open_links()
                self._stale |= self._groups.incomplete
                self._meet(self._watcher.look_after(self._now))
                self._explain_sockets()
                self._report(Pong(number, {**self._counters, **self._watcher.counters}, round(self._lateness * 1e6)))
                self._lateness = 0.0
            case Unreadable():
                self._counters["unreadable"] += 1
            case order:
                assert_never(order)

    def _drain(self, drained: bool) -> None:
        self._draining, self._drained = drained, False
        if drained:
            self._perform(self._announcer.drain(self._now))
            self._meet(self._watcher.administratively_down(True, self._now))
        else:
            self._come_back()
            self._perform(self._announcer.undrain(self._now))

    def _come_back(self) -> None:
        """To the group, which sees this node again from now on."""
        if not self._draining:
            self._group.begin(self._now)
            self._meet(self._watcher.administratively_down(False, self._now))

    def _hear(self) -> None:
        self._meet(self._watcher.receive(self._now))

    def _explain_sockets(self) -> None:
        for subject, problem in self._watcher.problems.items():
            self._explain(subject, problem)

    def _open_links(self) -> None:
        """Opens what is wanted and closed, closes what is not wanted or has another MAC."""
        for index, ports in list(self._links.items()):
            if self._wanted.get(index) != ports.arp.link:
                self._close_link(index)
        names = {link.name for link in self._wanted.values()} | self._watcher.problems.keys()
        for subject in self._problems.keys() - names:
            self._explain(subject, None)
        for index, link in self._wanted.items():
            if index not in self._links:
                self._open_link(link)
        self._perform(self._announcer.links([ports.arp.link for ports in self._links.values()], self._now))
        self._meet(())

    def _open_link(self, link: Link) -> None:
        match open_link(link):
            case LinkPorts() as ports:
                self._links[link.index] = ports
                self._watch(ports.arp.socket, lambda: self._serve(ports.arp))
                self._watch(ports.ndp.socket, lambda: self._serve(ports.ndp))
                self._stale = True
                self._explain(link.name, None)
            case problem:
                self._explain(link.name, problem)

    def _explain(self, subject: str, problem: str | None) -> None:
        if self._problems.get(subject) != problem:
            self._report(ProblemChanged(subject, problem))
        if problem is None:
            self._problems.pop(subject, None)
        else:
            self._problems[subject] = problem

    def _close_link(self, index: int) -> None:
        self._stale = True
        ports = self._links.pop(index)
        for port in (ports.arp, ports.ndp):
            del self._handlers[port.socket.fileno()]
        ports.close()

    def _serve(self, port: Port) -> None:
        link, sock, held = port.link, port.socket, self._announcer.held
        for _ in range(FRAMES_PER_TURN):
            frame = sock.receive()
            if frame is None:
                return
            packet, answer = port.respond(frame, link, held)
            if isinstance(answer, DropReason):
                self._counters["dropped." + answer.value] += 1
            elif sock.send(answer):
                self._counters["answered"] += 1
            if packet is not None and (actions := self._announcer.receive(packet, link, self._now)):
                self._perform(actions)

    def _refresh(self) -> Iterator[None]:
        """Filters and groups follow what is probed and held; a step takes a few milliseconds at most."""
        memberships = set()
        for index, ports in self._links.items():
            addresses = self._announcer.active(index)
            ipv6 = {address for address in addresses if len(address) == 16}
            ports.arp.socket.admit(addresses - ipv6)
            yield
            ports.ndp.socket.admit(ipv6)
            yield
            memberships |= {(index, solicited_node(address)) for address in ipv6}
        yield from self._groups.join_exactly(memberships)

    def _perform(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Send(link, frame, announces):
                    self._send(link, frame, "announced" if announces else "probed")
                case StateChanged(address, link, state, mac, node):
                    self._stale = True
                    self._counters["taken"] += state is State.HOLDING
                    claimant = None if mac is None else format_mac(mac)
                    self._report(VipChanged(ip_address(address), self._name(link), state, claimant, node))
                case Contested(address, link, mac, node, disputed):
                    self._counters["conflicts.stranger" if node is None else "conflicts.ours"] += 1
                    self._report(ConflictSeen(ip_address(address), self._name(link), format_mac(mac), node, disputed))

    def _send(self, index: int, frame: bytes, counter: str) -> None:
        ports = self._links.get(index)
        if ports is not None and ports.send(frame):
            self._counters[counter] += 1
        else:
            self._counters["unsent"] += 1

    def _name(self, link: int) -> str:
        return self._wanted[link].name if link in self._wanted else ""

    def _report(self, report: Report) -> None:
        self._unsent += encode(report)

    def _flush(self) -> None:
        """What a busy daemon does not read yet waits here, bounded.

        When the bound is reached the daemon has been frozen for long: nothing is answered any more, and when it
        wakes up it starts a new reflex.
        """
        if not self._unsent:
            return
        with contextlib.suppress(BlockingIOError):
            try:
                del self._unsent[: self._control.send(self._unsent)]
            except BrokenPipeError:
                self._open = False
        self._open = self._open and len(self._unsent) <= _MAX_UNSENT

    def _watch(self, source: socket.socket | PacketSocket | Watcher, handler: Callable[[], None]) -> None:
        self._handlers[source.fileno()] = handler
        self._epoll.register(source.fileno(), select.EPOLLIN)
