"""What docs/howto/back-up.md says: what comes back on its own, and what has to be built again."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import dorm
import pytest
from dorm.migrations.operations import AddIndex, RemoveIndex
from dorm.transaction import atomic

from backends.servers.pgserver import client
from backends.servers.url import url_from
from dorm_vector import bulk_load, text_search
from tests.databases import Database, create_tables, state_of
from tests.helpers.writers import Passage
from tests.models import Package

ROWS = 50
ON_SQLITE = pytest.mark.not_on("turso", "libsql", "postgresql", "mariadb", "mysql", reason="it is SQLite's file")
ON_POSTGRESQL = pytest.mark.not_on("sqlite", "turso", "libsql", "mariadb", "mysql", reason="it is its own program")


@pytest.fixture
def original(db: Database, tmp_path: Path) -> Iterator[Path]:
    """A file with a table, a Vec0Index and a TextIndex."""
    path = tmp_path / "shop.sqlite3"
    use(db, path)
    create_tables(db.connection, (Passage,))
    bulk_load(Passage, [{"text": f"row {n}", "embedding": [n, 1, 0, 0]} for n in range(ROWS)])
    yield path
    db.use()


def use(database: Database, path: Path) -> None:
    replace(database, settings={"ENGINE": "sqlite", "NAME": str(path)}).use()


def assert_whole(database: Database) -> None:
    rows = Passage.objects.nearest("embedding", [7, 1, 0, 0])[:1]
    assert (rows[0].text, rows.explain_search().index) == ("row 7", "passage_vec")
    assert [row.text for row in text_search(Passage, text="49")] == ["row 49"]
    made = Passage.objects.create(text="later", embedding=[100, 1, 0, 0])
    assert Passage.objects.nearest("embedding", [100, 1, 0, 0])[:1][0].pk == made.pk
    assert database.connection.execute('SELECT COUNT(*) AS "rows" FROM "passage_vec"')[0]["rows"] == ROWS + 1


@ON_SQLITE
def test_a_copy_of_a_file(original: Path, db: Database, tmp_path: Path) -> None:
    with closing(sqlite3.connect(original)) as source, closing(sqlite3.connect(tmp_path / "copy.sqlite3")) as copy:
        source.backup(copy)
    use(db, tmp_path / "copy.sqlite3")
    assert_whole(db)


@ON_SQLITE
def test_a_table_that_came_back_without_its_companion(original: Path, db: Database) -> None:
    db.connection.execute_script('DROP TABLE "passage_vec"')
    with pytest.raises(dorm.DatabaseError, match="passage_vec"):
        Passage.objects.create(text="later", embedding=[100, 1, 0, 0])
    index, state = Passage._meta.indexes[0], state_of((Passage,))
    with atomic():
        RemoveIndex("Passage", index).database_forwards("tests", db.connection, state, state)
        AddIndex("Passage", index).database_forwards("tests", db.connection, state, state)
    assert_whole(db)


@ON_SQLITE
def test_the_script_of_iterdump_cannot_be_loaded(original: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(original)) as source:
        script = "\n".join(source.iterdump())
    with closing(sqlite3.connect(tmp_path / "new.sqlite3")) as new, pytest.raises(sqlite3.OperationalError):
        new.executescript(script)


@ON_POSTGRESQL
def test_pg_dump(db: Database) -> None:
    bulk_load(Package, [{"section": str(n), "embedding": [n, *[1] * 15]} for n in range(ROWS)])
    restored = db.running.new_database()
    programs = Path(client()).parent
    dumped = subprocess.run(
        [str(programs / "pg_dump"), "--no-owner", url_from(db.settings)], check=True, stdout=subprocess.PIPE
    )
    load = [client(), "--quiet", "--set=ON_ERROR_STOP=1", url_from(restored)]
    subprocess.run(load, check=True, input=dumped.stdout, stdout=subprocess.DEVNULL)
    replace(db, settings=restored).use()
    rows = Package.objects.nearest("embedding", [7, *[1] * 15], exact=False)[:1]
    assert [row.section for row in rows] == ["7"]
    assert Package.objects.count() == ROWS
    (index,) = db.connection.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'package_embedding_hnsw'")
    assert "USING hnsw" in index["indexdef"]
    db.use()
    db.running.drop_database(restored)
