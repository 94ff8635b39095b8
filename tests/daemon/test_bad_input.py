"""Files as people break them: each is told of by name, the last good state stays, and nothing else is harmed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.lab import Lab, wait_for

from .cluster import Cluster, Daemon, cluster, ingress
from .objects import COUNT, IPS, LATER, OLDEST, Manifest, balancer_class, node, service


@pytest.fixture(scope="module")
def lone() -> Iterator[Cluster]:
    """One node with the Service `web`, which every test finds answered for before and after."""
    with Lab() as lab, cluster(lab, 1) as one:
        one.write("web.yaml", service("web"))
        one.first.wait_for_holding(*one.first.addresses("web"))
        yield one


@pytest.fixture
def daemon(lone: Cluster) -> Iterator[Daemon]:
    """Afterwards the files are as before, what was wrong is forgotten, and `web` was never moved or let go."""
    daemon, (address,) = lone.first, lone.first.addresses("web")
    seen = daemon.get("status")
    with daemon.restored():
        yield daemon
        assert daemon.addresses("web") == [address]
        assert lone.asker.who_has(address) == {daemon.mac}
    daemon.wait_until_well()
    assert daemon.get("status")["pid"] == seen["pid"]
    assert daemon.get("status")["reflex"]["restarts"] == 0
    daemon.assert_no_traceback()


@dataclass(frozen=True)
class Broken:
    """`octets` in the place of the file of `web`, and what the problem then says."""

    octets: bytes
    reason: str
    says: str


BROKEN_FILES = {
    "broken YAML": Broken(b"kind: Service\n  metadata: {", "BrokenFile", "broken YAML in line 2"),
    "not UTF-8": Broken(b"kind: Service # caf\xe9\n", "BrokenFile", "line 1 is not UTF-8"),
    "NUL": Broken(b"kind: \0\n", "BrokenFile", "broken YAML"),
    "no object": Broken(b"- 1\n- 2\n", "InvalidDocument", "not an object"),
    "no kind": Broken(b"apiVersion: v1\n", "InvalidDocument", "kind"),
    "nested for ever": Broken(b"[" * 100_000, "BrokenFile", "nested too deep"),
    "aliases that grow": Broken(
        b"a: &a [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (n + 1, n + 1, b",".join([b"*%c" % n] * 9)) for n in range(97, 105)),
        "BrokenFile",
        "aliases",
    ),
}


@pytest.mark.parametrize("broken", BROKEN_FILES.values(), ids=BROKEN_FILES.keys())
def test_a_broken_file_keeps_what_it_held(daemon: Daemon, broken: Broken) -> None:
    path = daemon.state / "web.yaml"
    path.write_bytes(broken.octets)
    problem = daemon.problem(broken.reason)
    assert broken.says in problem["message"]
    assert str(path) in problem["message"]
    assert problem["severity"] == "error"


def test_a_file_of_100_megabytes_is_refused_unread(daemon: Daemon) -> None:
    before = daemon.memory(daemon.pid)
    path = daemon.state / "web.yaml"
    with path.open("r+b") as file:
        file.truncate(100 << 20)
    problem = daemon.problem("UnreadableFile")
    assert "has 100 MiB, more than the 16 MiB that are read: split it" in problem["message"]
    assert daemon.memory(daemon.pid) < before + (16 << 10)


def test_a_file_that_cannot_be_opened_is_named(daemon: Daemon) -> None:
    (daemon.state / "loop.yaml").symlink_to("loop.yaml")
    (daemon.state / "directory.yaml").mkdir()
    (daemon.state / "sound.yaml").write_text("{}")  # the two are passed by, like names of other kinds
    assert "apiVersion" in daemon.problem("InvalidDocument")["message"]
    (daemon.state / "directory.yaml").rmdir()


@pytest.mark.parametrize(
    ("group", "reason", "says"),
    [
        ("metallb.io/v1beta1", "InvalidDocument", "did you mean IPAddressPool?"),
        ("example.org/v1", "ForeignKind", "mlbd has no use for"),
    ],
)
def test_an_unknown_kind(daemon: Daemon, group: str, reason: str, says: str) -> None:
    daemon.write("kind.yaml", {"apiVersion": group, "kind": "IPAdressPool", "metadata": {"name": "x"}})
    problem = daemon.problem(reason)
    assert says in problem["message"]
    assert problem["file"] == str(daemon.state / "kind.yaml")


def test_an_unknown_field_is_named_with_its_path(daemon: Daemon) -> None:
    daemon.write("class.yaml", ingress(adressPool=["192.0.2.160/32"]))
    problem = daemon.problem("InvalidObject")
    assert (problem["object"], problem["field"]) == ("MetalLoadBalancerClass ingress", "spec.adressPool")
    assert problem["file"] == str(daemon.state / "class.yaml")


def test_two_objects_of_one_name_in_two_files(daemon: Daemon) -> None:
    daemon.write("web2.yaml", service("web", annotations={COUNT: "5"}))
    problem = daemon.problem("DuplicateObject")
    assert problem["object"] == "Service shop/web"
    assert {"web.yaml", "web2.yaml"} <= set(problem["message"].replace(":", " ").replace("/", " ").split())
    assert daemon.service("web")["wanted"] == 1


def test_two_objects_of_one_name_in_one_file(daemon: Daemon) -> None:
    daemon.write("web.yaml", service("web"), service("web", annotations={COUNT: "5"}))
    assert "of the same file too" in daemon.problem("DuplicateObject")["message"]
    assert daemon.service("web")["wanted"] == 1


def test_a_reversed_range_leaves_the_class_as_it_was(daemon: Daemon) -> None:
    daemon.write("class.yaml", ingress("192.0.2.150-192.0.2.100"))
    assert "reversed" in daemon.problem("InvalidObject")["message"]


def test_of_two_classes_that_overlap_the_younger_is_refused(daemon: Daemon) -> None:
    late = balancer_class("late", "192.0.2.150-192.0.2.160")
    late["metadata"]["creationTimestamp"] = LATER
    daemon.write("late.yaml", late, service("late", loadBalancerClass="late"))
    problem = next(p for p in wait_for(lambda: daemon.problems("OverlappingAddresses")) if "Class" in p["object"])
    assert problem["object"] == "MetalLoadBalancerClass late"
    assert "192.0.2.100-192.0.2.150 of MetalLoadBalancerClass ingress" in problem["message"]
    assert daemon.service("late")["reason"] == "OverlappingAddresses"


@pytest.mark.parametrize("count", ["0", "-1", "1000000000", "three", "1.5", "٣"])
def test_a_count_that_is_none_is_taken_for_one(daemon: Daemon, count: str) -> None:
    daemon.write("counts.yaml", service("counts", annotations={COUNT: count}))
    problem = daemon.problem("InvalidCount")
    assert (problem["severity"], problem["object"]) == ("warning", "Service shop/counts")
    assert repr(count) in problem["message"]
    assert len(daemon.addresses("counts")) == 1
    daemon.wait_for_holding(*daemon.addresses("counts"))


def test_an_empty_count_is_taken_for_one(daemon: Daemon) -> None:
    daemon.write("counts.yaml", service("counts", annotations={COUNT: ""}))
    assert len(daemon.addresses("counts")) == 1


@pytest.mark.parametrize(
    ("pinned", "reason"),
    [
        ("198.51.100.1", "AddressOutsidePool"),
        ("192.0.2.1000", "InvalidAddress"),
        ("2001:db8::105", "WrongFamily"),
        ("192.0.2.140", "AddressTaken"),
    ],
)
def test_a_pinned_address_that_cannot_be_given_gets_no_other(daemon: Daemon, pinned: str, reason: str) -> None:
    elder = service("elder", annotations={IPS: "192.0.2.140"})
    elder["metadata"]["creationTimestamp"] = OLDEST
    daemon.write("pins.yaml", elder, service("pins", annotations={IPS: pinned}))
    problem = daemon.problem(reason)
    assert problem["object"] == "Service shop/pins"
    assert pinned in problem["message"]
    (slot,) = daemon.service("pins")["addresses"]
    assert (slot["address"], slot["reason"], slot["pinned"]) == (None, reason, True)


def unserved(daemon: Daemon, *manifests: Manifest) -> str:
    """The reason why the Service `wants` in those manifests is not served."""
    daemon.write("wants.yaml", *manifests)
    found = wait_for(lambda: known if (known := daemon.service("wants")) and known["reason"] else {})
    assert not found["announced"]
    told = daemon.mlbctl("why", "shop/wants").stdout
    assert found["message"].partition(":")[0].lower() in told.lower()
    return str(found["reason"])


def test_a_class_without_nodes(daemon: Daemon) -> None:
    lonely = balancer_class("lonely", "192.0.2.160/32", nodeSelector={"nobody": "has this"})
    assert unserved(daemon, lonely, service("wants", loadBalancerClass="lonely")) == "NoNodeMatchesSelector"
    assert "nobody=has this" in daemon.service("wants")["message"]


def test_a_class_without_links(daemon: Daemon) -> None:
    linkless = balancer_class("linkless", "192.0.2.160/32", l2={"interfaces": ["eth7", "bond3"]})
    assert unserved(daemon, linkless, service("wants", loadBalancerClass="linkless")) == "NoUsableInterface"
    assert "bond3, eth7" in daemon.service("wants")["message"]


def test_a_class_without_addresses_left(daemon: Daemon) -> None:
    small = balancer_class("small", "192.0.2.160-192.0.2.161")
    reason = unserved(daemon, small, service("wants", loadBalancerClass="small", annotations={COUNT: "3"}))
    assert reason == "PoolExhausted"
    found = daemon.service("wants")
    assert (found["wanted"], found["assigned"]) == (3, 2)
    daemon.wait_for_holding("192.0.2.160", "192.0.2.161")


def test_a_class_of_another_controller_is_none_of_our_business(daemon: Daemon) -> None:
    daemon.write("cloud.yaml", service("cloud", loadBalancerClass="example.com/cloud"), service("ours"))
    daemon.wait_for_holding(*daemon.addresses("ours"))
    assert not daemon.service("cloud")
    assert not daemon.problems()
    assert "example.com/cloud" in daemon.mlbctl("why", "shop/cloud").stdout


def test_a_node_without_its_object_says_so_once(daemon: Daemon) -> None:
    daemon.write("node-1.yaml", node("node-9", 19))
    problem = daemon.problem("NodeUnknown")
    assert "set `node` in the settings" in problem["message"]
    daemon.write("node-1.yaml", node("node-1", 11))


def test_octets_in_names_do_not_reach_the_terminal(daemon: Daemon) -> None:
    bad = service("web")
    bad["metadata"]["name"] = "\x1b[2Jx"
    daemon.write("escape.yaml", bad)
    wait_for(daemon.problems)
    assert "\x1b" not in daemon.mlbctl("status").stdout + daemon.log.read_text()


def test_status_ends_with_what_is_wrong_and_the_command_that_tells_more(daemon: Daemon) -> None:
    path = daemon.state / "broken.yaml"
    path.write_text("{")
    daemon.problem("BrokenFile")
    done = daemon.mlbctl("status")
    assert done.returncode == 1
    *_, message, command = done.stdout.rstrip().splitlines()
    assert message.startswith(f"error: cannot read {path}: broken YAML")
    assert command == f"  -> mlbctl check {path}"
    assert daemon.mlbctl("check", str(path)).returncode == 1
