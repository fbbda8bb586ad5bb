"""Which private names of djanorm, of the drivers and of Python the package uses, and where.

A name counts as taken where a library defines it and the class at hand does not: ``other._name``, ``self._name`` of an
inherited attribute, an override, an import, ``getattr(other, "_name")`` and the attribute that a patch replaces.
Private names of the package itself are listed where a file uses one that another file defines.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[2] / "dorm_vector"
# The first that defines a name, and that the file speaks of, owns it.
LIBRARIES = ("dorm", "psycopg", "psycopg_pool", "pymysql", "aiomysql", "aiosqlite", "turso", "libsql_client")
PRIVATE = re.compile(r"_(?!_)\w+$|__\w+(?<!__)$")
BY_TEXT = ("getattr", "hasattr", "setattr", "delattr")


def parsed(source: str) -> ast.Module:
    """Parse without the garbage collector: CPython 3.11 fails if a finalizer runs Python code meanwhile."""
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        gc.enable()


@dataclass
class Defined:
    """What classes of one name define, and the names of their bases."""

    names: set[str] = field(default_factory=set)
    bases: set[str] = field(default_factory=set)


def lines() -> Iterator[str]:
    """Yield ``library name``, and under it, indented, the files that use the name."""
    for (library, name), files in sorted(uses().items()):
        yield f"{library} {name}"
        yield from (f"    {file}" for file in sorted(files))


def uses() -> dict[tuple[str, str], set[str]]:
    """Return the files by owner and name; of the package's own names, only where another file defines them."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for path in sorted(ROOT.rglob("*.py")):
        text = path.read_text()
        tree = parsed(text)
        own = _private(tree)
        for name in set(_foreign(tree)):
            library = owner(name, text)
            if library != "dorm_vector" or name not in own:
                found[library, name].add(path.relative_to(ROOT).as_posix())
    return found


def owner(name: str, text: str) -> str:
    """Return the library that defines the name, one that the file speaks of first; "nobody" where none does."""
    spoken_of = [library for library in LIBRARIES if library == "dorm" or library in text]
    for library in (*spoken_of, "dorm_vector", *LIBRARIES):
        if name in _names(library):
            return library
    return next((module.__name__ for module in (sys, asyncio) if hasattr(module, name)), "nobody")


def taken(source: str) -> list[str]:
    """Return the private names that the code takes from somebody else, or replaces."""
    return list(_foreign(parsed(source)))


def _foreign(tree: ast.AST) -> Iterator[str]:
    """Yield the private names that the code takes from somebody else, or replaces."""
    for node, inside in _nodes(tree):
        yield from (name for name in _taken(node, inside) if PRIVATE.match(name))


def _nodes(tree: ast.AST, inside: str = "") -> Iterator[tuple[ast.AST, str]]:
    """Yield every node, with the name of the class around it."""
    for node in ast.iter_child_nodes(tree):
        yield node, inside
        yield from _nodes(node, node.name if isinstance(node, ast.ClassDef) else inside)


def _taken(node: ast.AST, inside: str) -> Iterable[str]:
    if isinstance(node, ast.Attribute):
        own = ast.unparse(node.value) in ("self", "cls", "super()") and not _is_inherited(node.attr, inside)
        return [] if own else [node.attr]
    if isinstance(node, ast.ImportFrom):
        return [] if node.level else [alias.name for alias in node.names]
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        overridden = [node.name] if inside and _is_inherited(node.name, inside) else []
        return [*overridden, *chain.from_iterable(_texts(each) for each in node.decorator_list)]
    return _texts(node) if isinstance(node, ast.Call) and ast.unparse(node.func) in BY_TEXT else []


def _texts(call: ast.AST) -> list[str]:
    """Return the second argument of ``getattr(other, "_name")`` or ``@repair(target, "_name")``."""
    arguments = call.args[1:2] if isinstance(call, ast.Call) else []
    return [each.value for each in arguments if isinstance(each, ast.Constant) and isinstance(each.value, str)]


def _is_inherited(name: str, inside: str) -> bool:
    """Tell whether ``self.name`` in that class is what a library's base class defines, or what no class here does."""
    own = _ancestors(inside, ("dorm_vector",))
    foreign = _ancestors(inside, ("dorm_vector", *LIBRARIES)) - own
    return _any_defines(name, foreign, LIBRARIES) or not _any_defines(name, own, ("dorm_vector",))


def _any_defines(name: str, classes: Iterable[str], packages: Iterable[str]) -> bool:
    known = [_classes(package) for package in packages]
    return any(each in found and name in found[each].names for found in known for each in classes)


@cache
def _ancestors(name: str, packages: tuple[str, ...]) -> frozenset[str]:
    """Return the class and its bases, by name, as far as these packages define them."""
    classes = [_classes(package)[name] for package in packages if name in _classes(package)]
    bases = {base for each in classes for base in each.bases} - {name}
    return frozenset({name} if classes else ()).union(*(_ancestors(base, packages) for base in bases))


@cache
def _classes(package: str) -> dict[str, Defined]:
    found: dict[str, Defined] = defaultdict(Defined)
    for tree in _trees(package):
        for node, inside in _nodes(tree):
            if isinstance(node, ast.ClassDef):
                found[node.name].bases |= {_simple(base) for base in node.bases}
            if inside:
                found[inside].names |= set(_defined(node))
    return dict(found)


def _simple(base: ast.expr) -> str:
    """Return ``QuerySet`` of ``queryset.QuerySet[Any]``."""
    return ast.unparse(base.value if isinstance(base, ast.Subscript) else base).rpartition(".")[2]


@cache
def _names(package: str) -> set[str]:
    """Return every private name that the package defines: functions, classes, variables and attributes."""
    return set().union(*(_private(tree) for tree in _trees(package)))


def _private(tree: ast.AST) -> set[str]:
    return {name for node in ast.walk(tree) for name in _defined(node) if PRIVATE.match(name)}


def _defined(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield node.attr
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and PRIVATE.match(node.value):
        # A name in __slots__, or in setattr().
        yield node.value


@cache
def _trees(package: str) -> tuple[ast.AST, ...]:
    spec = find_spec(package)
    assert spec is not None, f"{package} is not installed: pip install -e '.[dev]'"
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    return tuple(parsed(path.read_text()) for folder in folders for path in sorted(folder.rglob("*.py")))
