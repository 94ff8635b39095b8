"""What happened, oldest first, in lines that can be laid beside the journal's."""

from __future__ import annotations

import json
from typing import Any

import click

from mlbd.ctl.client import Client
from mlbd.ctl.output import Format, Output, format_option, screen, until_interrupted
from mlbd.ctl.tables import Screen, sentence
from mlbd.ctl.words import clock, subject


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with new events until Ctrl-C.")
@format_option
@click.pass_obj
def command(client: Client, follow: bool, format: Format) -> None:
    """What happened lately.

    These are the last 1000 events since mlbd started; older ones are in the journal. With --follow, JSON is one event
    a line.
    """
    output = Output(format)
    if not follow:
        output.show(lambda: list(client.lines("events", follow=False)), draw, "Nothing has happened yet.")
        return
    with until_interrupted():
        for event in client.lines("events", follow=True):
            click.echo(json.dumps(event) if format is Format.JSON else output.text([event], draw, screen()))


def draw(events: Any, screen: Screen, wide: bool) -> list[str]:
    return [line for event in events for line in sentence(screen, _text(event, wide))]


def _text(event: Any, wide: bool) -> str:
    about = subject(event["object"], event["message"])
    what = f"{event['reason']} {about}" if about else event["reason"]
    text = f"{clock(event['time'])} {what}: {event['message']}"
    if not wide:
        return text
    fields = (f"{name}={event[name]}" for name in ("service", "address", "peer") if event[name])
    return " ".join((f"{event['number']:>4}", text, *fields))
