"""A program that keeps addresses on several hosts, and what a client sees when something happens to one of them."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from tests.lab import Host, wait_for
from tests.traffic import Answers, traffic, who_answers

#: Seconds of traffic before and after what is observed.
QUIET = 0.2
PATIENCE = 60


class Program(Protocol):
    """mlbd or keepalived on one host."""

    @property
    def host(self) -> Host: ...
    def start(self) -> None: ...
    def stop(self) -> int: ...


class Contest:
    """All hosts run one of the `programs`. `home` says which host answers for which address when all is well, `phase`
    is the interval, in seconds, in which the program repeats itself: what happens comes at any time of it."""

    def __init__(self, client: Host, programs: Sequence[Program], addresses: Sequence[str], phase: float) -> None:
        self.client = client
        self.programs = programs
        self.addresses = addresses
        self.phase = phase
        wait_for(self._is_spread, PATIENCE, "each address of a family on a host of its own")
        self.home = self._holders()

    def turns(self, trials: int) -> Iterator[Program]:
        """The programs in turn, each when all is well."""
        for program in itertools.islice(itertools.cycle(self.programs), trials):
            wait_for(self.is_home, PATIENCE, "every address back at home")
            time.sleep(random.uniform(0, self.phase))
            yield program

    def observe(self, act: Callable[[], object], until: Callable[[], bool]) -> dict[str, Answers]:
        """What the client saw from before `act` until all was over."""
        with traffic(self.client, self.addresses) as flow:
            time.sleep(QUIET)
            act()
            wait_for(until, PATIENCE, "the end of a move")
            time.sleep(QUIET)
        return flow.report

    def of(self, host: Host) -> set[str]:
        """The addresses at home there."""
        return {address for address, name in self.home.items() if name == host.name}

    def is_home(self) -> bool:
        return all(who_answers(self.client, address) == name for address, name in self.home.items())

    def has_left(self, host: Host) -> bool:
        return all(who_answers(self.client, address) not in ("", host.name) for address in self.of(host))

    def _holders(self) -> dict[str, str]:
        return {address: who_answers(self.client, address) for address in self.addresses}

    def _is_spread(self) -> bool:
        wanted = sorted(program.host.name for program in self.programs)
        holders = self._holders()
        return all(
            sorted(name for address, name in holders.items() if sign in address) == wanted for sign in (".", ":")
        )
