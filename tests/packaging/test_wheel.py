"""What is built installs with no driver, and imports."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

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


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "dorm_vector").rglob("*.py")}
    names = set(zipfile.ZipFile(wheel).namelist())
    started = {path.name for path in (ROOT / "startup").glob("dorm_vector_autoload.*")}
    assert {name for name in names if ".dist-info/" not in name} == package | {"dorm_vector/py.typed"} | started


def test_a_bare_install_imports_without_a_driver(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", wheel, cwd=tmp_path)
    report = json.loads(run(python, "-I", "-c", REPORT, json.dumps(DRIVERS), cwd=tmp_path))
    assert report["version"] == report["metadata"]
    assert Path(report["file"]).is_relative_to(tmp_path)
    assert report["installed"] == []
    assert report["imported"] == []
    # The command knows what only the package adds to it, and nobody has imported the package.
    assert "--rename OLD=NEW" in run(python.parent / "dorm", "makemigrations", "--help", cwd=tmp_path)
