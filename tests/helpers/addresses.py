"""The paths that migrations, pickles and documents hold, as ``module:name``: what tests/golden/addresses.txt lists.

The sections of that file grow and never shrink, because what holds the paths is out of reach: databases, caches,
repositories of users. ``modules`` has every name of the modules of 9d7693a that define a public or a documented one.
"""

from __future__ import annotations

import pickle
import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import reduce
from importlib import import_module
from io import BytesIO
from typing import Any

from dorm.contrib import pgvector

from tests import pickled
from tests.helpers.support import GOLDEN, ROOT

PICKLES = GOLDEN / "pickles"
_WRITTEN = pickled.FIELDS | pickled.INDEXES | pickled.FUNCTIONS | pickled.PARTS
_DOCUMENTS = ("README.md", "docs/**/*.md", "examples/**/*.md", "examples/**/*.py")
_IMPORTED = re.compile(r"from (dorm_vector[.\w]*) import (\([^)]+\)|[^\n(]+)")
_PATH = re.compile(r"(?<![\w/.-])(dorm_vector(?:\.\w+)+)(?![\w/])")


def listed() -> dict[str, list[str]]:
    """Return the sections of the golden file."""
    blocks = (GOLDEN / "addresses.txt").read_text().split("# ")[1:]
    return {head: lines.split() for head, _, lines in (block.partition("\n") for block in blocks)}


def grown() -> dict[str, list[str]]:
    """Return the sections with what is held today and not listed yet."""
    today = {
        "migrations": in_migrations(),
        "pickles": in_pickles(),
        "docs": in_documents(),
        "entry points": entries(),
        "contrib.pgvector": (f"dorm_vector:{name}" for name in pgvector.__all__),
    }
    return {head: sorted({*lines, *today.get(head, ())}) for head, lines in listed().items()}


def as_lines(sections: dict[str, list[str]]) -> Iterator[str]:
    for head, lines in sections.items():
        yield f"# {head}"
        yield from lines


def resolved(address: str) -> Any:
    """Import the module, and return what has the name; the module too is reached from its package."""
    module, _, name = address.partition(":")
    found = import_module(module)
    # As a migration writes it: `import a.b`, then `a.b.name`.
    package, *rest = module.split(".")
    assert reduce(getattr, rest, import_module(package)) is found, f"{module} is not an attribute of its package"
    return reduce(getattr, filter(None, name.split(".")), found)


def in_migrations() -> Iterator[str]:
    """Yield what the migration writer writes for fields, indexes, functions and operations."""
    for make in _WRITTEN.values():
        deconstruct = getattr(make(), "deconstruct", None)
        if deconstruct is not None:
            module, _, name = str(deconstruct()[-3]).rpartition(".")
            yield f"{module}:{name}"


class _Recording(pickle.Unpickler):
    def __init__(self, data: bytes, found: set[str]) -> None:
        super().__init__(BytesIO(data))
        self.found = found

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] == "dorm_vector":
            self.found.add(f"{module}:{name}")
        return super().find_class(module, name)


def in_pickles() -> set[str]:
    """Return the classes and functions that the stored pickles name."""
    found: set[str] = set()
    for path in sorted(PICKLES.iterdir()):
        _Recording(path.read_bytes(), found).load()
    return found


def in_documents() -> Iterator[str]:
    """Yield what the documents and the examples import, and the paths that they write out."""
    for pattern in _DOCUMENTS:
        for path in sorted(ROOT.glob(pattern)):
            yield from _in_text(path.read_text())


def _in_text(text: str) -> Iterator[str]:
    for module, names in _IMPORTED.findall(text):
        yield from (f"{module}:{name}" for name in _names(names))
    for path in _PATH.findall(text):
        yield _split(path)


def _names(text: str) -> Iterable[str]:
    without_comments = re.sub(r"#[^\n]*", "", text)
    return re.findall(r"(?:^|,)\W*(\w+)", without_comments)


def _split(path: str) -> str:
    """Return ``module:name`` where the last part is no module."""
    head, _, name = path.rpartition(".")
    try:
        import_module(path)
    except ModuleNotFoundError:
        return f"{head}:{name}"
    return f"{path}:"


def entries() -> Iterator[str]:
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    yield from (target for group in points.values() for target in group.values())
