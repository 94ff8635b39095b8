"""The hands, each the owner of one thing outside of the process."""

import importlib.util
import sys
import types


def _without_its_init(name: str) -> None:
    """Import the package of this name as no more than the place of its modules."""
    spec = importlib.util.find_spec(name)
    if name not in sys.modules and spec is not None:
        package = sys.modules[name] = types.ModuleType(name)
        package.__spec__, package.__path__ = spec, list(spec.submodule_search_locations or ())


# pyroute2's imports all that it has, of which mlbd wants the messages: half of the time, and 8 MB.
_without_its_init("pyroute2")
