from __future__ import annotations

from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbd.model.documents import Unreadable
from mlbd.model.fields import Invalid
from mlbd.model.settings import (
    Authentication,
    AuthenticationType,
    Endpoint,
    KeySource,
    Kubernetes,
    Liveness,
    Settings,
    parse_settings,
    read_settings,
)

FULL = b"""
node: node-7
state: [/srv/a, /srv/b]
socket: /tmp/a.sock
socketGroup: null
adminGroup: wheel
data: /srv/data
metrics: "[::1]:9100"
liveness:
  interval: 50ms
  multiplier: 4
  authentication: {type: keyed-sha1, keyId: 0, keyFile: /etc/mlbd/bfd.key}
holdDown: 1m30s
bindAddresses: false
guard: false
excludeInterfaces: ["^wg"]
kubernetes: {kubeconfig: /etc/k, namespace: load}
"""


def read(text: str) -> Settings:
    return read_settings(text.encode(), "host")


def test_every_setting() -> None:
    settings = read_settings(FULL, "host")
    assert [pattern.pattern for pattern in settings.exclude_interfaces] == ["^wg"]
    assert settings == Settings(
        node="node-7",
        state=(PurePath("/srv/a"), PurePath("/srv/b")),
        socket=PurePath("/tmp/a.sock"),
        socket_group=None,
        admin_group="wheel",
        data=PurePath("/srv/data"),
        metrics=Endpoint("::1", 9100),
        liveness=Liveness(
            0.05, 4, Authentication(KeySource(PurePath("/etc/mlbd/bfd.key")), AuthenticationType.KEYED_SHA1, 0)
        ),
        hold_down=90,
        bind_addresses=False,
        guard=False,
        exclude_interfaces=settings.exclude_interfaces,
        kubernetes=Kubernetes(PurePath("/etc/k"), "load"),
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "node:\n"])
def test_nothing_is_all_defaults(text: str) -> None:
    assert read(text) == Settings(node="host")


def test_the_defaults_of_the_design() -> None:
    settings = read("")
    assert [str(path) for path in settings.state] == ["/etc/mlbd/state.d", "/var/lib/mlbd/state"]
    assert str(settings.socket) == "/run/mlbd/mlbd.sock"
    assert settings.metrics == ("127.0.0.1", 7472)
    assert (settings.liveness, settings.hold_down) == (Liveness(0.1, 3), 30)
    assert settings.bind_addresses and settings.guard


@pytest.mark.parametrize(
    ("link", "excluded"),
    [("docker0", True), ("veth12", True), ("lo", True), ("lowpan0", False), ("lxc1", True), ("cilium_vxlan", True),
     ("eth0", False), ("bond0.7", False), ("br-lan", False), ("kube-ipvs0", True), ("nodelocaldns", True)],
)  # fmt: skip
def test_the_links_left_out_by_default(link: str, excluded: bool) -> None:
    assert any(pattern.search(link) for pattern in read("").exclude_interfaces) is excluded


def test_short_forms() -> None:
    assert read("liveness: fast").liveness == Liveness(0.02, 3)
    assert read("liveness: {multiplier: 5}").liveness == Liveness(0.1, 5)
    fast = read("liveness: {pace: fast, authentication: {credential: bfd}}").liveness
    assert fast == Liveness(0.02, 3, Authentication(KeySource(credential="bfd")))
    assert read("liveness: {pace: fast}").liveness == read("liveness: fast").liveness
    assert read("liveness: {pace: default, authentication: null}").liveness == read("").liveness
    assert read("holdDown: 0s").hold_down == 0
    assert read("metrics: null").metrics is None
    assert read("excludeInterfaces: []").exclude_interfaces == ()


@pytest.mark.parametrize(
    ("text", "field", "problem"),
    [
        ("bindAdresses: true", "bindAdresses", "there is no such field: did you mean bindAddresses?"),
        ("kubernetes: {kubeconfg: /a}", "kubernetes.kubeconfg", "did you mean kubeconfig?"),
        ("liveness: {intervall: 1s}", "liveness.intervall", "did you mean interval?"),
        ("node: a/b", "node", "without blanks and slashes"),
        ("state: /a", "state", "write a list"),
        ("state: []", "state", "name at least one directory"),
        ("state: [/a, b]", "state[1]", "an absolute path"),
        ("state: [/a, /a/]", "state[1]", "repeats state[0]"),
        ("socket: mlbd.sock", "socket", "an absolute path"),
        ("data: 3", "data", "the number 3"),
        ("metrics: 7472", "metrics", "the number 7472"),
        ("metrics: localhost:7472", "metrics", "like 127.0.0.1:7472"),
        ("metrics: '::1:7472'", "metrics", "[::1]:7472"),
        ("metrics: 127.0.0.1:0", "metrics", "like 127.0.0.1:7472"),
        ("metrics: 127.0.0.1:65536", "metrics", "like 127.0.0.1:7472"),
        ("liveness: slow", "liveness", "write default or fast"),
        ("liveness: {interval: 9ms}", "liveness.interval", "write 10ms to 60s"),
        ("liveness: {interval: 5}", "liveness.interval", "write a duration such as 100ms"),
        ("liveness: {multiplier: 1}", "liveness.multiplier", "from 2 to 255"),
        ("liveness: {pace: slow}", "liveness.pace", "write default or fast"),
        ("liveness: {pace: fast, interval: 1s}", "liveness.pace", "is given beside interval, which it stands for"),
        ("liveness: {pace: fast, multiplier: 3, interval: 1s}", "liveness.pace", "beside interval and multiplier"),
        ("liveness: {authentication: fast}", "liveness.authentication", "write a mapping"),
        ("holdDown: 30", "holdDown", "the number 30: write a duration such as 100ms"),
        ("holdDown: -1s", "holdDown", "write a duration"),
        ("holdDown: 25h", "holdDown", "at most 24h"),
        ("bindAddresses: 'no'", "bindAddresses", "write true or false"),
        ("guard: 1", "guard", "write true or false"),
        ("excludeInterfaces: ['(']", "excludeInterfaces[0]", "'(', no regular expression: "),
        ("kubernetes: {kubeconfig: a}", "kubernetes.kubeconfig", "an absolute path"),
        ("kubernetes: []", "kubernetes", "write a mapping"),
        ("- a", "", "is not a setting"),
        ("a: 1\n---\nb: 1", "", "a second document starts in line 3"),
    ],
)
def test_a_wrong_setting_is_named(text: str, field: str, problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(text)
    assert caught.value.field == field
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    ("text", "field", "problem"),
    [
        ("{}", ".keyFile", "is missing: give exactly one of keyFile, credential"),
        ("{keyFile: /a, credential: b}", ".credential", "keyFile and credential are given: give exactly one"),
        ("{keyFile: S}", ".keyFile", "no path that starts with /"),
        ('{keyFile: "/S\\0"}', ".keyFile", "no path that starts with /"),
        ("{keyFile: 12345678}", ".keyFile", "is not a text"),
        ("{credential: a/S}", ".credential", "LoadCredential="),
        ("{credential: ..}", ".credential", "LoadCredential="),
        ('{credential: "S\\n"}', ".credential", "LoadCredential="),
        ("{credential: 12345678}", ".credential", "is not a text"),
        ("{credential: a, key: S}", ".key", "there is no such field: did you mean keyId?"),
        ("{credential: a, type: keyed-md5}", ".type", "write keyed-sha1 or meticulous-keyed-sha1"),
        ("{credential: a, keyId: 256}", ".keyId", "from 0 to 255"),
        ("S", "", "is a text: write a mapping"),
    ],
)
def test_wrong_authentication_is_named_and_no_key_is_shown(text: str, field: str, problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(f"liveness: {{authentication: {text.replace('S', 'hunter2')}}}")
    assert caught.value.field == f"liveness.authentication{field}"
    assert problem in caught.value.problem
    assert "hunter2" not in str(caught.value) and "12345678" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["node: /X", "socket: X", "metrics: X", "liveness: X", "liveness: {interval: S}", "holdDown: X", "holdDown: S",
     "excludeInterfaces: ['(?P<X>']", "excludeInterfaces: ['(?P=X)']", "X: 1", "kubernetes: {X: 1}"],
)  # fmt: skip
def test_a_message_is_short_however_long_the_text(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(text.replace("X", "x" * 1000).replace("S", "1000h" * 1000))
    assert len(str(caught.value)) < 400


def test_a_broken_file_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="broken YAML in line "):
        read("node: [")


words = st.sampled_from(
    ["node", "state", "socket", "metrics", "liveness", "holdDown", "excludeInterfaces", "kubernetes"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)


@given(st.dictionaries(words, scalars | st.lists(scalars, max_size=3) | st.dictionaries(words, scalars, max_size=2)))
def test_whatever_is_in_the_file_only_invalid_is_raised(document: dict[str, object]) -> None:
    try:
        assert parse_settings(document, "host").node
    except Invalid as refused:
        assert str(refused)


def test_passwords_of_peers_are_where_keys_are() -> None:
    text = "peerPasswords: {tor-1: {keyFile: /etc/mlbd/tor-1.key}, tor-2: {credential: tor-2}}"
    assert read(text).peer_passwords == {
        "tor-1": KeySource(PurePath("/etc/mlbd/tor-1.key")),
        "tor-2": KeySource(credential="tor-2"),
    }


@pytest.mark.parametrize(
    ("text", "field", "problem"),
    [
        ("{tor: hunter2}", "peerPasswords.tor", "is a text: write a mapping"),
        ("{tor: {}}", "peerPasswords.tor.keyFile", "is missing: give exactly one"),
        ("{tor: {keyFile: hunter2}}", "peerPasswords.tor.keyFile", "no path that starts with /"),
    ],
)
def test_a_wrong_password_of_a_peer_is_named_and_not_quoted(text: str, field: str, problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(f"peerPasswords: {text}")
    assert caught.value.field == field
    assert problem in caught.value.problem
    assert "hunter2" not in str(caught.value)
