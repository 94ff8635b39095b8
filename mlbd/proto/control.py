"""The lines between mlbd and its reflex: one JSON object a line, both ways, over a socket pair.

Both ends are ours, but a line is decoded as if they were not: what is not understood becomes `Unreadable`
and is counted or reported, nothing raises.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from mlbd.proto.neighbor.frame import format_mac, parse_mac
from mlbd.proto.neighbor.link import Claim, Link
from mlbd.proto.neighbor.vip import State

MAX_LINE: Final = 1 << 20
"""Octets; a longer line is unreadable, so that a peer gone mad cannot fill memory."""

CLAIMS_PER_LINE: Final = 32
OCTETS_PER_LINE: Final = 1 << 17
"""Of claims. Reading more at once would keep a question waiting for longer than a millisecond."""

# What json.loads and the constructors below raise on anything but our own lines.
_UNREADABLE: Final = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Start:
    """The name of this node in the order of claims."""

    node: str


@dataclass(frozen=True, slots=True)
class Links:
    """All links to speak on; those not named any more are left."""

    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims that are new or different, and addresses that are no longer this node's business."""

    wanted: tuple[Claim, ...] = ()
    dropped: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Ping:
    number: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The reflex's first line. `realtime`: it runs under SCHED_FIFO."""

    realtime: bool


@dataclass(frozen=True, slots=True)
class Pong:
    """Answers Ping. `counters` count since the start of the reflex: `answered`, `announced`, `probed`,
    `unsent`, `unreadable`, `dropped.<DropReason>`; `lateness` is the worst delay of a timer in microseconds since the
    last pong."""

    number: int
    counters: Mapping[str, int]
    lateness: int


@dataclass(frozen=True, slots=True)
class VipChanged:
    """`mac` and `link` name the other claimant and where it was seen, in CONFLICT."""

    address: Address
    state: State
    mac: str | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class ConflictSeen:
    """Another MAC claimed an address that is held here; it was defended."""

    address: Address
    mac: str
    link: str


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """Whether frames can be read from and written to a link; `problem` is None when all is well."""

    index: int
    name: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    reason: str


Order = Start | Links | Claims | Ping
"""What mlbd sends."""

Report = Ready | Pong | VipChanged | ConflictSeen | LinkChanged
"""What the reflex sends."""


class LineBuffer:
    """Octets in, whole lines out. Of one that is too long so much comes out that it is found unreadable."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False

    def feed(self, octets: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + octets).split(b"\n")
        if lines and self._skipping:
            self._skipping = False
            del lines[0]
        if self._skipping:
            self._rest = b""
        elif len(self._rest) > MAX_LINE:
            lines.append(self._rest)
            self._rest, self._skipping = b"", True
        return lines


def claim_lines(wanted: Iterable[Claim], dropped: Iterable[Address]) -> list[bytes]:
    """The drops first: an address may be dropped and claimed anew in one change."""
    return [
        *(_claims_line([], share) for share in _shares(map(_address_record, dropped))),
        *(_claims_line(share, []) for share in _shares(map(_claim_record, wanted))),
    ]


def _shares(records: Iterable[str]) -> Iterator[list[str]]:
    """What goes into one line each: the order of a claim may name thousands of nodes."""
    share: list[str] = []
    octets = 0
    for record in records:
        if len(share) == CLAIMS_PER_LINE or (share and octets + len(record) > OCTETS_PER_LINE):
            yield share
            share, octets = [], 0
        share.append(record)
        octets += len(record)
    if share:
        yield share


def _claims_line(wanted: Iterable[str], dropped: Iterable[str]) -> bytes:
    """Of records that are JSON already: so their length is known and they are encoded once."""
    return f'{{"op":"claims","set":[{",".join(wanted)}],"drop":[{",".join(dropped)}]}}\n'.encode()


def encode(message: Order | Report) -> bytes:
    if isinstance(message, Claims):
        return _claims_line(map(_claim_record, message.wanted), map(_address_record, message.dropped))
    return _json(_fields(message)).encode() + b"\n"


def decode_order(line: bytes) -> Order | Unreadable:
    try:
        return _order(_loads(line))
    except _UNREADABLE as error:
        return Unreadable(f"cannot read a line of mlbd: {error!r:.200}")


def decode_report(line: bytes) -> Report | Unreadable:
    try:
        return _report(_loads(line))
    except _UNREADABLE as error:
        return Unreadable(f"cannot read a line of the reflex: {error!r:.200}")


def _json(fields: object) -> str:
    return json.dumps(fields, separators=(",", ":"))


def _loads(line: bytes) -> Any:
    if len(line) > MAX_LINE:
        raise ValueError(f"it has more than {MAX_LINE} octets")
    return json.loads(line)


def _fields(message: Start | Links | Ping | Report) -> dict[str, Any]:
    match message:
        case Start(node):
            return {"op": "start", "node": node}
        case Links(links):
            records = [{"index": link.index, "name": link.name, "mac": format_mac(link.mac)} for link in links]
            return {"op": "links", "links": records}
        case Ping(number):
            return {"op": "ping", "n": number}
        case Ready(realtime):
            return {"op": "ready", "realtime": realtime}
        case Pong(number, counters, lateness):
            return {"op": "pong", "n": number, "counters": dict(counters), "lateness": lateness}
        case VipChanged(address, state, mac, link):
            return {"op": "vip", "address": str(address), "state": state.value, "mac": mac, "link": link}
        case ConflictSeen(address, mac, link):
            return {"op": "conflict", "address": str(address), "mac": mac, "link": link}
        case LinkChanged(index, name, problem):
            return {"op": "link", "index": index, "name": name, "problem": problem}


def _claim_record(claim: Claim) -> str:
    return _json({"address": str(claim.address), "links": claim.links, "order": claim.order, "probe": claim.probe})


def _address_record(address: Address) -> str:
    return _json(str(address))


def _order(fields: dict[str, Any]) -> Order:
    match fields["op"]:
        case "start":
            return Start(str(fields["node"]))
        case "links":
            return Links(tuple(_link(record) for record in fields["links"]))
        case "claims":
            wanted = tuple(_claim(record) for record in fields["set"])
            return Claims(wanted, tuple(_address(text) for text in fields["drop"]))
        case "ping":
            return Ping(int(fields["n"]))
        case op:
            raise ValueError(f"unknown op {op!r}")


def _report(fields: dict[str, Any]) -> Report:
    match fields["op"]:
        case "ready":
            return Ready(bool(fields["realtime"]))
        case "pong":
            counters = {str(name): int(value) for name, value in fields["counters"].items()}
            return Pong(int(fields["n"]), counters, int(fields["lateness"]))
        case "vip":
            state = State(fields["state"])
            return VipChanged(_address(fields["address"]), state, _text(fields["mac"]), _text(fields["link"]))
        case "conflict":
            return ConflictSeen(_address(fields["address"]), str(fields["mac"]), str(fields["link"]))
        case "link":
            return LinkChanged(int(fields["index"]), str(fields["name"]), _text(fields["problem"]))
        case op:
            raise ValueError(f"unknown op {op!r}")


def _link(record: dict[str, Any]) -> Link:
    return Link(int(record["index"]), str(record["name"]), parse_mac(record["mac"]))


def _claim(record: dict[str, Any]) -> Claim:
    links = tuple(int(index) for index in record["links"])
    order = tuple(str(node) for node in record["order"])
    return Claim(_address(record["address"]), links, order, bool(record["probe"]))


def _address(text: str) -> Address:
    # A number would be taken for an address too.
    return ip_address(str(text))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
