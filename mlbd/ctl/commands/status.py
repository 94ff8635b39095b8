"""This node on one screen, which thousands of Services do not lengthen; what is wrong comes last, where eyes are."""

from __future__ import annotations

import time
from typing import Any

import click

from mlbd.ctl.client import Client
from mlbd.ctl.errors import Exit
from mlbd.ctl.output import Output, options
from mlbd.ctl.tables import Screen, sentence
from mlbd.ctl.words import counted, duration, since, told
from mlbd.model.wording import listed

_LABEL = 11
#: More nodes than this are lost or drained, and more peers without a session, without their names.
_NAMES = 3
#: Reasons of problems of a BGP session, whose peer has the name of the object.
_OF_SESSIONS = ("PeerDown", "NotAnnounced")


@click.command()
@options
@click.pass_obj
def command(client: Client, output: Output) -> None:
    """This node in short, and what is wrong.

    Exits with 1 when something that was asked for is not served: a problem with severity error, mlbd not ready, or
    the reflex not answering. Warnings leave it 0. As JSON or YAML it is everything that mlbd knows.
    """
    status = output.show(lambda: _fetch(client, output), draw)
    if not healthy(status):
        raise click.exceptions.Exit(Exit.WRONG)


def _fetch(client: Client, output: Output) -> Any:
    if not output.for_people:
        return client.get("status")
    summary = client.get("summary")
    if output.wide:
        summary["problems"] = sorted(client.get("problems"), key=lambda problem: problem["severity"] != "error")
    return summary


def healthy(status: Any) -> bool:
    errors = any(problem["severity"] == "error" for problem in status["problems"])
    return bool(status["ready"] and status["reflex"]["alive"] and not errors)


def draw(status: Any, screen: Screen, wide: bool) -> list[str]:
    state = "ready" if status["ready"] else "not ready"
    up = duration(time.time() - status["started"])
    head = f"mlbd {status['version']} on {status['node']}: {state}, up {up}, pid {status['pid']}"
    lines = [screen.bold(head)]
    for label, text in _facts(status):
        first, *further = sentence(screen, f"{label:{_LABEL}}{text}") or [label]
        lines += [first, *further]
    return lines + _problems(status, screen)


def _facts(status: Any) -> list[tuple[str, str]]:
    holding = f"this node holds {status['holding']} of {status['vips']}"
    links = (
        f"{listed(status['links'])} can announce" if status["links"] else "none can announce; `mlbctl links` tells why"
    )
    drain = [("Drained", _drain(status["drain"], status["holding"]))] if status["drain"] else []
    peers = [("Peers", _peers(status))] if status["peers"] else []
    return [
        *drain,
        ("Services", f"{status['services']}, announced {status['announced']}"),
        ("Addresses", f"{status['wanted']} wanted, {status['assigned']} assigned; {holding}"),
        ("Pools", str(status["pools"])),
        ("Nodes", _nodes(status)),
        ("Links", links),
        *peers,
        ("Reflex", _reflex(status["reflex"])),
        *(("State", _directory(directory)) for directory in status["state"]),
    ]


def _drain(drain: Any, holding: int) -> str:
    still = "" if drain["done"] else f"; {counted(holding, 'address')} still here"
    return f"{since(drain['since'], drain['reason'])}{still}; `mlbctl undrain` ends it"


def _nodes(status: Any) -> str:
    text = f"{status['nodes']}, {status['eligible']} can hold addresses"
    for word in ("lost", "drained"):
        if names := status[word]:
            text += f", {len(names)} {word}: {listed(names, most=_NAMES)}"
    return text


def _peers(status: Any) -> str:
    names = status["unestablished"]
    lacking = f", {len(names)} not: {listed(names, most=_NAMES)}" if names else ""
    return f"{status['peers']}, {status['peers'] - len(names)} established{lacking}"


def _reflex(reflex: Any) -> str:
    restarts = f", restarted {counted(reflex['restarts'], 'time')}" if reflex["restarts"] else ""
    if not reflex["alive"]:
        is_there = f"does not answer, pid {reflex['pid']}" if reflex["pid"] else "dead"
        return f"{is_there}{restarts}: nothing is announced; `journalctl -u mlbd` tells why"
    rank = "" if reflex["realtime"] else "not "
    return f"answers, pid {reflex['pid']}, {rank}in real time{restarts}"


def _directory(directory: Any) -> str:
    if not directory["present"]:
        return f"{directory['path']}: there is no such directory"
    return f"{directory['path']}: {counted(directory['objects'], 'object')} in {counted(directory['files'], 'file')}"


def _problems(status: Any, screen: Screen) -> list[str]:
    problems = status["problems"]
    if not problems:
        return ["", "Nothing is wrong."]
    total = status["errors"] + status["warnings"]
    lines = ["", screen.bold(f"{counted(status['errors'], 'error')}, {counted(status['warnings'], 'warning')}:")]
    for problem in problems:
        lines += _problem(problem, screen)
    if total > len(problems):
        lines.append(f"and {total - len(problems)} more: `mlbctl status -o wide` shows all")
    return lines


def _problem(problem: Any, screen: Screen) -> list[str]:
    lines = sentence(screen, f"{problem['severity']}: {told(problem, problem['file'])}")
    lines[0] = lines[0].replace(problem["severity"], screen.coloured(problem["severity"]), 1)
    return [*lines, f"  -> {tells_more(problem)}"]


def tells_more(problem: Any) -> str:
    """The command to go on with."""
    about, file = problem["object"], problem["file"]
    if file or about.startswith("/"):
        return f"mlbctl check {file or about}"
    if problem["reason"] in _OF_SESSIONS:
        return f"mlbctl peers {about.rpartition('/')[2].rpartition(' ')[2]}"
    return "journalctl -u mlbd" if about == "mlbd" else f"mlbctl why {about}"
