"""One announcer under a clock that the test moves: what it sends, and when, and what it makes of strangers."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import pairwise

import pytest

from mlbd.proto.neighbor import arp, ndp
from mlbd.proto.neighbor.announcer import BATCH, Action, Announcer, Contested, Send, StateChanged
from mlbd.proto.neighbor.group import Group
from mlbd.proto.neighbor.link import Claim, Link
from mlbd.proto.neighbor.ndp import Advertisement, Solicitation
from mlbd.proto.neighbor.responder import Packet
from mlbd.proto.neighbor.vip import State

OURS, THEIRS = bytes.fromhex("020000000001"), bytes.fromhex("020000000099")
ETH0, ETH1 = Link(2, "eth0", OURS), Link(3, "eth1", bytes.fromhex("020000000003"))
VIP, VIP6 = ip_address("192.0.2.10"), ip_address("2001:db8::10")


class Clocked:
    """An announcer that watches no other nodes, and its time."""

    def __init__(self, *claims: Claim, links: tuple[Link, ...] = (ETH0,)) -> None:
        self.now = 1000.0
        self.group = Group("node-1", 0, self.now)
        self.group.watch((), 0.0, self.now)
        self.machine = Announcer("node-1", self.group)
        self.log: list[tuple[float, Action]] = []
        self.note(self.machine.links(links, self.now))
        self.note(self.machine.claims(claims, (), self.now))

    def note(self, actions: list[Action]) -> None:
        self.log += [(self.now, action) for action in actions]

    def until(self, end: float) -> None:
        while (deadline := self.machine.deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.note(self.machine.expire(self.now))
        self.now = end

    def receive(self, packet: Packet, link: Link = ETH0) -> None:
        self.note(self.machine.receive(packet, link, self.now))

    def states(self) -> list[State]:
        return [action.state for _, action in self.log if isinstance(action, StateChanged)]

    def sent(self, announces: bool = True) -> list[tuple[float, Send]]:
        return [(at, act) for at, act in self.log if isinstance(act, Send) and act.announces is announces]

    def rounds(self) -> list[float]:
        """When something was announced, in seconds since the start."""
        return sorted({round(at - 1000, 3) for at, _ in self.sent()})

    def contested(self) -> list[Contested]:
        return [action for _, action in self.log if isinstance(action, Contested)]


def holding(*claims: Claim, links: tuple[Link, ...] = (ETH0,)) -> Clocked:
    """Probed, took and announced what it claims; 1006 s is a moment without anything due."""
    it = Clocked(*claims, links=links)
    it.until(1006)
    assert {each.address.packed for each in claims} == set(it.machine.held)
    it.log.clear()
    return it


def claim(address: object = VIP, *, links: tuple[int, ...] = (2,), first: str = "node-1") -> Claim:
    return Claim(ip_address(str(address)), links, (first, "node-9"))


def arp_claim(mac: bytes = THEIRS) -> Packet:
    packet = arp.decode(arp.encode(OURS, arp.REPLY, mac, VIP.packed, OURS, bytes(4)))
    assert isinstance(packet, arp.ArpPacket)
    return packet


def arp_probe(mac: bytes = THEIRS) -> Packet:
    packet = arp.decode(arp.probe(mac, VIP.packed))
    assert isinstance(packet, arp.ArpPacket)
    return packet


def advertisement(mac: bytes = THEIRS, flags: int = ndp.OVERRIDE) -> Packet:
    return Advertisement(OURS, mac, VIP6.packed, ndp.ALL_NODES, VIP6.packed, flags, mac)


@pytest.mark.parametrize(
    ("address", "probe"), [(VIP, arp.probe(OURS, VIP.packed)), (VIP6, ndp.probe(OURS, VIP6.packed))]
)
def test_an_unknown_address_is_probed_three_times_within_100_ms(address: object, probe: bytes) -> None:
    it = Clocked(claim(address))
    it.until(1000.0999)
    assert it.states() == [State.PROBING]
    assert [send.frame for _, send in it.sent(announces=False)] == [probe] * 3
    assert [round(at - 1000, 3) for at, _ in it.sent(announces=False)] == [0, 0.033, 0.067]
    assert not it.machine.held
    it.until(1000.1001)
    assert it.states() == [State.PROBING, State.HOLDING]
    assert it.rounds() == [0.1]


def test_a_take_over_announces_at_once_five_times_and_holds() -> None:
    it = Clocked(claim())
    it.until(1006)
    assert [round(at - 1000, 3) for at, _ in it.sent()] == [0.1, 0.1, 1.2, 1.2, 2.3, 2.3, 3.4, 3.4, 4.5, 4.5]
    assert [send.frame for _, send in it.sent()[:2]] == list(arp.announcements(OURS, VIP.packed))
    assert it.machine.held == {VIP.packed: frozenset([2])}


def test_held_addresses_are_announced_every_thirty_seconds() -> None:
    it = holding(claim(VIP6))
    it.until(1000 + 300)
    assert len(it.rounds()) in (9, 10)
    assert {round(later - sooner, 3) for sooner, later in pairwise(it.rounds())} == {30.0}
    assert it.sent()[-1][1].frame == ndp.announcement(OURS, VIP6.packed)


def test_refreshes_of_a_thousand_are_spread() -> None:
    it = Clocked(*(claim(VIP + i) for i in range(1000)))
    it.until(1040)
    seconds = [int(at) for at, _ in it.sent() if 1010 <= at < 1040]
    assert len(seconds) == 2000
    assert max(seconds.count(second) for second in set(seconds)) < 2 * 2000 / 30


def test_a_take_over_of_a_thousand_goes_in_batches() -> None:
    it = holding(*(claim(VIP + i) for i in range(1000)))
    it.note(it.machine.links([Link(2, "eth0", ETH1.mac)], it.now))
    actions = it.machine.expire(it.now)
    assert len(actions) == 2 * BATCH
    deadline = it.machine.deadline()
    assert deadline is not None
    assert deadline <= it.now


@pytest.mark.parametrize(
    ("address", "packet"),
    [
        (VIP, arp_claim()),
        (VIP, arp_probe()),
        (VIP6, advertisement()),
        (VIP6, advertisement(flags=0)),
        (VIP6, Solicitation(OURS, THEIRS, bytes(16), ndp.solicited_node(VIP6.packed), VIP6.packed, None)),
    ],
    ids=["ARP reply", "ARP probe at the same time", "NA", "NA of a proxy", "DAD at the same time"],
)
def test_an_answered_probe_is_a_conflict(address: object, packet: Packet) -> None:
    it = Clocked(claim(address))
    it.until(1000.05)
    it.receive(packet)
    it.until(1009)
    assert it.log[-1][1] == StateChanged(ip_address(str(address)).packed, 2, State.CONFLICT, mac=THEIRS)
    assert not it.machine.held
    assert not it.sent()


def test_after_a_conflict_the_address_is_probed_again_and_taken_when_free() -> None:
    it = Clocked(claim())
    it.until(1000.06)
    it.receive(arp_claim())
    it.until(1010.05)
    assert len(it.sent(announces=False)) == 2
    it.until(1010.2)
    assert len(it.sent(announces=False)) == 5
    assert it.states() == [State.PROBING, State.CONFLICT, State.HOLDING]


def test_after_ten_conflicts_probes_are_a_minute_apart() -> None:
    it = Clocked(claim())
    waits = []
    for _ in range(12):
        it.receive(arp_claim())
        deadline = it.machine.deadline()
        assert deadline is not None
        waits.append(round(deadline - it.now))
        it.until(deadline)
    assert waits == [10] * 10 + [60] * 2


def test_claims_while_waiting_to_retry_do_not_put_the_retry_off() -> None:
    it = Clocked(claim())
    it.receive(arp_claim())
    deadline = it.machine.deadline()
    it.now += 5
    it.receive(arp_claim())
    assert it.machine.deadline() == deadline


@pytest.mark.parametrize(("address", "packet"), [(VIP, arp_claim()), (VIP6, advertisement())])
def test_a_held_address_is_defended_once_in_ten_seconds(address: object, packet: Packet) -> None:
    it = holding(claim(address))
    for second in (6, 7, 15, 17, 26.9, 27.1):
        it.now = 1000.0 + second
        it.receive(packet)
    assert it.rounds() == [6, 17, 27.1]
    assert it.contested() == [Contested(ip_address(str(address)).packed, 2, THEIRS)] * 3
    assert len(it.sent()) == 3 * (2 if address == VIP else 1)
    assert not it.states()


@pytest.mark.parametrize(
    ("address", "packet"),
    [
        (VIP, arp_probe()),
        (VIP, arp_claim(OURS)),
        (VIP, arp_claim(ETH1.mac)),
        (VIP6, advertisement(flags=ndp.SOLICITED)),
        (VIP6, Solicitation(OURS, THEIRS, VIP6.packed, VIP6.packed, VIP6.packed, None)),
    ],
    ids=["probe", "own frame", "own other link on the same segment", "NA of a proxy", "question"],
)
def test_what_is_no_claim_against_a_holder(address: object, packet: Packet) -> None:
    it = holding(claim(address), links=(ETH0, ETH1))
    it.receive(packet)
    assert not it.log


def test_while_a_node_before_it_is_alive_it_stands_by_in_silence() -> None:
    it = Clocked(claim(first="node-2"))
    it.until(1050)
    assert not it.log
    assert it.machine.deadline() is None
    assert not it.machine.active(2)


def test_an_address_that_others_are_to_hold_is_left_after_they_had_time_to_take_it() -> None:
    it = holding(claim())
    it.note(it.machine.claims([Claim(VIP, (2,), ("node-2", "node-9"))], (), it.now))
    assert it.machine.held, "answers until the other one does"
    it.until(1006 + 3.1)
    assert not it.machine.held
    it.until(1100)
    assert not it.rounds()
    assert it.states() == [State.LEAVING, State.STANDBY]


def test_a_dropped_address_is_neither_answered_nor_announced_nor_admitted() -> None:
    it = Clocked(claim())
    it.note(it.machine.claims([], [VIP.packed], it.now))
    it.until(1100)
    assert not it.sent()
    assert not it.machine.held
    assert not it.machine.active(2)


def test_a_claim_repeated_changes_nothing() -> None:
    it = holding(claim())
    it.note(it.machine.claims([claim()], (), it.now))
    it.note(it.machine.links([ETH0], it.now))
    it.until(1006.5)
    assert not it.log


def test_a_burst_for_a_mac_that_neighbours_do_not_know() -> None:
    it = holding(claim())
    it.note(it.machine.links([Link(2, "eth0", ETH1.mac)], it.now))
    it.until(1011)
    assert len(it.rounds()) >= 5
    assert {send.frame[6:12] for _, send in it.sent()} == {ETH1.mac}
    assert not it.states()


@pytest.mark.parametrize("later", ["link", "claim"])
def test_one_more_link_is_a_network_of_its_own(later: str) -> None:
    """It is probed, announced and answered there; the first one notices nothing."""
    it = holding(claim(links=(2, 3) if later == "link" else (2,)), links=(ETH0,) if later == "link" else (ETH0, ETH1))
    if later == "link":
        it.note(it.machine.links([ETH0, ETH1], it.now))
    else:
        it.note(it.machine.claims([claim(links=(2, 3))], (), it.now))
    it.until(1007)
    assert {send.link for _, send in it.sent(announces=False)} == {3}
    assert {(send.link, send.frame[6:12]) for _, send in it.sent()} == {(3, ETH1.mac)}
    assert it.machine.held[VIP.packed] == {2, 3}
    assert it.machine.active(2) == it.machine.active(3) == {VIP.packed}


def test_one_link_less_is_no_longer_answered_there() -> None:
    it = holding(claim(links=(2, 3)), links=(ETH0, ETH1))
    it.note(it.machine.claims([claim(links=(3,))], (), it.now))
    assert it.machine.held == {VIP.packed: frozenset([3])}
    assert not it.machine.active(2)


def test_without_a_link_it_is_silent_until_there_is_one() -> None:
    it = Clocked(claim(), links=())
    it.until(1005)
    it.note(it.machine.links([ETH0], it.now))
    it.until(1006)
    assert it.states() == [State.SILENT, State.PROBING, State.HOLDING]
    assert it.sent()
    it.note(it.machine.links([], it.now))
    assert it.states()[-1] is State.SILENT
    assert not it.machine.held


def test_silence_and_resume() -> None:
    it = holding(claim(), claim(VIP6))
    it.note(it.machine.silence(it.now))
    assert not it.machine.held
    it.until(1100)
    assert not it.sent()
    it.note(it.machine.resume(it.now))
    assert not it.machine.held, "others may have taken them meanwhile"
    it.until(1106)
    assert set(it.machine.held) == {VIP.packed, VIP6.packed}
    assert it.states() == [State.SILENT] * 2 + [State.PROBING] * 2 + [State.HOLDING] * 2


def test_claims_while_silent_wait() -> None:
    it = Clocked()
    it.note(it.machine.silence(it.now))
    it.note(it.machine.claims([claim()], (), it.now))
    it.until(1010)
    assert it.states() == [State.SILENT]
    assert not it.sent()


def test_one_that_waits_asks_again_when_the_group_changes_and_nobody_reminds_it() -> None:
    """The other may have yielded to somebody who yielded to it."""
    it = Clocked()
    it.group.watch([("node-9", 2)], 30.0, it.now)
    it.group.learn("node-9", 2, THEIRS)
    it.until(1001)
    it.group.expire(it.now)
    it.note(it.machine.claims([claim()], (), it.now))
    it.receive(arp_claim())
    assert it.states() == [State.PROBING, State.WAITING]
    it.group.see("node-9", 2, up=True, planned=False, now=it.now)
    it.note(it.machine.seen("node-9", it.now))
    it.until(1001.9)
    assert it.states() == [State.PROBING, State.WAITING]
    it.until(1002.2)
    assert it.states() == [State.PROBING, State.WAITING, State.PROBING, State.HOLDING]


class Watched(Clocked):
    """Sees node-9, whose MAC is THEIRS, and node-8; all have been there for long."""

    def __init__(self, *order: str) -> None:
        super().__init__()
        self.group.watch([("node-9", 2), ("node-8", 2)], 30.0, self.now)
        self.group.learn("node-9", 2, THEIRS)
        self.see("node-9", "node-8")
        self.until(1100)
        self.claim(*order)
        self.log.clear()

    def see(self, *nodes: str, up: bool = True, planned: bool = False) -> None:
        for node in nodes:
            self.group.see(node, 2, up, planned, self.now)
            self.note(self.machine.seen(node, self.now))

    def claim(self, *order: str) -> None:
        self.note(self.machine.claims([Claim(VIP, (2,), order)], (), self.now))

    def hold(self) -> None:
        self.until(self.now + 6)
        assert self.machine.held
        self.log.clear()


@pytest.mark.parametrize(
    ("order", "state"), [(("node-1", "node-9"), State.HOLDING), (("node-9", "node-1"), State.WAITING)]
)
def test_of_two_who_ask_the_first_in_the_list_goes_on(order: tuple[str, ...], state: State) -> None:
    it = Watched(*order)
    it.see("node-9", up=False)
    it.note(it.machine.silence(it.now))
    it.note(it.machine.resume(it.now))
    assert it.states()[-1] is State.PROBING
    it.receive(arp_probe())
    it.until(it.now + 0.2)
    assert it.states()[-1] is state


def test_the_second_frame_of_an_announcement_is_no_further_claim() -> None:
    it = Watched("node-1", "node-9")
    it.hold()
    for octets in arp.announcements(THEIRS, VIP.packed):
        packet = arp.decode(octets)
        assert isinstance(packet, arp.ArpPacket)
        it.receive(packet)
    assert it.contested() == [Contested(VIP.packed, 2, THEIRS, "node-9")]
    it.receive(arp_claim())
    it.receive(arp_claim())
    it.receive(arp_claim())
    assert it.states() == [], "that makes four, and node-9 is the greater name"


def test_a_node_before_this_one_is_yielded_to_at_once() -> None:
    it = Watched("node-1", "node-9")
    it.hold()
    it.claim("node-9", "node-1")
    assert it.machine.held, "until it is heard"
    it.receive(arp_claim())
    assert it.states() == [State.STANDBY]
    assert not it.contested()


def test_one_that_failed_and_is_just_back_is_told_once_and_yielded_to_when_it_insists() -> None:
    it = Watched("node-9", "node-1")
    it.see("node-9", up=False)
    it.hold()
    it.see("node-9")
    it.receive(arp_claim())
    assert it.contested() == [Contested(VIP.packed, 2, THEIRS, "node-9")]
    assert not it.states()
    it.until(it.now + 1)
    it.receive(arp_claim())
    assert it.states() == [State.STANDBY]


def test_one_that_is_not_settled_itself_insists_on_nothing() -> None:
    it = Watched("node-9", "node-1")
    it.note(it.machine.links([], it.now))
    it.see("node-9", up=False)
    it.note(it.machine.links([ETH0], it.now))
    it.until(it.now + 1)
    it.group.expire(it.now)
    it.note(it.machine.review(it.now))
    it.hold()
    it.see("node-9")
    it.receive(arp_claim())
    assert it.states() == [State.STANDBY]


def test_the_answers_of_one_that_is_drained_are_no_claim_to_yield_to() -> None:
    it = Watched("node-9", "node-1")
    it.see("node-9", up=False, planned=True)
    it.hold()
    it.receive(arp_claim())
    assert not it.states()


def test_a_new_list_claims_what_was_conceded_under_the_old_one() -> None:
    it = Watched("node-1")
    it.hold()
    it.see("node-9", up=False)
    for _ in range(4):
        it.receive(arp_claim())
        it.until(it.now + 1)
    assert it.states()[0] is State.WAITING
    assert State.HOLDING not in it.states()
    it.claim("node-1", "node-8")
    assert it.machine.held


def test_after_an_undrain_it_asks_what_others_hold() -> None:
    it = Watched("node-1", "node-9")
    it.hold()
    it.note(it.machine.drain(it.now))
    it.receive(arp_claim())
    it.log.clear()
    it.note(it.machine.undrain(it.now))
    assert it.states() == [State.PROBING]


@pytest.mark.parametrize(("order", "states"), [(("node-1",), []), (("node-1", "node-9"), [State.PROBING])])
def test_a_doubt_is_only_about_what_another_may_hold(order: tuple[str, ...], states: list[State]) -> None:
    it = Watched(*order)
    it.hold()
    it.note(it.machine.doubt(it.now))
    assert it.states() == states


def test_in_doubt_one_that_goes_on_for_a_node_before_it_stands_by_at_once() -> None:
    it = Watched("node-9", "node-1")
    it.see("node-9", up=False)
    it.hold()
    it.see("node-9")
    it.note(it.machine.doubt(it.now))
    assert it.states() == [State.STANDBY]


def test_timers_do_not_pile_up() -> None:
    it = Clocked(claim())
    for _ in range(10_000):
        it.receive(arp_claim())
        it.note(it.machine.claims([claim()], (), it.now))
    assert len(it.machine._timers) < 10


def test_one_that_does_not_hear_this_node_is_yielded_to_whatever_its_place() -> None:
    it = Watched("node-1", "node-9")
    it.hold()
    it.group.unheard("node-9", 2, it.now)
    it.receive(arp_claim())
    assert it.states() == [State.WAITING]
    it.until(it.now + 0.5)
    assert it.states() == [State.WAITING]


def test_a_defence_against_one_of_ours_does_not_mute_the_one_against_a_stranger() -> None:
    it = Watched("node-1", "node-9")
    it.hold()
    it.receive(arp_claim())
    it.receive(arp_claim(bytes.fromhex("0200000000ff")))
    assert [action.node for _, action in it.log if isinstance(action, Contested)] == ["node-9", None]
