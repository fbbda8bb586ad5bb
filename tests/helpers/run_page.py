"""Run the examples of a documentation page, as a reader would; on its own, so that it runs where no test tool is.

python tests/helpers/run_page.py PAGE
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import subprocess
import sys
import textwrap
import types
from pathlib import Path

BLOCK = re.compile(
    r"^(?P<excuse> *<!-- not run: \S[^\n]*-->\n)?"
    r"(?P<indent> *)```(?P<language>\w*)(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
TITLE = re.compile(r'title="([^"]+)"')
COMMAND = re.compile(r"(?:^\$ |&& )(?P<command>(?:dorm |dorm-vector |python -m examples)[^\n&]*)", re.MULTILINE)


def runnable(page: Path) -> list[re.Match[str]]:
    found = BLOCK.finditer(page.read_text())
    return [block for block in found if not block["excuse"] and block["language"] in ("python", "console")]


def run_page(page: Path) -> None:
    """Run a page in this process and this folder."""
    sys.modules["__main__"] = module = types.ModuleType("__main__")
    sys.path[0] = ""
    with asyncio.Runner() as runner:
        for block in runnable(page):
            text = textwrap.dedent(block["text"])
            if title := TITLE.search(block["info"]):
                write(Path(title[1]), text)
            elif block["language"] == "python":
                # As many lines above it as on the page, so that a traceback names the page's line.
                line = block.string.count("\n", 0, block.start("text"))
                run_python("\n" * line + text, str(page), module, runner)
            else:
                for command in COMMAND.finditer(text):
                    program, *arguments = command["command"].split()
                    # The package may be on the path alone, and its command then is not.
                    own = [sys.executable, "-m", "dorm_vector"] if program == "dorm-vector" else [program]
                    subprocess.run([*own, *arguments], check=True)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def run_python(source: str, filename: str, module: types.ModuleType, runner: asyncio.Runner) -> None:
    code = compile(source, filename, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, vars(module))  # noqa: S307 - the documentation's own code
    if inspect.iscoroutine(result):
        runner.run(result)


if __name__ == "__main__":
    run_page(Path(sys.argv[1]))
