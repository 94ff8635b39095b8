"""`mlbd --config FILE`: read the settings, run until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from pathlib import Path

import mlbd
from mlbd.drivers import journal
from mlbd.drivers.control.listener import ControlError
from mlbd.model.documents import Unreadable
from mlbd.model.fields import Invalid
from mlbd.model.settings import Settings, read_settings

from .process import Process

DEFAULT_CONFIG = Path("/etc/mlbd/mlbd.yaml")
#: sysexits.h EX_CONFIG, which systemd need not try again (RestartPreventExitStatus).
EX_CONFIG = 78


def main() -> int:
    """Exit status: 0 after a stop that was asked for, 78 when the settings cannot be used, 1 for all else."""
    path = _arguments().config
    journal.start()
    try:
        settings = load_settings(path)
    except SettingsError as error:
        print(f"mlbd: {error}", file=sys.stderr)
        return EX_CONFIG
    try:
        asyncio.run(Process(settings, lambda: load_settings(path)).run())
    except ControlError as error:
        print(f"mlbd: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"mlbd: cannot start: {error.strerror}; `dmesg` may tell more", file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mlbd", description=mlbd.__doc__)
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="settings, mlbd.yaml(5)")
    parser.add_argument("--version", action="version", version=f"mlbd {mlbd.__version__}")
    return parser.parse_args()


class SettingsError(Exception):
    """The settings cannot be used; the text names the file and the setting."""


def load_settings(path: Path) -> Settings:
    """Raises SettingsError. The default file may be missing: then everything has its default."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        if path != DEFAULT_CONFIG:
            raise SettingsError(f"cannot read the settings: there is no {path}; --config names the file") from None
        data = b""
    except OSError as error:
        raise SettingsError(f"cannot read the settings in {path}: {error.strerror}") from None
    try:
        return read_settings(data, socket.gethostname())
    except (Invalid, Unreadable) as error:
        raise SettingsError(f"cannot use the settings in {path}: {error}") from None
