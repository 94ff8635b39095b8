"""The passwords of BGP peers that the settings lead to, where no object has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mlbd.drivers.keys import MD5_LONGEST, KeyUnreadable, read_key
from mlbd.model.peering import Peer
from mlbd.model.settings import Settings
from mlbd.model.status import Problem, Severity


class Passwords:
    """`problems` are those of the last look."""

    def __init__(self) -> None:
        self.problems: tuple[Problem, ...] = ()
        self._settings: Settings | None = None
        self._known: dict[str, str] = {}

    def look(self, settings: Settings) -> None:
        """With new settings, so that one that is being replaced is not read half; the last good one stays."""
        if settings is self._settings and not self.problems:
            return
        self._settings = settings
        self._known = {name: word for name, word in self._known.items() if name in settings.peer_passwords}
        self.problems = tuple(self._read(settings))

    def given_to(self, peers: Mapping[str, Peer]) -> dict[str, Peer]:
        """The peers with their passwords. Without one that it should have a peer is left out: the session would not be
        what was asked for."""
        missing = (self._settings.peer_passwords.keys() if self._settings else set()) - self._known.keys()
        return {
            name: replace(peer, password=self._known[name]) if name in self._known else peer
            for name, peer in peers.items()
            if name not in missing
        }

    def _read(self, settings: Settings) -> Iterator[Problem]:
        for name, where in settings.peer_passwords.items():
            try:
                self._known[name] = _text(read_key(where, f"password of peer {name}", MD5_LONGEST), name)
            except KeyUnreadable as error:
                yield Problem(Severity.ERROR, "mlbd", "BadKey", str(error), f"peerPasswords.{name}")


def _text(octets: bytes, name: str) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise KeyUnreadable(f"cannot use the password of peer {name}: it is no UTF-8 text: write it as one") from None
