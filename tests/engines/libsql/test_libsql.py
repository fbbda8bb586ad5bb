"""Real libSQL: its index, which has to be asked and can lose rows, and what its driver does otherwise than sqlite3."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dorm
import libsql
import pytest
from dorm.db.connection import _create_sync_connection, reset_connections
from dorm.exceptions import ProgrammingError
from dorm.migrations.executor import _DryRunConnection
from dorm.migrations.operations import AddIndex, AlterField, RemoveIndex
from dorm.migrations.state import ProjectState
from dorm.transaction import atomic

import backends
from dorm_vector import HnswIndex, VectorField
from dorm_vector.engines import dialect_for
from dorm_vector.engines.libsql.connection import statements
from dorm_vector.exceptions import ConnectionLost
from tests.databases import Database, create_tables
from tests.helpers.oracle import vectors
from tests.models import Document, Package

INDEX = "package_embedding_hnsw"
STORED, QUERY = vectors(2000, 16), vectors(1, 16, seed=8)[0]


@pytest.fixture
def db() -> Iterator[Database]:
    with backends.get("libsql").start() as running:
        database = Database(running, running.new_database())
        database.use()
        create_tables(database.connection)
        yield database
        reset_connections()


@pytest.fixture
def packages(db: Database) -> Database:
    with atomic():
        Package.objects.bulk_create([Package(section=f"s{n % 400}", embedding=v) for n, v in enumerate(STORED)])
    return db


def nearest(**options: Any) -> Any:
    return Package.objects.nearest("embedding", QUERY, **options)


def keys(queryset: Any) -> list[int]:
    return [row.pk for row in queryset]


def asks(queryset: Any, db: Database) -> bool:
    return db.dialect.uses_index(queryset.explain(), INDEX)


# The index


def test_the_index_is_used_where_it_is_asked_for(packages: Database) -> None:
    for queryset in (
        nearest(exact=False)[:10],
        nearest(exact=False)[5:9].values("section"),
        nearest(exact=False).only("id")[:3],
    ):
        assert asks(queryset, packages)
        assert len(list(queryset)) == queryset._query.limit_val
    assert nearest(exact=False)[:10].explain_search().index == INDEX
    for queryset in (nearest()[:10], nearest(exact=True)[:10], nearest(exact=False)):
        assert not asks(queryset, packages)
    assert "unless it sets nearest(..., exact=False)" in str(nearest()[:10].explain_search())


def test_what_it_finds_is_ranked_exactly(packages: Database) -> None:
    exact, found = list(nearest()[:10]), list(nearest(exact=False)[:10])
    assert len({row.pk for row in exact} & {row.pk for row in found}) >= 9
    assert [row.distance for row in found] == sorted(row.distance for row in found)
    by_key = {row.pk: row.distance for row in nearest()}
    assert all(row.distance == by_key[row.pk] for row in found)


def test_a_filter_that_few_rows_pass_is_filled_up(packages: Database) -> None:
    few = Package.objects.filter(section="s3").nearest("embedding", QUERY, exact=False)
    assert len(few[:5]) == 5
    assert keys(few[:5]) == keys(Package.objects.filter(section="s3").nearest("embedding", QUERY)[:5])
    bounded = nearest(exact=False, max_distance=nearest()[4].distance)
    assert keys(bounded[:10]) == keys(nearest()[:5])


async def test_async(packages: Database) -> None:
    # Its walk through the graph begins anywhere, so that two may differ.
    assert len({row.pk async for row in nearest(exact=False)[:10]} & {*keys(nearest()[:10])}) >= 9
    few = Package.objects.filter(section="s3").nearest("embedding", QUERY, exact=False)[:5]
    assert [row.pk async for row in few] == keys(few)


@pytest.mark.parametrize(
    "queryset",
    [
        lambda: nearest(exact=False)[:0],
        lambda: nearest(exact=False)[:201],
        lambda: nearest(exact=False)[195:205],
    ],
)
def test_a_count_that_would_end_the_process_is_never_sent(packages: Database, queryset: Any) -> None:
    sql, _ = queryset()._query.as_select(packages.connection)
    assert "vector_top_k" not in sql
    assert len(list(queryset())) == queryset()._query.limit_val


def test_rows_that_the_index_loses_are_found_all_the_same(db: Database) -> None:
    """Of rows with one vector the index finds a few; searches are exact unless told otherwise.

    https://github.com/tursodatabase/libsql/issues/2104 and 2197
    """
    with atomic():
        Package.objects.bulk_create([Package(section="same", embedding=QUERY) for _ in range(300)])
    field: Any = Package._meta.get_field("embedding")
    rows = db.connection.execute(f"SELECT id FROM vector_top_k('{INDEX}', %s, 200)", [field.to_vector(QUERY)])
    assert len(rows) < 100
    assert len(nearest()[:150]) == 150
    assert len(nearest(exact=False)[:150]) == 150


def test_an_index_for_a_distance_that_it_does_not_know_is_not_built(db: Database) -> None:
    for distance in ("l1", "inner_product"):
        index = HnswIndex(["embedding"], "other", distance=distance)
        assert index.statements(db.dialect, "other", "tests_package", "embedding") == []


DAMAGE = """
import sys
import libsql
connection = libsql.connect(":memory:", isolation_level=None)
connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, e F32_BLOB(2))")
connection.execute(f"CREATE {sys.argv[1]} INDEX i ON t (libsql_vector_idx(e))")
for number in range(50):
    connection.execute("INSERT INTO t (e) VALUES (vector32(?))", (f"[{number}, 1]",))
connection.execute(f"SELECT id FROM vector_top_k('i', vector32('[1, 1]'), {sys.argv[2]})").fetchall()
"""


@pytest.mark.parametrize("unique, count, is_fine", [("", 1, True), ("UNIQUE", 1, False), ("", 0, False)])
def test_what_is_never_sent_does_damage(unique: str, count: int, is_fine: bool) -> None:
    """A UNIQUE vector index corrupts the database, and a search for no rows the memory of the process."""
    run = subprocess.run([sys.executable, "-c", DAMAGE, unique, str(count)], capture_output=True, check=False)
    assert (run.returncode == 0) is is_fine


def test_a_unique_vector_index_is_refused(db: Database) -> None:
    with pytest.raises(TypeError, match="unique"):
        HnswIndex(["embedding"], "x", unique=True)  # type: ignore[call-arg]
    assert "UNIQUE" not in str(db.dialect.indexes["hnsw"])


# Migrations


def alter_section(db: Database) -> None:
    state = ProjectState.from_apps()
    after = state.clone()
    operation = AlterField("Package", "section", dorm.CharField(max_length=21))
    operation.state_forwards("tests", after)
    operation.database_forwards("tests", db.connection, state, after)


def has_index(db: Database) -> bool:
    return bool(db.connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = %s", [INDEX]))


def test_keep_vector_indexes(packages: Database) -> None:
    alter_section(packages)
    assert has_index(packages)
    assert keys(nearest(exact=False)[:5]) == keys(nearest()[:5])


def test_a_dry_run_writes_the_sql_of_libsql(db: Database) -> None:
    assert dialect_for(_DryRunConnection(db.connection)) is db.dialect


def test_an_index_comes_and_goes(db: Database) -> None:
    state = ProjectState.from_apps()
    index = HnswIndex(["embedding"], "chunk_l2", distance="l2", m=8)
    AddIndex("Chunk", index).database_forwards("tests", db.connection, state, state)
    sql = db.connection.execute("SELECT sql FROM sqlite_master WHERE name = 'chunk_l2'")[0]["sql"]
    assert "'metric=l2', 'compress_neighbors=float8', 'max_neighbors=16'" in sql
    RemoveIndex("Chunk", index).database_forwards("tests", db.connection, state, state)
    assert not db.connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'chunk_l2'")


def test_an_index_of_8_bit_integers_keeps_a_byte_at_any_width(db: Database) -> None:
    field = VectorField(dimensions=384)
    for precision, kept in ((None, "float1bit"), ("int8", "float8")):
        index = HnswIndex(["embedding"], "wide_index", distance="cosine", precision=precision)
        db.connection.execute_script('CREATE TABLE "wide" (id INTEGER PRIMARY KEY, embedding F32_BLOB(384))')
        try:
            for statement in index.statements(db.dialect, "wide_index", "wide", "embedding", field=field):
                db.connection.execute_script(statement)
            (built,) = db.connection.execute("SELECT sql FROM sqlite_master WHERE name = 'wide_index'")
            assert f"'compress_neighbors={kept}'" in built["sql"]
        finally:
            db.connection.execute_script('DROP TABLE "wide"')


# The driver, and what the wrapper makes of it


@pytest.fixture
def raw(tmp_path: Path) -> Any:
    connection = libsql.connect(f"{tmp_path}/raw.libsql", isolation_level=None)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)")
    connection.execute("INSERT INTO t (a) VALUES ('x'), ('y')")
    return connection


@pytest.fixture
def wrapper(tmp_path: Path, raw: Any) -> Iterator[Any]:
    opened = _create_sync_connection("file", {"ENGINE": "hrana", "URL": f"file:{tmp_path}/raw.libsql"})
    yield opened
    opened.close()


def test_a_cursor_does_not_start_again(raw: Any, wrapper: Any) -> None:
    again = raw.execute("SELECT a FROM t")
    assert (again.fetchmany(9), again.fetchmany(9), again.fetchone()) == ([("x",), ("y",)], [], ("x",))
    cursor = wrapper.get_connection().execute("SELECT a FROM t")
    assert [tuple(row) for row in cursor.fetchmany(9)] == [("x",), ("y",)]
    assert (cursor.fetchmany(9), cursor.fetchone(), cursor.fetchall()) == ([], None, [])
    assert [row["a"] for row in wrapper.execute_streaming("SELECT a FROM t", [], 2)] == ["x", "y"]


def test_rows_may_be_tuples(wrapper: Any) -> None:
    """As sqlite3 makes them where a cursor has no row factory."""
    cursor = wrapper.get_connection().execute("SELECT a FROM t")
    assert cursor.fetchone()["a"] == "x"
    cursor.row_factory = None
    assert cursor.fetchall() == [("y",)]
    assert wrapper.execute("SELECT a FROM t")[0]["a"] == "x"


def test_a_reader_that_stops_early_lets_others_write(raw: Any, wrapper: Any) -> None:
    cursor = raw.execute("SELECT a FROM t")
    assert cursor.fetchone() == ("x",)
    with pytest.raises(dorm.OperationalError, match="database is locked"):
        impatient(wrapper).execute_write("DELETE FROM t")
    cursor.close()
    rows = wrapper.execute_streaming("SELECT a FROM t", [], 1)
    assert next(rows)["a"] == "x"
    rows.close()
    raw.execute("DELETE FROM t")
    assert wrapper.execute("SELECT a FROM t") == []


def impatient(wrapper: Any) -> Any:
    return _create_sync_connection("file", {**wrapper.settings, "OPTIONS": {"timeout": 0}})


def test_a_script_fails_where_a_statement_of_it_does(raw: Any, wrapper: Any) -> None:
    raw.executescript("SELECT 1; no statement; INSERT INTO t (a) VALUES ('z')")
    with pytest.raises(dorm.OperationalError, match="syntax error"):
        wrapper.execute_script("SELECT 1; no statement; INSERT INTO t (a) VALUES ('z')")
    wrapper.execute_script("INSERT INTO t (a) VALUES ('a;b'); INSERT INTO t (a) VALUES ('c')")
    assert [row["a"] for row in wrapper.execute("SELECT a FROM t")][-2:] == ["a;b", "c"]
    trigger = "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; SELECT 1; END"
    assert list(statements(f"{trigger}; SELECT ';';;SELECT 2")) == [trigger, "SELECT ';'", "SELECT 2"]


def test_as_many_values_as_placeholders(raw: Any, wrapper: Any) -> None:
    assert raw.execute("SELECT ?, ?", (1,)).fetchall() == [(1, None)]
    for values in ([1], [1, 2, 3]):
        with pytest.raises(ProgrammingError, match=r"has 2 placeholders; got \d values"):
            wrapper.execute("SELECT %s, %s", values)
    assert tuple(wrapper.execute("SELECT '?', %s /* ? */", [1])[0]) == ("?", 1)


def test_integers_of_64_bits(raw: Any, wrapper: Any) -> None:
    assert raw.execute("SELECT ?", (2**53 + 1,)).fetchall() == [(float(2**53),)]
    for value in (2**31 - 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, -(2**63)):
        row = wrapper.execute("SELECT '?' AS q, %s AS v, typeof(%s) AS t, %s AS w -- ?", [value, value, "x"])[0]
        assert tuple(row) == ("?", value, "integer", "x")
    with pytest.raises(ProgrammingError, match="can replace only a plain '\\?'"):
        wrapper.execute("SELECT ?1", [2**40])


def test_values_are_bound_as_sqlite3_binds_them(wrapper: Any) -> None:
    day = dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
    for value, stored in (
        (day, "2026-01-02 03:04:05.000006+00:00"),
        (day.date(), "2026-01-02"),
        (dt.timedelta(days=1, microseconds=1), 86_400_000_001),
        (bytearray(b"a"), b"a"),
        (memoryview(b"a"), b"a"),
        (True, 1),
        (-(2**63), -(2**63)),
    ):
        assert wrapper.execute("SELECT %s AS v", [value])[0]["v"] == stored
    with pytest.raises(OverflowError, match="an integer there has 64 bits"):
        wrapper.execute("SELECT %s", [2**63])
    with pytest.raises(ProgrammingError, match="A text with a NUL character"):
        wrapper.execute("SELECT %s", ["a\0b"])
    with pytest.raises(dorm.OperationalError, match="Utf8Error"):
        wrapper.execute("SELECT CAST(x'ff41' AS TEXT)")
    with pytest.raises(ProgrammingError, match="A object cannot be bound"):
        wrapper.execute("SELECT %s", [object()])


def test_errors_are_those_of_djanorm(db: Database) -> None:
    for sql, error in (
        ("INSERT INTO tests_author (id, name) VALUES (1, 'a'), (1, 'b')", dorm.IntegrityError),
        ("INSERT INTO tests_author (id, name) VALUES ('x', 'a')", dorm.IntegrityError),
        ("INSERT INTO tests_chunk (document_id, embedding) VALUES (9, x'00')", dorm.IntegrityError),
        ("SELECT * FROM nowhere", dorm.OperationalError),
        ("SELECT vector_distance_l2(x'00', x'0000')", dorm.OperationalError),
    ):
        with pytest.raises(error):
            db.connection.execute_write(sql)


def test_a_closed_connection_says_so_and_another_is_opened(wrapper: Any) -> None:
    connection = wrapper.get_connection()
    wrapper.close()
    with pytest.raises(ConnectionLost, match="This connection is closed"):
        connection.execute("SELECT 1")
    assert wrapper.execute("SELECT 1 AS one")[0]["one"] == 1
    assert wrapper.pool_stats() == {"open": True, "connections": 1, "vendor": "sqlite"}


def test_threads_write_at_the_same_time(db: Database) -> None:
    """The driver would hold the interpreter while it waits, so that the writer it waits for could never end."""
    inside = threading.Event()

    def hold() -> None:
        with atomic():
            Document.objects.create(title="first", embedding=[1, 2, 3])
            inside.set()
            Document.objects.create(title="second", embedding=[1, 2, 3])

    def write(number: int) -> None:
        inside.wait()
        with atomic():
            Document.objects.create(title=str(number), embedding=[1, 2, 3])

    with ThreadPoolExecutor(max_workers=9) as pool:
        done = [pool.submit(hold), *(pool.submit(write, number) for number in range(64))]
        for future in done:
            future.result()
    assert Document.objects.count() == 66


def test_two_that_read_before_they_write_do_not_wait_for_each_other(wrapper: Any) -> None:
    other = _create_sync_connection("file", wrapper.settings)
    with wrapper.atomic():
        wrapper.execute("SELECT a FROM t")
        wrapper.execute_write("UPDATE t SET a = 'mine'")

        def overtake() -> None:
            with other.atomic():
                other.execute("SELECT a FROM t")
                other.execute_write("UPDATE t SET a = 'theirs'")

        with pytest.raises(dorm.OperationalError, match="database is locked"):
            overtake()
    assert {row["a"] for row in other.execute("SELECT a FROM t")} == {"mine"}
    other.close()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({}, "needs a URL"),
        ({"URL": "https://db.example"}, "has no transport for the URL https://…"),
        ({"URL": "wss://"}, "has no transport"),
        ({"URL": "wss://h?token=x"}, "unknown parameters: token. It takes authToken, tls."),
    ],
)
def test_a_wrong_url_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(dorm.ImproperlyConfigured, match=message):
        _create_sync_connection("x", {"ENGINE": "hrana", **settings})


def test_memory_and_a_plain_name_and_a_journal(tmp_path: Path) -> None:
    for settings in ({"URL": ":memory:"}, {"NAME": str(tmp_path / "plain.db"), "OPTIONS": {"journal_mode": "wal"}}):
        opened = _create_sync_connection("x", {"ENGINE": "hrana", **settings})
        opened.execute_script("CREATE TABLE t (id INTEGER)")
        assert opened.table_exists("t")
        mode = opened.execute("PRAGMA journal_mode")[0][0]
        assert mode == ("wal" if "NAME" in settings else "memory")
        opened.close()
    with pytest.raises(dorm.OperationalError, match="Unable to open"):
        _create_sync_connection("x", {"ENGINE": "hrana", "URL": f"file:{tmp_path}/none/x.db"}).execute("SELECT 1")
