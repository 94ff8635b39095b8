"""One connection to a peer, from the first OPEN on: its machine, and what was agreed on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from . import failures, negotiation
from .adj_rib_out import Routes
from .answers import error_event, must_be_hard, notification_event, unexpected
from .encoding import encode
from .exchange import Exchange
from .fsm import Do, Event, transition
from .messages import BgpError, Keepalive, Message, Notification, Open, RouteRefresh, Update
from .negotiated import Negotiated, negotiate
from .neighbor import Action, Close, Failure, Neighbor, Path, Send, State
from .notification import hard_reset
from .numbers import MessageType
from .reader import Reader
from .snapshot import Snapshot
from .tally import count_received, count_sent, type_of
from .timers import Timers

#: Octets that may wait to be sent before a session makes more.
CONGESTED: Final = 256 * 1024


class Connection:
    """`state` begins in Connect when `dialed` here, else in Active. `failure` says why the connection `is_over`; it was
    Established when `exchange` is there. `counters` are the session's."""

    def __init__(
        self,
        number: int,
        path: Path,
        dialed: bool,
        neighbor: Neighbor,
        offered: Open,
        counters: Counter[str],
        random: Callable[[], float],
    ) -> None:
        self.number, self.path, self.dialed, self.offered = number, path, dialed, offered
        self.state = State.CONNECT if dialed else State.ACTIVE
        self.is_over = self.is_flooded = False
        self.failure: Failure | None = None
        self.received: Open | None = None
        self.negotiated: Negotiated | None = None
        self.exchange: Exchange | None = None
        self._established_at = 0.0
        self.timers = Timers(random)
        self._neighbor, self._counters = neighbor, counters
        self._reader = Reader()
        self._pending = 0

    def open(self, now: float) -> list[Action]:
        return self.handle(Event.TCP_CR_ACKED if self.dialed else Event.TCP_CONNECTION_CONFIRMED, now)

    def feed(self, data: bytes) -> None:
        self._reader.feed(data)

    def read(self) -> Message | BgpError | None:
        """The next message of those that were fed, for take(); None: there is no whole one."""
        if self.is_over:
            return None
        try:
            return self._reader.next()
        except BgpError as error:
            return error

    def accepts(self, message: Open) -> bool:
        """Whether the OPEN is awaited, and one that a session can be made of."""
        return self.state is State.OPEN_SENT and negotiation.refusal(self._neighbor, message) is None

    def take(self, message: Message | BgpError, now: float) -> list[Action]:
        if self.is_over:
            return []
        if isinstance(message, BgpError):
            answer = message.notification
            return self.handle(error_event(answer), now, failures.refused(answer))
        count_received(message, self._counters)
        match message:
            case Open():
                return self._take_open(message, now)
            case Update():
                return self._take_update(message, now)
            case Notification():
                return self.handle(notification_event(message), now, failures.received(message))
            case Keepalive():
                return self.handle(Event.KEEPALIVE, now)
            case RouteRefresh():
                return self._take_refresh(message, now)

    def handle(self, event: Event, now: float, failure: Failure | None = None) -> list[Action]:
        """`failure` is why, with the NOTIFICATION to send, where the event ends the connection."""
        if self.is_over:
            return []
        before, (do, self.state) = self.state, transition(self.state, event)
        match do:
            case Do.SEND_OPEN:
                self.timers.await_open(now)
                return self.send([encode(self.offered)], now)
            case Do.CONFIRM:
                self._agree(now)
                return self.send([encode(Keepalive())], now)
            case Do.SEND_KEEPALIVE:
                return self.send([encode(Keepalive())], now)
            case Do.ESTABLISH:
                self._establish(now)
            case Do.HEAR | Do.TAKE:
                self.timers.heard(now)
            case Do.DROP:
                return self._close(failure)
            case Do.NOTIFY:
                assert failure is not None, "who ends a connection says why"
                return self._end(before, failure, now)
            case Do.FSM_ERROR:
                return self._end(before, unexpected(before, event), now)
        return []

    def expire(self, now: float) -> list[Action]:
        actions: list[Action] = []
        while not self.is_over and (event := self.timers.due(now)) is not None:
            actions += self.handle(event, now, failures.expired(event, self.state, self.timers))
        return actions

    def drop(self, failure: Failure | None = None) -> list[Action]:
        """Closes without a word."""
        self.state = State.IDLE
        return self._close(failure)

    def advertise(self, routes: Routes, now: float) -> list[Action]:
        if self.exchange is None:
            return []
        self.exchange.advertise(routes)
        return self.tell(now)

    def refresh(self, now: float) -> list[Action]:
        """Tells all again, and asks the peer to (RFC 2918)."""
        if self.exchange is None:
            return []
        self.exchange.repeat_all()
        return [*self.tell(now), *self.send(self.exchange.ask(), now)]

    def sent(self, pending: int, now: float) -> list[Action]:
        """`pending` octets are still in the send buffer."""
        self._pending = pending
        self.timers.moves(pending, now)
        return self.tell(now)

    def tell(self, now: float) -> list[Action]:
        """Whatever the peer does not know yet of the routes, if it reads."""
        if self.exchange is None or self.is_over or self._pending >= CONGESTED:
            return []
        return self.send(self.exchange.messages(), now)

    def lasted(self, now: float) -> float | None:
        """How long it was Established; None: it never was."""
        return None if self.exchange is None else now - self._established_at

    @property
    def preserves_forwarding(self) -> bool:
        """Whether the peer said that it does so over a restart (RFC 4724 5)."""
        restart = None if self.received is None else self.received.capabilities.graceful_restart
        return restart is not None and bool(restart.families)

    def complete(self, snapshot: Snapshot) -> Snapshot:
        """With what is this connection's."""
        snapshot = replace(snapshot, path=self.path, capabilities_sent=self.offered.capabilities)
        if self.received is not None:
            snapshot = replace(
                snapshot,
                capabilities_received=self.received.capabilities,
                remote_as=self.received.asn,
                remote_identifier=self.received.identifier,
            )
        if self.negotiated is not None:
            snapshot = replace(
                snapshot,
                hold_time=self.timers.hold_time,
                keepalive_time=self.timers.keepalive_time,
                families=self.negotiated.families,
            )
        return snapshot if self.exchange is None else self.exchange.complete(snapshot)

    def send(self, messages: Sequence[bytes], now: float) -> list[Action]:
        if not messages:
            return []
        types = [type_of(message) for message in messages]
        count_sent(types, self._counters)
        if MessageType.KEEPALIVE in types or MessageType.UPDATE in types:
            self.timers.said(now)
        data = b"".join(messages)
        self._pending += len(data)
        self.timers.waits(now)
        return [Send(self.number, data)]

    def _take_open(self, message: Open, now: float) -> list[Action]:
        """A second one is unexpected whatever it says."""
        if self.state is not State.OPEN_SENT:
            return self.handle(Event.BGP_OPEN, now)
        self.received = message
        refusal = negotiation.refusal(self._neighbor, message)
        return self.handle(Event.BGP_OPEN if refusal is None else Event.BGP_OPEN_ERROR, now, refusal)

    def _take_update(self, message: Update, now: float) -> list[Action]:
        actions = self.handle(Event.UPDATE, now)
        if self.exchange is None or self.is_over:
            return actions
        self._counters["flaws"] += len(message.flaws)
        self._counters["endOfRib.received"] += message.end_of_rib is not None
        family = self.exchange.take(message)
        if family is None:
            return []
        self.is_flooded, limit = True, self._neighbor.max_prefixes
        return self.handle(Event.AUTOMATIC_STOP, now, failures.too_many(family, limit))

    def _take_refresh(self, message: RouteRefresh, now: float) -> list[Action]:
        """The messages around the peer's own answer (RFC 7313) mean nothing to who only counts."""
        actions = self.handle(Event.ROUTE_REFRESH, now)
        if self.exchange is None or self.is_over or message.family is None or message.subtype:
            return actions
        self.exchange.repeat(message.family)
        return self.tell(now)

    def _agree(self, now: float) -> None:
        assert self.received is not None, "an OPEN is what is confirmed"
        hold = negotiation.hold_time(self.offered, self.received)
        self.timers.agree(hold, negotiation.keepalive_time(self._neighbor, hold), now)
        self.negotiated = negotiate(self.offered, self.received)

    def _establish(self, now: float) -> None:
        assert self.negotiated is not None, "OpenConfirm comes first"
        self._established_at = now
        self.timers.heard(now)
        self._reader.negotiated = self.negotiated
        self.exchange = Exchange(self.negotiated, self.path, self._neighbor.max_prefixes)

    def _end(self, before: State, failure: Failure, now: float) -> list[Action]:
        notification = failure.notification
        assert notification is not None, "there is one for everything that ends a connection from here"
        if before is State.ESTABLISHED and self._keeps_routes() and must_be_hard(notification):
            notification = hard_reset(notification)
        return [*self.send([encode(notification)], now), *self._close(failure)]

    def _close(self, failure: Failure | None) -> list[Action]:
        self.is_over, self.failure = True, failure
        return [Close(self.number)]

    def _keeps_routes(self) -> bool:
        """Whether the peer does so after a NOTIFICATION."""
        return self.received is not None and negotiation.preserves_after_notification(self.offered, self.received)
