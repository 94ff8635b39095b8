from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePath

import pytest

from mlbd.daemon.passwords import Passwords
from mlbd.model.peering import Peer
from mlbd.model.reference import Key, Reference
from mlbd.model.settings import KeySource, Settings

SECRET = "hunter2"
TOR = Peer("tor", Reference("BGPPeer", Key("metallb-system", "tor")), 64512, 64500)
OTHER = replace(TOR, name="other")
PEERS = {"tor": TOR, "other": OTHER}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "tor.key"
    found.write_text(f"{SECRET}\n")
    found.chmod(0o600)
    return found


def settings(file: Path) -> Settings:
    return Settings("node-1", peer_passwords={"tor": KeySource(PurePath(file))})


def test_the_peer_of_that_name_gets_what_the_file_holds(file: Path) -> None:
    passwords = Passwords()
    passwords.look(settings(file))
    assert passwords.given_to(PEERS) == {"tor": replace(TOR, password=SECRET), "other": OTHER}
    assert passwords.problems == ()


@pytest.mark.parametrize("octets", [b"", b"x" * 81, b"\xff"])
def test_without_its_password_a_peer_is_not_spoken_to(file: Path, octets: bytes) -> None:
    file.write_bytes(octets)
    passwords = Passwords()
    passwords.look(settings(file))
    assert passwords.given_to(PEERS) == {"other": OTHER}
    (problem,) = passwords.problems
    assert (problem.reason, problem.field) == ("BadKey", "peerPasswords.tor")
    file.write_text(SECRET)
    passwords.look(settings(file))
    assert passwords.given_to(PEERS)["tor"].password == SECRET
    assert passwords.problems == ()


def test_the_last_good_one_stays(file: Path) -> None:
    passwords = Passwords()
    passwords.look(settings(file))
    file.unlink()
    passwords.look(settings(file))
    assert passwords.given_to(PEERS)["tor"].password == SECRET
    assert passwords.problems


def test_no_longer_named_it_is_forgotten(file: Path) -> None:
    passwords = Passwords()
    passwords.look(settings(file))
    passwords.look(Settings("node-1"))
    assert passwords.given_to(PEERS) == PEERS
