"""bgp-native-messages.json: octets of BGP, written and read again."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, ip_network
from typing import Any

from mlbd.proto.bgp.attributes import encode_attributes
from mlbd.proto.bgp.encoding import encode
from mlbd.proto.bgp.messages import Attributes, Open, Update
from mlbd.proto.bgp.negotiated import Negotiated
from mlbd.proto.bgp.nlri import encode_nlri
from mlbd.proto.bgp.numbers import LONGEST, Family
from mlbd.proto.bgp.packing import announce
from mlbd.proto.bgp.reader import Reader


def message(case: Mapping[str, Any], _: Mapping[str, Any]) -> None:
    reader = Reader()
    match case["op"]:
        case "roundTripOpen":
            reader.feed(encode(Open(case["asn"], case["holdTimeSeconds"], IPv4Address(case["routerID"]))))
            received = reader.next()
            assert isinstance(received, Open)
            assert {"asn": received.asn, "holdTimeSeconds": received.hold_time} == case["expect"]
        case "encodeUpdate":
            nlri = encode_nlri([ip_network(case["prefix"])])
            reader.negotiated = Negotiated(case["asn"], case["ibgp"], four_octet_as=case["peerFourByteASN"])
            said = Attributes(case["localPref"], tuple(map(_community, case["communities"])))
            attributes = encode_attributes(said, reader.negotiated, IPv4Address(case["nextHop"]))
            reader.feed(b"".join(announce(attributes, nlri, LONGEST)))
            assert case["expect"] == "ok"
            assert reader.next() == Update(announced={Family.IPV4: tuple(nlri)})
        case op:
            raise AssertionError(f"unknown op {op}")


def _community(text: str) -> int:
    high, low = map(int, text.split(":"))
    return high << 16 | low
