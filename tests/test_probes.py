"""Every repair steps aside where djanorm behaves: its probe, or a version of djanorm and a test against the server."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest

from dorm_vector.patching import registry
from tests.helpers import support
from tests.repairs.reports import SHOWN_BY

PROBED = sorted({entry.name for entry in registry.REPAIRS if entry.is_fixed is not None})
BY_VERSION = {entry.name for entry in registry.REPAIRS if entry.fixed_in}


@pytest.fixture(scope="module")
def answers() -> dict[str, list[dict[str, Any]]]:
    """What each probe says of a djanorm that nothing was installed into, and of one with that repair alone."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.helpers.probed"], check=True, stdout=subprocess.PIPE, text=True, cwd=support.ROOT
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for line in run.stdout.splitlines():
        answer = json.loads(line)
        found.setdefault(answer["name"], []).append(answer)
    return found


@pytest.mark.parametrize("name", PROBED)
def test_a_probe_tells_the_bug_from_the_repair(name: str, answers: dict[str, list[dict[str, Any]]]) -> None:
    for answer in answers[name]:
        assert answer["needed"], f"{name}: fixed in the djanorm that is installed, so the repair can go"
        assert not answer["needed when repaired"]
        assert answer["left alone when fixed"]
        assert answer["calls"] < 200, "it runs whenever its module is imported"


@pytest.mark.parametrize("name", sorted(SHOWN_BY))
def test_a_server_decides_where_no_probe_can(name: str, answers: dict[str, list[dict[str, Any]]]) -> None:
    for answer in answers[name]:
        assert answer["needed"]
        assert registry._numbers(version("djanorm")) < registry._numbers(answer["fixed in"])
        assert answer["left alone when fixed"]
    path, _, test = SHOWN_BY[name].partition("::")
    assert test in set(_functions(path))


def test_every_repair_steps_aside() -> None:
    assert SHOWN_BY.keys() == BY_VERSION
    places = {(entry.name, entry.module) for entry in registry.REPAIRS}
    asked = {(entry.name, entry.module) for entry in registry.REPAIRS if entry.is_fixed or entry.fixed_in}
    assert places == asked


def test_hooks_are_no_repairs() -> None:
    hooks = {patch.name for patch in registry.PATCHES if not isinstance(patch, registry.Repair)}
    assert hooks
    assert hooks.isdisjoint(entry.name for entry in registry.REPAIRS)


def _functions(path: str) -> Iterator[str]:
    for node in ast.parse((support.ROOT / path).read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name
