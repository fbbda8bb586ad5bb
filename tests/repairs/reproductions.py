"""Write the probe of a repair as a script that needs djanorm alone, for the bug report of the repair.

The script holds the probe, and what the probe uses of this package, without annotations and comments. It prints
whether djanorm has the bug.
"""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from dorm_vector.patching.registry import Repair

_PACKAGE = "dorm_vector"
SETTINGS = Path(__file__).parents[2] / "pyproject.toml"


def reproductions(repairs: Iterable[Repair]) -> dict[str, str]:
    """Return a script for each repair, by its name; each repair has a probe."""
    with tempfile.TemporaryDirectory(prefix="dorm-vector-") as folder:
        paths = {repair.name: Path(folder, f"{repair.name}.py") for repair in repairs}
        for repair in repairs:
            paths[repair.name].write_text(_script(repair))
        # As the project formats the blocks of its pages.
        subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", f"--config={SETTINGS}", folder], check=True)
        return {name: path.read_text().strip() for name, path in paths.items()}


def _script(repair: Repair) -> str:
    script = _Script()
    call = script.add_probe(repair.is_fixed)
    end = f'print("fixed" if {call} else "the bug is there")'
    return "\n".join([f"import {repair.module}", *sorted(script.imports), *script.parts, end])


class _Script:
    """The imports and definitions of a script, in the order in which they run."""

    def __init__(self) -> None:
        self.imports: set[str] = set()
        self.parts: list[str] = []
        self._known: dict[str, str] = {}

    def add_probe(self, probe: Any) -> str:
        """Add what the probe uses, and return the expression that calls it."""
        if isinstance(probe, partial):
            arguments = [self._value(each) for each in probe.args]
            return f"{self._name(probe.func)}({', '.join(arguments)})"
        if probe.__closure__:
            for name, value in inspect.getclosurevars(probe).nonlocals.items():
                self.parts.append(f"{name} = {self._value(value)}")
        if probe.__name__ == "<lambda>":
            found = _lambda(probe)
            self._uses(found.body, probe.__module__)
            return ast.unparse(found.body)
        return f"{self._name(probe)}()"

    def _value(self, value: Any) -> str:
        if isinstance(value, ModuleType):
            self.imports.add(f"import {value.__name__}")
            return value.__name__
        if isinstance(value, FunctionType | type):
            return self._name(value)
        return repr(value)

    def _name(self, defined: Any) -> str:
        module, name = defined.__module__, defined.__name__
        if not module.startswith(_PACKAGE):
            self.imports.add(f"from {module} import {name}")
        elif "<locals>" in defined.__qualname__:
            (outer,) = _definitions(module)[defined.__qualname__.partition(".")[0]]
            self._add(next(each for each in ast.walk(outer) if getattr(each, "name", "") == name), module)
        else:
            self._define(name, module)
        return str(name)

    def _define(self, name: str, module: str) -> None:
        if self._known.setdefault(name, module) != module:
            raise ValueError(f"{name} is defined in {module} and in {self._known[name]}.")
        for node in _definitions(module)[name]:
            self._add(node, module)

    def _add(self, node: ast.AST, module: str) -> None:
        self._uses(node, module)
        text = ast.unparse(_Bare().visit(ast.parse(ast.unparse(node))))
        if text not in self.parts:
            self.parts.append(text)

    def _uses(self, node: ast.AST, module: str) -> None:
        """Add what a definition uses of its module, once."""
        names = {
            each.id for each in ast.walk(_Bare().visit(ast.parse(ast.unparse(node)))) if isinstance(each, ast.Name)
        }
        for name in sorted(names):
            if name in _definitions(module) and self._known.get(name) != module:
                self._define(name, module)
            elif (found := _imported(module).get(name)) is not None:
                self._import(name, *found)

    def _import(self, name: str, source: str, original: str | None) -> None:
        if original is None:
            self.imports.add(f"import {source}" if name == source.partition(".")[0] else f"import {source} as {name}")
        elif not source.startswith(_PACKAGE):
            self.imports.add(f"from {source} import {original}" + (f" as {name}" if name != original else ""))
        else:
            if self._known.get(original) != source:
                self._define(original, source)
            if name != original:
                self.parts.append(f"{name} = {original}")


class _Bare(ast.NodeTransformer):
    """Take away annotations, docstrings and what a type checker alone reads."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        every = node.args.args + node.args.kwonlyargs + node.args.posonlyargs
        for argument in (*every, node.args.vararg, node.args.kwarg):
            if argument is not None:
                argument.annotation = None
        return self._without_docstring(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]  # noqa: N815

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._without_docstring(node)

    def _without_docstring(self, node: Any) -> ast.AST:
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return self.generic_visit(ast.copy_location(ast.Assign([node.target], node.value, lineno=node.lineno), node))


def _lambda(probe: Any) -> ast.Lambda:
    """Return the source of the lambda; it is the value of a keyword ``is_fixed``."""
    line = probe.__code__.co_firstlineno
    for node in ast.walk(_tree(probe.__module__)):
        if isinstance(node, ast.keyword) and node.arg == "is_fixed" and node.value.lineno == line:
            assert isinstance(node.value, ast.Lambda)
            return node.value
    raise LookupError(f"{probe.__module__}:{line} has no is_fixed=lambda.")


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(import_module(module)))


@cache
def _definitions(module: str) -> dict[str, list[ast.stmt]]:
    """Return the statements that define each name of a module, or change an attribute of it."""
    found: dict[str, list[ast.stmt]] = {}
    for node in _tree(module).body:
        for name in _defined(node):
            found.setdefault(name, []).append(node)
    return found


def _defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id


@cache
def _imported(module: str) -> dict[str, tuple[str, str | None]]:
    """Return from where a module has each imported name; the second is None for a module that is imported whole."""
    found: dict[str, tuple[str, str | None]] = {}
    package = import_module(module).__package__ or ""
    for node in _tree(module).body:
        if isinstance(node, ast.Import):
            found |= {(each.asname or each.name.partition(".")[0]): (each.name, None) for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            source = _absolute(node, package)
            found |= {each.asname or each.name: (source, each.name) for each in node.names}
    return found


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return str(node.module)
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])
