"""Whatever happens in whatever order: in the end each address has one holder, and no node that is well lets it wait."""

from __future__ import annotations

import math
from ipaddress import ip_address

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from mlbd.proto.neighbor.announcer import StateChanged
from mlbd.proto.neighbor.vip import PROBE_WAIT, TRUST, State
from tests.proto.neighbor.segment import DETECTION, HOLD_DOWN, Node, Segment

VIP, VIP6 = "192.0.2.10", "2001:db8::10"
NAMES = "abcd"
GAP = DETECTION + PROBE_WAIT + 0.1
"""Seconds in which a single fault of a settled group is over."""
HEARD = 0.1
"""Seconds in which an announcement is heard and followed, with room to spare."""
LONGEST_HOLD_DOWN = HOLD_DOWN * 16

nodes = st.sampled_from(NAMES)
orders = st.permutations(NAMES).map(tuple)
moments = st.sampled_from([0.01, 0.3, 1.0, 5.0, 40.0])


class Faults(RuleBasedStateMachine):
    segment: Segment

    @initialize(vip=orders, vip6=orders, seed=st.integers(0, 2**16), members=st.integers(2, 4))
    def start_all(self, vip: tuple[str, ...], vip6: tuple[str, ...], seed: int, members: int) -> None:
        names = NAMES[:members]
        lists = {VIP: tuple(n for n in vip if n in names), VIP6: tuple(n for n in vip6 if n in names)}
        self.segment = Segment(names, lists, seed)
        self.segment.watchers.append(self.note)
        self.last_cut = 0.0
        self.moved: dict[tuple[str, bytes], float] = {}
        self.shared: dict[str, float] = {}
        for node in self.segment.nodes.values():
            self.segment.at(self.segment.dice.uniform(0, 0.3), node.start)
        self.segment.run(60)

    def node(self, name: str) -> Node:
        names = list(self.segment.nodes)
        return self.segment[names[NAMES.index(name) % len(names)]]

    def note(self, node: Node, change: StateChanged) -> None:
        """A node that came back takes nothing from a holder that it sees, before its hold-down. Where two held it a
        moment ago it cannot know that one of them goes on."""
        now, address = self.segment.now, change.address
        states = node.states(str(ip_address(address)))
        if State.HOLDING in states[-2:]:
            self.moved[node.name, address] = now
        if states[-2:] != [State.WAITING, State.HOLDING] or now - node.back_at >= HOLD_DOWN - 0.01:
            return
        peers = self.segment.peers(node)
        moved = max(self.moved.get((peer.name, address), -math.inf) for peer in peers)
        if now - moved < 1 or now - self.last_cut < LONGEST_HOLD_DOWN:
            return
        for peer in peers:
            if peer.speaks and self.segment.is_up(node, peer) and self.segment.is_up(peer, node):
                assert peer.state(str(ip_address(address))) is not State.HOLDING

    @rule(name=nodes, seconds=moments)
    def kill(self, name: str, seconds: float) -> None:
        if self.node(name).running:
            self.node(name).kill()
        self.segment.run(seconds)

    @rule(name=nodes, seconds=moments, failures=st.integers(0, 1))
    def start(self, name: str, seconds: float, failures: int) -> None:
        if not self.node(name).running:
            self.node(name).start(failures)
        self.segment.run(seconds)

    @rule(name=nodes, frozen=st.sampled_from([0.2, 0.6, 5.0]), seconds=moments)
    def freeze(self, name: str, frozen: float, seconds: float) -> None:
        if (node := self.node(name)).works:
            node.freeze()
            self.segment.run(frozen)
            node.thaw()
        self.segment.run(seconds)

    @rule(name=nodes, off=st.sampled_from([1.0, 5.0, 40.0]), seconds=moments)
    def pull_cable(self, name: str, off: float, seconds: float) -> None:
        self.node(name).unplug()
        self.segment.run(off)
        self.node(name).plug()
        self.segment.run(seconds)

    @rule(one=nodes, other=nodes, both=st.booleans(), seconds=moments)
    def cut(self, one: str, other: str, both: bool, seconds: float) -> None:
        sender, receiver = self.node(one).name, self.node(other).name
        if sender != receiver:
            self.segment.cut(sender, receiver)
            if both:
                self.segment.cut(receiver, sender)
        self.last_cut = self.segment.now
        self.segment.run(seconds)

    @precondition(lambda self: self.segment.cuts)
    @rule(seconds=moments)
    def heal(self, seconds: float) -> None:
        self.segment.heal()
        self.last_cut = self.segment.now
        self.segment.run(seconds)

    @rule(name=nodes, seconds=moments)
    def drain_or_undrain(self, name: str, seconds: float) -> None:
        if (node := self.node(name)).works:
            node.drain(not node.drained)
        self.segment.run(seconds)

    @rule(name=nodes, seconds=moments)
    def lose_the_daemon_for_a_while(self, name: str, seconds: float) -> None:
        node = self.node(name)
        if node.works and not node.drained:
            node.lose_lease(True)
            self.segment.run(seconds)
            node.lose_lease(False)
        self.segment.run(seconds)

    @rule(vip=orders, vip6=orders, seconds=moments, only=st.none() | nodes)
    def give_other_lists(self, vip: tuple[str, ...], vip6: tuple[str, ...], seconds: float, only: str | None) -> None:
        """To one node alone, or to all."""
        names = self.segment.nodes.keys()
        lists = {VIP: tuple(n for n in vip if n in names), VIP6: tuple(n for n in vip6 if n in names)}
        for node in [self.node(only)] if only else self.segment.nodes.values():
            node.claim(lists)
        self.segment.run(seconds)

    def teardown(self) -> None:
        """All are well again: soon each address has one holder, and from then on never none and never two for long."""
        if not hasattr(self, "segment"):
            return
        self.segment.heal()
        lists = self.segment["a"].orders
        for node in self.segment.nodes.values():
            node.claim(lists)
            if not node.running:
                node.start()
            elif node.drained:
                node.drain(False)
        self.segment.run(TRUST + 15)
        self.segment.after = self.one_answers
        self.segment.run(LONGEST_HOLD_DOWN + 600 + 2 * TRUST)
        self.segment.after = lambda: None
        assert {address: self.holders(address) for address in (VIP, VIP6)} == {
            address: [order[0]] for address, order in lists.items()
        }
        self.lose_one(lists[VIP][0])

    def lose_one(self, name: str) -> None:
        """A settled group gets over it in no time, and what the others hold stays where it is."""
        others = [address for address in (VIP, VIP6) if self.holders(address) != [name]]
        before = {address: self.holders(address) for address in others}
        self.segment[name].kill()
        self.segment.run(GAP)
        assert len(self.holders(VIP)) == 1
        assert {address: self.holders(address) for address in others} == before

    def one_answers(self) -> None:
        """Or two while one hears of the other: a move is make before break."""
        for address in (VIP, VIP6):
            holders = self.holders(address)
            assert holders
            if len(holders) == 1:
                self.shared.pop(address, None)
            else:
                assert self.segment.now - self.shared.setdefault(address, self.segment.now) < HEARD

    def holders(self, address: str) -> list[str]:
        return [node.name for node in self.segment.nodes.values() if node.answers(address)]


TestFaults = Faults.TestCase
TestFaults.settings = settings(
    max_examples=150,
    derandomize=True,
    stateful_step_count=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
