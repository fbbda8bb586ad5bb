"""Which patches djanorm and the drivers get, and in which order: tests/golden/patches.txt."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.helpers import support


def test_patches_are_stacked_as_they_were(pytestconfig: pytest.Config) -> None:
    # In a process of its own: other tests install and remove patches.
    run = subprocess.run(
        [sys.executable, "-m", "tests.helpers.patched"], check=True, stdout=subprocess.PIPE, text=True, cwd=support.ROOT
    )
    assert " < " in run.stdout
    support.assert_golden("patches.txt", run.stdout.splitlines(), update=pytestconfig.getoption("--update-golden"))
