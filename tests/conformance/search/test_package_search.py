"""The README's example runs unchanged with the settings of each database."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import backends
from tests.helpers.project import ROOT

EXAMPLE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def test_the_example_of_the_readme(running: backends.Running, tmp_path: Path) -> None:
    source = EXAMPLE.search((ROOT / "README.md").read_text())
    assert source is not None
    settings = running.new_database()
    program = source[1].replace('"sqlite://"', repr(settings))
    assert program != source[1]
    command = [sys.executable, "-W", "error", "-c", program]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    running.drop_database(settings)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "My login is locked\n"
