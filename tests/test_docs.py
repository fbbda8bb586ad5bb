"""Everything that the documentation shows runs, everything public is documented, and every link leads somewhere.

The blocks of a page run in its order, in a process and a folder of their own, and its Python blocks share one
namespace. A block with `title="path"` is written there instead, as a reader would do; of a console block, the `$ `
lines that begin with `dorm ` or `python -m examples` are run. What a page needs and its reader does not can stand in
an HTML comment. A block that cannot run says why, directly above: `<!-- not run: reason -->`. DATABASE_URL names an
empty SQLite database; a page with `<!-- database: postgresql -->` finds that one there, and runs where it is chosen.
`<!-- libraries: django==… -->` names what the page moves data from; its examples can import that.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import backends
import dorm_vector
from backends.servers.url import url_from
from tests.helpers import libraries, run_page, support
from tests.helpers.run_page import BLOCK, runnable

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_THE_CODE = [page for folder in ("backends", "benchmarks", "examples") for page in (ROOT / folder).rglob("*.md")]
TEXTS = [*PAGES, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(WITH_THE_CODE)]

DATABASE = re.compile(r"^<!-- database: (\w+) -->$", re.MULTILINE)
LIBRARIES = re.compile(r"^<!-- libraries: (.+) -->$", re.MULTILINE)
LINK = re.compile(r"\]\((?!\w+:)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as mkdocs and GitHub make them."""
    plain = [re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in HEADING.findall(page.read_text())]
    return {re.sub(r"[\s]+", "-", heading) for heading in plain}


def database_of(page: Path) -> str:
    asked = DATABASE.search(page.read_text())
    return asked[1] if asked else "sqlite"


def libraries_of(page: Path) -> list[Path]:
    asked = LIBRARIES.search(page.read_text())
    return [libraries.installed(asked[1].split())] if asked else []


@cache
def server(name: str) -> backends.Running:
    return backends.get(name).start()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "runnable_page" in metafunc.fixturenames:
        from tests.conftest import chosen_backends

        chosen = {"sqlite", *chosen_backends(metafunc.config)}
        pages = [page for page in PAGES if runnable(page) and database_of(page) in chosen]
        metafunc.parametrize("runnable_page", pages, ids=name_of)


@pytest.fixture
def database_url(runnable_page: Path, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of the kind that the page asks for."""
    name = database_of(runnable_page)
    if name == "sqlite":
        yield f"sqlite:///{tmp_path / 'default.sqlite3'}"
        return
    settings = server(name).new_database()
    yield url_from(settings)
    server(name).drop_database(settings)


def test_the_examples_of_a_page_run(runnable_page: Path, database_url: str, tmp_path: Path) -> None:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    imported = os.pathsep.join(map(str, [ROOT, *libraries_of(runnable_page)]))
    environment = {**os.environ, "PATH": path, "PYTHONPATH": imported, "DATABASE_URL": database_url}
    command = [sys.executable, run_page.__file__, str(runnable_page)]
    run = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"


@pytest.mark.parametrize("page", [*support.pages("reference"), *support.pages("contributing")], ids=name_of)
def test_what_the_code_writes_of_a_page_is_what_it_says_now(page: Path, pytestconfig: pytest.Config) -> None:
    support.assert_fresh(page, update=pytestconfig.getoption("--update-golden"))


@pytest.mark.parametrize("name", dorm_vector.__all__)
def test_a_public_name_is_in_the_reference(name: str) -> None:
    reference = "\n".join(page.read_text() for page in PAGES if page.parent.name == "reference")
    assert re.search(rf"\b{re.escape(name)}\b", reference)


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r"\S+\.md$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    docs = ROOT / "docs"
    assert sorted(listed) == sorted(page.relative_to(docs).as_posix() for page in docs.rglob("*.md"))


@pytest.mark.parametrize("page", TEXTS, ids=name_of)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    dead = []
    for link in LINK.finditer(BLOCK.sub("", page.read_text())):
        target = page.parent / link["path"] if link["path"] else page
        if not target.exists() or (link["anchor"] and link["anchor"] not in anchors(target)):
            dead.append(link[0])
    assert not dead
