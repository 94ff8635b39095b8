"""The manual says what the program does: every command, option and exit status of the one is in the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import click.testing
import pytest

from mlbd.ctl.__main__ import COMMANDS, SOCKET, main
from mlbd.ctl.commands.peers import reset
from mlbd.ctl.errors import Exit
from mlbd.ctl.output import Format
from mlbd.model.status import PeerState, Presence, VipState

PAGE = Path(__file__).parents[2] / "man" / "mlbctl.1"
PEERS = COMMANDS.index("peers") + 1
ALL = (*COMMANDS[:PEERS], "peers reset", *COMMANDS[PEERS:])


@pytest.fixture(scope="module")
def manual() -> str:
    """As it is read, on one line."""
    text = re.sub(r"\\f[BIR]", "", PAGE.read_text()).replace("\\-", "-")
    return " ".join(re.sub(r"(?m)^\.[A-Z]+ ?", "", text).split())


def command(name: str) -> click.Command:
    if name == "peers reset":
        return reset
    found = main.get_command(click.Context(main), name)
    assert found is not None
    return found


def options(of: click.Command) -> Iterator[str]:
    for parameter in of.get_params(click.Context(of)):
        if isinstance(parameter, click.Option):
            yield from parameter.opts


def test_every_command_with_its_options(manual: str) -> None:
    section = PAGE.read_text().partition(".SH COMMANDS")[2].partition(".SH EXIT STATUS")[0]
    assert tuple(re.findall(r"\.TP\n(?:\.B |\\fB)mlbctl (\w+(?: reset)?)", section)) == ALL
    for name in ALL:
        for option in options(command(name)):
            assert option in manual, f"{option} of {name}"
    for option in options(main):
        assert option in manual


def test_every_option_of_the_manual_exists() -> None:
    known = {option for name in ALL for option in options(command(name))} | set(options(main))
    told = PAGE.read_text().partition(".SH EXAMPLES")[0].replace("\\-", "-")
    assert set(re.findall(r"(?<![\w-])--[a-z]+", told)) <= known


def test_values_and_defaults(manual: str) -> None:
    assert SOCKET in manual
    assert "|".join(Format) in manual


def test_every_state_of_an_address_a_node_and_a_peer() -> None:
    told = re.findall(r"(?m)^\.TP\n\.B ([a-z-]+)$", PAGE.read_text().replace("\\-", "-"))
    for name, states in (("services", VipState), ("nodes", Presence), ("peers", PeerState)):
        assert set(told) >= set(states)
        for state in states:
            assert re.search(rf"\b{state}\b", command(name).help or ""), f"{state} in the help of {name}"


def test_every_exit_status() -> None:
    section = PAGE.read_text().partition(".SH EXIT STATUS")[2].partition(".SH")[0]
    assert [int(number) for number in re.findall(r"(?m)^\.B (\d)$", section)] == sorted(Exit)


def test_the_first_sentence_of_help_is_in_the_manual_and_short(manual: str) -> None:
    listed = click.testing.CliRunner().invoke(main, ["--help"], terminal_width=80).stdout.partition("Commands:")[2]
    assert "..." not in listed
    for name in ALL:
        assert command(name).get_short_help_str(200) in manual


def test_watch_is_refused_where_the_manual_says() -> None:
    assert [name for name in ALL if "--watch" not in options(command(name))] == [
        "peers reset",
        "events",
        "check",
        "reload",
        "drain",
        "undrain",
    ]
