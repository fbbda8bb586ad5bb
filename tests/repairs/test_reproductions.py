"""The scripts of docs/contributing/upstream.md show the bugs in a djanorm that nothing was installed into."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache

import pytest

from dorm_vector.patching.registry import REPAIRS
from tests.helpers.support import ROOT
from tests.repairs.reports import SHOWN_BY_A_TEST

PAGE = ROOT / "docs/contributing/upstream.md"
REPORT = re.compile(r"^## (?P<name>\w+)\n.*?^```python\n(?P<script>.*?)^```$", re.DOTALL | re.MULTILINE)
RUN = """
import contextlib, io, json, sys
answers = {}
for name, script in json.load(sys.stdin).items():
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(script, {"__name__": "__main__"})
    answers[name] = printed.getvalue().strip()
print(json.dumps([answers, "dorm_vector" in sys.modules]))
"""


def scripts() -> dict[str, str]:
    found = {}
    for report in re.split(r"(?m)^(?=## )", PAGE.read_text()):
        if match := REPORT.match(report):
            found[match["name"]] = match["script"]
    return found


@cache
def answers() -> tuple[dict[str, str], bool]:
    environment = {**os.environ, "DORM_VECTOR_AUTOLOAD": "0"}
    command = [sys.executable, "-c", RUN]
    run = subprocess.run(
        command, check=True, input=json.dumps(scripts()), stdout=subprocess.PIPE, text=True, env=environment
    )
    said, with_dorm_vector = json.loads(run.stdout)
    return said, with_dorm_vector


@pytest.mark.parametrize("name", sorted({entry.name for entry in REPAIRS} - SHOWN_BY_A_TEST.keys()))
def test_a_script_shows_the_bug(name: str) -> None:
    said, with_dorm_vector = answers()
    assert not with_dorm_vector
    assert said[name] == "the bug is there"


@pytest.mark.parametrize("name", sorted(SHOWN_BY_A_TEST))
def test_the_test_that_a_report_names_exists(name: str) -> None:
    path, _, test = SHOWN_BY_A_TEST[name].partition("::")
    assert f"def {test}(" in (ROOT / path).read_text()
