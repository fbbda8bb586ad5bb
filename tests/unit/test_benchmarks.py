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
from benchmarks import summary, tables
from benchmarks.measuring import Aim, Contestant, Group, Result, measure
from tests.helpers.project import ROOT


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.run", "--quick", *arguments]
    whole = {**os.environ, **environment}
    return subprocess.run(command, check=False, cwd=ROOT, env=whole, capture_output=True, text=True, timeout=120)


def test_its_command_writes_the_page_and_the_json(tmp_path: Path) -> None:
    cases = [f"--case={name}" for name in ("exact", "load", "clients")]
    ran = run("--backend", "sqlite", *cases, "--out", str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    page = (tmp_path / "benchmarks.md").read_text()
    parts = (
        "Written by",
        "## Searches under load",
        "## What was aimed at",
        "## Method",
        "| machine |",
        "### Load 2,000",
    )
    assert sorted(parts, key=page.index) == list(parts)
    assert "µs" in page
    found: dict[str, Any] = json.loads((tmp_path / "benchmarks.json").read_text())
    assert found["about"]["seed"] == "20260"
    results = found["databases"]["sqlite"]["results"]
    assert {result["case"] for result in results} == {"exact", "load", "clients"}
    loaded = [result for result in results if result["case"] == "clients"]
    assert [result["setting"] for result in loaded if result["contestant"] == "dorm_vector"] == [["1"], ["8"], ["32"]]
    assert all(0 < result["figures"]["p50 ms"] <= result["figures"]["p99 ms"] for result in loaded)
    assert all(result["recall"] == 1 for result in loaded)
    assert all(result["recall"] == 1 for result in results if result["case"] == "exact")
    assert all(result["seconds"] > 0 for result in results)


def test_measuring_a_case_of_one_database_keeps_all_other_results(tmp_path: Path) -> None:
    def measured(backend: str, *cases: str) -> dict[str, Any]:
        chosen = [f"--case={case}" for case in cases]
        assert run("--keep", "--no-profile", f"--out={tmp_path}", f"--backend={backend}", *chosen).returncode == 0
        found: dict[str, Any] = json.loads((tmp_path / "benchmarks.json").read_text())["databases"]
        return found

    def results(found: dict[str, Any], case: str) -> list[Any]:
        return [result for result in found["sqlite"]["results"] if result["case"] == case]

    before = measured("turso", "read")
    between = measured("sqlite", "importing", "read")
    after = measured("sqlite", "read")
    assert (list(before), list(between), list(after)) == (["turso"], ["turso", "sqlite"], ["turso", "sqlite"])
    assert after["turso"] == between["turso"] == before["turso"]
    assert results(after, "importing") == results(between, "importing") != []
    assert results(after, "read") != results(between, "read")
    assert len(results(after, "read")) == len(results(between, "read"))
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


def test_an_aim_at_the_fastest_of_several_counts_only_those_that_find_enough() -> None:
    aim = Aim("nearest()", 1.25, 0.0003, ("exact", "index"), recall=0.95)
    assert str(aim) == "1.25 x exact or index and 0.3 ms more, recall 0.95"
    times = {"exact": 0.010, "index": 0.002, "nearest()": 0.011}
    found = aim.judged(times, {"exact": 1.0, "index": 0.1, "nearest()": 0.98})
    assert found == {"aim": str(aim), "found": "1.10 x, recall 0.98", "met": True}
    assert aim.judged(times, {"exact": 1.0, "index": 0.96, "nearest()": 0.98})["found"] == "5.50 x, recall 0.98"
    assert not aim.judged(times, {"exact": 1.0, "index": 0.1, "nearest()": 0.94})["met"]


def test_the_page_leads_with_a_line_for_each_index_and_a_column_for_each_number_of_rows() -> None:
    def result(group: str, contestant: str, seconds: float, setting: list[str], **more: Any) -> Result:
        return Result(
            "growth", "sqlite", group, contestant, seconds, 1.0, more.pop("recall", None), 3, "", [], setting, more
        )

    results = [
        result("exact of 10", "bare driver", 0.001, ["10"], recall=1.0),
        result("exact of 10", "dorm_vector", 0.002, ["10"], recall=1.0),
        result("build of 10", "Vec0Index", 3.0, ["10", "build"], MB=15.31),
        result("index of 10", "Vec0Index", 0.0005, ["10"], recall=0.97),
        result("exact of 20", "dorm_vector", 0.004, ["20"], recall=1.0),
    ]
    assert list(summary.of(results, {"sqlite": "SQLite"}))[1:] == [
        "| database | search | 10 rows | 20 rows | build |",
        "|---|---|--:|--:|--:|",
        "| SQLite | exact | 2.00 ms | 4.00 ms |  |",
        "| SQLite | Vec0Index | 0.50 ms (0.97) |  | 3.00 s, 15.3 MB for 10 |",
        "",
    ]


def test_only_what_was_missed_is_listed() -> None:
    contestants = [Contestant("bare driver", lambda _: time.sleep(0.01)), Contestant("bulk_load", lambda _: None)]
    met = measure(Group("case", "wait", contestants, 3, {"bulk_load": 1.5}), "sqlite")
    missed = measure(Group("case", "hurry", contestants[::-1], 3, {"bare driver": 1.5}), "sqlite")
    found = {"title": "SQLite", "results": [*met, *missed], "failures": [], "server": "", "profile": "", "how": ""}
    page = tables.document({}, {"sqlite": {**found, "commit": "", "minutes": 0}})
    assert "1 of 2 aims were met" in page
    assert page.count("| SQLite | hurry | bare driver | 1.5 x |") == 1
    assert "| SQLite | wait |" not in page
