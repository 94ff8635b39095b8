"""`make demo`: who answers for what, what a client notices when a node dies, comes back, and is drained; and the same
behind a router."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator

from tests.bench.contest import Contest
from tests.lab import Lab, LabError, wait_for
from tests.node import Node
from tests.traffic import Answers

from . import uplink
from .crowd import Crowd, crowd
from .screen import Promise, draw_answers, draw_moves, draw_shares, judge, mlbctl, say
from .site import HOLD_DOWN, PROJECT, STATE, Answer, Site, build, serve

#: Seconds. Three lost packets of BFD are 0.3 s; a busy machine is given some more.
DARK = 1.0
#: Seconds in which a crowd meets all that there is to meet.
QUIET = 0.3


def main() -> int:
    if os.geteuid() != 0:
        sys.exit("cannot build the network of the demo: network namespaces need root")
    try:
        with Lab() as lab:
            return demo(lab)
    except KeyboardInterrupt:
        print("\nInterrupted; everything is cleaned up.")
        return 130
    except (AssertionError, LabError) as error:
        print(f"The demo failed; everything is cleaned up: {error}")
        return 1


def demo(lab: Lab) -> int:
    say("Three nodes and a client on one switch, each a network namespace.")
    site = build(lab)
    say(f"A real mlbd and a web server on every node; the state is {STATE.relative_to(PROJECT)}/*.yaml.\n")
    site.start()
    promises = [*spread(site)]
    contest = Contest(site.client, site.nodes, site.addresses(), phase=0)
    first, second, third = site.nodes
    promises += power_off(contest, third, watcher=first)
    promises += power_on(contest, third)
    promises += drain(contest, second)
    promises += share(site)
    promises += lose(site, first, watcher=third)
    promises += leave(site, second)
    say("What was promised:\n")
    return 0 if judge(promises) else 1


def spread(site: Site) -> Iterator[Promise]:
    healthy = [mlbctl(site.nodes[0], what) for what in ("status", "services")]
    say("The client fetches every address:\n")
    answers = [site.fetch(address) for address in site.addresses()]
    draw_answers(answers)
    yield Promise("mlbctl finds nothing wrong.", all(healthy))
    yield Promise("Each family's three addresses stand on three nodes.", is_spread(site, answers))


def is_spread(site: Site, answers: Collection[Answer]) -> bool:
    names = {node.host.name for node in site.nodes}
    families = ({answer.node for answer in answers if sign in answer.address} for sign in (".", ":"))
    return all(family == names for family in families) and all(site.expected_mac(a) == a.mac for a in answers)


def power_off(contest: Contest, node: Node, watcher: Node) -> Iterator[Promise]:
    name, theirs = node.host.name, contest.of(node.host)
    say("From now on the client sends one datagram a millisecond to every address.")
    say(f"{name} loses its power:\n")
    report = contest.observe(node.host.power_off, lambda: contest.has_left(node.host))
    draw_moves(report)
    mlbctl(watcher, "nodes")
    dark = max(report[address].longest_gap for address in theirs)
    told = f"dark for {dark * 1000:.0f} ms; promised: below {DARK:.0f} s"
    yield Promise(f"{name} died: its addresses {told}.", dark < DARK)
    others = lost(answers for address, answers in report.items() if address not in theirs)
    yield Promise(f"The addresses of other nodes meanwhile: {others} datagrams lost.", not others)


def power_on(contest: Contest, node: Node) -> Iterator[Promise]:
    name = node.host.name
    say(f"{name} is switched on. It takes back what it held when it has been up for its")
    say(f"hold-down: {HOLD_DOWN} s in this demo, 30 s by default.\n")

    def switch_on() -> None:
        node.host.power_on()
        serve(node.host)
        node.start()

    yield from unnoticed(f"{name} came back", contest.observe(switch_on, contest.is_home))


def drain(contest: Contest, node: Node) -> Iterator[Promise]:
    name = node.host.name
    say(f"Work is to be done on {name}. What would move?\n")
    mlbctl(node, "drain", "--simulate")
    order = ("drain", "--reason", "new kernel")
    report = contest.observe(lambda: mlbctl(node, *order), lambda: contest.has_left(node.host))
    yield from unnoticed(f"{name} was drained", report)
    report = contest.observe(lambda: mlbctl(node, "undrain"), contest.is_home)
    yield from unnoticed(f"{name} was undrained", report)


def share(site: Site) -> Iterator[Promise]:
    say("There is a router too, with FRR, and a client on its other side. The nodes are")
    say(f"told of it: {uplink.EXAMPLE.relative_to(PROJECT)} without its '#', and a Service with one address")
    say("of that pool, which they all announce over BGP.\n")
    site.introduce()
    well = mlbctl(site.nodes[0], "peers")
    found = meet(site)
    names = {node.host.name for node in site.nodes}
    yield Promise("BGP: every node answers a share of the datagrams.", well and found.by.keys() == names)


def lose(site: Site, node: Node, watcher: Node) -> Iterator[Promise]:
    name = node.host.name
    say(f"{name} loses its power.\n")
    found = during(site, node.host.power_off)
    mlbctl(watcher, "nodes")
    meet(site)
    told = f"{found.dark * 1000:.0f} ms; promised: below {DARK:.0f} s"
    yield Promise(f"BGP: {name} died: its share dark for {told}.", found.dark < DARK)


def leave(site: Site, node: Node) -> Iterator[Promise]:
    name = node.host.name
    found = during(site, lambda: mlbctl(node, "drain", "--reason", "new kernel"))
    meet(site)
    yield Promise(f"BGP: {name} was drained: {len(found.lost)} datagrams lost.", not found.lost)


def during(site: Site, act: Callable[[], object]) -> Crowd:
    """What the crowd met from before `act`, by which a node leaves, until the router has dropped that node."""
    hops = len(site.uplink.next_hops())
    with crowd(site.uplink.client, uplink.ADDRESS) as found:
        time.sleep(QUIET)
        act()
        wait_for(lambda: len(site.uplink.next_hops()) < hops, what="one next hop less")
        time.sleep(QUIET)
    return found


def meet(site: Site) -> Crowd:
    """Shows the router's table, and how the nodes share what comes through it."""
    say(f"$ ip route show {uplink.ADDRESS}   # on the router")
    say(site.uplink.shown())
    with crowd(site.uplink.client, uplink.ADDRESS) as found:
        time.sleep(QUIET)
    draw_shares(found)
    return found


def unnoticed(what: str, report: dict[str, Answers]) -> Iterator[Promise]:
    draw_moves(report)
    number = lost(report.values())
    yield Promise(f"{what}: {number} datagrams lost.", not number)


def lost(answers: Iterable[Answers]) -> int:
    return sum(found.lost for found in answers)


if __name__ == "__main__":
    sys.exit(main())
