from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlbd.ctl.__main__ import main

GOOD = """\
apiVersion: network.deckhouse.io/v1alpha1
kind: MetalLoadBalancerClass
metadata: {name: public}
spec: {addressPool: [192.0.2.10-192.0.2.12]}
---
apiVersion: v1
kind: Node
metadata: {name: node-1}
"""
BAD = GOOD.replace("192.0.2.10-192.0.2.12", "192.0.2.12-192.0.2.10")


def check(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)], input=stdin)


def test_good_files_are_0_and_counted(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    result = check(tmp_path / "a.yaml")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "Nothing is wrong with 2 objects in 1 file.\n"


def test_what_is_wrong_names_file_object_and_field(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(BAD)
    result = check(file)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{file}:1: error: cannot use MetalLoadBalancerClass public: spec.addressPool[0]: ")
    assert "reversed" in result.stdout
    assert result.stdout.count("\n") == 1


def test_directories_are_read_as_mlbd_reads_them(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yml", "c.json", "d.txt", ".e.yaml"):
        (tmp_path / name).write_text("nonsense")
    (tmp_path / "f.yaml").mkdir()
    told = json.loads(check(tmp_path, "-o", "json").stdout)
    assert [Path(problem["file"]).name for problem in told] == ["a.yaml", "b.yml", "c.json", "f.yaml"]


def test_a_file_name_that_is_not_utf_8_is_shown(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.yaml")).write_text(BAD)
    assert check(tmp_path).stdout.startswith(f"{tmp_path}/\\xff.yaml:1: error: ")


def test_standard_input(tmp_path: Path) -> None:
    assert check("-", stdin=GOOD.encode()).exit_code == 0
    result = check("-", stdin=BAD.encode())
    assert result.exit_code == 1
    assert result.stdout.startswith("standard input:1: error: ")


def test_one_object_in_two_files_is_wrong(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(GOOD.partition("---")[0])
    result = check(tmp_path)
    assert result.exit_code == 1
    told = f"cannot use MetalLoadBalancerClass public: it stands in {tmp_path}/a.yaml too, take one out"
    assert result.stdout == f"{tmp_path}/b.yaml: error: {told}\n"


def test_an_unknown_kind_is_wrong(tmp_path: Path) -> None:
    result = check("-", stdin=b"apiVersion: v1\nkind: Servce\nmetadata: {name: web}\n")
    assert result.exit_code == 1
    assert "did you mean Service?" in result.stdout


@pytest.mark.parametrize(
    ("data", "told"), [(b"\xff\xfe\x00", "UTF-8"), (b"a: [", "broken YAML"), (b"x" * ((16 << 20) + 1), "16 MiB")]
)
def test_octets_that_are_no_manifest(data: bytes, told: str) -> None:
    result = check("-", stdin=data)
    assert result.exit_code == 1
    assert told in result.stdout


def test_a_file_that_is_not_there_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    result = check(tmp_path / "none.yaml", tmp_path / "bad.yaml")
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{tmp_path}/none.yaml: error: cannot read this file: No such file")
    assert "reversed" in result.stdout


def test_json_of_nothing_wrong_is_an_empty_list() -> None:
    result = check("-", "-o", "json", stdin=GOOD.encode())
    assert (result.exit_code, result.stdout, result.stderr) == (0, "[]\n", "")
