"""A user's type checker accepts what is right and refuses what is wrong."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backends.servers import npm

HERE = Path(__file__).parent
FILES = ["accepted.py", "rejected.py"]
ERROR = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+): error: .*\[(?P<code>[\w-]+)\]$", re.MULTILINE)
REFUSED = re.compile(r"# refused: (?P<code>[\w-]+)$")
PYRIGHT = "1.1.414"
# Every djanorm model that has a Meta breaks this rule of pyright's, because Model has one, too.
PYRIGHT_SETTINGS = {"include": FILES, "reportIncompatibleVariableOverride": False}


@pytest.fixture(scope="module")
def errors() -> set[tuple[str, int, str]]:
    """Return file, line and code of each error in this folder, found with a user's settings and not with ours."""
    command = ["-m", "mypy", "--strict", "--config-file=", "--no-pretty", *FILES]
    run = subprocess.run([sys.executable, *command], check=False, capture_output=True, text=True, cwd=HERE)
    assert not run.stderr
    found = {(error["file"], int(error["line"]), error["code"]) for error in ERROR.finditer(run.stdout)}
    assert len(found) == run.stdout.count(": error: "), run.stdout
    return found


def refused() -> set[tuple[str, int, str]]:
    lines = enumerate((HERE / "rejected.py").read_text().splitlines(), start=1)
    return {("rejected.py", number, match["code"]) for number, line in lines if (match := REFUSED.search(line))}


def test_right_code_is_accepted(errors: set[tuple[str, int, str]]) -> None:
    assert not {error for error in errors if error[0] == "accepted.py"}


def test_each_wrong_line_is_refused_and_no_other(errors: set[tuple[str, int, str]]) -> None:
    assert {error for error in errors if error[0] == "rejected.py"} == refused()


def test_pyright_accepts_and_refuses_the_same_lines(tmp_path: Path) -> None:
    node = shutil.which("node")
    assert node is not None, "pyright needs node and npm. On Debian: sudo apt-get install npm"
    for name in FILES:
        shutil.copy(HERE / name, tmp_path)
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(PYRIGHT_SETTINGS))
    pyright = npm.unpacked("pyright", PYRIGHT) / "index.js"
    command: list[str | Path] = [node, pyright, "--pythonpath", sys.executable, "--outputjson", "--project", tmp_path]
    run = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    report = json.loads(run.stdout)
    found = {(Path(error["file"]).name, error["range"]["start"]["line"] + 1) for error in report["generalDiagnostics"]}
    assert report["summary"]["filesAnalyzed"] == len(FILES)
    assert found == {(name, line) for name, line, _ in refused()}, run.stdout
