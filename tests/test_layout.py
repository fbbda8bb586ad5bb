"""The tree says what belongs together, who may know what, and how large a thing may grow."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

import dorm_vector
from tests.helpers import layers

ROOT = Path(__file__).parents[1]
PACKAGE = sorted((ROOT / "dorm_vector").rglob("*.py"))
ABOUT_ONE_DATABASE = [
    path for folder in ("engines", "repairs") for path in (ROOT / "dorm_vector" / folder).rglob("*.py")
]
PASS_THE_VENDOR_ON = ["dorm_vector/frames/fetching.py vendor", "dorm_vector/query/where.py vendor"]
NAMES_THE_DIALECTS = ROOT / "dorm_vector/dialects/__init__.py"
DIALECTS = {path.stem: path for path in sorted((ROOT / "dorm_vector/dialects").glob("[!_]*.py")) if path.stem != "base"}
BACKENDS = {path.stem: path for path in sorted((ROOT / "backends").glob("[!_]*.py"))}
GOLDEN = {path.stem for path in (ROOT / "tests/golden").glob("*.sql")}
PAGES = {path.stem for path in (ROOT / "docs/databases").glob("*.md")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

DRIVERS = {"aiomysql", "aiosqlite", "libsql", "numpy", "pgvector", "psycopg", "pymysql", "sqlite3", "turso"}
TELLS_THE_DATABASE = {"vendor", "get_server_info", "server_info", "server_version", *DIALECTS}
# A bracket in each word keeps the pattern from finding itself.
RULED_OUT = re.compile(
    r"(?<![a-z])([a]new|besid[e]|dea[r](?:ly)?|hee[d](?:s|ed|ing)?|men[d](?:s|ed|ing)?|whoeve[r])(?![a-z])",
    re.IGNORECASE,
)
# The command may not be on the PATH of this Python.
LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def found(paths: Iterable[Path], finder: Callable[[ast.AST], Iterable[str]]) -> list[str]:
    """Return `file:line what` for everything that the finder yields in these files."""
    return [
        f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)} {what}"
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(), str(path)))
        for what in finder(node)
    ]


def imported(node: ast.AST) -> Iterator[str]:
    """Yield the top package of every absolute import."""
    if isinstance(node, ast.Import):
        yield from (alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
        yield node.module.split(".")[0]


def database_asked_for(node: ast.AST) -> Iterator[str]:
    """Yield the words by which code asks, or says, which database this is."""
    if isinstance(node, ast.Attribute) and node.attr in TELLS_THE_DATABASE:
        yield node.attr
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in TELLS_THE_DATABASE:
        yield node.value
    elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dorm.db.backends"):
        yield f"{node.module}"


def long_functions(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        lines = (node.end_lineno or 0) - node.lineno + 1
        if lines > 50:
            yield f"{node.name}: {lines} lines"


def long_files(paths: Iterable[Path], limit: int) -> list[str]:
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in paths}
    return [f"{name}: {count} lines" for name, count in lines.items() if count > limit]


@pytest.mark.parametrize("stem", DIALECTS)
def test_a_dialect_has_a_backend_golden_sql_a_page_and_an_extra(stem: str) -> None:
    assert stem in BACKENDS
    assert stem in GOLDEN
    assert stem in PAGES
    assert stem in PROJECT["optional-dependencies"]


def test_only_its_own_extra_brings_the_client_that_brings_sphinx() -> None:
    wanted = {name for name, needs in PROJECT["optional-dependencies"].items() if "libsql-client" in str(needs)}
    asked = {name for name, needs in PROJECT["optional-dependencies"].items() if "libsql-remote" in str(needs)}
    assert (wanted, asked) == ({"libsql-remote"}, {"dev"})
    assert "libsql" not in str(PROJECT["dependencies"])


def test_golden_sql_and_pages_belong_to_a_dialect() -> None:
    assert DIALECTS.keys() >= GOLDEN
    assert DIALECTS.keys() >= PAGES


def test_the_package_and_the_backends_never_import_each_other() -> None:
    assert [line for line in found(PACKAGE, imported) if line.endswith(" backends")] == []
    backends = sorted((ROOT / "backends").rglob("*.py"))
    assert [line for line in found(backends, imported) if line.endswith(" dorm_vector")] == []


def test_only_engines_and_repairs_ask_which_database_it_is() -> None:
    askers = set(PACKAGE) - {NAMES_THE_DIALECTS, *ABOUT_ONE_DATABASE}
    asked = found(sorted(askers - set(DIALECTS.values())), database_asked_for)
    # djanorm's own functions take a vendor.
    assert [re.sub(r":\d+", "", line) for line in asked] == PASS_THE_VENDOR_ON
    for stem, path in DIALECTS.items():
        # A dialect says its own name.
        assert [line for line in found([path], database_asked_for) if not line.endswith(f" {stem}")] == []


def defined(path: Path) -> set[str]:
    """Return the names that a module defines, with those of its classes behind a dot."""
    tree = ast.parse(path.read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    owned = {f"{owner.name}.{node.name}" for owner in classes for node in owner.body if hasattr(node, "name")}
    assigned = {ast.unparse(node.target) for node in tree.body if isinstance(node, ast.AnnAssign)}
    assigned |= {ast.unparse(target) for node in tree.body if isinstance(node, ast.Assign) for target in node.targets}
    return owned | assigned | {node.name for node in tree.body if hasattr(node, "name")}


def test_the_flows_of_the_architecture_name_what_exists() -> None:
    page = (ROOT / "docs/contributing/architecture.md").read_text()
    named = re.findall(r"`([\w.]+)` \(`([\w/]+\.py)`\)", page)
    assert len(named) > 15
    assert [(name, path) for name, path in named if name not in defined(ROOT / "dorm_vector" / path)] == []


def test_folders_stay_small() -> None:
    folders = [ROOT / "dorm_vector", ROOT / "backends", ROOT / "tests"]
    modules = Counter(path.parent.relative_to(ROOT).as_posix() for folder in folders for path in folder.rglob("*.py"))
    assert {name: count for name, count in modules.items() if count > 20} == {}
    assert modules["dorm_vector"] <= 12


def test_the_picture_of_the_layers_shows_the_contract(pytestconfig: pytest.Config) -> None:
    picture = ROOT / "docs/contributing/layers.svg"
    if pytestconfig.getoption("--update-golden"):
        picture.write_text(layers.svg())
    assert picture.read_text() == layers.svg(), "run with --update-golden, and look at it"


def test_each_folder_says_what_belongs_there() -> None:
    docstrings = {
        path: ast.get_docstring(ast.parse(path.read_text())) for path in PACKAGE if path.name == "__init__.py"
    }
    assert [path for path, text in docstrings.items() if not text or len(text.splitlines()) > 4] == []


def test_files_and_functions_stay_short() -> None:
    assert found(PACKAGE, long_functions) == []
    assert long_files(PACKAGE, 400) == []
    assert long_files(DIALECTS.values(), 180) == []
    assert long_files(BACKENDS.values(), 90) == []


def test_imports_keep_the_contracts() -> None:
    # The contracts are in pyproject.toml, and `lint-imports` alone says the same.
    command = [sys.executable, "-c", LINT_IMPORTS, "--no-cache"]
    linted = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert linted.returncode == 0, linted.stdout


def test_importing_the_package_imports_no_driver_and_only_what_models_need() -> None:
    code = "import json, sys; import dorm_vector; print(json.dumps(list(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    loaded = json.loads(run.stdout)
    assert not DRIVERS.intersection(loaded)
    # The first query imports these.
    later = ("dorm_vector.query.compiler", "dorm_vector.search.plans", "dorm_vector.dialects.base", "dorm.db.utils")
    assert [name for name in loaded if name.startswith(later)] == []
    assert len([name for name in loaded if name.startswith("dorm_vector")]) <= 101


def test_conformance_tests_import_public_names_only() -> None:
    # inside.py says what else they may know, and why.
    found = {
        f"{path.relative_to(ROOT)}: {node.module}"
        for path in (ROOT / "tests/conformance").rglob("*.py")
        if path.name != "inside.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dorm_vector.")
    }
    assert found == set()


EACH_FIRST = """
import importlib, os, sys, traceback
import dorm_vector
for name in sys.argv[1:]:
    if (child := os.fork()) == 0:
        try:
            importlib.import_module(name)
        except ImportError as error:
            optional = (error.name or "").partition(".")[0] not in ("dorm_vector", "dorm")
            if not optional:
                print(name, traceback.format_exc(), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_each_module_can_be_the_first_to_be_imported() -> None:
    # What it imports of djanorm may be patched by modules that import it.
    paths = [path.relative_to(ROOT).with_suffix("") for path in PACKAGE if path.name != "__init__.py"]
    command = [sys.executable, "-c", EACH_FIRST, *(".".join(path.parts) for path in paths)]
    assert subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout == ""


def models_of(path: Path) -> list[str]:
    tree = ast.walk(ast.parse(path.read_text()))
    return [
        node.name for node in tree if isinstance(node, ast.ClassDef) and "dorm.Model" in map(ast.unparse, node.bases)
    ]


def test_no_two_models_of_the_suite_share_a_name() -> None:
    # djanorm knows models by their names alone, whatever their module or app.
    files = [path for path in (ROOT / "tests").rglob("*.py") if path.parent.name != "typing"]
    names = [name for path in files for name in models_of(path)]
    assert [name for name in names if names.count(name) > 1] == []


@pytest.mark.parametrize("name", dorm_vector.__all__)
def test_a_public_name_has_a_docstring_of_its_own(name: str) -> None:
    value = getattr(dorm_vector, name)
    if inspect.isclass(value):
        assert vars(value)["__doc__"]
    elif inspect.isroutine(value):
        assert value.__doc__


def test_no_text_uses_the_words_that_the_style_guide_rules_out() -> None:
    """Neither do names, messages and comments. The page of benchmarks is written by benchmarks/, which is searched."""
    folders = ("backends", "benchmarks", "docs", "dorm_vector", "examples", "tests")
    files = [*ROOT.glob("*.*"), *(path for folder in folders for path in (ROOT / folder).rglob("*.*"))]
    assert [
        f"{path.relative_to(ROOT)}:{number} {word}"
        for path in files
        if path.suffix in {".html", ".md", ".py", ".toml", ".yml"} and path != ROOT / "docs/benchmarks.md"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for word in RULED_OUT.findall(line.replace("joins_beside_subqueries", ""))
    ] == []


def test_the_changelog_names_only_what_exists() -> None:
    unreleased = (ROOT / "CHANGELOG.md").read_text().split("## [Unreleased]")[1].split("\n## ")[0]
    assert set(re.findall(r"`([A-Z]\w*[a-z]\w*)`", unreleased)) <= set(dorm_vector.__all__)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = (ROOT / ".ci/run").read_text().splitlines()[-1]
    assert f"$ {command}\n" in (ROOT / "README.md").read_text()
