"""A table that is distributed over the workers of a Citus cluster: migrations, writes, and searches on each shard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import dorm
import numpy as np
import pytest
from dorm.db.connection import get_connection, reset_connections
from dorm.expressions import RawSQL
from dorm.migrations.state import ProjectState

from backends import Settings
from dorm_vector import (
    CreateDistributedTable,
    CreateReferenceTable,
    HnswIndex,
    UnsupportedByDatabase,
    VectorAvg,
    VectorField,
    VectorSum,
    bulk_load,
    create_tables,
    search_options,
)
from dorm_vector.engines import dialect_for
from dorm_vector.engines.postgresql import citus
from tests.databases import state_of

# On shards of 500 rows, the planner prefers to scan.
DIMENSIONS, ROWS = 8, 4_000
VECTORS = np.random.default_rng(3).normal(size=(ROWS, DIMENSIONS)).astype(np.float32)
NEAR = VECTORS[7] + np.float32(0.01)


class CitusSection(dorm.Model):
    name = dorm.CharField(max_length=20)


class CitusDoc(dorm.Model):
    slug = dorm.CharField(max_length=20, primary_key=True)
    section = dorm.ForeignKey(CitusSection, on_delete=dorm.CASCADE)
    pages = dorm.IntegerField(default=1)
    embedding = VectorField(dimensions=DIMENSIONS)

    class Meta:
        indexes = [HnswIndex(fields=["embedding"], name="citus_doc_embedding_hnsw", distance="cosine")]


class CitusRow(dorm.Model):
    """A key of several columns, of which one distributes the rows."""

    tenant = dorm.IntegerField()
    number = dorm.IntegerField()
    name = dorm.CharField(max_length=20)
    pk = dorm.CompositePrimaryKey("tenant", "number")
    embedding = VectorField(dimensions=DIMENSIONS)


class CitusNote(dorm.Model):
    name = dorm.CharField(max_length=20)


MODELS = (CitusSection, CitusDoc, CitusRow, CitusNote)
OPERATIONS = (
    CreateReferenceTable("CitusSection"),
    CreateDistributedTable("CitusDoc", distribution_column="slug", shard_count=2),
    CreateDistributedTable("CitusRow", distribution_column="tenant", colocate_with=None),
    CreateDistributedTable("CitusNote", distribution_column="id", shard_count=2),
)


@pytest.fixture(scope="module")
def _tables(cluster_database: Settings) -> Iterator[None]:
    reset_connections()
    dorm.configure(DATABASES={"default": cluster_database}, INSTALLED_APPS=[])
    create_tables(*MODELS)
    state = state_of(MODELS)
    for operation in OPERATIONS:
        operation.database_forwards(_label(state), get_connection(), state, state)
    for number, name in enumerate(("a", "b", "c"), 1):
        CitusSection.objects.create(id=number, name=name)
    bulk_load(
        CitusDoc,
        [{"slug": f"d{i}", "section_id": i % 3 + 1, "pages": i, "embedding": VECTORS[i]} for i in range(ROWS)],
    )
    get_connection().execute_script("ANALYZE")
    yield
    reset_connections()


@pytest.fixture
def _cluster(_tables: None, cluster_database: Settings) -> None:
    """New connections, which know nothing of the server yet."""
    reset_connections()
    dorm.configure(DATABASES={"default": cluster_database}, INSTALLED_APPS=[])


def _label(state: ProjectState) -> str:
    return next(iter(state.models)).partition(".")[0]


def _nearest(count: int, numbers: Any = range(ROWS)) -> list[str]:
    lengths = np.linalg.norm(VECTORS, axis=1) * np.linalg.norm(NEAR)
    distances = 1 - (VECTORS @ NEAR) / lengths
    return [f"d{i}" for i in sorted(numbers, key=lambda i: distances[i])[:count]]


def _placed() -> dict[str, tuple[str, int]]:
    rows = get_connection().execute(
        "SELECT table_name::text AS name, citus_table_type AS kind, shard_count FROM citus_tables"
    )
    return {row["name"].strip('"').rpartition("_")[2]: (row["kind"], row["shard_count"]) for row in rows}


@pytest.mark.usefixtures("_cluster")
class TestACluster:
    def test_operations_place_tables_and_move_them_back(self) -> None:
        before = _placed()
        assert before["citussection"][0] == "reference"
        assert before["citusdoc"] == ("distributed", 2)
        assert before["citusrow"][0] == "distributed"
        state = state_of(MODELS)
        operation = CreateDistributedTable("CitusRow", distribution_column="tenant", colocate_with=None)
        operation.database_backwards(_label(state), get_connection(), state, state)
        assert "citusrow" not in _placed()
        operation.database_forwards(_label(state), get_connection(), state, state)
        assert _placed() == before

    def test_the_first_search_of_a_process_reaches_every_shard(self) -> None:
        with search_options(ef_search=200):
            found = CitusDoc.objects.nearest("embedding", NEAR)[:10]
            assert [row.slug for row in found] == _nearest(10)
        assert dialect_for(get_connection()).planning.shard_count
        odd = CitusDoc.objects.filter(section__name="b").nearest("embedding", NEAR)[:10]
        assert [row.slug for row in odd] == _nearest(10, range(1, ROWS, 3))

    def test_workers_get_the_options_of_a_search_and_lose_them(self) -> None:
        # Over a column, so that the workers evaluate it.
        width = RawSQL("current_setting(left(slug, 0) || 'hnsw.ef_search', true)")
        wide = CitusDoc.objects.nearest("embedding", NEAR).annotate(width=width)[:3]
        assert {row.width for row in wide.search_options(ef_search=123)} == {"123"}
        assert {row.width for row in wide} <= {"40", "", None}
        with get_connection().atomic():
            assert {row.width for row in wide.search_options(ef_search=124)} == {"124"}
            assert {row.width for row in wide} <= {"40", "", None}
        scan = RawSQL("current_setting(left(slug, 0) || 'hnsw.iterative_scan', true)")
        # In so small a table, an exact search costs less, and it needs no options.
        filtered = CitusDoc.objects.filter(section_id=2).nearest("embedding", NEAR, exact=False).annotate(scan=scan)
        assert {row.scan for row in filtered[:3]} == {"relaxed_order"}
        assert {row.scan for row in filtered.search_options(iterative_scan="strict_order")[:3]} == {"strict_order"}

    def test_a_plan_counts_the_shards_that_the_index_serves(self) -> None:
        search = CitusDoc.objects.nearest("embedding", NEAR)[:10]
        for plan in (search.explain_search(), asyncio.run(search.aexplain_search())):
            assert plan.index == "citus_doc_embedding_hnsw"
            assert (plan.shards, plan.shards_by_index) == (2, 2)
            assert str(plan).startswith("The index citus_doc_embedding_hnsw serves this search on 2 of 2 shards.")
            # The coordinator merges the rows as they arrive.
            assert "Distributed Subplan" not in plan.plan
        # One shard has the row, and scans it.
        of_one = CitusDoc.objects.filter(slug="d5").nearest("embedding", NEAR)[:1].explain_search()
        assert (of_one.index, of_one.shards) == (None, 1)
        with get_connection().atomic():
            assert search.explain_search().shards_by_index == 2
            assert get_connection().execute("SHOW citus.explain_all_tasks")[0]["citus.explain_all_tasks"] == "off"

    def test_writes_assign_no_key(self) -> None:
        row = CitusDoc.objects.get(slug="d3")
        row.pages = 5_003
        row.save()
        assert CitusDoc.objects.get(slug="d3").pages == 5_003
        row.save(update_fields=["slug", "pages"])
        row.save(update_fields=["slug"])
        _row, is_new = CitusDoc.objects.update_or_create(slug="d4", defaults={"pages": 5_004})
        assert (is_new, CitusDoc.objects.get(slug="d4").pages) == (False, 5_004)
        rows = list(CitusDoc.objects.filter(slug__in=["d3", "d4"]))
        for each in rows:
            each.pages += 1
        assert CitusDoc.objects.bulk_update(rows, ["pages", "embedding"]) == 2
        assert set(CitusDoc.objects.filter(slug__in=["d3", "d4"]).values_list("pages", flat=True)) == {5_004, 5_005}
        CitusDoc.objects.bulk_create(
            [CitusDoc(slug="d3", section_id=1, pages=3, embedding=VECTORS[3])],
            update_conflicts=True,
            unique_fields=["slug"],
            update_fields=["pages"],
        )
        bulk_load(
            CitusDoc,
            [{"slug": "d4", "section_id": 2, "pages": 4, "embedding": VECTORS[4]}],
            on_conflict="update",
        )
        assert CitusDoc.objects.get(slug="d3").pages == 3
        assert CitusDoc.objects.get(slug="d4").pages == 4
        section = CitusSection.objects.get(id=3)
        section.name = "c"
        section.save()

    def test_keys_of_many_rows_are_those_of_their_rows(self) -> None:
        """Each shard returns its rows when it is done, not in the order of the INSERT."""

        async def made() -> list[CitusNote]:
            rows = await CitusNote.objects.abulk_create(notes(), returning=["id"])
            return [*rows, *await CitusNote.objects.abulk_create(notes(), 5)]

        def notes() -> list[CitusNote]:
            return [CitusNote(name=str(number)) for number in range(12)]

        rows = [*CitusNote.objects.bulk_create(notes()), *CitusNote.objects.bulk_create(notes(), returning=["id"])]
        rows += asyncio.run(made())
        assert {row.pk: row.name for row in rows} == dict(CitusNote.objects.values_list("pk", "name"))

    def test_a_row_of_several_keys_stays_on_its_shard(self) -> None:
        row = CitusRow(tenant=1, number=2, name="first", embedding=VECTORS[0])
        row.save()
        row.name = "second"
        row.save()
        asyncio.run(row.asave())
        assert CitusRow.objects.get(tenant=1, number=2).name == "second"
        with pytest.raises(dorm.DatabaseError, match="modifying the partition value of rows is not allowed"):
            CitusRow.objects.filter(tenant=1).update(tenant=2)
        CitusRow.objects.filter(tenant=1).delete()

    def test_async_rows_are_saved_and_found(self) -> None:
        async def work() -> list[str]:
            row = await CitusDoc.objects.aget(slug="d9")
            row.pages = 9
            await row.asave()
            assert (await CitusDoc.objects.aget(slug="d9")).pages == 9
            search = CitusDoc.objects.nearest("embedding", NEAR).search_options(ef_search=99)
            return [row.slug async for row in search[:10]]

        assert asyncio.run(work()) == _nearest(10)

    def test_aggregates_are_combined_from_the_workers(self) -> None:
        of = CitusDoc.objects.aggregate(mean=VectorAvg("embedding"), total=VectorSum("embedding"))
        assert np.allclose(of["mean"], VECTORS.mean(axis=0), atol=1e-5)
        assert np.allclose(of["total"], VECTORS.sum(axis=0), atol=1e-2)
        table = CitusDoc._meta.db_table
        plan = get_connection().execute(f'EXPLAIN SELECT avg("embedding") FROM "{table}"')
        # An aggregate on each shard, and one over theirs.
        assert sum("Aggregate" in next(iter(line.values())) for line in plan) == 2

    def test_a_key_that_is_not_unique_by_shard_is_refused(self) -> None:
        state = state_of(MODELS)
        operation = CreateDistributedTable("CitusSection", distribution_column="chapter")
        with pytest.raises(ValueError, match=r"CitusSection has no field 'chapter'\. It has .*name"):
            operation.database_forwards(_label(state), get_connection(), state, state)


class CitusTenant(dorm.Model):
    """A table without a primary key, distributed by another column."""

    number = dorm.IntegerField()
    tenant = dorm.IntegerField()
    name = dorm.CharField(max_length=20)


@pytest.mark.usefixtures("_cluster")
def test_a_changed_distribution_column_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(citus, "SECONDS", 0.0)
    create_tables(CitusTenant)
    connection, table = get_connection(), CitusTenant._meta.db_table
    connection.execute_script(f'ALTER TABLE "{table}" DROP CONSTRAINT "{table}_pkey"')
    state = state_of((CitusTenant,))
    operation = CreateDistributedTable("CitusTenant", distribution_column="tenant")
    operation.database_forwards(_label(state), connection, state, state)
    row = CitusTenant.objects.create(number=1, tenant=1, name="first")
    row.name = "second"
    row.save()
    assert CitusTenant.objects.get(number=1).name == "second"
    row.tenant = 2
    with pytest.raises(UnsupportedByDatabase, match="Delete the row, and create it with the new value"):
        row.save()
    with pytest.raises(UnsupportedByDatabase, match="keeps a row on the shard of its tenant"):
        asyncio.run(row.asave())
    assert CitusTenant.objects.get(number=1).tenant == 1
    # Another process distributes the table by another column.
    connection.execute(f"SELECT alter_distributed_table('{table}', distribution_column => 'number')")
    CitusTenant.objects.get(number=1).save()
    row.save()
    assert CitusTenant.objects.get(number=1).tenant == 2
    row.delete()
    row.save()
    assert not CitusTenant.objects.filter(number=1).exists()
