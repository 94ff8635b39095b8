"""community.json, ip-family.json, endpoint-usable.json: small pieces of the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mlbd.model.address import parse_address, parse_range
from mlbd.model.community import NotCommunity, parse_community
from mlbd.model.reference import Key
from mlbd.plan.families import families_of

from .vocabulary import endpoint_slices

Case = Mapping[str, Any]


def community(case: Case, _: Case) -> None:
    match case["op"]:
        case "parse" if case["expect"] == "error":
            with pytest.raises(ValueError) as caught:
                parse_community(case["input"])
            if kind := case.get("errorKind"):
                assert isinstance(caught.value, NotCommunity) == (kind == "format")
        case "parse":
            assert parse_community(case["input"]).numbers == tuple(case["value"].values())
        case "less":
            assert (parse_community(case["left"]) < parse_community(case["right"])) is case["expect"]
        case "string":
            given = case.get("input")
            text = given if isinstance(given, str) else ":".join(map(str, (given or case["value"]).values()))
            large = text.count(":") == 2
            assert str(parse_community(f"large:{text}" if large else text)) == case["expect"]
        case op:
            raise AssertionError(f"unknown op {op}")


def family(case: Case, _: Case) -> None:
    if case["expectError"]:
        with pytest.raises(ValueError):
            _family(case["input"])
    else:
        assert _family(case["input"]) == case["expect"]


def _family(given: Any) -> str:
    if isinstance(given, list):
        found = families_of(given)
        return "dual" if len(found) == 2 else f"ipv{found[0]}"
    return f"ipv{parse_range(given).family if '/' in given else parse_address(given).version}"


def endpoint_usable(case: Case, _: Case) -> None:
    (reduced,) = endpoint_slices([[dict(case["conditions"])]], Key("default", "web"))
    assert reduced.usable is case["expect"]
