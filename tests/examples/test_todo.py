"""The to-do list as its user meets it: the real command, and the JSON that it serves, on two databases."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends import get
from backends.servers.url import url_from
from tests.examples.serving import ROOT, served

LINE = re.compile(r" *(?P<number>\d+) \[(?P<done>[ x])\] (?P<text>.*?)(?:  \((?P<distance>-?\d\.\d\d)\))?")
ERRANDS = (
    "book the dentist",
    "milk, bread and eggs",
    "water the tomatoes",
    "write to grandmother",
    "file the taxes",
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('todo') / 'todo.sqlite3'}"
        return
    with get("postgresql").start() as running:
        database = running.new_database()
        yield url_from(database)
        running.drop_database(database)


def run(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.todo", *arguments]
    variables = {**os.environ, "DATABASE_URL": url, "PYTHONUTF8": "1"}
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


def printed(url: str, *arguments: str) -> list[dict[str, str]]:
    done = run(url, *arguments)
    assert done.returncode == 0, done.stderr
    found = [LINE.fullmatch(line) for line in done.stdout.splitlines()]
    return [line.groupdict() for line in found if line is not None]


def test_what_is_typed_is_found_by_meaning(url: str) -> None:
    for errand in ERRANDS:
        (line,) = printed(url, "add", errand)
        assert (line["text"], line["done"]) == (errand, " ")
    assert [line["text"] for line in printed(url, "list")] == list(ERRANDS)
    # None of these words is in the errand that it finds.
    for question, errand in (
        ("vaccination", "book the dentist"),
        ("groceries for supper", "milk, bread and eggs"),
        ("look after the garden plants", "water the tomatoes"),
        ("mother", "write to grandmother"),
        ("pay the bank", "file the taxes"),
    ):
        found = printed(url, "find", question, "--limit", "2")
        assert found[0]["text"] == errand
        assert len(found) == 2
        assert float(found[0]["distance"]) < float(found[1]["distance"])

    (line,) = printed(url, "edit", "2", "service the brakes")
    assert line["text"] == "service the brakes"
    assert printed(url, "find", "bicycle mechanic", "--limit", "1")[0]["number"] == "2"
    assert printed(url, "done", "2")[0]["done"] == "x"
    assert "2" not in [line["number"] for line in printed(url, "list")]
    assert "2" not in [line["number"] for line in printed(url, "find", "bicycle mechanic", "--limit", "9")]
    refused = run(url, "done", "99")
    assert (refused.returncode, refused.stderr.strip().splitlines()[-1]) == (1, "No task has the number 99.")


def test_as_json(url: str) -> None:
    with served(("examples.todo", "serve"), url) as server:
        made = server.send("/tasks", {"text": "renew the passport"})
        assert (made["text"], made["done"], made["distance"]) == ("renew the passport", False, None)
        found = server("/tasks", q="train tickets", limit=3)
        assert found[0]["id"] == made["id"]
        assert [task["distance"] for task in found] == sorted(task["distance"] for task in found)
        assert made["id"] in [task["id"] for task in server("/tasks", limit=100)]
        assert server.send(f"/tasks/{made['id']}/done", {})["done"] is True
        assert made["id"] not in [task["id"] for task in server("/tasks", q="train tickets")]
        assert server.refuses("/tasks", q="") == 422
        assert server.refuses("/tasks", limit=0) == 422


def test_the_migrations_are_those_of_the_model(tmp_path: Path) -> None:
    code = "from dorm.cli import main; main()"
    command = [
        sys.executable,
        "-c",
        code,
        "makemigrations",
        "examples.todo.tasks",
        "--settings",
        "examples.todo.settings",
    ]
    variables = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path / 'none.sqlite3'}"}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode, "No changes detected" in done.stdout) == (0, True), done.stdout + done.stderr
