"""A migration that failed or was killed is run again, and two at once wait for each other."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen
from typing import Any
from unittest.mock import patch

import dorm
import pytest
from dorm.db.connection import _create_sync_connection
from dorm.migrations import executor

import backends
from dorm_vector.patching import registry
from tests.chaos.faults import Faults
from tests.databases import Database
from tests.helpers.project import ENVIRONMENT, ROOT, Project

COMMITS_EACH_CHANGE = ("mariadb", "mysql")

FIRST = """
import dorm
from dorm.migrations.operations import CreateModel
from dorm_vector import VectorExtension

key = dorm.BigAutoField(primary_key=True)
operations = [
    VectorExtension(),
    CreateModel("Doc", [("id", key), ("title", dorm.CharField(max_length=20))]),
]
"""

SECOND = """
import os, signal, time
import dorm
from pathlib import Path
from dorm.db.connection import get_connection
from dorm.migrations.operations import AddField, AddIndex, RunPython, RunSQL
from dorm_vector import TextIndex, VectorField

def fill(*_arguments):
    for number in range(20):
        get_connection().execute_write('INSERT INTO "shop_doc" ("title") VALUES (%s)', [f"title {{number}}"])

def stop(*_arguments):
    {stop}

operations = [
    AddField("Doc", "v", VectorField(3, null=True)),
    AddIndex("Doc", TextIndex(fields=["title"], name="doc_words")),
    RunPython(fill, fill),
    RunPython(stop, fill),
    AddField("Doc", "w", VectorField(3, null=True)),
]
"""

ROWS = [f"title {number}" for number in range(20)]
STOPS = {
    "fails": ("fails", "raise ValueError('a bug')"),
    "killed": ("is killed", "os.kill(os.getpid(), signal.SIGKILL)"),
}


def migration(project: Project, number: int, source: str) -> None:
    folder = project.directory / "shop" / "migrations"
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").touch()
    (folder / f"{number:04d}_step.py").write_text(source)
    project.models("class Doc(dorm.Model):\n    title = dorm.CharField(max_length=20)\n")


@contextmanager
def connected(project: Project) -> Iterator[Any]:
    connection: Any = _create_sync_connection("seen", project.database)
    try:
        yield connection
    finally:
        connection.close()


def columns(project: Project) -> list[str]:
    with connected(project) as connection:
        return sorted(row["name"] for row in connection.get_table_columns("shop_doc"))


def titles(project: Project) -> int:
    return len(rows(project))


def rows(project: Project) -> list[str]:
    with connected(project) as connection:
        return [row["title"] for row in connection.execute('SELECT "title" FROM "shop_doc"')]


def notes_are_there(project: Project) -> bool:
    with connected(project) as connection:
        return bool(connection.table_exists("dorm_migrations_unfinished"))


@pytest.mark.parametrize("how", STOPS)
def test_a_migration_that_stopped_is_run_again(
    project: Project, how: str, running: backends.Running, faults: Faults
) -> None:
    migration(project, 1, FIRST)
    project.dorm("migrate")
    migration(project, 2, SECOND.format(stop=STOPS[how][1]))
    stopped = project.try_dorm("migrate")
    assert stopped.returncode == (-signal.SIGKILL if how == "killed" else 1)
    keeps = running.name in COMMITS_EACH_CHANGE
    assert columns(project) == (["id", "title", "v"] if keeps else ["id", "title"])
    assert titles(project) == (20 if keeps else 0)
    if keeps and how == "fails":
        assert "stopped at operation 4 of 5, RunPython" in stopped.stderr
    migration(project, 2, SECOND.format(stop="pass"))
    project.dorm("migrate")
    assert columns(project) == ["id", "title", "v", "w"]
    faults.count(f"`dorm migrate` that {STOPS[how][0]}, run again", acknowledged=ROWS, stored=rows(project))
    assert not notes_are_there(project)
    project.dorm("migrate", "shop", "zero")


@pytest.mark.not_on("sqlite", "turso", "libsql", "postgresql", reason="they roll back")
def test_a_migration_that_was_changed_meanwhile(project: Project) -> None:
    migration(project, 1, FIRST)
    migration(project, 2, SECOND.format(stop=STOPS["fails"][1]))
    assert project.try_dorm("migrate").returncode == 1
    changed = SECOND.format(stop="pass").replace('"Doc", "v"', '"Doc", "x"')
    migration(project, 2, changed)
    refused = project.try_dorm("migrate")
    assert "was changed after 3 of its operations" in refused.stderr
    migration(project, 2, SECOND.format(stop="pass"))
    project.dorm("migrate")
    assert columns(project) == ["id", "title", "v", "w"]


@pytest.mark.not_on("sqlite", "turso", "libsql", "postgresql", reason="they roll back")
def test_an_operation_that_did_half_of_its_work(project: Project) -> None:
    """What it added is taken back; what it changed otherwise is for a person to judge."""
    migration(project, 1, FIRST)
    half = 'def half(*_arguments):\n    get_connection().execute_script({statement!r})\n    raise ValueError("a bug")\n'
    head = "from dorm.db.connection import get_connection\nfrom dorm.migrations.operations import RunPython\n"
    adds = half.format(statement='ALTER TABLE "shop_doc" ADD COLUMN "more" INTEGER')
    migration(project, 2, head + adds + "operations = [RunPython(half, half)]\n")
    for _again in range(2):
        stopped = project.try_dorm("migrate")
        assert "ValueError: a bug" in stopped.stderr
        assert "more" in columns(project)
    drops = half.format(statement='ALTER TABLE "shop_doc" DROP COLUMN "title"')
    migration(project, 2, head + drops + "operations = [RunPython(half, half)]\n")
    assert "ValueError: a bug" in project.try_dorm("migrate").stderr
    asked = project.try_dorm("migrate")
    assert "column shop_doc title" in asked.stderr
    (note, *_rest) = [line.strip(" ;") for line in asked.stderr.splitlines() if line.startswith("  UPDATE")]
    with connected(project) as connection:
        connection.execute_script(note)
    project.dorm("migrate")
    assert columns(project) == ["id"]


@pytest.mark.not_on("sqlite", "turso", "libsql", "postgresql", reason="they roll back")
def test_going_back_that_stopped_is_run_again(project: Project) -> None:
    migration(project, 1, FIRST)
    migration(project, 2, SECOND.format(stop="pass").replace("RunPython(fill, fill)", "RunPython(fill, stop)"))
    project.dorm("migrate")
    bug = SECOND.format(stop="raise ValueError('a bug')").replace("RunPython(fill, fill)", "RunPython(fill, stop)")
    migration(project, 2, bug)
    assert "stopped at operation 3 of 5" in project.try_dorm("migrate", "shop", "0001").stderr
    assert columns(project) == ["id", "title", "v"]
    migration(project, 2, bug.replace("raise ValueError('a bug')", "pass"))
    project.dorm("migrate", "shop", "0001")
    assert columns(project) == ["id", "title"]
    assert titles(project) == 40
    assert not notes_are_there(project)


@pytest.mark.not_on("sqlite", "turso", "libsql", "mariadb", "mysql", reason="PostgreSQL has this lock")
def test_migration_lock_until_commit(db: Database) -> None:
    """The bug that the repair is for: the next ``dorm migrate`` begins before this one has committed."""
    assert seen_by_another(db) == [False, True]
    with registry.switched_off("migration_lock_until_commit"):
        assert seen_by_another(db) == [False, True, True]
    with pytest.raises(dorm.DatabaseError, match="division by zero"):
        seen_by_another(db, fails=True)
    assert seen_by_another(db) == [False, True]


def seen_by_another(database: Database, *, fails: bool = False) -> list[bool]:
    """Tell whether the lock is free inside of it, once it was released if something releases it, and at the end."""
    connection, seen = database.connection, []
    other: Any = _create_sync_connection("other", database.settings)
    answered = connection.execute

    def look() -> None:
        (row,) = other.execute(f"SELECT pg_try_advisory_xact_lock({executor._DORM_MIGRATION_LOCK_ID}) AS is_free")
        seen.append(row["is_free"])

    def execute(sql: str, *arguments: Any) -> Any:
        rows = answered(sql, *arguments)
        if "unlock" in sql:
            look()
        return rows

    try:
        with patch.object(connection, "execute", execute), executor._migration_lock(connection):
            look()
            if fails:
                connection.execute_script("SELECT 1 / 0")
        look()
    finally:
        other.close()
    return seen


def test_two_at_once_wait_for_each_other(project: Project, faults: Faults) -> None:
    migration(project, 1, FIRST)
    migration(project, 2, SECOND.format(stop="time.sleep(0.5)"))
    command = [sys.executable, "-c", "from dorm.cli import main; main()", "migrate"]
    environment = {**ENVIRONMENT, "PYTHONPATH": f"{project.directory}:{ROOT}"}
    started = [
        Popen(command, cwd=project.directory, env=environment, stdout=PIPE, stderr=PIPE, text=True) for _ in range(3)
    ]
    ended = [(process.communicate(timeout=120), process.returncode) for process in started]
    assert [code for _printed, code in ended] == [0, 0, 0], ended
    faults.count("three `dorm migrate` at once", acknowledged=ROWS, stored=rows(project))
    assert sum("Applying shop.0002_step... OK" in printed for (printed, _errors), _code in ended) == 1
