"""What FRR, BIRD and GoBGP sent to each other over real connections, octet for octet, and what it means.

Captured with tcpdump; external peers of AS 4200000001, 64512 and 65010, internal ones of 64512. `session` is what the
two had agreed on, so far as reading depends on it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from mlbd.proto.bgp.encoding import encode
from mlbd.proto.bgp.messages import (
    Capabilities,
    GracefulRestart,
    Keepalive,
    Message,
    Nlri,
    Notification,
    Open,
    RouteRefresh,
    Update,
)
from mlbd.proto.bgp.negotiated import Negotiated
from mlbd.proto.bgp.numbers import Family
from mlbd.proto.bgp.reader import Reader
from mlbd.proto.bgp.words import describe

MESSAGES = json.loads(Path(__file__).with_name("captures.json").read_text())

BOTH = frozenset(Family)
SESSIONS = {
    "external": Negotiated(65001, internal=False, families=BOTH),
    "internal": Negotiated(64512, internal=True, families=BOTH),
    "external, IPv6 next hops": Negotiated(
        65001, internal=False, families=BOTH, extended_next_hop=frozenset({Family.IPV4})
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{n}-{case['from']}") for n, case in enumerate(MESSAGES)])
def test_what_other_speakers_send(case: Mapping[str, Any]) -> None:
    received = read(bytes.fromhex(case["octets"]), SESSIONS[case["session"]])
    assert told(received) == case["says"]


@pytest.mark.parametrize("sender", ["FRR 8.4.4", "BIRD 2.0.12", "GoBGP 3.10.0"])
def test_every_kind_of_message_is_there(sender: str) -> None:
    found = {key for case in MESSAGES if case["from"] == sender for key in case["says"]}
    assert found >= {"open", "announces", "withdraws", "end of RIB", "notification", "keepalive"}


def read(octets: bytes, negotiated: Negotiated) -> Message:
    reader = Reader()
    reader.negotiated = negotiated
    reader.feed(octets)
    received = reader.next()
    assert received is not None
    assert not isinstance(received, Keepalive | Notification | RouteRefresh) or encode(received) == octets
    return received


def told(message: Message) -> dict[str, Any]:
    """The message as the file has it."""
    match message:
        case Open(asn, hold_time, identifier, capabilities):
            return {"open": f"AS{asn} hold {hold_time} id {identifier}", **capable(capabilities)}
        case Update(announced, withdrawn, end_of_rib, flaws):
            found = {
                "announces": prefixes(announced),
                "withdraws": prefixes(withdrawn),
                "end of RIB": end_of_rib and end_of_rib.name,
                "flaws": list(flaws),
            }
            return {key: value for key, value in found.items() if value}
        case Notification():
            return {"notification": describe(message)}
        case Keepalive():
            return {"keepalive": True}
        case RouteRefresh(family, subtype):
            return {"route refresh": family and family.name, "subtype": subtype}


def capable(offered: Capabilities) -> dict[str, Any]:
    found = {
        "families": names(offered.families),
        "four-octet AS": offered.asn,
        "refresh": [offered.route_refresh, offered.enhanced_refresh],
        "extended messages": offered.extended_messages,
        "extended next hop": names(offered.extended_next_hop),
        "graceful restart": offered.graceful_restart and restart(offered.graceful_restart),
        "role": offered.role is not None and offered.role.name,
        "unknown": list(offered.unknown),
    }
    return {key: value for key, value in found.items() if value}


def restart(offered: GracefulRestart) -> dict[str, Any]:
    families = {family.name: preserved for family, preserved in offered.families.items()}
    flags = {"restarted": offered.restarted, "notification": offered.notification}
    return {"seconds": offered.seconds, **flags, "preserved": families}


def names(families: frozenset[Family]) -> list[str]:
    return sorted(family.name for family in families)


def prefixes(by_family: Mapping[Family, tuple[Nlri, ...]]) -> list[str]:
    return [prefix(family, nlri) for family, found in by_family.items() for nlri in found]


def prefix(family: Family, nlri: Nlri) -> str:
    octets = nlri[1:].ljust(4 if family is Family.IPV4 else 16, b"\0")
    return str(ip_network((octets, nlri[0])))
