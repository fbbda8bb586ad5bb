"""Several processes that write to one file of SQLite: each waits for the others, and nothing is lost."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import dorm
import pytest
from dorm.db.connection import get_async_connection, get_connection, reset_connections
from dorm.transaction import aatomic, atomic

from dorm_vector.patching import registry
from tests.chaos.extent import IS_SOAK
from tests.chaos.faults import Faults
from tests.databases import Database, create_tables
from tests.helpers.project import ENVIRONMENT, ROOT
from tests.helpers.writers import ASYNC_LOADS, LOADS, UPDATES, Counter, Passage
from tests.helpers.writers import rows as load_of

pytestmark = pytest.mark.not_on("turso", "libsql", "postgresql", "mariadb", "mysql", reason="it is SQLite's file")


@pytest.fixture
def path(tmp_path: Path, db: Database) -> Any:
    """A new file, the default database, with the tables that the writers write to."""
    path = tmp_path / "writers.db"
    configure({"NAME": str(path)})
    yield path
    db.use()


def configure(settings: dict[str, Any]) -> Any:
    reset_connections()
    dorm.configure(DATABASES={"default": {"ENGINE": "sqlite", **settings}}, INSTALLED_APPS=[])
    return get_connection()


def write_at_once(path: Path, writers: int) -> list[str]:
    """Let processes write, sync and async, and return what went wrong."""
    command = [sys.executable, "-m", "tests.helpers.writers", str(path)]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}
    running = [Popen([*command, str(n)], cwd=ROOT, env=environment, stderr=PIPE, text=True) for n in range(writers)]
    ended = [(process.communicate(timeout=120)[1], process.returncode) for process in running]
    return [errors for errors, code in ended if code]


@pytest.mark.parametrize("writers", [1, 4, 16] if IS_SOAK else [4])
def test_every_write_of_every_process_arrives(path: Path, writers: int, faults: Faults) -> None:
    create_tables(get_connection(), (Passage, Counter))
    assert write_at_once(path, writers) == []
    loads = [(number, each) for number in range(writers) for each in range(LOADS + ASYNC_LOADS)]
    expected = [tuple(row["embedding"]) for load in loads for row in load_of(*load)]
    stored = [tuple(embedding) for embedding in Passage.objects.values_list("embedding", flat=True)]
    faults.count(f"{writers} processes write to one file", acknowledged=expected, stored=stored)
    rows = len(expected)
    assert len(Passage.objects.nearest("embedding", [0.0, 0.0, 0.0, 0.0])[:500]) == min(rows, 500)
    for table in ("passage_words", "passage_vec"):
        assert get_connection().execute(f'SELECT COUNT(*) AS "rows" FROM "{table}"')[0]["rows"] == rows
    assert Counter.objects.count() == UPDATES


def test_waiting_writers(path: Path) -> None:
    """The bug that the repair is for: a transaction that has read fails at once where another one has written."""
    get_connection().execute_script("CREATE TABLE counter (number)")
    with registry.switched_off("waiting_writers"), pytest.raises(dorm.OperationalError, match="locked"):
        _read_and_write(path)
    assert _numbers() == [2]
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        _read_and_write(path)
    assert _numbers() == [2]
    _read_and_write(None)
    assert _numbers() == [1, 2]


def _read_and_write(path: Path | None) -> None:
    """Read and then write the number 1 in a transaction; where there is a path, another program writes 2 meanwhile."""
    with atomic():
        get_connection().execute("SELECT * FROM counter")
        if path is not None:
            with closing(sqlite3.connect(path, timeout=0)) as other:
                other.execute("INSERT INTO counter VALUES (2)")
                other.commit()
        get_connection().execute_write("INSERT INTO counter VALUES (1)")


def _numbers() -> list[int]:
    return [row["number"] for row in get_connection().execute("SELECT number FROM counter ORDER BY number")]


@pytest.mark.parametrize("mode", ["IMMEDIATE", "deferred", "Exclusive", None])
def test_the_lock_that_a_transaction_begins_with(path: Path, mode: str | None) -> None:
    options = {"journal_mode": "DELETE", **({"transaction_mode": mode} if mode else {})}
    connection = configure({"NAME": str(path), "OPTIONS": options})
    connection.execute_script("CREATE TABLE counter (number)")
    expected = {"writes": mode == "deferred", "reads": mode != "Exclusive"}
    with atomic():
        assert _can(path) == expected

    async def in_async_code() -> None:
        async with aatomic():
            assert _can(path) == expected
        await get_async_connection().close()

    asyncio.run(in_async_code())


def _can(path: Path) -> dict[str, bool]:
    """Tell what another program can do with the file now."""
    can = {}
    for what, statement in (("writes", "BEGIN IMMEDIATE"), ("reads", "SELECT * FROM counter")):
        with closing(sqlite3.connect(path, timeout=0)) as other:
            try:
                other.execute(statement)
                can[what] = True
            except sqlite3.OperationalError:
                can[what] = False
    return can


@pytest.mark.parametrize("options, mode", [({}, "wal"), ({"journal_mode": "TRUNCATE"}, "truncate")])
def test_a_new_file_is_in_wal_mode_unless_settings_say_otherwise(
    path: Path, options: dict[str, str], mode: str
) -> None:
    connection = configure({"NAME": str(path), "OPTIONS": options})
    assert connection.execute("PRAGMA journal_mode")[0][0] == mode


def test_a_file_keeps_its_mode(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE counter (number)")
    assert get_connection().execute("PRAGMA journal_mode")[0][0] == "delete"

    async def in_async_code() -> None:
        assert (await get_async_connection().execute("PRAGMA journal_mode"))[0][0] == "delete"
        await get_async_connection().close()

    asyncio.run(in_async_code())


def test_how_long_a_writer_waits(path: Path) -> None:
    assert get_connection().execute("PRAGMA busy_timeout")[0][0] == 30_000
    connection = configure({"NAME": str(path), "OPTIONS": {"timeout": 0.25}})
    assert connection.execute("PRAGMA busy_timeout")[0][0] == 250


@pytest.mark.parametrize("options", [{"transaction_mode": "LATER"}, {"timeout": -1}, {"timeout": "5"}])
def test_settings_that_sqlite_does_not_have(path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(dorm.ImproperlyConfigured, match=next(iter(options))):
        configure({"NAME": str(path), "OPTIONS": options}).execute("SELECT 1")


def test_a_transaction_reads_a_file_that_nobody_may_write(path: Path) -> None:
    get_connection().execute_script("CREATE TABLE counter (number)")
    connection = configure({"NAME": str(path)})
    connection.execute("PRAGMA query_only = ON")
    with atomic():
        assert connection.execute("SELECT * FROM counter") == []
