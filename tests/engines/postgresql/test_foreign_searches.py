"""Searches and aggregates of a table with partitions on two servers."""

from __future__ import annotations

from typing import Any

import dorm
import pytest
from dorm.db.connection import get_connection, reset_connections
from dorm.signals import pre_query

from dorm_vector import (
    AddForeignPartition,
    Metric,
    PartitionTable,
    UnsupportedByDatabase,
    VectorAvg,
    VectorSum,
    to_matrix,
)
from tests.engines.postgresql.divided_rows import COUNT, QUERY, STORED, Kept, Sharded, apply, expected, forwards, region
from tests.helpers import oracle

pytestmark = pytest.mark.not_on("sqlite", "turso", "libsql", "mariadb", "mysql", reason="PostgreSQL's postgres_fdw")


async def test_searches_merge_the_partitions(sharded: None) -> None:
    rows_of_test = Sharded.objects.filter(number__lt=COUNT)
    # An index of so few rows then finds all of them.
    nearest = rows_of_test.nearest("embedding", QUERY).search_options(ef_search=200)
    unindexed = rows_of_test.nearest("embedding", QUERY, distance="cosine", exact=True)
    for found, wanted in (
        (nearest[:7], expected(7)),
        (nearest[5:12], expected(12)[5:]),
        (nearest.filter(region="us")[:5], expected(5, lambda n: region(n) == "us")),
        (nearest.filter(number__lt=60)[:9], expected(9, lambda n: n < 60)),
        (unindexed[:6], expected(6, metric=Metric.COSINE)),
        (nearest[:30], expected(30)),
    ):
        assert [row.number for row in found] == [row.number async for row in found.all()] == wanted
        assert [row.distance for row in found] == sorted(row.distance for row in found)
    keys, matrix = to_matrix(rows_of_test.order_by("number"), "embedding")
    assert len(set(keys)) == COUNT
    assert matrix.tolist() == [oracle.float32(vector) for vector in STORED]


async def test_the_plan_of_each_partition_is_read(sharded: None) -> None:
    nearest = Sharded.objects.nearest("embedding", QUERY)
    plan, again = nearest[:5].explain_search(), await nearest[:5].aexplain_search()
    served = [(part.name, part.server, part.index) for part in plan.partitions]
    assert served == [("fdw_eu", None, "fdw_hnsw"), ("fdw_us", "there", "fdw_hnsw")]
    assert [part.index for part in again.partitions] == ["fdw_hnsw", "fdw_hnsw"]
    assert "serves this search in 2 of 2 partitions: fdw_eu, fdw_us." in str(plan)
    assert "Index Scan using fdw_us_embedding_idx" in plan.partitions[1].plan
    one = nearest.filter(region="us")[:5].explain_search()
    assert [(part.name, part.index) for part in one.partitions] == [("fdw_us", "fdw_hnsw")]
    unindexed = nearest.order_by("-distance")[:5].explain_search()
    assert (unindexed.index, unindexed.reasons[0].code) == (None, "descending")
    there = get_connection("there")
    there.execute_script('ALTER INDEX "fdw_hnsw" RENAME TO "fdw_other"; DROP INDEX "fdw_other"')
    try:
        half = nearest[:5].explain_search()
        assert (half.index, [part.index for part in half.partitions]) == ("fdw_hnsw", ["fdw_hnsw", None])
        assert [warning.code for warning in half.warnings] == ["not-built"]
        assert "The partition fdw_us on there has no vector index" in str(half)
    finally:
        there.execute_script('CREATE INDEX "fdw_hnsw" ON "fdw_sharded" USING hnsw ("embedding" vector_l2_ops)')


async def test_search_options_reach_the_other_server(sharded: None) -> None:
    nearest = Sharded.objects.filter(number__lt=COUNT).nearest("embedding", QUERY)
    # By default, an index finds 40 rows: those of the other server would be too few.
    many = Sharded.objects.nearest("embedding", QUERY)[:100]
    assert [row.number for row in many] == [row.number async for row in many.all()] == expected(100)
    here, there = get_connection(), get_connection("there")
    variables = ("hnsw.ef_search", "hnsw.iterative_scan", "hnsw.max_scan_tuples")
    columns = ", ".join(f"current_setting('{name}', true) AS s{number}" for number, name in enumerate(variables))
    there.execute_script(f'CREATE VIEW "seen" AS SELECT {columns}')
    here.execute_script('CREATE FOREIGN TABLE "seen" ("s0" text, "s1" text, "s2" text) SERVER "there"')
    seen: list[tuple[Any, ...]] = []

    def look(sender: Any, sql: str, **_query: Any) -> None:
        if " ORDER BY " in sql:
            seen.append(now())

    def now() -> tuple[Any, ...]:
        return tuple(here.execute('SELECT * FROM "seen"')[0].values())

    with here.atomic():
        pre_query.connect(look)
        try:
            for options in ({"ef_search": 77}, {"iterative_scan": "strict_order", "max_scan_tuples": 5_000}):
                assert len(nearest.search_options(**options)[:5]) == 5
            assert len(nearest[:60]) == 60
        finally:
            pre_query.disconnect(look)
        assert seen[0][:2] == ("77", "relaxed_order")
        assert seen[1] == ("40", "strict_order", "5000")
        assert seen[2][:2] == ("60", "relaxed_order")
        assert now() == ("40", "off", "20000"), "they are reset after each search"
    here.execute_script('DROP FOREIGN TABLE "seen"')
    with pytest.raises(UnsupportedByDatabase, match="has no search option 'width'"):
        len(nearest.search_options(width=1)[:5])


async def test_aggregates_are_combined_from_the_servers(sharded: None) -> None:
    rows_of_test = Sharded.objects.filter(number__lt=COUNT)
    sent: list[str] = []

    def hear(sender: Any, sql: str, **_query: Any) -> None:
        sent.append(sql)

    asked = {"mean": VectorAvg("embedding"), "total": VectorSum("embedding"), "rows": dorm.Count("pk")}
    asked["few"] = VectorAvg("embedding", filter=dorm.Q(number__lt=50, region="us"))
    for keep, queryset in (
        (lambda n: True, rows_of_test),
        (lambda n: n % 4 < 2 and n < 100, rows_of_test.filter(number__in=[n for n in range(100) if n % 4 < 2])),
    ):
        found, again = queryset.aggregate(**asked), await queryset.aaggregate(**asked)
        kept = [oracle.float32(STORED[n]) for n in range(COUNT) if keep(n)]
        few = [oracle.float32(STORED[n]) for n in range(50) if keep(n) and region(n) == "us"]
        assert found == again
        assert found["rows"] == len(kept)
        assert found["total"] == pytest.approx([sum(column) for column in zip(*kept, strict=True)], abs=1e-3)
        for mean, vectors in ((found["mean"], kept), (found["few"], few)):
            assert mean == pytest.approx([sum(each) / len(vectors) for each in zip(*vectors, strict=True)], abs=1e-6)
    assert Sharded.objects.filter(number=-1).aggregate(mean=dorm.Avg("embedding")) == {"mean": None}
    ten = rows_of_test.order_by("number")[:10].aggregate(mean=VectorAvg("embedding"))["mean"]
    assert ten == pytest.approx([sum(each) / 10 for each in zip(*STORED[:10], strict=True)], abs=1e-6)
    pre_query.connect(hear)
    try:
        rows_of_test.aggregate(mean=VectorAvg("embedding"))
    finally:
        pre_query.disconnect(hear)
    rows = get_connection().execute(f"EXPLAIN (VERBOSE) {sent[-1]}", [COUNT, COUNT])
    (remote,) = [line for row in rows if "Remote SQL" in (line := str(next(iter(row.values()))))]
    assert "public.avg(embedding)" in remote, "the other server aggregates"


def test_servers_made_by_hand(sharded: None) -> None:
    here = get_connection()
    forwards(Kept, PartitionTable("Kept", "id", "hash"))
    apply(Kept, AddForeignPartition("Kept", "fdw_kept_0", "there", modulus=1, remainder=0))
    Kept.objects.create(embedding=QUERY[:2])
    nearest = Kept.objects.nearest("embedding", QUERY[:2])
    assert len(nearest.search_options(ef_search=50)[:1]) == 1
    here.execute_script('ALTER FOREIGN TABLE "dorm_vector_session_there" RENAME TO "away"')
    try:
        reset_connections()
        assert len(nearest[:1]) == 1
        with pytest.raises(UnsupportedByDatabase, match=r"ALTER SERVER \"there\" OPTIONS"):
            len(nearest.search_options(ef_search=50)[:1])
    finally:
        get_connection().execute_script('ALTER FOREIGN TABLE "away" RENAME TO "dorm_vector_session_there"')
        reset_connections()
