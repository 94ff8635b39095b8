from __future__ import annotations

import dataclasses
import time
from ipaddress import ip_interface
from pathlib import Path, PurePath

import pytest

from mlbd.daemon.lookout import Lookout
from mlbd.model.link import Link
from mlbd.model.settings import Authentication, AuthenticationType, KeySource, Liveness, Settings
from mlbd.proto.bfd import authentication
from mlbd.proto.control import SessionReport, Watches

from .known import CLASS, NODES, planned, session_report, world_of
from .objects import Manifest, node, service

HERE = tuple(map(ip_interface, ("192.0.2.11/24", "2001:db8::11/64")))
ETH0 = Link(2, "eth0", bytes(6), addresses=HERE)
ETH1 = Link(7, "eth1", bytes(6), addresses=(ip_interface("198.51.100.11/24"),))
MILLISECOND = 1000


def settings(authentication: Authentication | None = None) -> Settings:
    return Settings(node="node-1", liveness=Liveness(0.05, 5, authentication), hold_down=7.0)


def looked(
    lookout: Lookout, *manifests: Manifest, links: tuple[Link, ...] = (ETH0,), chosen: Settings | None = None
) -> Watches:
    known = (CLASS, *(manifests or NODES), service("web"))
    return lookout.watches(chosen or settings(), world_of(*known), planned(*known), links, {"eth0"})


def test_a_watch_follows_the_settings() -> None:
    found = looked(Lookout())
    (watch,) = found.watches
    assert (watch.peer, str(watch.local), str(watch.remote)) == ("node-2", "192.0.2.11", "192.0.2.12")
    assert (watch.link, watch.minimum_ttl) == (2, 255), "on eth0 by its number, from no farther than its neighbours"
    assert watch.desired_min_tx == watch.required_min_rx == 50 * MILLISECOND
    assert watch.multiplier == 5
    assert watch.authentication is None
    assert found.hold_down == 7.0


def test_over_several_hops_any_distance_will_do() -> None:
    here, there = node("node-1", 11), node("node-2", 12)
    there["status"]["addresses"] = [{"type": "InternalIP", "address": "203.0.113.5"}]
    (watch,) = looked(Lookout(), here, there).watches
    assert (str(watch.remote), watch.link, watch.minimum_ttl) == ("203.0.113.5", 0, 0)


def test_a_link_that_may_not_announce_carries_a_session_when_no_other_can() -> None:
    here, there = node("node-1", 11), node("node-2", 12)
    here["status"]["addresses"] = [{"type": "InternalIP", "address": "198.51.100.11"}]
    there["status"]["addresses"] = [{"type": "InternalIP", "address": "198.51.100.12"}]
    (watch,) = looked(Lookout(), here, there, links=(ETH0, ETH1)).watches
    assert (watch.link, watch.minimum_ttl) == (7, 255)


def test_whom_nobody_can_watch_is_told_of() -> None:
    nowhere = node("node-2", 12)
    nowhere["status"] = {}
    lookout = Lookout()
    assert looked(lookout, NODES[0], nowhere).watches == ()
    (problem,) = lookout.problems
    assert (problem.object, problem.reason) == ("Node node-2", "NodeUnwatched")
    looked(lookout)
    assert lookout.problems == (), "until it can"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_bytes(b"secret\n")
    file.chmod(0o600)
    return file


def authenticated(key: Path) -> Settings:
    return settings(Authentication(KeySource(PurePath(key)), AuthenticationType.KEYED_SHA1, 9))


def test_packets_are_signed_with_the_key_of_the_file(key: Path) -> None:
    (watch,) = looked(Lookout(), chosen=authenticated(key)).watches
    wanted = authentication.AuthenticationType.KEYED_SHA1
    assert watch.authentication == authentication.Authentication(wanted, 9, b"secret")


def test_without_its_key_nobody_is_watched(key: Path) -> None:
    key.unlink()
    lookout = Lookout()
    assert looked(lookout, chosen=authenticated(key)) == Watches((), 7.0)
    (problem,) = lookout.problems
    assert (problem.object, problem.reason, problem.field) == ("mlbd", "BadKey", "liveness.authentication")
    key.write_bytes(b"secret")
    key.chmod(0o600)
    assert looked(lookout, chosen=authenticated(key)).watches
    assert lookout.problems == ()


def test_the_last_good_key_stays(key: Path) -> None:
    lookout = Lookout()
    before = looked(lookout, chosen=authenticated(key))
    key.write_bytes(b"")
    assert looked(lookout, chosen=authenticated(key)) == before
    assert [problem.reason for problem in lookout.problems] == ["BadKey"]
    key.write_bytes(b"other")
    (watch,) = looked(lookout, chosen=authenticated(key)).watches
    assert watch.authentication and watch.authentication.key == b"other"


def test_a_key_that_is_not_wanted_any_more_is_forgotten(key: Path) -> None:
    lookout = Lookout()
    looked(lookout, chosen=authenticated(key))
    assert looked(lookout).watches[0].authentication is None
    key.unlink()
    assert looked(lookout, chosen=authenticated(key)).watches == ()


LOST = session_report("down")
LEFT = session_report("down", remote_state="admin-down")


@pytest.mark.parametrize(
    ("reports", "told"),
    [
        ([session_report("up")], [False]),
        ([session_report("down", ups=0), session_report("init", ups=0), session_report("up")], [False, False, True]),
        ([session_report("up"), session_report("up", interval=1)], [False, False]),
        ([session_report("up"), LOST, session_report("init"), session_report("up")], [False, True, False, True]),
        ([session_report("up"), LEFT, LOST, session_report("up")], [False, True, False, True]),
        ([LOST, LEFT], [False, False]),
        ([session_report("up"), session_report("down", ups=0)], [False, False]),
        ([session_report("up"), session_report("admin-down")], [False, False]),
    ],
    ids=["first", "on its way", "no news", "lost", "left and then gone", "never seen", "a new reflex", "drained here"],
)
def test_what_is_told_of_a_session(reports: list[SessionReport], told: list[bool]) -> None:
    lookout = Lookout()
    assert [lookout.changed(report, 0.0) for report in reports] == told


def test_a_node_that_comes_back_into_the_files_was_not_lost() -> None:
    lookout = Lookout()
    looked(lookout)
    lookout.changed(session_report("up"), 0.0)
    looked(lookout, NODES[0])
    looked(lookout)
    assert not lookout.changed(LOST, 1.0)


def test_sessions_in_seconds_with_the_names_of_links() -> None:
    lookout, report = Lookout(), session_report("up", downs=2, remote_state="up", remote_diagnostic="path down")
    lookout.changed(report, 100.0)
    lookout.changed(dataclasses.replace(report, interval=1), 130.0)
    (found,) = lookout.sessions({(report.remote, report.local, 2): report}, {2: "eth0"}, 160.0)
    assert (found.peer, found.link, found.local, found.remote) == ("node-2", "eth0", "192.0.2.11", "192.0.2.12")
    assert (found.state, found.remote_state, found.remote_diagnostic) == ("up", "up", "path down")
    assert (found.interval, found.detection, found.ups, found.downs) == (0.1, 0.3, 1, 2)
    assert 55 < time.time() - found.since < 65, "since it came up, not since it was last spoken of"
    (gone,) = lookout.sessions({(report.remote, report.local, 2): report}, {}, 160.0)
    assert gone.link == ""
