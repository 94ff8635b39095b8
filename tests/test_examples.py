"""What stands in etc/ is the first thing a user copies: it must say what is true and work as it is."""

from __future__ import annotations

import re
from pathlib import Path

from mlbd.model.settings import read_settings

ETC = Path(__file__).parent.parent / "etc"


def uncommented(text: str) -> str:
    """Take away the "#" of every line that shows a setting; prose has a blank after it."""
    return re.sub(r"(?m)^#(?=\w|  )", "", text)


def test_the_settings_shown_are_the_defaults_and_all_of_them() -> None:
    shown = (ETC / "mlbd.yaml").read_text()
    defaults = read_settings(b"", "node-1")
    assert read_settings(shown.encode(), "node-1") == defaults
    assert read_settings(uncommented(shown).encode(), "") == defaults
    assert len(re.findall(r"(?m)^#\w+:", shown)) == len(defaults.__dataclass_fields__)
