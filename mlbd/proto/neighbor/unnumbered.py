"""Who is at the other end of a link that has no addresses but the link-local ones.

A router there (FRR: `neighbor eth1 interface`) connects to nobody before it has heard a router advertisement, and
neither can this end: each says its own until it has heard the other's. Then they go on saying it, for one that starts
anew.

One that advertises itself has perhaps only just come up, so it is answered; not for MIN_DELAY after the last of ours,
or two that answer each other would never stop.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Final

from mlbd.proto.neighbor.router import RouterAdvertisement, RouterMessage, RouterSolicitation

#: Seconds between ours while nobody is heard, then INITIAL_ADVERTISEMENTS times; and the least there is between any
#: two. Shorter than RFC 4861 6.2.4 has it, as RFC 6275 7.5 allows where hosts come and go: a session waits for them.
SHORT_INTERVAL: Final = 1.0
SHORTEST_INTERVAL: Final = 0.1
INITIAL_ADVERTISEMENTS: Final = 3  # MAX_INITIAL_RTR_ADVERTISEMENTS, RFC 4861 10
LONG_INTERVAL: Final = 10.0
MIN_DELAY: Final = 3.0  # MIN_DELAY_BETWEEN_RAS, RFC 4861 10
#: After so many seconds without a word another router takes the place of the one that was heard; before, one link with
#: two of them would move the session to and fro.
SILENCE: Final = 30.0


class Unnumbered:
    """One link. `neighbor` is the link-local address of the router there, None while none was heard."""

    def __init__(self, random: Callable[[], float], now: float) -> None:
        self.neighbor: IPv6Address | None = None
        self._random = random
        self._initial = INITIAL_ADVERTISEMENTS
        self._heard = self._sent = -math.inf
        self._due = now

    def receive(self, message: RouterMessage, source: IPv6Address, now: float) -> None:
        """`source` is no address of this host."""
        if isinstance(message, RouterSolicitation):
            self._answer(now)
            return
        if self.neighbor is None or now >= self._sent + MIN_DELAY:
            self._answer(now)
        if source == self.neighbor or self._is_silent(now):
            self.neighbor, self._heard = source, now

    def expire(self, now: float, link_layer: bytes | None) -> list[RouterMessage]:
        """What to send now from `link_layer`, the link's own address."""
        if now < self._due:
            return []
        self._sent, self._due = now, now + self._interval()
        advertisement = RouterAdvertisement(link_layer=link_layer)
        return [advertisement, RouterSolicitation(link_layer)] if self._is_silent(now) else [advertisement]

    def deadline(self) -> float:
        return self._due

    def _answer(self, now: float) -> None:
        self._due = min(self._due, max(now, self._sent + SHORTEST_INTERVAL))

    def _is_silent(self, now: float) -> bool:
        return now >= self._heard + SILENCE

    def _interval(self) -> float:
        if self.neighbor is not None:
            self._initial -= 1
        if self._initial >= 0:
            return SHORT_INTERVAL
        return LONG_INTERVAL * (0.75 + 0.25 * self._random())
