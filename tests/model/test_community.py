from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbd.model.community import NotCommunity, parse_community


@pytest.mark.parametrize(
    "text",
    [
        "0:0",
        "65535:65535",
        "large:0:0:0",
        "large:4294967295:1:4294967295",
        "rt:65000:4294967295",
        "rt:65536:0",
        "soo:0:0",
    ],
)
def test_a_community_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_community(text)) == text


@pytest.mark.parametrize("text", ["", "alias", "1", "1:2:3", "large:1:2", "large:1:2:3:4"])
def test_another_form_may_be_an_alias(text: str) -> None:
    with pytest.raises(NotCommunity):
        parse_community(text)


@pytest.mark.parametrize(
    "text", ["65536:1", "1:-1", "a:1", "1: 2", "١:1", "foo:1:2:3", "large:4294967296:0:0", "1:", "rt:65536:65536",
    "rt:4294967296:1", "soo:a:1"],
)  # fmt: skip
def test_the_right_form_with_wrong_numbers_is_a_mistake(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_community(text)
    assert not isinstance(caught.value, NotCommunity)


@pytest.mark.parametrize(
    ("less", "more"),
    [("0:1234", "0:2345"), ("large:1234:0:0", "large:1234:0:1"), ("large:1234:1:0", "large:1235:0:0"),
     ("large:123:456:789", "0:1234"), ("0:65535", "1:0"), ("large:9:9:9", "rt:0:0"), ("rt:1:1", "soo:1:1")],
)  # fmt: skip
def test_order(less: str, more: str) -> None:
    assert parse_community(less) < parse_community(more)
    assert not parse_community(more) < parse_community(less)


def test_extended_communities_are_those_of_the_rfc() -> None:
    """RFC 4360 3.1 and 4, RFC 5668 2, octet by octet."""
    assert parse_community("rt:65000:100").numbers == (0x00_02_FDE8_00000064,)
    assert parse_community("soo:4200000000:100").numbers == (0x02_03_FA56EA00_0064,)


@given(st.text())
def test_any_text(text: str) -> None:
    try:
        assert parse_community(text).numbers
    except ValueError as refused:
        assert str(refused)
