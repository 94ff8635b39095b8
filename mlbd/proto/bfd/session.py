"""One BFD session: asynchronous mode, without Echo and without Demand of our own (RFC 5880).

Times are seconds on the caller's clock. Nearly every packet says what the last one said: `repeat` takes it for the
price of a comparison, and the Detection Time moves by one assignment, as deadlines are worked out when asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mlbd.proto.bfd.authentication import Authenticator
from mlbd.proto.bfd.negotiation import Negotiation, Poll
from mlbd.proto.bfd.packet import Diagnostic, DropReason, Packet, State, encode
from mlbd.proto.bfd.transitions import RECEIVED, TRANSITIONS, Event
from mlbd.proto.bfd.watch import Watch


@dataclass(frozen=True, slots=True)
class Send:
    """`octets` are the payload of one datagram on the path of `watch`."""

    watch: Watch
    octets: bytes


@dataclass(frozen=True, slots=True)
class SessionChanged:
    """The session entered `state`, or the other side entered or left AdminDown.

    Down with CONTROL_DETECTION_TIME_EXPIRED is a failure; with NEIGHBOR_SIGNALED_SESSION_DOWN it is planned when
    `remote_state` is ADMIN_DOWN, else the other side does not hear us. What is remote is as last received. `failed`:
    it was Up, and neither side wanted it to end.
    """

    watch: Watch
    state: State
    diagnostic: Diagnostic
    remote_state: State
    remote_diagnostic: Diagnostic
    failed: bool


Action = Send | SessionChanged


class Session:
    """`random` gives numbers in [0, 1). Nothing is sent before `start`."""

    __slots__ = (
        "_authenticator",
        "_due",
        "_heard",
        "_interval",
        "_lost",
        "_random",
        "_remote_demand",
        "_sent",
        "_sent_at",
        "_steady",
        "diagnostic",
        "downs",
        "dropped",
        "local_discriminator",
        "negotiation",
        "received",
        "remote_diagnostic",
        "remote_discriminator",
        "remote_state",
        "sent",
        "state",
        "ups",
        "watch",
    )

    def __init__(self, watch: Watch, local_discriminator: int, random: Callable[[], float]) -> None:
        self.watch = watch
        self.local_discriminator = local_discriminator
        self.remote_discriminator = 0
        self.state = self.remote_state = State.DOWN
        self.diagnostic = self.remote_diagnostic = Diagnostic.NONE
        self.negotiation = Negotiation(watch.desired_min_tx, watch.required_min_rx)
        self.received = self.sent = self.dropped = self.ups = self.downs = 0
        self._random = random
        self._authenticator = self._make_authenticator()
        self._remote_demand = False
        self._heard: float | None = None
        self._lost = False
        self._sent: Packet | None = None
        self._sent_at = 0.0
        self._steady: Packet | None = None  # the last packet received, if nothing followed from it
        self._interval: int | None = None
        self._due: float | None = None

    def start(self, now: float) -> list[Action]:
        return self._follow(now)

    def reconfigure(self, watch: Watch, now: float) -> list[Action]:
        """Goes on under another watch of the same path."""
        before, self.watch, self._steady = self.watch, watch, None
        if before.authentication != watch.authentication:
            self._authenticator = self._make_authenticator()
        return self._follow(now)

    def disable(self, now: float) -> list[Action]:
        return [*self._handle(Event.DISABLE), *self._follow(now)]

    def enable(self, now: float) -> list[Action]:
        return [*self._handle(Event.ENABLE), *self._follow(now)]

    def refuse(self, packet: Packet, octets: bytes, ttl: int) -> DropReason | None:
        """Why the packet must be discarded: how far it came (RFC 5881 5) and the checks of 6.7."""
        if ttl < self.watch.minimum_ttl:
            return DropReason.TTL
        if self._authenticator is not None:
            return self._authenticator.refuse(packet, octets)
        return DropReason.AUTHENTICATION_UNEXPECTED if packet.authentication else None

    def repeat(self, packet: Packet, now: float) -> bool:
        """Whether the packet is the last one once more and nothing can follow from it; else it is for `receive`."""
        if packet != self._steady:
            return False
        self.received += 1
        self._heard = now
        return True

    def receive(self, packet: Packet, now: float) -> list[Action]:
        """A packet that `refuse` does not refuse; the order is that of 6.8.6."""
        self.received += 1
        self._heard, self._lost = now, False
        self.remote_discriminator = packet.my_discriminator
        before, self.remote_state = self.remote_state, packet.state
        self.remote_diagnostic = packet.diagnostic
        self._remote_demand = packet.demand
        self.negotiation.receive(packet)
        actions = self._handle(RECEIVED[packet.state])
        if not actions and before is not packet.state and State.ADMIN_DOWN in (before, packet.state):
            actions.append(self._changed())
        if packet.poll and self.state is not State.ADMIN_DOWN:
            actions.append(self._answer_poll())
        actions += self._follow(now)
        self._steady = None if actions else packet
        return actions

    def expire(self, now: float) -> list[Action]:
        actions: list[Action] = []
        silent = self._silence_deadline()
        if silent is not None and silent <= now:
            actions += self._lose()
            actions += self._follow(now)
        if self._due is not None and self._due <= now:
            actions.append(self._transmit(now))
        return actions

    def deadline(self) -> float | None:
        silent = self._silence_deadline()
        if silent is None or self._due is None:
            return self._due if silent is None else silent
        return min(silent, self._due)

    def transmit_interval(self) -> int | None:
        """Microseconds between periodic packets before jitter; None while there are none (6.8.7)."""
        if self.negotiation.remote_min_rx == 0 or self._is_mute():
            return None
        if self._remote_demands() and self.negotiation.poll is not Poll.POLLING:
            return None
        return self.negotiation.transmit_interval

    def _silence_deadline(self) -> float | None:
        """A Detection Time after the last packet, and twice that once it is over."""
        if self._heard is None:
            return None
        return self._heard + self.negotiation.detection_time * (2 if self._lost else 1) / 1e6

    def _lose(self) -> list[Action]:
        if self._lost:
            self._heard = None
            if self._authenticator is not None:
                self._authenticator.forget()
            return []
        self._lost, self._steady = True, None
        self.remote_discriminator = 0
        self.negotiation.lose()
        if self.state is State.DOWN and self.diagnostic is Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN:
            # It went on speaking after it had lost us, and does no more: a change, though not of the state.
            self.diagnostic = Diagnostic.CONTROL_DETECTION_TIME_EXPIRED
            return [self._changed()]
        return self._handle(Event.DETECTION_TIME_EXPIRED)

    def _handle(self, event: Event) -> list[Action]:
        found = TRANSITIONS.get((self.state, event))
        if found is None:
            return []
        before, (self.state, diagnostic) = self.state, found
        self._steady = None
        if diagnostic is not None:
            self.diagnostic = diagnostic
        self.ups += self.state is State.UP
        self.downs += before is State.UP
        return [self._changed(failed=before is State.UP and not self._is_planned(event))]

    def _is_planned(self, event: Event) -> bool:
        """AdminDown of either side is no failure (RFC 5882 4.2); a Down that gives it as its reason comes from a side
        whose AdminDown was lost."""
        if event is Event.RECEIVED_DOWN:
            return self.remote_diagnostic is Diagnostic.ADMINISTRATIVELY_DOWN
        return event in (Event.DISABLE, Event.RECEIVED_ADMIN_DOWN)

    def _changed(self, failed: bool = False) -> SessionChanged:
        remote = self.remote_state, self.remote_diagnostic
        return SessionChanged(self.watch, self.state, self.diagnostic, *remote, failed)

    def _follow(self, now: float) -> list[Action]:
        """What follows from whatever has changed: other intervals, another time for the next packet, and a packet at
        once if it says something new (6.8.7)."""
        self.negotiation.want(self.watch.desired_min_tx, self.watch.required_min_rx, self.state is State.UP)
        if self._contents() != self._sent and not self._is_mute():
            if self._remote_demands():
                self.negotiation.poll = Poll.POLLING  # 6.6: periodic packets would not tell it
            return [self._transmit(now)]
        if self.transmit_interval() != self._interval:
            self._schedule()
        return []

    def _transmit(self, now: float) -> Send:
        self._sent_at = now
        self._schedule()
        return self._send(poll=self.negotiation.poll is Poll.POLLING)

    def _answer_poll(self) -> Send:
        """The Final, whenever the next periodic packet is due (6.8.7), and without the Poll bit (6.5)."""
        return self._send(final=True)

    def _send(self, poll: bool = False, final: bool = False) -> Send:
        self.sent += 1
        self._sent = packet = self._contents()
        if poll or final:
            packet = packet._replace(poll=poll, final=final)
        return Send(self.watch, encode(packet) if self._authenticator is None else self._authenticator.seal(packet))

    def _contents(self) -> Packet:
        """Without the bits of Poll Sequences. Not Control Plane Independent: this process ends with the daemon."""
        return Packet(
            self.state,
            self.diagnostic,
            self.watch.multiplier,
            self.local_discriminator,
            self.remote_discriminator,
            self.negotiation.desired_min_tx,
            self.negotiation.required_min_rx,
        )

    def _schedule(self) -> None:
        """The next packet comes an interval after the last, less 0 to 25 %; 10 % at least where one lost packet is
        enough for a failure (6.8.7)."""
        self._interval = self.transmit_interval()
        if self._interval is None:
            self._due = None
        else:
            latest = 0.9 if self.watch.multiplier == 1 else 1.0
            self._due = self._sent_at + self._interval / 1e6 * (latest - (latest - 0.75) * self._random())

    def _is_mute(self) -> bool:
        """A passive side does not speak first (6.8.7)."""
        return self.watch.passive and self.remote_discriminator == 0

    def _remote_demands(self) -> bool:
        return self._remote_demand and self.state is State.UP and self.remote_state is State.UP

    def _make_authenticator(self) -> Authenticator | None:
        authentication = self.watch.authentication
        return None if authentication is None else Authenticator(authentication, int(self._random() * 2**32))
