"""The causal chain of one object in sentences."""

from __future__ import annotations

from typing import Any

import click

from mlbd.ctl.client import Client
from mlbd.ctl.output import Output, options
from mlbd.ctl.tables import Screen, sentence


@click.command()
@click.argument("object", nargs=-1, required=True)
@options
@click.pass_obj
def command(client: Client, object: tuple[str, ...], output: Output) -> None:
    """Why OBJECT is as it is, in sentences.

    OBJECT is a Service (shop/web, or "Service shop/web"), an address, a node, a class, a pool or a link; where
    several things have one name, all of them are explained.
    """
    output.show(lambda: client.get("why", " ".join(object)), draw)


def draw(explanation: Any, screen: Screen, wide: bool) -> list[str]:
    lines: list[str] = []
    for section in explanation["sections"]:
        lines += ["", screen.bold(section["title"])] if lines else [screen.bold(section["title"])]
        for text in section["sentences"]:
            lines += sentence(screen, text, "  ")
    return lines
