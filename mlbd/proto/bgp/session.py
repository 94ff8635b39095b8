"""One neighbor: who connects, which of two connections stays, what is announced.

As h11 is for HTTP: no socket and no clock. Every method returns what is to be done; `now` is seconds on any clock that
only goes forward.

Rules for two connections (RFC 4271 6.8):
1. An attempt of ours and the peer's connection go on beside each other until there is an OPEN of the peer on one of
   them. Then the connection stays that was opened by the speaker with the higher identifier; the other one's OPEN is
   not waited for, as we know who the peer is.
2. A connection that is Established stays, and every attempt is given up.
3. But a peer that offered to preserve its forwarding state and connects anew has restarted: what was Established is
   dropped without a word, so that this end does the same (RFC 4724 5).
4. A peer that connects once more has forgotten its last connection: that one goes, if it is not Established.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from . import failures
from .adj_rib_out import Routes
from .connection import Connection
from .encoding import encode
from .fsm import Event
from .messages import Notification, Open
from .negotiation import keepalive_time, offer
from .neighbor import Action, Close, Failure, Neighbor, Path, Send, State, StateChanged
from .notification import cease
from .numbers import Cease, ErrorCode
from .opener import Opener
from .snapshot import Snapshot

#: A peer that announces too much is left alone for this long.
FLOODED_REST: Final = 300.0


class Session:
    """`random` gives numbers in [0, 1). Nothing happens before start()."""

    def __init__(self, neighbor: Neighbor, random: Callable[[], float]) -> None:
        self._neighbor = neighbor
        self._random = random
        self._opener = Opener(neighbor, random)
        self._connections: dict[int, Connection] = {}
        self._routes: Routes | None = None
        self._is_started = False
        self._state = State.IDLE
        self._since = 0.0
        self._failure: Failure | None = None
        self._failed_at: float | None = None
        self._counters: Counter[str] = Counter()

    def start(self, now: float) -> list[Action]:
        self._is_started = True
        return [*self._opener.start(now), *self._follow(now)]

    def stop(self, now: float, reason: Notification | None) -> list[Action]:
        """None: TCP closes without a word, as a process that dies does it, and a peer that agreed to graceful restart
        keeps the routes."""
        self._is_started = False
        return [*self._opener.stop(now), *self._end_all(Event.MANUAL_STOP, reason, now)]

    def reset(self, now: float, reason: Notification) -> list[Action]:
        """Ends the session and begins anew at once."""
        return [*self.stop(now, reason), *self.start(now)] if self._is_started else []

    def bfd_down(self, now: float) -> list[Action]:
        """RFC 9384."""
        return self._end_all(Event.AUTOMATIC_STOP, cease(Cease.BFD_DOWN), now)

    def refresh(self, now: float) -> list[Action]:
        """Tells all again, and asks the peer to."""
        actions: list[Action] = []
        for connection in self._connections.values():
            actions += connection.refresh(now)
        return actions

    def advertise(self, routes: Routes, now: float) -> list[Action]:
        """What the peer is to hear, in this session and later ones: all of it. The mapping is kept, and must not change
        afterwards."""
        self._routes = routes
        actions: list[Action] = []
        for connection in self._connections.values():
            actions += connection.advertise(routes, now)
        return actions

    def connected(self, number: int, path: Path, now: float) -> list[Action]:
        """The TCP connection that was asked for is there."""
        if self._opener.state is not State.CONNECT:
            return [Close(number)]
        self._opener.hand_over()
        return [*self._open(number, path, True, now), *self._follow(now)]

    def failed(self, now: float, why: str) -> list[Action]:
        """It is not, and will not be."""
        if self._opener.state is not State.CONNECT:
            return []
        failure = failures.unreachable(why)
        self._opener.fail(now)
        return self._follow(now, failure)

    def accepted(self, number: int, path: Path, now: float) -> list[Action]:
        """The peer connected."""
        if not self._opener.listening:
            self._counters["rejected"] += 1
            return [Send(number, encode(cease(Cease.CONNECTION_REJECTED))), Close(number)]
        actions = self._clear_for_another(now)
        return [*actions, *self._open(number, path, False, now), *self._follow(now)]

    def closed(self, number: int, now: float, why: str) -> list[Action]:
        """TCP ended, and not by a Close."""
        connection = self._connections.get(number)
        if connection is None:
            return []
        connection.handle(Event.TCP_CONNECTION_FAILS, now, failures.lost(connection.state, why))
        return self._follow(now)

    def receive(self, number: int, data: bytes, now: float) -> list[Action]:
        connection = self._connections.get(number)
        if connection is None:
            return []
        connection.feed(data)
        actions: list[Action] = []
        while (message := connection.read()) is not None:
            if isinstance(message, Open) and connection.accepts(message):
                actions += self._collide(connection, message, now)
            actions += connection.take(message, now)
            actions += self._follow(now)
        return actions

    def sent(self, number: int, pending: int, now: float) -> list[Action]:
        """Octets went into the kernel; `pending` are still in the send buffer."""
        connection = self._connections.get(number)
        return [] if connection is None else connection.sent(pending, now)

    def expire(self, now: float) -> list[Action]:
        failure = failures.unanswered() if self._opener.is_patience_over(now) else None
        actions = self._opener.expire(now)
        for connection in self._connections.values():
            actions += connection.expire(now)
        return [*actions, *self._follow(now, failure)]

    def deadline(self) -> float | None:
        dues = [self._opener.due, *(connection.timers.deadline() for connection in self._connections.values())]
        return min((due for due in dues if due is not None), default=None)

    def status(self, now: float) -> Snapshot:
        due = self._opener.due
        snapshot = Snapshot(
            self._state,
            self._since,
            self._neighbor.hold_time,
            keepalive_time(self._neighbor, self._neighbor.hold_time),
            self._neighbor.families,
            retry=None if due is None else max(0.0, due - now),
            failure=self._failure,
            failed_at=self._failed_at,
            counters=dict(self._counters),
        )
        furthest = max(self._connections.values(), key=lambda connection: connection.state, default=None)
        return snapshot if furthest is None else furthest.complete(snapshot)

    def _open(self, number: int, path: Path, dialed: bool, now: float) -> list[Action]:
        offered = offer(self._neighbor, path, first=not self._counters["established"])
        connection = Connection(number, path, dialed, self._neighbor, offered, self._counters, self._random)
        self._connections[number] = connection
        return connection.open(now)

    def _clear_for_another(self, now: float) -> list[Action]:
        """Rules 3 and 4."""
        actions: list[Action] = []
        for connection in self._connections.values():
            if connection.state is State.ESTABLISHED:
                actions += connection.drop(failures.restarted()) if connection.preserves_forwarding else []
            elif not connection.dialed:
                actions += connection.handle(Event.OPEN_COLLISION_DUMP, now, _collision())
        return actions

    def _collide(self, connection: Connection, message: Open, now: float) -> list[Action]:
        """Rules 1 and 2, before the OPEN is answered."""
        actions: list[Action] = []
        for other in self._connections.values():
            if other is not connection:
                stays_dialed = self._neighbor.identifier > message.identifier
                is_kept = other.state is State.ESTABLISHED or other.dialed is stays_dialed
                loser = connection if is_kept else other
                actions += loser.handle(Event.OPEN_COLLISION_DUMP, now, _collision())
        return actions

    def _end_all(self, event: Event, reason: Notification | None, now: float) -> list[Action]:
        actions: list[Action] = []
        for connection in self._connections.values():
            if reason is None:
                actions += connection.drop()
            else:
                actions += connection.handle(event, now, failures.ended(reason))
        return [*actions, *self._follow(now)]

    def _follow(self, now: float, failure: Failure | None = None) -> list[Action]:
        """What follows for the session from what happened to its machines; `failure` is that of an attempt."""
        for connection in [connection for connection in self._connections.values() if connection.is_over]:
            self._bury(connection, now)
            failure = connection.failure or failure
        if failure is not None and not (self._connections and _is_collision(failure)):
            self._failure, self._failed_at = failure, now
        states = [connection.state for connection in self._connections.values()]
        state = max([self._opener.state or State.IDLE, *states])
        if state is self._state:
            return []
        fell = state < self._state
        self._state, self._since = state, now
        actions: list[Action] = [StateChanged(state, failure if fell else None)]
        return actions + self._begin(now) if state is State.ESTABLISHED else actions

    def _begin(self, now: float) -> list[Action]:
        self._counters["established"] += 1
        actions = self._opener.give_up()
        return actions if self._routes is None else actions + self.advertise(self._routes, now)

    def _bury(self, connection: Connection, now: float) -> None:
        """The machine of our own attempts begins anew when no other connection makes that needless."""
        del self._connections[connection.number]
        lasted = connection.lasted(now)
        self._counters["lost"] += lasted is not None
        carried = any(other.dialed or other.state is State.ESTABLISHED for other in self._connections.values())
        if self._opener.state is None and not carried:
            self._opener.take_back(connection.state, lasted or 0.0, not self._connections, now)
        if connection.is_flooded:
            self._opener.rest(FLOODED_REST, now)


def _collision() -> Failure:
    return failures.ended(cease(Cease.CONNECTION_COLLISION_RESOLUTION))


def _is_collision(failure: Failure) -> bool:
    """Of two connections one stays: that is no failure of the session."""
    notification = failure.notification
    if notification is None or notification.code != ErrorCode.CEASE:
        return False
    return notification.subcode == Cease.CONNECTION_COLLISION_RESOLUTION
