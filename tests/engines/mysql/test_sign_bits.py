"""Sign bits on MySQL: kept by triggers, or by a mark where the server refuses them, and never stale."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import dorm
import pymysql
import pytest
from dorm.db.connection import get_connection, reset_connections
from dorm.inspect import introspect_tables
from dorm.migrations.operations import AddIndex, AlterField, RemoveField, RemoveIndex, RenameField
from dorm.signals import post_query

import dorm_vector
from backends.mysql import PROGRAMS
from backends.servers.mysqld import serving_on_a_free_port, with_flags
from backends.servers.process import run as run_program
from dorm_vector import HnswIndex, Metric, VectorField, bulk_load, create_tables, rebuild_index, search_options
from dorm_vector.commands.index_state import Companion
from dorm_vector.dialects._mysql_signs import packed, value
from tests.databases import Database, drop_table, state_of
from tests.engines import sign_bits
from tests.engines.sign_bits import DIMENSIONS, FILTERS, ODD, QUERY, ROWS
from tests.helpers.oracle import distance

pytestmark = pytest.mark.not_on("sqlite", "turso", "libsql", "postgresql", "mariadb", reason="it is about MySQL")


class SignedRow(dorm.Model):
    title = dorm.CharField(max_length=20)
    number = dorm.IntegerField(default=0)
    embedding = VectorField(dimensions=DIMENSIONS, null=True)

    class Meta:
        app_label = "tests"
        db_table = "signed_rows"
        indexes = [HnswIndex(["embedding"], "signed_bits", distance="l2", precision="bit")]


@pytest.fixture
def table(db: Database) -> Iterator[Database]:
    create_tables(SignedRow)
    yield db
    drop_table(db, SignedRow)


@pytest.fixture
def sent() -> Iterator[list[str]]:
    statements: list[str] = []

    def note(sender: Any, sql: str = "", **_: Any) -> None:
        statements.append(sql)

    post_query.connect(note, weak=False, dispatch_uid="test_sign_bits")
    yield statements
    post_query.disconnect(dispatch_uid="test_sign_bits")


fill = partial(sign_bits.fill, SignedRow)
expected = partial(sign_bits.expected, SignedRow)
nearest = partial(sign_bits.nearest, SignedRow)


def stale() -> int:
    """Count the rows whose signs are not those of their vectors, and are not known to be missing either."""
    signs = value('"embedding"', DIMENSIONS, DIMENSIONS)
    wrong = f'"signed_bits_signs" IS NOT NULL AND NOT ("signed_bits_signs" <=> {signs})'
    return int(get_connection().execute(f'SELECT COUNT(*) AS n FROM "signed_rows" WHERE {wrong}')[0]["n"])


state = partial(sign_bits.state, SignedRow)


def unsigned() -> int:
    sql = 'SELECT COUNT(*) AS n FROM "signed_rows" WHERE "signed_bits_signs" IS NULL AND "embedding" IS NOT NULL'
    return int(get_connection().execute(sql)[0]["n"])


@pytest.mark.parametrize("held", [DIMENSIONS, 33, 1])
def test_sql_and_python_compute_the_same_signs(table: Database, held: int) -> None:
    rows = SignedRow.objects.bulk_create(
        [SignedRow(title=str(n), embedding=row) for n, row in enumerate([*ROWS[:40], *ODD])]
    )
    signs = value('"embedding"', DIMENSIONS, held)
    found = table.connection.execute(f'SELECT "id", {signs} AS signs FROM "signed_rows" ORDER BY "id"')
    bound = SignedRow._meta.get_field("embedding").to_vector
    assert [bytes(row["signs"]) for row in found] == [packed(bytes(bound(row.embedding)), held) for row in rows]
    bits = [sum(number > 1e-37 for number in row.embedding[:held]) for row in rows]
    assert [sum(byte.bit_count() for byte in row["signs"]) for row in found] == bits
    widths = {len(row["signs"]) for row in found}
    assert widths == {4 * -(-held // 32)}


async def test_the_shortlist_is_ranked_exactly(table: Database, sent: list[str]) -> None:
    fill()
    # A shortlist of every row finds the exact answer; none of the others may be read as vectors.
    assert [row.pk for row in nearest().search_options(oversample=1000)[:5]] == expected(5)
    assert [row.pk async for row in nearest().rerank(160)[:5]] == expected(5)
    sent.clear()
    found = list(nearest().rerank(30)[:10])
    assert len(found) == 10
    assert [row.distance for row in found] == sorted(row.distance for row in found)
    assert any("LIMIT 30" in sql for sql in sent)
    assert [row.distance for row in found] == pytest.approx(
        [distance(Metric.L2, row.embedding, QUERY) for row in found]
    )
    with search_options(oversample=3):
        assert len({row.pk for row in nearest()[:4]} & set(expected(12))) >= 1
    assert [row.pk for row in SignedRow.objects.nearest("embedding", QUERY)[:5]] == expected(5)
    plan = nearest()[:5].explain_search()
    assert (plan.index, plan.name) == ("signed_bits", "sign bits")
    assert "signed_bits" in plan.plan
    plan = await SignedRow.objects.nearest("embedding", QUERY)[:5].aexplain_search()
    assert [reason.code for reason in plan.reasons] == ["not-asked-for"]


@pytest.mark.parametrize("case", FILTERS)
async def test_a_filter_narrows_the_shortlist(table: Database, case: str) -> None:
    fill()
    filters, matches = FILTERS[case]
    found = list(nearest().filter(**filters).search_options(oversample=40)[:10])
    assert [row.pk for row in found] == expected(10, matches)
    assert len(list(nearest().filter(**filters).rerank(1)[:10])) == len(expected(10, matches))
    assert [row.pk async for row in nearest().filter(**filters).rerank(160)[2:9]] == expected(9, matches)[2:]


WRITES = {
    "an update of another column": """UPDATE "signed_rows" SET "number" = "number" + 1000""",
    "an update of vectors": """
        UPDATE "signed_rows" a JOIN (SELECT * FROM "signed_rows" WHERE "title" = 'r3') b
        SET a."embedding" = b."embedding" WHERE a."id" % 3 = 0""",
    "an insert": """
        INSERT INTO "signed_rows" ("title", "number", "embedding")
        SELECT CONCAT('n', "title"), 0, "embedding" FROM "signed_rows" WHERE "id" % 4 = 0""",
    "an insert without names": """INSERT INTO "signed_rows" VALUES (900001, 'new', 1, NULL)""",
    "an upsert": """
        INSERT INTO "signed_rows" ("id", "title", "number", "embedding")
        SELECT * FROM (SELECT "id", 'u', 5, X'000080BF' AS e FROM "signed_rows") x
        ON DUPLICATE KEY UPDATE "number" = 77""",
    "a replace": """
        REPLACE INTO "signed_rows" ("id", "title", "number", "embedding")
        SELECT "id", 'again', 2, "embedding" FROM "signed_rows" WHERE "id" % 5 = 0""",
    "an update to NULL": """UPDATE "signed_rows" SET "embedding" = NULL WHERE "id" % 7 = 0""",
}


def written_by_others() -> None:
    for name, sql in WRITES.items():
        get_connection().execute_script(sql)
        assert stale() == 0, name
        assert [row.pk for row in nearest().rerank(1000)[:20]] == expected(20), name


def test_triggers_keep_the_signs_of_what_others_write(table: Database) -> None:
    fill()
    written_by_others()
    assert unsigned() == 0
    SignedRow.objects.filter(number=77).update(embedding=ROWS[9])
    SignedRow.objects.create(title="saved", embedding=ROWS[2])
    assert (stale(), unsigned()) == (0, 0)
    assert state().state == "built"
    assert state().companion.in_sync


def test_without_triggers_changed_rows_are_measured_exactly(table: Database, tmp_path: Path) -> None:
    """With a binary log, MySQL refuses triggers of users without SUPER."""
    command = with_flags(
        PROGRAMS.command(PROGRAMS.server), tmp_path, "--mysqlx=OFF", "--log-bin=binlog", "--server-id=7"
    )
    run_program([*command, "--initialize-insecure"], tmp_path / "log")
    with serving_on_a_free_port("mysql", command, tmp_path) as root, the_default(table):
        for number, grant in enumerate(("ALL", "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX")):
            name = f"signs_{number}"
            user = {**root, "USER": name, "NAME": name}
            admin = pymysql.connect(host=root["HOST"], port=root["PORT"], user="root", autocommit=True)
            with admin, admin.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {name}")
                cursor.execute(f"CREATE USER {name}@'127.0.0.1'")
                cursor.execute(f"GRANT {grant} ON {name}.* TO {name}@'127.0.0.1'")
            reset_connections()
            dorm.configure(DATABASES={"default": user}, INSTALLED_APPS=[])
            create_tables(SignedRow)
            fill()
            refused_triggers()


@contextmanager
def the_default(database: Database) -> Iterator[None]:
    try:
        yield
    finally:
        database.use()


def refused_triggers() -> None:
    connection = get_connection()
    assert connection.execute("SHOW TRIGGERS") == []
    # Whatever was inserted has no signs before they are built.
    assert unsigned() == len(ROWS)
    assert [row.pk for row in nearest()[:5]] == expected(5)
    rebuild_index(SignedRow, "signed_bits")
    assert (unsigned(), stale()) == (0, 0)
    assert [row.pk for row in nearest().rerank(160)[:5]] == expected(5)
    assert nearest()[:5].explain_search().index == "signed_bits"
    SignedRow.objects.filter(title="r9").update(embedding=QUERY)
    assert unsigned() == 1
    assert state().companion == Companion(rows=len(ROWS), missing=1, extra=0)
    assert [row.title for row in nearest().rerank(1)[:1]] == ["r9"]
    written_by_others()
    rebuild_index(SignedRow, "signed_bits")
    assert (unsigned(), stale()) == (0, 0)


def test_it_follows_its_table_through_migrations(table: Database) -> None:
    connection, before = table.connection, state_of((SignedRow,))
    fill(30)

    step = partial(sign_bits.step, connection)

    step(RenameField("SignedRow", "embedding", "meaning"), before, back=True)
    SignedRow.objects.create(title="after", embedding=ROWS[50])
    assert (stale(), unsigned()) == (0, 0)
    index = SignedRow._meta.indexes[0]
    without = step(RemoveIndex("SignedRow", index), before)
    assert connection.execute("SHOW TRIGGERS LIKE 'signed_rows'") == []
    # What it was built of may be gone already, as for an index that was declared before it was built here.
    RemoveIndex("SignedRow", index).database_forwards("tests", connection, before, without)
    assert [row.pk for row in nearest()[:5]] == expected(5)
    assert [reason.code for reason in nearest()[:5].explain_search().reasons] == ["not-built"]
    assert state().state == "missing"
    step(AddIndex("SignedRow", index), without)
    assert nearest()[:5].explain_search().index == "signed_bits"
    SignedRow.objects.update(embedding=None)
    shorter = step(AlterField("SignedRow", "embedding", VectorField(dimensions=8, null=True)), before)
    connection.execute_write('UPDATE "signed_rows" SET "embedding" = STRING_TO_VECTOR(\'[1,2,3,4,5,6,7,8]\')')
    sizes = connection.execute('SELECT DISTINCT LENGTH("signed_bits_signs") AS n FROM "signed_rows"')
    assert [row["n"] for row in sizes] == [4]
    connection.execute_write('UPDATE "signed_rows" SET "embedding" = NULL')
    AlterField("SignedRow", "embedding", VectorField(dimensions=DIMENSIONS, null=True)).database_forwards(
        "tests", connection, shorter, before
    )
    assert {column["name"] for column in connection.get_table_columns("signed_rows")} == {
        field.column for field in SignedRow._meta.fields
    }
    (found,) = [each for each in introspect_tables(connection) if each["name"] == "signed_rows"]
    assert [column["name"] for column in found["columns"]] == ["id", "title", "number", "embedding"]
    step(RemoveField("SignedRow", "embedding"), before)
    assert connection.execute("SHOW TRIGGERS LIKE 'signed_rows'") == []
    connection.execute_write('INSERT INTO "signed_rows" ("title", "number") VALUES (%s, 1)', ["without a vector"])


def test_a_deferred_build(table: Database) -> None:
    bulk_load(SignedRow, [{"title": "a", "embedding": row} for row in ROWS], defer_indexes=True)
    assert (stale(), unsigned()) == (0, 0)
    assert nearest()[:5].explain_search().index == "signed_bits"


def test_a_name_that_is_too_long(db: Database) -> None:
    index = HnswIndex(["embedding"], "x" * 58, distance="l2", precision="bit")
    with pytest.raises(dorm_vector.UnsupportedByDatabase, match="up to 57 characters"):
        index.statements(db.dialect, index.name, "t", "embedding", field=SignedRow._meta.get_field("embedding"))
