"""Print every attribute that importing dorm_vector patches: `python -m tests.helpers.patched`.

Each line holds one attribute and the names of its patches, inner to outer. The names come from unwrapping the installed
functions, so a line shows what runs, not what was registered. ``absent`` marks what djanorm lacks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from inspect import isclass, isfunction
from pathlib import Path
from typing import Any

import dorm_vector
from dorm_vector.patching.registry import PATCHES

_PACKAGE = str(Path(dorm_vector.__file__).parent)


def stacks() -> Iterator[str]:
    for module in sorted({patch.module for patch in PATCHES}):
        import_module(module)
    yield from sorted({f"{place}: {' < '.join(names)}" for place, names in _patched() if names})


def _patched() -> Iterator[tuple[str, list[str]]]:
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in ("dorm_vector", "tests", "__main__") or module is None:
            continue
        for attribute, value in list(vars(module).items()):
            if isclass(value) and value.__module__ == name:
                yield from ((f"{name}:{value.__qualname__}.{key}", _names(part)) for key, part in vars(value).items())
            else:
                yield f"{name}.{attribute}", _names(value)


def _names(value: Any) -> list[str]:
    """Return the names of the patches on a function, inner to outer; none where it is as its author wrote it."""
    names = []
    while isfunction(function := _function(value)):
        if function.__code__.co_filename.startswith(_PACKAGE):
            names.append(str(getattr(function, "dorm_vector_patch", function.__name__)))
        value = getattr(function, "__wrapped__", None)
    return names[::-1]


def _function(value: Any) -> Any:
    """Return the function of a method or a property."""
    if isinstance(value, (classmethod, staticmethod)):
        return value.__func__
    return value.fget if isinstance(value, property) else value


if __name__ == "__main__":
    print("\n".join(stacks()))
