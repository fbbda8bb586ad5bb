"""A djanorm project on disk, driven by the real ``dorm`` command."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
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

    def __post_init__(self) -> None:
        (self.directory / "shop").mkdir()
        (self.directory / "shop" / "__init__.py").touch()
        settings = f"DATABASES = {{'default': {self.database!r}}}\nINSTALLED_APPS = {self.installed_apps!r}\n"
        (self.directory / "settings.py").write_text(settings)

    def models(self, source: str) -> None:
        (self.directory / "shop" / "models.py").write_text(HEADER + source)

    def dorm(self, *arguments: str) -> str:
        """Run ``dorm`` and return what it prints; a failure is an AssertionError with it."""
        result = self.try_dorm(*arguments)
        assert result.returncode == 0, f"dorm {' '.join(arguments)}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def try_dorm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run(["-c", "from dorm.cli import main; main()", *arguments])

    def python(self, source: str) -> str:
        """Run Python in the project, configured, with its models imported; return what it prints."""
        prelude = "import dorm, settings\ndorm.configure(DATABASES=settings.DATABASES)\nfrom shop.models import *\n"
        result = self._run(["-c", prelude + source])
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def migrations(self) -> list[str]:
        return sorted(path.stem for path in (self.directory / "shop" / "migrations").glob("0*.py"))

    def source(self, number: int) -> str:
        (path,) = (self.directory / "shop" / "migrations").glob(f"{number:04d}_*.py")
        return re.sub(r"\s+", " ", path.read_text())

    def _run(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        environment = {
            "PYTHONPATH": f"{self.directory}:{ROOT}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PATH": "/usr/bin:/bin",
        }
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=self.directory, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
