"""Print what the probe of each repair says of djanorm, bare and repaired: `python -m tests.helpers.probed`.

The package is imported without its ``__init__``, so that nothing is installed while the probes are asked of djanorm as
it is. Then come the hooks, on which a repair may build, and one repair after the other, each without the rest. Each
line is JSON: the repair, the module that it is for, and the probe's answers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

_ROOT = Path(__file__).parents[2]
# Its probe looks into the sum of an expression, which djanorm compiles only with the other one.
_LEANS_ON = {"known_names_in_expressions": "aggregates_of_expressions"}


def answers() -> Iterator[dict[str, Any]]:
    registry = _registered()
    for module in dict.fromkeys(entry.module for entry in registry.REPAIRS):
        import_module(module)
    names = dict.fromkeys(entry.name for entry in registry.REPAIRS)
    repairs = [[entry for entry in registry.REPAIRS if entry.name == name] for name in names]
    bare = [_bare(parts) for parts in repairs]
    for patch in registry.PATCHES:
        if not isinstance(patch, registry.Repair):
            import_module(patch.module)
            patch.install()
    for name, parts, known in zip(names, repairs, bare, strict=True):
        with _installed(registry, _LEANS_ON.get(name)):
            yield from _answers(registry, parts, known)


def _registered() -> Any:
    package = ModuleType("dorm_vector")
    package.__path__ = [str(_ROOT / "dorm_vector")]
    sys.modules["dorm_vector"] = package
    install = import_module("dorm_vector._install")
    install.registry.arrange(install.ORDER)
    return install.registry


def _bare(parts: list[Any]) -> dict[str, tuple[bool, int]]:
    """Return for each module whether the repair is needed there, and how many functions its slowest probe calls."""
    own = _by_module(parts)
    return {module: (_is_needed(own[module]), max(map(_calls, own[module]))) for module in own}


def _by_module(parts: list[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for part in parts:
        found.setdefault(part.module, []).append(part)
    return found


def _answers(registry: Any, parts: list[Any], bare: dict[str, tuple[bool, int]]) -> Iterator[dict[str, Any]]:
    with _installed(registry, parts[0].name) as places:
        yield from _told(registry, parts, places, bare)


@contextmanager
def _installed(registry: Any, name: str | None) -> Iterator[list[Any]]:
    """Install one repair, and take it away."""
    parts = [entry for entry in registry.REPAIRS if entry.name == name]
    places = [(registry._resolve(part.target), part.attribute) for part in parts]
    before = [vars(owner).get(attribute) for owner, attribute in places]
    for part in parts:
        part.install()
    yield places
    for (owner, attribute), function in zip(places, before, strict=True):
        if function is None:
            delattr(owner, attribute)
        else:
            setattr(owner, attribute, function)


def _told(registry: Any, parts: list[Any], places: list[Any], bare: dict[str, tuple[bool, int]]) -> Iterator[Any]:
    for module, own in _by_module(parts).items():
        needed, calls = bare[module]
        yield {
            "name": own[0].name,
            "module": module,
            "needed": needed,
            "needed when repaired": _is_needed(own),
            "left alone when fixed": _is_left_alone(registry, parts, places),
            "calls": calls,
            "fixed in": own[0].fixed_in,
        }


def _is_needed(parts: list[Any]) -> bool:
    return all(part.is_needed() for part in parts)


def _calls(part: Any) -> int:
    """Return how many functions the probe calls, the second time; time would depend on what else runs."""
    part.is_needed()
    calls = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        part.is_needed()
    finally:
        sys.setprofile(None)
    return calls


def _is_left_alone(registry: Any, parts: list[Any], places: list[Any]) -> bool:
    """Tell whether a djanorm that behaves is left as it is: its functions do what the repaired ones do."""
    theirs = [getattr(owner, attribute) for owner, attribute in places]
    for function in theirs:
        # A property is known by its getter.
        vars(getattr(function, "fget", function)).pop("dorm_vector_patch", None)
    order, every = registry._order, registry._patches
    registry._patches = {part.module: [own for own in parts if own.module == part.module] for part in parts}
    registry.arrange({module: tuple(own.address for own in owned) for module, owned in registry._patches.items()})
    installed, registry._djanorm_version = registry._djanorm_version, lambda: "5.0.1"
    try:
        for part in parts:
            registry._installed.discard(part.module)
            registry.install(part.module)
    finally:
        registry._patches, registry._djanorm_version = every, installed
        registry.arrange(order)
    return all(getattr(owner, attribute) is own for (owner, attribute), own in zip(places, theirs, strict=True))


if __name__ == "__main__":
    for answer in answers():
        print(json.dumps(answer))
