"""mlbctl: asks the control socket and draws. A command is one file in commands/, imported only when it is called."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from .client import Client

SOCKET = "/run/mlbd/mlbd.sock"
#: In the order of --help.
COMMANDS = (
    "status",
    "services",
    "pools",
    "nodes",
    "links",
    "peers",
    "routes",
    "events",
    "why",
    "check",
    "reload",
    "drain",
    "undrain",
)


class Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f".commands.{name}", __package__).command
        return command


@click.command("mlbctl", cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--socket",
    type=click.Path(path_type=Path, readable=False),  # who may is for the socket to say
    default=SOCKET,
    show_default=True,
    help="The control socket of the mlbd to ask.",
)
@click.version_option(package_name="mlbd", message="mlbctl %(version)s")
@click.pass_context
def main(ctx: click.Context, /, socket: Path) -> None:
    """Ask mlbd which addresses it announces, who holds them, and why.

    Exit status: 0 all is well, 1 something is wrong, 2 wrong usage, 4 mlbd does not answer, 5 not allowed,
    6 no such object.
    """
    ctx.obj = Client(socket)


if __name__ == "__main__":
    main()
