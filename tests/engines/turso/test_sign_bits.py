"""Sign bits on Turso: kept by triggers in a table of their own, and never stale."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import dorm
import pytest
from dorm.db.connection import get_connection
from dorm.inspect import introspect_tables
from dorm.migrations.operations import (
    AddField,
    AddIndex,
    AlterField,
    RemoveField,
    RemoveIndex,
    RenameField,
    RenameModel,
)
from dorm.transaction import atomic

from dorm_vector import HnswIndex, Metric, VectorField, bulk_load, create_tables, rebuild_index, search_options
from dorm_vector.commands.index_state import Companion
from tests.databases import Database, drop_table, state_of
from tests.engines import sign_bits
from tests.engines.sign_bits import DIMENSIONS, FILTERS, ODD, QUERY, ROWS
from tests.helpers.oracle import distance

pytestmark = pytest.mark.not_on("sqlite", "libsql", "postgresql", "mariadb", "mysql", reason="it is about Turso")


class TableOfSigns(dorm.Model):
    title = dorm.CharField(max_length=20)
    number = dorm.IntegerField(default=0)
    embedding = VectorField(dimensions=DIMENSIONS, null=True)

    class Meta:
        app_label = "tests"
        db_table = "turso_signed"
        indexes = [HnswIndex(["embedding"], "turso_signs", distance="l2", precision="bit")]


class FoundByText(dorm.Model):
    """Rows with text keys, of which only the first numbers count."""

    key = dorm.CharField(max_length=20, primary_key=True)
    embedding = VectorField(dimensions=DIMENSIONS)

    class Meta:
        app_label = "tests"
        db_table = "turso_keyed"
        indexes = [HnswIndex(["embedding"], "keyed_signs", distance="cosine", precision="bit", dimensions=11)]


class FoundByPair(dorm.Model):
    """Rows that a table of signs cannot name."""

    left = dorm.IntegerField()
    right = dorm.IntegerField()
    embedding = VectorField(dimensions=DIMENSIONS)
    pk = dorm.CompositePrimaryKey("left", "right")

    class Meta:
        app_label = "tests"
        db_table = "turso_pairs"
        indexes = [HnswIndex(["embedding"], "pair_signs", distance="l2", precision="bit")]


@pytest.fixture
def table(db: Database) -> Iterator[Database]:
    create_tables(TableOfSigns)
    yield db
    drop_table(db, TableOfSigns)


fill = partial(sign_bits.fill, TableOfSigns)
expected = partial(sign_bits.expected, TableOfSigns)
nearest = partial(sign_bits.nearest, TableOfSigns)


def state(model: Any = TableOfSigns) -> Any:
    return sign_bits.state(model)


def held() -> dict[int, bytes]:
    return {row["id"]: bytes(row["vector"]) for row in get_connection().execute('SELECT * FROM "turso_signs"')}


def signs_of(vector: list[float]) -> int:
    """Return how many numbers of the vector are above 0, in plain Python."""
    return sum(number > 0 for number in vector)


async def test_the_shortlist_is_ranked_exactly(table: Database) -> None:
    fill()
    # A shortlist of every row finds the exact answer.
    assert [row.pk for row in nearest().search_options(oversample=1000)[:5]] == expected(5)
    assert [row.pk async for row in nearest().rerank(160)[2:5]] == expected(5)[2:]
    found = list(nearest().rerank(30)[:10])
    assert [row.distance for row in found] == sorted(row.distance for row in found)
    assert [row.distance for row in found] == pytest.approx(
        [distance(Metric.L2, row.embedding, QUERY) for row in found]
    )
    with search_options(oversample=3):
        assert len({row.pk for row in nearest()[:4]} & set(expected(12))) >= 1
    assert [row.pk for row in nearest(exact=True)[:5]] == expected(5)
    plan = nearest()[:5].explain_search()
    assert (plan.index, plan.name) == ("turso_signs", "sign bits")
    assert (await nearest()[:5].aexplain_search()).index == "turso_signs"
    plan = TableOfSigns.objects.nearest("embedding", QUERY)[:5].explain_search()
    assert (plan.index, [reason.code for reason in plan.reasons]) == (None, ["not-asked-for"])
    assert [row.pk for row in TableOfSigns.objects.nearest("embedding", QUERY)[:5]] == expected(5)


def test_the_nearest_signs_are_those_of_plain_python(table: Database) -> None:
    rows = TableOfSigns.objects.bulk_create([TableOfSigns(title=str(n), embedding=row) for n, row in enumerate(ODD)])
    codes = held()
    for row in rows:
        assert sum(byte.bit_count() for byte in codes[row.pk][: DIMENSIONS // 8]) == signs_of(row.embedding), row.title


async def test_a_filtered_search_is_exact(table: Database) -> None:
    fill()
    for filters, matches in FILTERS.values():
        assert [row.pk for row in nearest().filter(**filters)[:10]] == expected(10, matches)
        assert [row.pk async for row in nearest().filter(**filters).rerank(10)[2:9]] == expected(9, matches)[2:]
    (reason,) = nearest().filter(number__lt=7)[:10].explain_search().reasons
    assert (reason.code, "signs of the vectors only" in str(reason)) == ("uncovered-filter", True)


WRITES = {
    "an update of another column": 'UPDATE "turso_signed" SET "number" = "number" + 1000',
    "an update of vectors": """
        UPDATE "turso_signed" SET "embedding" = (SELECT "embedding" FROM "turso_signed" WHERE "title" = 'r3')
        WHERE "id" % 3 = 0""",
    "an insert": """
        INSERT INTO "turso_signed" ("title", "number", "embedding")
        SELECT 'n' || "title", 0, "embedding" FROM "turso_signed" WHERE "id" % 4 = 0""",
    "an insert without names": """INSERT INTO "turso_signed" VALUES (900001, 'new', 1, NULL)""",
    "an upsert": """
        INSERT INTO "turso_signed" ("id", "title", "number", "embedding")
        SELECT "id", 'u', 5, zeroblob(160) FROM "turso_signed" WHERE "id" % 4 = 0
        ON CONFLICT ("id") DO UPDATE SET "number" = 77, "embedding" = excluded."embedding" """,
    "a replace": """
        REPLACE INTO "turso_signed" ("id", "title", "number", "embedding")
        SELECT "id", 'again', 2, "embedding" FROM "turso_signed" WHERE "id" % 5 = 0""",
    "an update to NULL": 'UPDATE "turso_signed" SET "embedding" = NULL WHERE "id" % 7 = 0',
    "an update from NULL": 'UPDATE "turso_signed" SET "embedding" = zeroblob(160) WHERE "id" % 14 = 0',
    "new keys": 'UPDATE "turso_signed" SET "id" = "id" + 5000 WHERE "id" % 6 = 0',
    "a deletion": 'DELETE FROM "turso_signed" WHERE "id" % 8 = 0',
}


def test_triggers_keep_the_signs_of_what_others_write(table: Database) -> None:
    fill()
    for name, sql in WRITES.items():
        table.connection.execute_write(sql)
        assert state().companion.in_sync, name
        assert [row.pk for row in nearest().rerank(1000)[:20]] == expected(20), name
    TableOfSigns.objects.filter(number=77).update(embedding=ROWS[9])
    TableOfSigns.objects.create(title="saved", embedding=ROWS[2])
    with atomic() as block:
        TableOfSigns.objects.all().delete()
        block.set_rollback(True)
    assert state().state == "built"
    assert set(held()) == {row.pk for row in TableOfSigns.objects.filter(embedding__isnull=False)}


def test_rows_that_lost_their_signs_are_found_by_doctor(table: Database) -> None:
    fill(20)
    table.connection.execute_write('DELETE FROM "turso_signs" WHERE "id" % 2 = 0')
    assert state().companion == Companion(rows=10, missing=10, extra=0)
    rebuild_index(TableOfSigns, "turso_signs")
    assert state().companion == Companion(rows=20, missing=0, extra=0)


def test_it_follows_its_table_through_migrations(table: Database) -> None:
    connection, before = table.connection, state_of((TableOfSigns,))
    fill(30)

    step = partial(sign_bits.step, connection)

    def is_kept() -> bool:
        TableOfSigns.objects.create(title="after", embedding=ROWS[50])
        plan = nearest()[:5].explain_search()
        return bool(state().companion.in_sync) and plan.index == "turso_signs"

    step(RenameField("TableOfSigns", "embedding", "meaning"), before, back=True)
    assert is_kept()
    step(RenameField("TableOfSigns", "number", "place"), before, back=True)
    assert is_kept()
    step(AddField("TableOfSigns", "note", dorm.CharField(max_length=5, default="x")), before, back=True)
    assert is_kept()
    step(AlterField("TableOfSigns", "number", dorm.IntegerField(default=5, null=True)), before, back=True)
    assert is_kept()
    step(RenameModel("TableOfSigns", "Renamed"), before, back=True)
    assert is_kept()
    index = TableOfSigns._meta.indexes[0]
    without = step(RemoveIndex("TableOfSigns", index), before)
    assert connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'") == []
    RemoveIndex("TableOfSigns", index).database_forwards("tests", connection, before, without)
    assert [row.pk for row in nearest()[:5]] == expected(5)
    assert [reason.code for reason in nearest()[:5].explain_search().reasons] == ["not-built"]
    assert state().state == "missing"
    step(AddIndex("TableOfSigns", index), without)
    assert is_kept()
    (found,) = [each for each in introspect_tables(connection) if each["name"].startswith("turso_signed")]
    assert [column["name"] for column in found["columns"]] == ["id", "title", "number", "embedding"]
    assert "turso_signs" not in [each["name"] for each in introspect_tables(connection)]
    TableOfSigns.objects.update(embedding=None)
    shorter = step(AlterField("TableOfSigns", "embedding", VectorField(dimensions=8, null=True)), before)
    connection.execute_write('UPDATE "turso_signed" SET "embedding" = zeroblob(32)')
    assert {len(code) for code in held().values()} == {3}
    connection.execute_write('UPDATE "turso_signed" SET "embedding" = NULL')
    AlterField("TableOfSigns", "embedding", VectorField(dimensions=DIMENSIONS, null=True)).database_forwards(
        "tests", connection, shorter, before
    )
    assert is_kept()
    step(RemoveField("TableOfSigns", "embedding"), before)
    assert connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'") == []
    connection.execute_write("""INSERT INTO "turso_signed" ("title", "number") VALUES ('without a vector', 1)""")


def test_a_deferred_build(table: Database) -> None:
    bulk_load(TableOfSigns, [{"title": "a", "embedding": row} for row in ROWS], defer_indexes=True)
    assert state().companion == Companion(rows=len(ROWS), missing=0, extra=0)
    assert nearest()[:5].explain_search().index == "turso_signs"


def test_text_keys_and_the_first_numbers(db: Database) -> None:
    create_tables(FoundByText)
    FoundByText.objects.bulk_create([FoundByText(key=f"k{n}", embedding=row) for n, row in enumerate(ROWS[:30])])
    found = FoundByText.objects.nearest("embedding", QUERY, distance="cosine").rerank(30)[:7]
    ranked = sorted((distance(Metric.COSINE, row, QUERY), f"k{n}") for n, row in enumerate(ROWS[:30]))
    assert [row.key for row in found] == [key for _, key in ranked[:7]]
    assert found.explain_search().index == "keyed_signs"
    assert state(FoundByText).companion.in_sync
    (code,) = db.connection.execute("""SELECT vector FROM "keyed_signs" WHERE id = 'k3'""")
    assert sum(byte.bit_count() for byte in bytes(code["vector"])[:2]) == signs_of(ROWS[3][:11])
    drop_table(db, FoundByText)


def test_a_key_of_two_columns_is_searched_exactly(db: Database) -> None:
    create_tables(FoundByPair)
    for n, row in enumerate(ROWS[:10]):
        FoundByPair.objects.create(left=n, right=1, embedding=row)
    found = FoundByPair.objects.nearest("embedding", QUERY, exact=False)[:3]
    ranked = sorted((distance(Metric.L2, row, QUERY), n) for n, row in enumerate(ROWS[:10]))
    assert [row.left for row in found] == [n for _, n in ranked[:3]]
    assert [reason.code for reason in found.explain_search().reasons] == ["other-key"]
    assert state(FoundByPair).state == "unsupported"
    assert db.connection.execute("SELECT name FROM sqlite_master WHERE name = 'pair_signs'") == []
    drop_table(db, FoundByPair)
