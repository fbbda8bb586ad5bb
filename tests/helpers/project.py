"""A djanorm project on disk, driven by the real ``dorm`` command."""

from __future__ import annotations

import atexit
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[2]
SECONDS = 120
# A thread of numpy's would not be in a copy.
ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1"}
HEADER = """import dorm
from dorm import Index, Q
from dorm_vector import HnswIndex, IvfflatIndex, Vec0Index, VectorField

"""


@dataclass
class Project:
    """One app, ``shop``, whose models change from step to step."""

    directory: Path
    database: dict[str, Any]
    installed_apps: list[str] = field(default_factory=lambda: ["dorm_vector", "shop"])
    is_new: bool = False  # every command, from its first import on
    hash_seed: str = "random"  # of every command

    def __post_init__(self) -> None:
        (self.directory / "shop").mkdir()
        (self.directory / "shop" / "__init__.py").touch()
        self._write_settings()

    def _write_settings(self) -> None:
        settings = f"DATABASES = {{'default': {self.database!r}}}\nINSTALLED_APPS = {self.installed_apps!r}\n"
        (self.directory / "settings.py").write_text(settings)

    def install(self, app: str, models: str, apps: Sequence[str]) -> None:
        """Add an app; ``apps`` are those of the project, in their order."""
        (self.directory / app).mkdir()
        (self.directory / app / "__init__.py").touch()
        (self.directory / app / "models.py").write_text(models)
        self.installed_apps = list(apps)
        self._write_settings()

    def models(self, source: str) -> None:
        (self.directory / "shop" / "models.py").write_text(HEADER + source)

    def begin(self, source: str) -> None:
        """Write models, and migrate them."""
        self.models(source)
        self.dorm("makemigrations", "shop", "--enable-pgvector")
        self.dorm("makemigrations", "shop")
        self.dorm("migrate")

    def dorm(self, *arguments: str) -> str:
        """Run ``dorm`` and return what it prints; a failure is an AssertionError with it."""
        result = self.try_dorm(*arguments)
        assert result.returncode == 0, f"dorm {' '.join(arguments)}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def try_dorm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run("from dorm.cli import main; main()", *arguments)

    def python(self, source: str) -> str:
        """Run Python in the project, configured, with its models imported; return what it prints."""
        prelude = "import dorm, settings\ndorm.configure(DATABASES=settings.DATABASES)\nfrom shop.models import *\n"
        result = self._run(prelude + source)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def migrations(self) -> list[str]:
        return sorted(path.stem for path in (self.directory / "shop" / "migrations").glob("0*.py"))

    def source(self, number: int) -> str:
        (path,) = (self.directory / "shop" / "migrations").glob(f"{number:04d}_*.py")
        return re.sub(r"\s+", " ", path.read_text())

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        run = in_a_new_python if self.is_new else in_a_copy
        return run(program, arguments, self.directory, self.hash_seed)


def in_a_new_python(
    program: str, arguments: Sequence[str], folder: Path, hash_seed: str = "random"
) -> subprocess.CompletedProcess[str]:
    # What a wheel installs runs at Python's startup; the package may be on the path alone here.
    started = "import dorm_vector_autoload\n" + program
    return subprocess.run(
        [sys.executable, "-c", started, *arguments],
        cwd=folder,
        env={
            **ENVIRONMENT,
            "PYTHONPATH": f"{folder}:{ROOT}:{ROOT}/dorm_vector/_startup",
            "PYTHONHASHSEED": hash_seed,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def in_a_copy(
    program: str, arguments: Sequence[str], folder: Path, hash_seed: str = "random"
) -> subprocess.CompletedProcess[str]:
    """Run a program in a copy of a Python that has its imports behind it: tests/helpers/copied.py."""
    original = _original(hash_seed)
    assert original.stdin
    assert original.stdout
    with TemporaryDirectory(prefix="dorm-vector-") as scratch:
        output = [f"{scratch}/{name}" for name in ("stdout", "stderr")]
        request = {"program": program, "arguments": arguments, "folder": str(folder), "output": output}
        print(json.dumps({**request, "seconds": SECONDS}), file=original.stdin, flush=True)
        code = int(original.stdout.readline())
        printed = [Path(path).read_text() for path in output]
    return subprocess.CompletedProcess([program, *arguments], code, *printed)


@cache
def _original(hash_seed: str) -> subprocess.Popen[str]:
    started = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.copied"],
        cwd=ROOT,
        env={**ENVIRONMENT, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(started.communicate)  # it ends with its input
    return started
