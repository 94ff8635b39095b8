"""All BFD sessions of a process: which packet is whose (RFC 5880 6.8.6, RFC 5881 3, RFC 5883 3), and one deadline."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field
from itertools import count

from mlbd.proto.bfd.packet import Diagnostic, DropReason, Packet, State, decode
from mlbd.proto.bfd.session import Action, Send, Session
from mlbd.proto.bfd.watch import Address, Watch, packed


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a packet came: `link` is the ifindex; `ttl` the TTL or Hop Limit, 0 when unknown; `multihop` its port."""

    source: Address
    local: Address
    link: int
    ttl: int
    multihop: bool = False

    key: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", packed((self.source, self.local, 0 if self.multihop else self.link)))


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """Intervals in microseconds: `transmit_interval` is None while nothing is sent periodically, `detection_time` 0
    until something has been received. Discriminators are 0 when unknown. `dropped` were meant for the session."""

    watch: Watch
    state: State
    diagnostic: Diagnostic
    remote_state: State
    remote_diagnostic: Diagnostic
    local_discriminator: int
    remote_discriminator: int
    transmit_interval: int | None
    detection_time: int
    sent: int
    received: int
    dropped: int
    ups: int
    downs: int


class Sessions:
    """`random` gives numbers in [0, 1): the jitter, the discriminators and the first sequence numbers."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._by_key: dict[bytes, Session] = {}
        self._by_discriminator: dict[int, Session] = {}
        self._timers: list[tuple[float, int, Session]] = []
        self._armed: dict[Session, float] = {}
        self._serial = count()
        self.drops: Counter[DropReason] = Counter()
        """Packets that were discarded."""

    def watch(self, watches: Iterable[Watch], now: float, disabled: Set[bytes] = frozenset()) -> list[Action]:
        """Replaces the whole set. Who is not watched any more is told so once, by AdminDown. `disabled` are the keys
        of watches whose sessions are AdminDown; the others are so no longer."""
        wanted = {watch.key: watch for watch in watches}
        actions: list[Action] = []
        for key in self._by_key.keys() - wanted.keys():
            actions += self._end(key, now)
        for key, watch in wanted.items():
            session = self._by_key.get(key)
            if session is None:
                actions += self._begin(watch, key in disabled, now)
                continue
            if session.watch != watch:
                actions += session.reconfigure(watch, now)
                self._arm(session)
            if (key in disabled) is not (session.state is State.ADMIN_DOWN):
                actions += session.disable(now) if key in disabled else session.enable(now)
                self._arm(session)
        return actions

    def receive(self, octets: bytes, arrival: Arrival, now: float) -> list[Action]:
        packet = decode(octets)
        if isinstance(packet, DropReason):
            self.drops[packet] += 1
            return []
        session = self._find(packet, arrival)
        if isinstance(session, DropReason):
            self.drops[session] += 1
            return []
        reason = session.refuse(packet, octets, arrival.ttl)
        if reason is not None:
            self.drops[reason] += 1
            session.dropped += 1
            return []
        if session.repeat(packet, now):
            return []
        actions = session.receive(packet, now)
        self._arm(session)
        return actions

    def expire(self, now: float) -> list[Action]:
        actions: list[Action] = []
        while (due := self.deadline()) is not None and due <= now:
            session = heapq.heappop(self._timers)[2]
            del self._armed[session]
            actions += session.expire(now)
            self._arm(session)
        return actions

    def deadline(self) -> float | None:
        """The first timer that is neither stale nor, because of a packet that came since, too early."""
        while self._timers:
            time, _, session = self._timers[0]
            if self._armed.get(session) != time:
                heapq.heappop(self._timers)
            elif (due := session.deadline()) == time:
                return time
            else:
                heapq.heappop(self._timers)
                del self._armed[session]
                if due is not None:
                    self._push(session, due)
        return None

    def status(self) -> list[SessionStatus]:
        return [_status(session) for session in self._by_key.values()]

    def _begin(self, watch: Watch, disabled: bool, now: float) -> list[Action]:
        session = Session(watch, self._new_discriminator(), self._random)
        self._by_key[watch.key] = self._by_discriminator[session.local_discriminator] = session
        actions = session.disable(now) if disabled else session.start(now)
        self._arm(session)
        return actions

    def _end(self, key: bytes, now: float) -> list[Action]:
        session = self._by_key.pop(key)
        del self._by_discriminator[session.local_discriminator]
        self._armed.pop(session, None)
        return [action for action in session.disable(now) if isinstance(action, Send)]

    def _new_discriminator(self) -> int:
        while (discriminator := int(self._random() * 2**32)) in self._by_discriminator or discriminator == 0:
            pass
        return discriminator

    def _find(self, packet: Packet, arrival: Arrival) -> Session | DropReason:
        if packet.your_discriminator == 0:
            return self._by_key.get(arrival.key, DropReason.NO_SESSION)
        session = self._by_discriminator.get(packet.your_discriminator)
        if session is None:
            return DropReason.NO_SESSION
        # The discriminator alone would let one path vouch for another.
        return session if session.watch.key == arrival.key else DropReason.ANOTHER_PATH

    def _arm(self, session: Session) -> None:
        """A timer that is too early is left where it is: `deadline` corrects it when its time comes."""
        due, armed = session.deadline(), self._armed.get(session)
        if due is not None and (armed is None or due < armed):
            self._push(session, due)

    def _push(self, session: Session, due: float) -> None:
        self._armed[session] = due
        heapq.heappush(self._timers, (due, next(self._serial), session))


def _status(session: Session) -> SessionStatus:
    return SessionStatus(
        session.watch,
        session.state,
        session.diagnostic,
        session.remote_state,
        session.remote_diagnostic,
        session.local_discriminator,
        session.remote_discriminator,
        session.transmit_interval(),
        session.negotiation.detection_time,
        session.sent,
        session.received,
        session.dropped,
        session.ups,
        session.downs,
    )
