"""What stands in etc/ is the first thing a user copies: it must say what is true and work as it is."""

from __future__ import annotations

import re
from pathlib import Path

from mlbd.model import manifest
from mlbd.model.settings import read_settings

ROOT = Path(__file__).parent.parent
ETC = ROOT / "etc"
#: Settings that are checked, but that nothing reads so far.
WITHOUT_EFFECT = ("kubernetes",)


def uncommented(text: str) -> str:
    """Take away the "#" of every line that shows a setting; prose has a blank after it."""
    return re.sub(r"(?m)^#(?=\S|  )", "", text)


def test_the_settings_shown_are_the_defaults_and_all_of_them() -> None:
    shown = (ETC / "mlbd.yaml").read_text()
    defaults = read_settings(b"", "node-1")
    assert read_settings(shown.encode(), "node-1") == defaults
    assert read_settings(uncommented(shown).encode(), "") == defaults
    assert len(re.findall(r"(?m)^#\w+:", shown)) == len(defaults.__dataclass_fields__)


def test_the_routers_shown_are_none_until_they_are_uncommented() -> None:
    shown = (ETC / "state.d" / "bgp.yaml").read_text()
    assert manifest.read(shown.encode(), "bgp.yaml") == manifest.read(b"", "bgp.yaml")
    used = manifest.read(uncommented(shown).encode(), "bgp.yaml")
    assert used.problems == ()
    assert {identity.world_field for identity in used.objects} == {
        "address_pools",
        "bgp_advertisements",
        "bgp_peers",
        "bfd_profiles",
        "secrets",
    }


def test_what_has_no_effect_yet_is_said_to_have_none() -> None:
    shown = re.split(r"\n\n", (ETC / "mlbd.yaml").read_text())
    told = re.split(r"(?m)^\.It Cm ", (ROOT / "man" / "mlbd.yaml.5").read_text().partition(".Sh OBJECTS")[0])
    for texts, setting in ((shown, r"(?m)^#(\w+):"), (told, r"^(\w+) :")):
        without = {name for text in texts if "not part of" in text for name in re.findall(setting, text)}
        assert without == set(WITHOUT_EFFECT)


def test_the_settings_in_the_manual_can_be_used() -> None:
    manual = (ROOT / "man" / "mlbd.yaml.5").read_text().partition(".Sh EXAMPLES")[2]
    examples = re.findall(r"(?s)\.Bd -literal -offset indent\n(.*?)\.Ed", manual)
    defaults = read_settings(b"", "node-1")
    assert examples and all(read_settings(example.encode(), "node-1") != defaults for example in examples)
