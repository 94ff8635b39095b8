"""The settings file, mlbd.yaml(5): where things are on this host and how this node behaves. Everything about Services
and addresses is in the objects instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import PurePath
from typing import Any, NamedTuple

from .address import parse_address
from .documents import read_documents
from .fields import Fields, Invalid
from .wording import LONGEST, listed, shown

#: Links that belong to containers, tunnels and the host itself; MetalLB's list, with the names of Cilium's VXLAN.
EXCLUDED_INTERFACES = (
    "^docker.*",
    "^cbr.*",
    "^dummy.*",
    "^virbr.*",
    "^lxcbr.*",
    "^veth.*",
    "^lo$",
    "^cali.*",
    "^tunl.*",
    "^flannel.*",
    "^kube-ipvs.*",
    "^cni.*",
    "^nodelocaldns.*",
    "^lxc.*",
    "^cilium_vxlan.*",
)


class Endpoint(NamedTuple):
    """An address (IPv6 without brackets) and a TCP port."""

    host: str
    port: int


class AuthenticationType(StrEnum):
    """RFC 5880 section 4.4; the weaker types are not offered."""

    KEYED_SHA1 = "keyed-sha1"
    METICULOUS_KEYED_SHA1 = "meticulous-keyed-sha1"


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where a key is, never the key: in a file or in systemd's credential of that name, one of the two."""

    file: PurePath | None = None
    credential: str = ""


@dataclass(frozen=True, slots=True)
class Authentication:
    """Of BFD packets."""

    key: KeySource
    type: AuthenticationType = AuthenticationType.METICULOUS_KEYED_SHA1
    key_id: int = 1


@dataclass(frozen=True, slots=True)
class Liveness:
    """How a lost node is noticed: BFD's interval in seconds and its detection multiplier (RFC 5880)."""

    interval: float
    multiplier: int
    authentication: Authentication | None = None


class Pace(StrEnum):
    DEFAULT = "default"
    FAST = "fast"


PACES: Mapping[Pace, Liveness] = {Pace.DEFAULT: Liveness(0.1, 3), Pace.FAST: Liveness(0.02, 3)}


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """For mlbd-sync alone; without `kubeconfig` it runs in a Pod and uses its service account."""

    kubeconfig: PurePath | None = None
    namespace: str = "metallb-system"


_STATE = (PurePath("/etc/mlbd/state.d"), PurePath("/var/lib/mlbd/state"))
_SOCKET = PurePath("/run/mlbd/mlbd.sock")
_DATA = PurePath("/var/lib/mlbd")
_METRICS = Endpoint("127.0.0.1", 7472)


@dataclass(frozen=True, slots=True)
class Settings:
    """`hold_down` in seconds. `metrics` None: not served. `socket_group` may read from the control socket,
    `admin_group` may change things through it besides root; None: no such group. `guard`: of what arrives for a bound
    address only the Service's ports reach this host. `peer_passwords` are those of BGP peers, by the peer's name, for
    which no object has one."""

    node: str
    state: tuple[PurePath, ...] = _STATE
    socket: PurePath = _SOCKET
    socket_group: str | None = "mlbd"
    admin_group: str | None = None
    data: PurePath = _DATA
    metrics: Endpoint | None = _METRICS
    liveness: Liveness = PACES[Pace.DEFAULT]
    hold_down: float = 30.0
    bind_addresses: bool = True
    guard: bool = True
    exclude_interfaces: tuple[re.Pattern[str], ...] = tuple(map(re.compile, EXCLUDED_INTERFACES))
    peer_passwords: Mapping[str, KeySource] = field(default_factory=dict)
    kubernetes: Kubernetes = field(default_factory=Kubernetes)


def read_settings(data: bytes, host_name: str) -> Settings:
    """The settings in the octets of a file, an empty one is all defaults; `host_name` is the node's name unless it says
    otherwise. Raises Unreadable for octets that are no YAML and Invalid for what is wrong in it."""
    match read_documents(data):
        case []:
            return parse_settings({}, host_name)
        case [document] if isinstance(document.value, dict):
            return parse_settings(document.value, host_name)
        case [document]:
            raise Invalid("", f"line {document.line} is not a setting: write lines such as `holdDown: 30s`")
        case [_, second, *_]:
            raise Invalid("", f"a second document starts in line {second.line}: the settings are one, join them")
    raise AssertionError


def parse_settings(document: Mapping[Any, Any], host_name: str) -> Settings:
    fields = Fields(document)
    default = Settings(node=host_name)
    settings = Settings(
        node=_node(fields, host_name),
        state=_state(fields, default.state),
        socket=_path(fields, "socket", default.socket),
        socket_group=_group(fields, "socketGroup", default.socket_group),
        admin_group=_group(fields, "adminGroup", default.admin_group),
        data=_path(fields, "data", default.data),
        metrics=_metrics(fields, default.metrics),
        liveness=_liveness(fields),
        hold_down=_hold_down(fields, default.hold_down),
        bind_addresses=fields.boolean("bindAddresses", default.bind_addresses),
        guard=fields.boolean("guard", default.guard),
        exclude_interfaces=_patterns(fields, "excludeInterfaces", default.exclude_interfaces),
        peer_passwords=_peer_passwords(fields),
        kubernetes=_kubernetes(fields, default.kubernetes),
    )
    fields.refuse_unread()
    return settings


def _node(fields: Fields, host_name: str) -> str:
    node = fields.text("node", host_name)
    if not node or "/" in node or " " in node or not node.isprintable():
        raise fields.invalid("node", f"is {shown(node)}: write the node's name, without blanks and slashes")
    return node


def _path(fields: Fields, name: str, default: PurePath) -> PurePath:
    return _absolute(fields, name, fields.text(name, str(default)))


def _absolute(fields: Fields, name: str, text: str) -> PurePath:
    path = PurePath(text)
    if not path.is_absolute() or "\0" in text:
        raise fields.invalid(name, f"is {shown(text)}: write an absolute path, one that starts with /")
    return path


def _state(fields: Fields, default: tuple[PurePath, ...]) -> tuple[PurePath, ...]:
    if not fields.has("state"):
        return default
    paths = fields.texts("state")
    if not paths:
        raise fields.invalid("state", "is empty: name at least one directory")
    return fields.unique("state", tuple(_absolute(fields, f"state[{i}]", path) for i, path in enumerate(paths)))


def _group(fields: Fields, name: str, default: str | None) -> str | None:
    return fields.text(name) or None if fields.given(name) else default


def _metrics(fields: Fields, default: Endpoint | None) -> Endpoint | None:
    if not fields.given("metrics"):
        return default
    if not fields.has("metrics"):
        return None
    text = fields.text("metrics")
    host, _, port = text.rpartition(":")
    try:
        address = parse_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    except ValueError:
        address = None
    written = f"[{address}]" if address is not None and address.version == 6 else str(address)
    if address is None or host != written or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        advice = "write an address and a port like 127.0.0.1:7472 or [::1]:7472, or null for no metrics"
        raise fields.invalid("metrics", f"is {shown(text)}: {advice}")
    return Endpoint(str(address), int(port))


def _liveness(fields: Fields) -> Liveness:
    if not isinstance(fields.value("liveness"), dict):
        return PACES[fields.choice("liveness", Pace.DEFAULT)]
    own = fields.child("liveness")
    return replace(_pace(own), authentication=_authentication(own))


def _pace(own: Fields) -> Liveness:
    """BFD counts intervals in microseconds, but Python keeps no promise below 10 ms."""
    beside = [name for name in ("interval", "multiplier") if own.has(name)]
    if own.has("pace") and beside:
        raise own.invalid("pace", f"is given beside {listed(beside)}, which it stands for: take one of the two out")
    usual = PACES[own.choice("pace", Pace.DEFAULT)]
    interval = own.duration("interval") if own.has("interval") else usual.interval
    if interval is None or not 0.01 <= interval <= 60:
        raise own.invalid("interval", f"is {shown(own.text('interval'))}: write 10ms to 60s")
    return Liveness(interval, own.integer("multiplier", 2, 255, usual.multiplier))


def _authentication(fields: Fields) -> Authentication | None:
    if not fields.has("authentication"):
        return None
    own = fields.child("authentication")
    default = Authentication(_key_source(own))
    return replace(default, type=own.choice("type", default.type), key_id=own.integer("keyId", 0, 255, default.key_id))


def _peer_passwords(fields: Fields) -> dict[str, KeySource]:
    own = fields.child("peerPasswords")
    return {name: _key_source(own.child(name)) for name in own.names()}


def _key_source(own: Fields) -> KeySource:
    own.require_one("keyFile", "credential")
    return KeySource(_key_file(own), _credential(own))


def _key_file(own: Fields) -> PurePath | None:
    """No message quotes it, nor the credential: the key itself may stand there by mistake."""
    text = own.secret("keyFile")
    path = PurePath(text)
    if text and (not path.is_absolute() or "\0" in text):
        raise own.invalid("keyFile", "is no path that starts with /: write the path of the file that holds the key")
    return path if text else None


def _credential(own: Fields) -> str:
    name = own.secret("credential")
    if name in (".", "..") or "/" in name or not name.isprintable() or len(name) > 255:
        raise own.invalid("credential", "is no name of a credential: write the one that LoadCredential= gives it")
    return name


def _hold_down(fields: Fields, default: float) -> float:
    seconds = fields.duration("holdDown")
    if seconds is None:
        return default
    if seconds > 86400:
        raise fields.invalid("holdDown", f"is {shown(fields.text('holdDown'))}: write at most 24h")
    return seconds


def _patterns(fields: Fields, name: str, default: tuple[re.Pattern[str], ...]) -> tuple[re.Pattern[str], ...]:
    """An empty list excludes nothing; absent is the default list."""
    if not fields.has(name):
        return default
    return tuple(_pattern(fields, f"{name}[{index}]", text) for index, text in enumerate(fields.texts(name)))


def _pattern(fields: Fields, name: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise fields.invalid(name, f"is {shown(text)}, no regular expression: {str(error)[:LONGEST]}") from None


def _kubernetes(fields: Fields, default: Kubernetes) -> Kubernetes:
    own = fields.child("kubernetes")
    kubeconfig = _absolute(own, "kubeconfig", own.text("kubeconfig")) if own.has("kubeconfig") else None
    return Kubernetes(kubeconfig, own.text("namespace") or default.namespace)
