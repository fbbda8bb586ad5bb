"""Which DISTANCE() counts on MySQL, and what is computed without one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dorm
import pytest
from dorm.db.connection import get_async_connection

from dorm_vector import CosineDistance, L1Distance, L2Distance, MaxInnerProduct, Metric, UnsupportedByDatabase
from dorm_vector.dialects import dialect_named
from dorm_vector.dialects._float32 import number
from dorm_vector.engines import dialect_for
from tests.databases import Database, create_tables
from tests.helpers.oracle import distance, vectors
from tests.models import Document

pytestmark = pytest.mark.not_on("sqlite", "postgresql", "turso", "libsql", "mariadb", reason="it is about MySQL")

# What MySQL documents, in the community server's own words: it stands for the function that this one lacks.
_X, _Y = number("CAST(a AS BINARY)", "4 * n.i"), number("CAST(b AS BINARY)", "4 * n.i")
_POSITIONS = "JSON_TABLE(CONCAT('[0', REPEAT(',0', LENGTH(a) DIV 4 - 1), ']'), '$[*]' COLUMNS (i FOR ORDINALITY)) n"
DOCUMENTED = f"""
CREATE FUNCTION DISTANCE(a VECTOR(16383), b VECTOR(16383), metric VARCHAR(20)) RETURNS DOUBLE DETERMINISTIC NO SQL
RETURN (SELECT CASE metric WHEN 'EUCLIDEAN' THEN SQRT(SUM(POW(d.x - d.y, 2)))
WHEN 'COSINE' THEN 1 - SUM(d.x * d.y) / SQRT(SUM(d.x * d.x) * SUM(d.y * d.y)) WHEN 'DOT' THEN {{sign}}SUM(d.x * d.y) END
FROM (SELECT {_X} AS x, {_Y} AS y FROM {_POSITIONS} LIMIT 16383) d)"""
OTHERS = {
    "of two arguments": "CREATE FUNCTION DISTANCE(a DOUBLE, b DOUBLE) RETURNS DOUBLE DETERMINISTIC RETURN ABS(a - b)",
    "of three": (
        "CREATE FUNCTION DISTANCE(a VECTOR, b VECTOR, m VARCHAR(20)) RETURNS DOUBLE DETERMINISTIC NO SQL RETURN 1"
    ),
    "of nothing": (
        "CREATE FUNCTION DISTANCE(a VECTOR, b VECTOR, m VARCHAR(20)) RETURNS DOUBLE DETERMINISTIC NO SQL RETURN NULL"
    ),
}
MEASURES: dict[Metric, Any] = {
    Metric.L2: L2Distance,
    Metric.COSINE: CosineDistance,
    Metric.INNER_PRODUCT: MaxInnerProduct,
    Metric.L1: L1Distance,
}
BY_FUNCTION = "computed by the server's DISTANCE()."
WITHOUT = "computed in SQL, from the bytes of each number; this server has no DISTANCE()."


@pytest.fixture
def functions(db: Database) -> Iterator[Any]:
    """Call it with a statement that makes a DISTANCE(); new connections meet it."""

    def make(sql: str) -> None:
        db.connection.get_connection().cursor().execute(sql)
        db.use()

    yield make
    db.connection.execute_script("DROP FUNCTION IF EXISTS DISTANCE")
    db.use()


def stored() -> list[list[float]]:
    found = vectors(10, 3)
    Document.objects.bulk_create([Document(title=str(n), embedding=vector) for n, vector in enumerate(found)])
    Document.objects.create(title="zero", embedding=[0, 0, 0])
    Document.objects.create(title="none")
    return found


def test_the_community_server_has_none(db: Database) -> None:
    with pytest.raises(dorm.DatabaseError, match="DISTANCE does not exist"):
        db.connection.execute("SELECT DISTANCE(STRING_TO_VECTOR('[1]'), STRING_TO_VECTOR('[2]'), 'EUCLIDEAN')")
    assert db.dialect is dialect_named("mysql")
    near = Document.objects.nearest("embedding", [1, 2, 3], distance="l2")
    assert near.explain().splitlines()[-1] == f"l2 distance: {WITHOUT}"
    assert str(near.explain_search()).splitlines()[-1] == f"The distance is {WITHOUT}"
    assert "DISTANCE" not in near.explain(format="json")


@pytest.mark.parametrize("sign", ["-", ""])
@pytest.mark.parametrize("metric", MEASURES)
def test_one_that_answers_as_documented_is_used(db: Database, functions: Any, metric: Metric, sign: str) -> None:
    functions(DOCUMENTED.format(sign=sign))
    assert db.dialect is dialect_named("mysql", "WITH_DISTANCE")
    expected, query = stored(), vectors(1, 3, seed=8)[0]
    rows = Document.objects.annotate(distance=MEASURES[metric]("embedding", query)).order_by("distance")
    assert ("DISTANCE(" in rows._query.as_select(db.connection)[0]) is (metric is not Metric.L1)
    found = {row.title: row.distance for row in rows}
    for at, vector in enumerate(expected):
        assert found[str(at)] == pytest.approx(distance(metric, vector, query), abs=1e-6)
    assert found["none"] is None
    assert found["zero"] == (
        None if metric is Metric.COSINE else pytest.approx(distance(metric, [0, 0, 0], query), abs=1e-6)
    )
    assert (rows.explain().splitlines()[-1] == f"{metric.value} distance: {BY_FUNCTION}") is (metric is not Metric.L1)


async def test_an_async_connection_finds_it_alone(db: Database, functions: Any) -> None:
    functions(DOCUMENTED.format(sign="-"))
    await asyncio.to_thread(stored)
    db.use()
    nearest = await Document.objects.nearest("embedding", [1, 2, 3], distance="l2").afirst()
    assert nearest is not None
    assert dialect_for(get_async_connection()) is dialect_named("mysql", "WITH_DISTANCE")
    plan = await Document.objects.nearest("embedding", [1, 2, 3], distance="l2").aexplain_search()
    assert plan.distance == BY_FUNCTION


@pytest.mark.parametrize("name", OTHERS)
def test_another_one_of_the_name_is_not(db: Database, functions: Any, name: str) -> None:
    functions(OTHERS[name])
    assert db.dialect is dialect_named("mysql")
    Document.objects.create(title="a", embedding=[3, 4, 0])
    assert Document.objects.annotate(distance=L2Distance("embedding", [0, 0, 0])).get().distance == 5


async def test_it_is_asked_for_once(db: Database) -> None:
    """For a connection of each kind, however many threads and statements there are."""
    log = db.connection
    log.execute_script("SET GLOBAL log_output = 'TABLE'; TRUNCATE mysql.general_log; SET GLOBAL general_log = ON")
    try:
        db.use()
        await asyncio.to_thread(ranked)
        with ThreadPoolExecutor(max_workers=4) as pool:
            await asyncio.to_thread(lambda: list(pool.map(lambda _: ranked(), range(12))))
        await asyncio.gather(*(Document.objects.order_by(L2Distance("embedding", [1, 0, 0])).afirst() for _ in "123"))
        (row,) = db.connection.execute(
            "SELECT COUNT(*) AS asked FROM mysql.general_log WHERE argument LIKE %s", ["SELECT DISTANCE(%"]
        )
    finally:
        db.connection.execute_script("SET GLOBAL general_log = OFF; SET GLOBAL log_output = DEFAULT")
    assert row["asked"] == 2


def ranked() -> list[Document]:
    return list(Document.objects.order_by(L2Distance("embedding", [1, 0, 0])))


class Raw(dorm.Model):
    """Vectors that somebody else packed, of who knows how many dimensions."""

    left = dorm.BinaryField()
    right = dorm.BinaryField()

    class Meta:
        db_table = "tests_raw"


def test_how_many_numbers_to_read_has_to_be_known(db: Database) -> None:
    create_tables(db.connection, (Raw,))
    try:
        with pytest.raises(UnsupportedByDatabase, match="has to know the dimensions"):
            list(Raw.objects.annotate(distance=L2Distance("left", dorm.F("right"))))
    finally:
        db.connection.execute_script('DROP TABLE "tests_raw"')
