"""A user's type checker accepts what is right and refuses what is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ERROR = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+): error: .*\[(?P<code>[\w-]+)\]$", re.MULTILINE)
REFUSED = re.compile(r"# refused: (?P<code>[\w-]+)$")


@pytest.fixture(scope="module")
def errors() -> set[tuple[str, int, str]]:
    """Return file, line and code of each error in this folder, found with a user's settings and not with ours."""
    command = ["-m", "mypy", "--strict", "--config-file=", "--no-pretty", "accepted.py", "rejected.py"]
    run = subprocess.run([sys.executable, *command], check=False, capture_output=True, text=True, cwd=HERE)
    assert not run.stderr
    found = {(error["file"], int(error["line"]), error["code"]) for error in ERROR.finditer(run.stdout)}
    assert len(found) == run.stdout.count(": error: "), run.stdout
    return found


def test_right_code_is_accepted(errors: set[tuple[str, int, str]]) -> None:
    assert not {error for error in errors if error[0] == "accepted.py"}


def test_each_wrong_line_is_refused_and_no_other(errors: set[tuple[str, int, str]]) -> None:
    lines = enumerate((HERE / "rejected.py").read_text().splitlines(), start=1)
    expected = {("rejected.py", number, match["code"]) for number, line in lines if (match := REFUSED.search(line))}
    assert {error for error in errors if error[0] == "rejected.py"} == expected
