from __future__ import annotations

import json
from pathlib import Path

import pytest

from .differences import difference

CASES = Path(__file__).parent / "cases"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", type=Path, default=CASES, help="directory of MetalLB's behaviour as data")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each case of each file, named by the case's id."""
    if "case" not in metafunc.fixturenames:
        return
    parameters = []
    for path in sorted(metafunc.config.getoption("--cases", CASES).glob("*.json")):
        document = json.loads(path.read_text())
        assert document["format"] == "mlbd-metallb-cases/1", f"cannot read {path}: its format is another"
        for case in document["cases"]:
            reason = difference(path.stem, case)
            marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
            parameters.append(pytest.param(path.stem, document, case, id=case["id"], marks=marks))
    metafunc.parametrize(("subject", "document", "case"), parameters)
