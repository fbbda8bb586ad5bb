"""What is built installs with no driver, imports, and is enough for README and tutorial."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import backends
from backends.servers.url import url_from

ROOT = Path(__file__).parents[2]
DRIVERS = ["aiomysql", "aiosqlite", "libsql", "pgvector", "psycopg", "pymysql", "sqlite_vec", "turso"]
REPORT = """
import importlib.metadata, importlib.util, json, sys
import dorm_vector
drivers = json.loads(sys.argv[1])
print(json.dumps({
    "file": dorm_vector.__file__,
    "version": dorm_vector.__version__,
    "metadata": importlib.metadata.version("dorm-vector"),
    "installed": [name for name in drivers if importlib.util.find_spec(name)],
    "imported": sorted({"sqlite3", "numpy", *drivers}.intersection(sys.modules)),
}))
"""


TOP_LEVEL = "dorm_vector,dorm_vector_autoload.pth,dorm_vector_autoload.py"
TYPED = """
import dorm
from dorm_vector import VectorField
from typing import reveal_type

class Document(dorm.Model):
    embedding = VectorField(dimensions=3)

reveal_type(VectorField)
"""

RUN_PAGE = ROOT / "tests" / "helpers" / "run_page.py"


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git lists, so that what other tests write meanwhile is not built."""
    folder = tmp_path_factory.mktemp("sources")
    for name in run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def built(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a source distribution, and of the wheel that is built from it."""
    return build(sources, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


def build(sources: Path, folder: Path) -> Path:
    run(sys.executable, "-m", "build", "--outdir", folder, sources, cwd=folder)
    return folder


def test_the_package_index_accepts_what_is_built(built: Path, wheel: Path) -> None:
    run(sys.executable, "-m", "twine", "check", "--strict", *sorted(built.iterdir()), cwd=built)
    run(sys.executable, "-m", "check_wheel_contents", "--no-config", "--toplevel", TOP_LEVEL, wheel, cwd=built)


def test_a_second_build_is_equal_to_the_byte(sources: Path, built: Path, tmp_path: Path) -> None:
    folders = (built, build(sources, tmp_path))
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert len(first) == len(["wheel", "source distribution"])
    assert first == second


def test_the_source_distribution_holds_the_whole_project(sources: Path, built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    copied = {path.relative_to(sources).as_posix() for path in sources.rglob("*") if path.is_file()}
    assert {name for name in names if name and name != "PKG-INFO"} == copied


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "dorm_vector").rglob("*.py")}
    package = {name for name in package if "/_startup/" not in name}
    static = {path for path in (ROOT / "dorm_vector/commands/explorer/static").rglob("*") if path.is_file()}
    licenses = {path for path in static if path.match("vendor/echarts.[LN]*")}
    package |= {path.relative_to(ROOT).as_posix() for path in static - licenses}
    names = set(zipfile.ZipFile(wheel).namelist())
    started = {path.name for path in (ROOT / "dorm_vector/_startup").glob("dorm_vector_autoload.*")}
    assert {name for name in names if ".dist-info/" not in name} == package | {"dorm_vector/py.typed"} | started
    listed = {name.partition("/licenses/")[2] for name in names if "/licenses/" in name}
    assert listed == {"LICENSE", *(path.relative_to(ROOT).as_posix() for path in licenses)}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=True)
    return folder / "bin" / "python"


@pytest.fixture
def postgresql() -> Iterator[str]:
    server = backends.get("postgresql").start()
    settings = server.new_database()
    yield url_from(settings)
    server.drop_database(settings)


def test_a_bare_install_imports_without_a_driver(wheel: Path, fresh: Path, tmp_path: Path) -> None:
    run(fresh, "-m", "pip", "install", wheel, cwd=tmp_path)
    report = json.loads(run(fresh, "-I", "-c", REPORT, json.dumps(DRIVERS), cwd=tmp_path))
    assert report["version"] == report["metadata"]
    assert Path(report["file"]).is_relative_to(fresh.parents[1])
    assert report["installed"] == []
    assert report["imported"] == []
    # The command knows what only the package adds to it, and nobody has imported the package.
    assert "--rename OLD=NEW" in run(fresh.parent / "dorm", "makemigrations", "--help", cwd=tmp_path)


def test_mypy_reads_the_types_of_the_wheel(wheel: Path, fresh: Path, tmp_path: Path) -> None:
    run(fresh, "-m", "pip", "install", wheel, cwd=tmp_path)
    (tmp_path / "typed.py").write_text(TYPED)
    said = run(sys.executable, "-m", "mypy", "--strict", f"--python-executable={fresh}", "typed.py", cwd=tmp_path)
    assert "dorm_vector.models.fields.VectorField" in said


def test_the_wheel_is_enough_for_readme_and_tutorial(wheel: Path, fresh: Path, postgresql: str, tmp_path: Path) -> None:
    run(fresh, "-m", "pip", "install", f"{wheel}[sqlite,postgresql]", cwd=tmp_path)
    environment = {"PATH": os.pathsep.join([str(fresh.parent), "/usr/bin", "/bin"]), "HOME": str(tmp_path)}
    for page, url in (("README.md", "sqlite://"), ("docs/tutorial.md", "sqlite://tutorial.sqlite3")):
        text = (ROOT / page).read_text()
        assert text.count(f'"{url}"') == 1
        # The packages of the first example are not in the wheel: the README says "from a clone".
        text = text.replace("&& python -m examples", "")
        for database in (url, postgresql):
            folder = tmp_path / f"{Path(page).stem}_{database.partition(':')[0]}"
            folder.mkdir()
            (folder / "page.md").write_text(text.replace(f'"{url}"', f'"{database}"'))
            run(fresh, RUN_PAGE, "page.md", cwd=folder, env=environment)
