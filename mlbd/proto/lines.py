"""The lines between mlbd and its reflex: one JSON object a line, both ways, over a socket pair.

Both ends are ours, but a line is decoded as if they were not: what is not understood becomes `Unreadable`
and is counted or reported, nothing raises.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields as fields_of
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from mlbd.proto.bfd.authentication import Authentication, AuthenticationType
from mlbd.proto.bfd.watch import Watch
from mlbd.proto.control import (
    Address,
    Claims,
    ConflictSeen,
    Drain,
    Drained,
    Links,
    Order,
    Ping,
    Pong,
    ProblemChanged,
    Ready,
    Report,
    SessionReport,
    Unreadable,
    VipChanged,
    Watches,
)
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

_OPS: Final[Mapping[type, str]] = {
    VipChanged: "vip",
    ConflictSeen: "conflict",
    SessionReport: "session",
    Drained: "drained",
}


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


def _fields(message: Links | Watches | Drain | Ping | Report) -> dict[str, Any]:
    match message:
        case Links(links):
            records = [{"index": link.index, "name": link.name, "mac": format_mac(link.mac)} for link in links]
            return {"op": "links", "links": records}
        case Watches(watches, hold_down, routers):
            nodes, peers = (list(map(_watch_record, each)) for each in (watches, routers))
            return {"op": "watch", "watches": nodes, "holdDown": hold_down, "routers": peers}
        case Drain(drained):
            return {"op": "drain", "drained": drained}
        case Ping(number):
            return {"op": "ping", "n": number}
        case Ready(realtime):
            return {"op": "ready", "realtime": realtime}
        case Pong(number, counters, lateness):
            return {"op": "pong", "n": number, "counters": dict(counters), "lateness": lateness}
        case VipChanged() | ConflictSeen() | SessionReport() | Drained():
            return {"op": _OPS[type(message)], **_plain(message)}
        case ProblemChanged(subject, problem):
            return {"op": "problem", "subject": subject, "problem": problem}


def _plain(message: VipChanged | ConflictSeen | SessionReport | Drained) -> dict[str, Any]:
    values = ((each.name, getattr(message, each.name)) for each in fields_of(message))
    return {name: value.value if isinstance(value, State) else _bare(value) for name, value in values}


def _bare(value: object) -> object:
    return str(value) if isinstance(value, IPv4Address | IPv6Address) else value


def _watch_record(watch: Watch) -> list[Any]:
    key = watch.authentication
    return [
        watch.peer,
        str(watch.local),
        str(watch.remote),
        watch.link,
        watch.desired_min_tx,
        watch.required_min_rx,
        watch.multiplier,
        watch.passive,
        watch.minimum_ttl,
        [key.type.value, key.key_id, key.key.hex()] if key else None,
    ]


def _watch(record: list[Any]) -> Watch:
    peer, local, remote, link, transmit, receive, multiplier, passive, ttl, key = record
    authentication = Authentication(AuthenticationType(key[0]), int(key[1]), bytes.fromhex(key[2])) if key else None
    return Watch(
        str(peer),
        _address(local),
        _address(remote),
        int(link),
        int(transmit),
        int(receive),
        int(multiplier),
        bool(passive),
        int(ttl),
        authentication,
    )


def _claim_record(claim: Claim) -> str:
    return _json({"address": str(claim.address), "links": claim.links, "order": claim.order})


def _address_record(address: Address) -> str:
    return _json(str(address))


def _order(fields: dict[str, Any]) -> Order:
    match fields["op"]:
        case "links":
            return Links(tuple(_link(record) for record in fields["links"]))
        case "claims":
            wanted = tuple(_claim(record) for record in fields["set"])
            return Claims(wanted, tuple(_address(text) for text in fields["drop"]))
        case "watch":
            nodes, routers = (tuple(map(_watch, fields[name])) for name in ("watches", "routers"))
            return Watches(nodes, float(fields["holdDown"]), routers)
        case "drain":
            return Drain(bool(fields["drained"]))
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
            claimant = _text(fields["mac"]), _text(fields["node"])
            return VipChanged(_address(fields["address"]), str(fields["link"]), State(fields["state"]), *claimant)
        case "conflict":
            mac, node = str(fields["mac"]), _text(fields["node"])
            return ConflictSeen(_address(fields["address"]), str(fields["link"]), mac, node, bool(fields["disputed"]))
        case "session":
            return _session(fields)
        case "drained":
            return Drained()
        case "problem":
            return ProblemChanged(str(fields["subject"]), _text(fields["problem"]))
        case op:
            raise ValueError(f"unknown op {op!r}")


def _session(fields: dict[str, Any]) -> SessionReport:
    return SessionReport(
        str(fields["peer"]),
        int(fields["link"]),
        _address(fields["local"]),
        _address(fields["remote"]),
        str(fields["state"]),
        str(fields["diagnostic"]),
        str(fields["remote_state"]),
        str(fields["remote_diagnostic"]),
        int(fields["interval"]),
        int(fields["detection"]),
        int(fields["ups"]),
        int(fields["downs"]),
        bool(fields["router"]),
        bool(fields["failed"]),
    )


def _link(record: dict[str, Any]) -> Link:
    return Link(int(record["index"]), str(record["name"]), parse_mac(record["mac"]))


def _claim(record: dict[str, Any]) -> Claim:
    links = tuple(int(index) for index in record["links"])
    order = tuple(str(node) for node in record["order"])
    return Claim(_address(record["address"]), links, order)


def _address(text: str) -> Address:
    # A number would be taken for an address too.
    return ip_address(str(text))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
