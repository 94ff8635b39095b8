from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path, PurePath

import pytest

from mlbd.drivers.keys import BFD_LONGEST, KeyUnreadable, read_key
from mlbd.model.settings import KeySource

SECRET = "hunter2"


def read(where: KeySource, *environment: dict[str, str]) -> bytes:
    return read_key(where, "BFD key", BFD_LONGEST, *environment)


def in_file(path: Path) -> KeySource:
    return KeySource(PurePath(path))


def write(path: Path, octets: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(octets)
    path.chmod(mode)
    return path


def refusal(where: KeySource, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(KeyUnreadable) as caught:
        read(where, environment or {})
    text = str(caught.value)
    assert text.startswith("cannot read the BFD key") and SECRET not in text and SECRET not in repr(caught.value)
    return text


@pytest.mark.parametrize(
    ("octets", "key"),
    [
        (b"hunter2\n", b"hunter2"),
        (b"hunter2", b"hunter2"),
        (b"\n\n", b"\n"),
        (b"\x00\xff\x80 \n", b"\x00\xff\x80 "),
        (b"x" * 20 + b"\n", b"x" * 20),
        (b"x", b"x"),
    ],
)
def test_the_octets_of_the_file_but_for_one_newline_at_the_end(tmp_path: Path, octets: bytes, key: bytes) -> None:
    assert read(in_file(write(tmp_path / "key", octets, 0o640))) == key


@pytest.mark.parametrize(
    ("octets", "found"),
    [
        (b"", "nothing"),
        (b"\n", "nothing"),
        (b"hunter2" * 3, "more than 20 octets"),
        (b"x" * 20 + b"\n\n", "more than 20 octets"),
        (b"x" * 100, "more than 20 octets"),
    ],
)
def test_a_key_of_another_length_is_refused(tmp_path: Path, octets: bytes, found: str) -> None:
    text = refusal(in_file(write(tmp_path / "key", octets)))
    assert f"{tmp_path}/key: it holds {found}" in text and text.endswith("write 1 to 20 octets")


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o601])
def test_a_file_that_everybody_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "key", b"hunter2\n", mode)
    assert f"everybody on this host has access to it: chmod o= {path}" in refusal(in_file(path))


def test_a_file_that_is_not_there_or_is_none(tmp_path: Path) -> None:
    assert "there is no such file: write 1 to 20 octets there" in refusal(in_file(tmp_path / "key"))
    tmp_path.chmod(0o700)
    assert "Is a directory: write a plain file there" in refusal(in_file(tmp_path))
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "it holds nothing" in refusal(in_file(tmp_path / "pipe"))


def test_a_file_that_mlbd_may_not_read(tmp_path: Path) -> None:
    """As root nothing is kept from the tests: another user asks."""
    write(tmp_path / "key", b"hunter2\n")
    code = (
        "import os, sys, pathlib; from mlbd.drivers.keys import *; from mlbd.model.settings import KeySource\n"
        "os.chdir(sys.argv[1]); os.setgid(65534); os.setuid(65534)\n"
        "try: read_key(KeySource(pathlib.PurePath('key')), 'BFD key', BFD_LONGEST)\n"
        "except KeyUnreadable as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    told = "cannot read the BFD key in key: mlbd may not read it: chgrp mlbd key, chmod 640 key\n"
    assert done.stdout == told


def test_a_credential_is_read_from_where_systemd_puts_it(tmp_path: Path) -> None:
    write(tmp_path / "bfd", b"hunter2\n", 0o444)
    there = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert read(KeySource(credential="bfd"), there) == b"hunter2"
    text = refusal(KeySource(credential="other"), there)
    assert "there is no such credential: add LoadCredential=other:FILE to its unit" in text


@pytest.mark.parametrize("environment", [{}, {"CREDENTIALS_DIRECTORY": ""}])
def test_a_credential_without_any_says_how_to_give_them(environment: dict[str, str]) -> None:
    text = refusal(KeySource(credential="bfd"), environment)
    assert "mlbd was given no credentials: add LoadCredential=bfd:FILE to its unit (systemctl edit mlbd)" in text


def test_the_environment_of_the_process_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "bfd", b"hunter2\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read(KeySource(credential="bfd")) == b"hunter2"
