"""A segment in one process under simulated time: real announcers and groups, frames that take a moment, BFD as far as
its outcome goes. What the loop of the reflex does between them is done here in the same order.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import ip_address
from itertools import count, permutations
from typing import Final

from mlbd.proto.neighbor.announcer import Action, Announcer, Contested, Send, StateChanged
from mlbd.proto.neighbor.frame import ETH_P_ARP
from mlbd.proto.neighbor.group import Group
from mlbd.proto.neighbor.link import Claim, Link
from mlbd.proto.neighbor.responder import respond_arp, respond_ndp
from mlbd.proto.neighbor.vip import State

ETH0: Final = 2
HOLD_DOWN: Final = 30.0
DETECTION: Final = 0.3
INTERVAL: Final = 0.1
_ETHERTYPE: Final = slice(12, 14)
_GROUP_BIT: Final = 1


class Node:
    """A host with one link, and mlbd on it."""

    def __init__(self, segment: Segment, name: str, mac: bytes) -> None:
        self.segment = segment
        self.name = name
        self.link = Link(ETH0, "eth0", mac)
        self.orders: dict[str, tuple[str, ...]] = {}
        self.running = self.plugged = False
        self.frozen_at: float | None = None
        self.drained = self.silent = False
        self.back_at = 0.0
        self.log: list[tuple[float, Action]] = []
        self._backlog: list[bytes] = []
        self._alarm = 0.0

    @property
    def speaks(self) -> bool:
        """Whether others hear of it by BFD."""
        return self.running and self.frozen_at is None and not self.drained and not self.silent

    @property
    def works(self) -> bool:
        return self.running and self.frozen_at is None

    def start(self, failures: int = 0) -> None:
        now = self.segment.now
        self.running, self.frozen_at, self.drained, self.silent = True, None, False, False
        self.back_at = now
        self._backlog.clear()
        self.log.clear()
        self.group = Group(self.name, failures, now)
        self.announcer = Announcer(self.name, self.group)
        self._starting = True
        self._group_due: float | None = None
        self._open()
        self.claim(self.orders)
        others = [node.name for node in self.segment.nodes.values() if node is not self]
        self.group.watch([(name, ETH0) for name in others], HOLD_DOWN, now)
        for node in self.segment.peers(self):
            self.group.learn(node.name, ETH0, node.link.mac)
        self._meet(())
        self._end_turn()

    def kill(self) -> None:
        self.running, self.frozen_at = False, None
        self.segment.forget(self)

    def freeze(self) -> None:
        self.frozen_at = self.segment.now
        self.segment.follow()

    def thaw(self) -> None:
        assert self.frozen_at is not None
        now, frozen_at, self.frozen_at = self.segment.now, self.frozen_at, None
        if now - frozen_at > DETECTION + self.segment.dice.uniform(0, INTERVAL):
            self.back_at = now
            self.group.frozen(now)
            self._perform(self.announcer.doubt(now))
        for peer in self.segment.parted(self):
            if peer.speaks and self.segment.hears(self, peer) and not self.segment.is_up(peer, self):
                self.unheard(peer.name)
            else:
                self.session(peer.name, False, planned=peer.drained or peer.silent)
        backlog, self._backlog = self._backlog, []
        for octets in backlog:
            self.hear(octets)
        self.claim(self.orders)
        self._end_turn()

    def plug(self) -> None:
        self._set_carrier(True)

    def unplug(self) -> None:
        self._set_carrier(False)

    def _set_carrier(self, plugged: bool) -> None:
        """The daemon notices and changes the links."""
        self.plugged = plugged
        self.back_at = self.segment.now
        if self.works:
            self._open()
        self._end_turn()

    def drain(self, drained: bool) -> None:
        now = self.segment.now
        self.drained = drained
        if drained:
            self._perform(self.announcer.drain(now))
            self._say_goodbye()
        else:
            self._come_back()
            self._perform(self.announcer.undrain(now))
        self._end_turn()

    def lose_lease(self, lost: bool) -> None:
        now = self.segment.now
        self.silent = lost
        if lost:
            self._perform(self.announcer.silence(now))
            self._say_goodbye()
        else:
            self.back_at = now
            self.group.frozen(now)
            self._come_back()
            self._perform(self.announcer.resume(now))
        self._end_turn()

    def claim(self, orders: dict[str, tuple[str, ...]]) -> None:
        self.orders = dict(orders)
        if self.works:
            claims = [Claim(ip_address(address), (ETH0,), order) for address, order in orders.items()]
            self._perform(self.announcer.claims(claims, (), self.segment.now))
            self.turn()

    def session(self, peer: str, up: bool, planned: bool = False) -> None:
        """What BFD says of another node."""
        self.segment.up[self.name, peer] = up
        self.group.see(peer, ETH0, up, planned, self.segment.now)
        self._meet([peer])
        self._end_turn()

    def unheard(self, peer: str) -> None:
        """BFD says that the other does not hear this one."""
        self.segment.up[self.name, peer] = False
        self.group.unheard(peer, ETH0, self.segment.now)
        self._meet([peer])
        self._end_turn()

    def hear(self, octets: bytes) -> None:
        if not self.running:
            return
        if self.frozen_at is not None:
            self._backlog.append(octets)
            return
        respond = respond_arp if int.from_bytes(octets[_ETHERTYPE]) == ETH_P_ARP else respond_ndp
        packet, answer = respond(octets, self.link, self.announcer.held)
        if isinstance(answer, bytes):
            self.segment.send(self, answer)
        if packet is not None:
            self._perform(self.announcer.receive(packet, self.link, self.segment.now))
        self.turn()

    def turn(self) -> None:
        if not self.works:
            return
        now = self.segment.now
        if self._group_due is not None and self._group_due <= now:
            self.group.expire(now)
            self._perform(self.announcer.review(now))
            self._group_due = self.group.deadline(now)
        while (due := self.announcer.deadline()) is not None and due <= now:
            self._perform(self.announcer.expire(now))
        times = [time for time in (self._group_due, self.announcer.deadline()) if time is not None]
        if times and (self._alarm <= now or min(times) < self._alarm):
            self._alarm = min(times)
            self.segment.at(self._alarm - now, self.turn)

    def _end_turn(self) -> None:
        self.segment.follow()
        self.turn()

    def answers(self, address: str) -> bool:
        return self.works and self.plugged and ip_address(address).packed in self.announcer.held

    def state(self, address: str) -> State:
        return self.announcer._vips[ip_address(address).packed, ETH0].state

    def states(self, address: str) -> list[State]:
        packed = ip_address(address).packed
        return [act.state for _, act in self.log if isinstance(act, StateChanged) and act.address == packed]

    def contested(self) -> list[Contested]:
        return [action for _, action in self.log if isinstance(action, Contested)]

    def _open(self) -> None:
        self._perform(self.announcer.links([self.link] if self.plugged else [], self.segment.now))
        self._meet(())

    def _say_goodbye(self) -> None:
        for peer in self.segment.peers(self):
            self.session(peer.name, False, planned=True)
        self.segment.say_goodbye(self)

    def _come_back(self) -> None:
        if not self.drained:
            self.group.begin(self.segment.now)
            self._meet(())

    def _meet(self, names: Iterable[str]) -> None:
        now, starting = self.segment.now, self._starting
        for name in names:
            self._perform(self.announcer.seen(name, now))
        self._starting = self.group.starting
        self._group_due = now if starting and not self._starting else self.group.deadline(now)

    def _perform(self, actions: Iterable[Action]) -> None:
        for action in actions:
            self.log.append((self.segment.now, action))
            if isinstance(action, Send):
                self.segment.send(self, action.frame)
            elif isinstance(action, StateChanged):
                self.segment.note(self, action)


class Segment:
    """`orders` are the lists of all nodes, by address. Everything random comes from `seed`."""

    def __init__(self, names: Iterable[str], orders: dict[str, tuple[str, ...]], seed: int = 0) -> None:
        self.now = 1000.0
        self.dice = random.Random(seed)
        self.up: dict[tuple[str, str], bool] = {}
        self.cuts: set[tuple[str, str]] = set()
        self.watchers: list[Callable[[Node, StateChanged], None]] = []
        self.after: Callable[[], None] = lambda: None
        self._queue: list[tuple[float, int, Callable[[], object]]] = []
        self._serial = count()
        self._silent_since: dict[tuple[str, str], float] = {}
        self._rising: set[tuple[str, str]] = set()
        self.nodes = {name: Node(self, name, bytes([2, 0, 0, 0, 0, i])) for i, name in enumerate(names, 1)}
        for node in self.nodes.values():
            node.orders, node.plugged = dict(orders), True

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def peers(self, node: Node) -> list[Node]:
        return [other for other in self.nodes.values() if other is not node]

    def reaches(self, sender: Node, receiver: Node) -> bool:
        return sender.plugged and receiver.plugged and (sender.name, receiver.name) not in self.cuts

    def send(self, sender: Node, octets: bytes) -> None:
        for receiver in self.peers(sender):
            if self.reaches(sender, receiver) and (octets[0] & _GROUP_BIT or octets[:6] == receiver.link.mac):
                self.at(self.dice.uniform(0.0001, 0.002), partial(receiver.hear, octets))

    def at(self, delay: float, call: Callable[[], object]) -> None:
        heapq.heappush(self._queue, (self.now + delay, next(self._serial), call))

    def note(self, node: Node, change: StateChanged) -> None:
        for watcher in self.watchers:
            watcher(node, change)

    def cut(self, sender: str, receiver: str) -> None:
        self.cuts.add((sender, receiver))
        self.follow()

    def heal(self) -> None:
        self.cuts.clear()
        self.follow()

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._queue and self._queue[0][0] <= end:
            self.now, _, call = heapq.heappop(self._queue)
            call()
            self.after()
        self.now = end
        self.after()

    def hears(self, listener: Node, speaker: Node) -> bool:
        return listener.running and speaker.speaks and self.reaches(speaker, listener)

    def is_up(self, end: Node, peer: Node) -> bool:
        return self.up.get((end.name, peer.name), False)

    def parted(self, node: Node) -> list[Node]:
        """Those that a node finds lost when it wakes up."""
        return [
            peer
            for peer in self.peers(node)
            if self.is_up(node, peer) and (not self.is_up(peer, node) or not self.hears(node, peer))
        ]

    def forget(self, node: Node) -> None:
        for peer in self.peers(node):
            self.up[node.name, peer.name] = False
        self.follow()

    def say_goodbye(self, node: Node) -> None:
        for peer in self.peers(node):
            if self.reaches(node, peer):
                self.at(0.001, partial(self._hear_goodbye, peer, node))

    def _hear_goodbye(self, listener: Node, speaker: Node) -> None:
        if listener.works:
            listener.session(speaker.name, False, planned=True)

    def follow(self) -> None:
        """What BFD will find out: a Detection Time after silence, at once from the other end, and a second at most
        until a session is up again."""
        for one, other in permutations(self.nodes.values(), 2):
            ends = one.name, other.name
            if self.hears(one, other):
                self._silent_since.pop(ends, None)
            elif ends not in self._silent_since:
                since = self._silent_since[ends] = self.now
                delay = DETECTION - self.dice.uniform(0, INTERVAL)
                self.at(delay, partial(self._detect, one, other, since))
        for one, other in permutations(self.nodes.values(), 2):
            if (one.name, other.name) not in self._rising and self._talk(one, other):
                if self.is_up(one, other) and not self.is_up(other, one):
                    self.at(self.dice.uniform(0.001, 0.1), partial(self._part, one, other))
                elif one.name < other.name and not self.is_up(one, other) and not self.is_up(other, one):
                    self._rising |= {(one.name, other.name), (other.name, one.name)}
                    self.at(self.dice.uniform(0.01, 1.0), partial(self._rise, one, other))

    def _talk(self, one: Node, other: Node) -> bool:
        return one.works and other.works and self.hears(one, other) and self.hears(other, one)

    def _detect(self, one: Node, other: Node, since: float) -> None:
        ends = one.name, other.name
        if self._silent_since.get(ends) == since and one.works and self.is_up(one, other):
            one.session(other.name, False)
            if self.hears(other, one):
                self.at(0.001, partial(self._complain, one, other))
        elif one.works and not one.group.hears(other.name, ETH0) and self._silent_since.get(ends) == since:
            one.session(other.name, False)

    def _complain(self, deaf: Node, other: Node) -> None:
        """The one says that it does not hear the other."""
        if other.works and self.is_up(other, deaf) and not self.is_up(deaf, other):
            other.unheard(deaf.name)

    def _part(self, one: Node, other: Node) -> None:
        """The other end has said that it is down."""
        if self.is_up(one, other) and not self.is_up(other, one) and one.works:
            one.session(other.name, False)

    def _rise(self, one: Node, other: Node) -> None:
        if self.dice.random() < 0.5:
            one, other = other, one
        if self._talk(one, other) and not self.is_up(one, other) and not self.is_up(other, one):
            one.session(other.name, True)
            self.at(self.dice.uniform(0.00001, 0.0001), partial(self._risen, one, other))
        else:
            self._rising -= {(one.name, other.name), (other.name, one.name)}
            self.follow()

    def _risen(self, one: Node, other: Node) -> None:
        self._rising -= {(one.name, other.name), (other.name, one.name)}
        if self._talk(one, other) and self.is_up(one, other):
            other.session(one.name, True)
        elif self.is_up(one, other) and one.works:
            one.session(other.name, False)
        self.follow()
