"""The benchmark runs by its one command, writes what it found, and loses nothing where a database fails."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from backends.servers.process import free_port
from benchmarks import tables
from benchmarks.measuring import Aim, Contestant, Group, measure
from tests.helpers.project import ROOT


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.run", "--quick", *arguments]
    whole = {**os.environ, **environment}
    return subprocess.run(command, check=False, cwd=ROOT, env=whole, capture_output=True, text=True, timeout=120)


def test_its_command_writes_the_page_and_the_json(tmp_path: Path) -> None:
    ran = run("--backend", "sqlite", "--case", "exact", "--case", "load", "--out", str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    page = (tmp_path / "benchmarks.md").read_text()
    for part in ("Written by", "| machine |", "## What was aimed at", "### Load 2,000 x 384 from a matrix", "µs"):
        assert part in page
    found: dict[str, Any] = json.loads((tmp_path / "benchmarks.json").read_text())
    assert found["about"]["seed"] == "20260"
    results = found["databases"]["sqlite"]["results"]
    assert {result["case"] for result in results} == {"exact", "load"}
    assert all(result["recall"] == 1 for result in results if result["case"] == "exact")
    assert all(result["seconds"] > 0 for result in results)


def test_measuring_one_database_keeps_the_results_of_the_others(tmp_path: Path) -> None:
    arguments = ["--keep", "--case=importing", "--case=read", "--no-profile", f"--out={tmp_path}"]
    assert run(*arguments, "--backend=turso").returncode == 0
    before = json.loads((tmp_path / "benchmarks.json").read_text())["databases"]
    assert run(*arguments, "--backend=sqlite").returncode == 0
    between = json.loads((tmp_path / "benchmarks.json").read_text())["databases"]
    assert run(*arguments, "--backend=turso").returncode == 0
    after = json.loads((tmp_path / "benchmarks.json").read_text())["databases"]
    assert (list(before), list(between), list(after)) == (["turso"], ["turso", "sqlite"], ["turso", "sqlite"])
    assert between["turso"] == before["turso"] != after["turso"]
    assert after["sqlite"] == between["sqlite"]
    page = (tmp_path / "benchmarks.md").read_text()
    assert page.count("### Read 2,000 x 384 to a matrix") == 2


def test_a_database_that_fails_is_named_and_costs_the_others_nothing(tmp_path: Path) -> None:
    nobody = f"postgresql://postgres:@127.0.0.1:{free_port()}/postgres"
    arguments = ["--backend=postgresql", "--backend=sqlite", "--case=exact", "--no-profile", f"--out={tmp_path}"]
    ran = run(*arguments, DORM_VECTOR_POSTGRESQL_URL=nobody)
    assert ran.returncode == 1
    page = (tmp_path / "benchmarks.md").read_text()
    assert "## What failed\n\n- **PostgreSQL, its server**: `OperationalError: connection failed" in page
    assert "### Exact k=10 of 2,000 x 384" in page


def test_a_page_that_cannot_be_written_is_known_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ran = run("--backend=sqlite", "--case=exact", f"--out={tmp_path / 'file'}")
    assert ran.returncode == 1
    assert "FileExistsError" in ran.stderr
    assert "SQLite" not in ran.stdout


def test_an_aim_that_is_missed_is_marked() -> None:
    contestants = [Contestant("bare driver", lambda _: None), Contestant("bulk_load", lambda _: time.sleep(0.01))]
    aims = [Aim("bulk_load", seconds=5), Aim("bulk_load", 2, than="who is not there")]
    results = measure(Group("case", "wait", contestants, 3, {"bulk_load": 1.5}, aims), "sqlite")
    assert [(each["aim"], each["met"]) for each in results[1].aims] == [("1.5 x", False), ("5000 ms more", True)]
    line = tables.table(results).splitlines()[-1]
    assert re.fullmatch(r"\| bulk_load \| \d+\.\d\d ms \| \d+\.\d\d \*\*✗\*\* \| 1.5 x, 5000 ms more \|  \|  \|", line)
