"""One session and its sockets: what happens is told to the machine, and what it answers is carried out."""

from __future__ import annotations

import asyncio
import random
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from mlbd.model.link import Link
from mlbd.proto.bgp.messages import Address, Attributes, Notification, Prefix
from mlbd.proto.bgp.neighbor import Action, Close, Connect, GiveUp, Path, Send, StateChanged
from mlbd.proto.bgp.session import Session

from .attempt import Attempt
from .ends import End, ends, scope_of
from .peering import Peering, PeeringStatus
from .place import link_of, on_link, outlook, path
from .reactor import Reactor
from .sockets import came_from_afar, mark, to_connect
from .stream import Stream
from .words import failure, refusal, unheard

Routes = Mapping[Prefix, Attributes]
OnChange = Callable[[str, StateChanged], None]
Tell = Callable[[int, Path, float], Iterable[Action]]


class Conversation:
    """`peer` is the name of what asked for the session, `name` its own; `address` is the peer's as far as it is known.
    `numbers` name connections."""

    def __init__(
        self,
        name: str,
        peer: str,
        peering: Peering,
        reactor: Reactor,
        numbers: Iterator[int],
        on_change: OnChange,
    ) -> None:
        self.name, self.peer, self.peering = name, peer, peering
        self.address = peering.address
        self._reactor, self._numbers, self._on_change = reactor, numbers, on_change
        self._session = Session(peering.neighbor, random.random)
        self._links: tuple[Link, ...] = ()
        self._routes: Routes | None = None
        self._started = False
        self._refusal = ""
        self._attempt: Attempt | None = None
        self._streams: dict[int, Stream] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._actions: deque[Action] = deque()
        self._busy = False
        self._last: tuple[Address | None, Link | None] = (None, None)
        self._bfd_up = False

    @property
    def connected(self) -> bool:
        return bool(self._streams)

    def apply(self, address: Address | None, links: tuple[Link, ...]) -> None:
        """The address of the peer, None as long as no router was heard on an unnumbered link, and the links of this
        host. What was refused is tried again; an attempt that waits for its time comes at once when the network that
        the peer is on has changed."""
        if self.connected:
            # Who answers is there, whoever else was heard on the link.
            address = self.address
        before, after = (self.address, _outlook(self.address, self._links)), (address, _outlook(address, links))
        self.address, self._links = address, links
        if before != after and not self.connected:
            self.stop(None)
        if not self._started:
            self._begin()

    def stop(self, cease: Notification | None) -> None:
        """Ends the session; apply() begins it anew."""
        if self._started:
            self._started = False
            self._carry_out(self._session.stop(self._reactor.now(), cease))

    def reset(self, cease: Notification) -> None:
        self._carry_out(self._session.reset(self._reactor.now(), cease))

    def refresh(self) -> None:
        self._carry_out(self._session.refresh(self._reactor.now()))

    def advertise(self, routes: Routes) -> None:
        if routes is not self._routes:
            self._routes = routes
            self._carry_out(self._session.advertise(routes, self._reactor.now()))

    def bfd(self, up: bool) -> None:
        """One that never came up says nothing of the peer (RFC 5882 4.1)."""
        failed, self._bfd_up = self._bfd_up and not up, up
        if failed:
            self._carry_out(self._session.bfd_down(self._reactor.now()))

    def is_with(self, remote: End, interface: str) -> bool:
        """Whether who connected, over `interface`, is this peer."""
        return remote.address == self.address and (not remote.scope or self.peering.interface == interface)

    def accept(self, accepted: socket.socket) -> None:
        """The socket is this conversation's from now on."""
        try:
            mark(accepted, self.peering)
            found = None if came_from_afar(accepted, self.peering) else ends(accepted)
        except OSError:  # the connection is gone already
            found = None
        if found:
            self._take(accepted, *found, self._session.accepted)
        else:
            accepted.close()

    def status(self, now: float) -> PeeringStatus:
        local, link = self._last
        return PeeringStatus(
            self._session.status(now),
            self.peering.neighbor.identifier,
            refusal=self._refusal,
            remote=self.address,
            local=local,
            link=link.index if link else 0,
            on_link=self.address is not None and on_link(self.address, link),
        )

    def _begin(self) -> None:
        if self.address is None:
            self._refusal = unheard(self.peering)
            return
        try:
            # Only to see whether it can be had: else every turn would tell of an attempt that is none.
            to_connect(self.peering, self.address).close()
        except OSError as error:
            self._refusal = refusal(self.peering, error)
            return
        self._refusal = ""
        self._started = True
        self._carry_out(self._session.start(self._reactor.now()))

    def _carry_out(self, actions: Iterable[Action]) -> None:
        """In the order asked for, also what is asked for meanwhile."""
        self._actions.extend(actions)
        if self._busy:
            return
        self._busy = True
        while self._actions:
            self._do(self._actions.popleft())
        self._busy = False
        self._arm()

    def _do(self, action: Action) -> None:
        match action:
            case Send(number, data):
                if self._streams[number].send(data):
                    self._sent(number)
            case Connect():
                self._connect()
            case GiveUp():
                self._give_up()
            case Close(number):
                self._streams.pop(number).close()
            case StateChanged():
                self._on_change(self.name, action)

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
        when = self._session.deadline()
        self._timer = None if when is None else self._reactor.at(when, self._expire)

    def _expire(self) -> None:
        # When this process stood still, its timers come before what was received meanwhile (epoll_wait(2), EINTR).
        for stream in list(self._streams.values()):
            stream.read()
        self._carry_out(self._session.expire(self._reactor.now()))

    def _connect(self) -> None:
        self._give_up()
        assert self.address
        try:
            remote = End(self.address, self.peering.port, scope_of(self.peering.interface))
            endpoint = to_connect(self.peering, self.address)
        except OSError as error:
            # Not the peer is at fault: no back-off, apply() begins anew.
            self._refusal = refusal(self.peering, error)
            self.stop(None)
        else:
            self._attempt = Attempt(self._reactor, endpoint, remote, partial(self._connected, endpoint))

    def _give_up(self) -> None:
        if self._attempt:
            self._attempt.give_up()
            self._attempt = None

    def _connected(self, endpoint: socket.socket, error: OSError | None) -> None:
        self._attempt = None
        try:
            if error:
                raise error
            found = ends(endpoint)
        except OSError as error:
            endpoint.close()
            self._carry_out(self._session.failed(self._reactor.now(), self._failure(error)))
        else:
            self._take(endpoint, *found, self._session.connected)

    def _failure(self, error: OSError) -> str:
        assert self.address
        near = any(on_link(self.address, link) for link in self._links)
        return failure(self.peering, self.address, near, error)

    def _take(self, endpoint: socket.socket, local: End, remote: End, tell: Tell) -> None:
        number, link = next(self._numbers), link_of(local, self._links)
        self._last = local.address, link
        hears = partial(self._receive, number), partial(self._sent, number), partial(self._ended, number)
        self._streams[number] = Stream(self._reactor, endpoint, *hears)
        self._carry_out(tell(number, path(local.address, remote.address, link), self._reactor.now()))

    def _receive(self, number: int, data: bytes) -> None:
        self._carry_out(self._session.receive(number, data, self._reactor.now()))

    def _sent(self, number: int) -> None:
        self._carry_out(self._session.sent(number, self._streams[number].pending, self._reactor.now()))

    def _ended(self, number: int, why: str) -> None:
        del self._streams[number]
        self._carry_out(self._session.closed(number, self._reactor.now(), why))


def _outlook(address: Address | None, links: Iterable[Link]) -> tuple[Link, ...]:
    return outlook(address, links) if address else ()
