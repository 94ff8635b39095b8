"""What a node knows of the others that may hold its addresses, and what it should think of itself.

Rules:
1. A node is alive on a link when it is seen there; where it cannot be watched on that link, when it is seen anywhere;
   where it cannot be watched at all, always: to hold an address twice is worse than to miss a death.
2. A node that has just started knows of nobody: it waits until it has seen all others, START_WINDOW at most.
3. A node that was away (it started, lost its carrier, was cut off, did not run) is not settled until its hold-down has
   passed: until then it takes nothing from another node of ours. Failures in short succession double the hold-down.
4. A node that has lost sight of all others may be the one that is cut off. Seeing one of them again it has returned
   itself, and does not insist on what others took meanwhile.
"""

from collections.abc import Collection, Iterable, Set
from typing import Final

START_WINDOW: Final = 1.0  # seconds
MEMORY: Final = 600.0  # seconds after which a failure is forgiven
MOST_DOUBLINGS: Final = 4

Place = tuple[str, int]
"""A node's name and the ifindex on which it is watched; 0 is the way over several hops (RFC 5883)."""


class Group:
    """`failures` is how often this node failed lately before it was started now."""

    def __init__(self, node: str, failures: int, now: float) -> None:
        self._node = node
        self._seen: dict[Place, bool] = {}
        self._planned: set[Place] = set()
        self._unheard: set[Place] = set()
        self._returned: dict[Place, float] = {}
        self._macs: dict[tuple[int, bytes], str] = {}
        self._hold_down = 0.0
        self._failures = [now] * failures
        self._since: dict[int, float | None] = {}  # None: the link was there and is not now
        self._met: set[int] = set()
        self._cut_off: dict[int, float] = {}
        self._rejoined: set[int] = set()
        self._window: float | None = None
        self._deaf = False
        self._complete = False

    @property
    def starting(self) -> bool:
        """Whether it is too early to call anybody dead."""
        return not self._complete

    def begin(self, now: float) -> None:
        """Opens the start window: when this node starts, and when it comes back to the group. It had taken all sessions
        down itself, which says nothing of the others."""
        self._planned.clear()
        self._open_window(now)

    def watch(self, places: Iterable[Place], hold_down: float, now: float) -> None:
        """Replaces what is watched; `hold_down` in seconds. What is new has a start window to come into sight in."""
        self._hold_down = hold_down
        before = self._seen
        self._seen = {place: self._seen.get(place, False) for place in places}
        self._planned &= self._seen.keys()
        self._unheard &= self._seen.keys()
        self._returned = {place: at for place, at in self._returned.items() if place in self._seen}
        if self._window is None or self._seen.keys() - before.keys():
            self._open_window(now)
        self._look_around(now)

    def see(self, node: str, link: int, up: bool, planned: bool, now: float) -> None:
        """How a session stands now; `planned`: one of its ends took it down on purpose."""
        place = node, link
        if place not in self._seen:
            return
        was, self._seen[place] = self._seen[place], up
        unheard = place in self._unheard
        self._unheard.discard(place)
        if up and link not in self._met:
            self._met.add(link)
            if self._since.get(link) is not None:
                self._since[link] = now  # from here on the others count
        if up and unheard:
            self._come_back(link, now - 2 * START_WINDOW, now)
        if up:
            if place in self._returned:
                self._returned[place] = now
            self._planned.discard(place)
            self._rejoin(link, now)
        elif planned:
            self._planned.add(place)
            self._returned.pop(place, None)
        elif was:
            self._returned[place] = now
            self._lose(link, now)
        self._look_around(now)

    def unheard(self, node: str, link: int, now: float) -> None:
        """It speaks, so it is alive, but says that it does not hear this node, which may be at fault itself."""
        place = node, link
        if place in self._seen:
            self._unheard.add(place)
            self._look_around(now)

    def hears(self, node: str, link: int) -> bool:
        return not any(place in self._unheard for place in self._places(node, link))

    def learn(self, node: str, link: int, mac: bytes) -> None:
        """The address by which the node announces on that link."""
        self._macs = {key: name for key, name in self._macs.items() if (name, key[0]) != (node, link)}
        self._macs[link, mac] = node

    def alive(self, node: str, link: int) -> bool:
        if node == self._node:
            return True
        places = self._places(node, link)
        return not places or any(self._seen[place] for place in places)

    def drained(self, node: str, link: int) -> bool:
        return any(place in self._planned for place in self._places(node, link))

    def returned(self, node: str, link: int, now: float) -> bool:
        """Whether the node failed and has only just come back, so that it should not claim anything yet. Half of the
        hold-down leaves room between its clock and this one's."""
        times = [self._returned[place] for place in self._places(node, link) if place in self._returned]
        return self.alive(node, link) and any(now - at < self._hold_down / 2 for at in times)

    def who(self, mac: bytes, link: int, before: Collection[str]) -> str | None:
        """Whose MAC it is, None for a stranger's. Where nodes have no address of their own their MACs are not known: a
        claim is then that of the first node of `before` that is alive, as if it had said so."""
        if (node := self._macs.get((link, mac))) is not None:
            return node
        known = {name for (index, _), name in self._macs.items() if index == link}
        return next((name for name in before if name not in known and self.alive(name, link)), None)

    def open(self, links: Set[int], now: float) -> None:
        """The links that can be spoken on now. One that comes back has been away."""
        for link in links:
            if link not in self._since:
                self._since[link] = now
            elif self._since[link] is None:
                self._away(link, now)
                self._open_window(now, deaf=True)
        self._since |= dict.fromkeys(self._since.keys() - links)

    def frozen(self, now: float) -> None:
        """This node did not run for so long that the others may have taken it for dead, and that what it believes of
        them is old."""
        self._open_window(now, deaf=True)
        self._fail(now)
        self._since = {link: None if since is None else now for link, since in self._since.items()}

    def settled(self, link: int, now: float) -> bool:
        return (at := self._settles(link, now)) is not None and now >= at

    def rejoined(self, link: int, now: float) -> bool:
        """Whether it was cut off from all others on that link, and has not been back for its hold-down. With a single
        other node nobody can tell who was cut off."""
        if link in self._cut_off:
            return self._has_several(link)
        return link in self._rejoined and not self.settled(link, now)

    def deadline(self, now: float) -> float | None:
        """When something here changes by itself: the end of the start window, or of a hold-down."""
        times = [at for link in self._since if (at := self._settles(link, now)) is not None and at > now]
        if self._window is not None and not self._complete:
            times.append(self._window)
        return min(times, default=None)

    def expire(self, now: float) -> None:
        self._look_around(now)

    def _open_window(self, now: float, deaf: bool = False) -> None:
        """`deaf`: what is believed of the others is old, also that they are there; it lasts its whole time."""
        self._deaf = deaf or (self._deaf and not self._complete)
        self._window, self._complete = now + START_WINDOW, False

    def _settles(self, link: int, now: float) -> float | None:
        if (since := self._since.get(link)) is None or (link in self._cut_off and self._has_several(link)):
            return None
        recent = sum(now - at < MEMORY for at in self._failures)
        return since + self._hold_down * (1 << min(max(0, recent - 1), MOST_DOUBLINGS))

    def _places(self, node: str, link: int) -> list[Place]:
        """Where to look for it: on that link, or else wherever it is watched."""
        if (node, link) in self._seen:
            return [(node, link)]
        return [place for place in self._seen if place[0] == node]

    def _look_around(self, now: float) -> None:
        found_all = all(self._seen.values()) and not (self._deaf and self._seen)
        if self._window is not None and (now >= self._window or found_all):
            self._complete = True

    def _lose(self, link: int, now: float) -> None:
        if not any(up for (_, index), up in self._seen.items() if index == link):
            self._cut_off[link] = now

    def _rejoin(self, link: int, now: float) -> None:
        if (cut_off := self._cut_off.pop(link, None)) is None:
            return
        if not self._has_several(link):
            self._since[link] = now
            return
        self._rejoined.add(link)
        self._come_back(link, cut_off - START_WINDOW, now)

    def _come_back(self, link: int, before: float, now: float) -> None:
        """From being away. What this node noticed itself since `before`, a lost carrier or a freeze, is the same."""
        since = self._since.get(link)
        if since is None or since < before:
            self._away(link, now)

    def _has_several(self, link: int) -> bool:
        return sum(index == link for _, index in self._seen) > 1

    def _away(self, link: int, now: float) -> None:
        self._fail(now)
        self._since[link] = now

    def _fail(self, now: float) -> None:
        self._failures = [*self._failures[-MOST_DOUBLINGS:], now]
