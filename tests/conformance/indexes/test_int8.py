"""Indexes with ``precision="int8"``: they find a shortlist on SQLite and libSQL, and build nothing elsewhere."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator
from typing import Any

import dorm
import pytest
from dorm.transaction import aatomic, atomic

from dorm_vector import HnswIndex, Metric, Vec0Index, VectorField
from tests.conformance.inside import Unsupported
from tests.databases import Database, create_tables, drop_table
from tests.helpers.oracle import distance
from tests.helpers.real_data import asked, packages

COUNT, K = 240, 10
NO_VECTOR, NO_DIRECTION = COUNT + 1, COUNT + 2


class Compact(dorm.Model):
    section = dorm.CharField(max_length=10)
    pages = dorm.IntegerField()
    embedding = VectorField(dimensions=384, null=True)

    class Meta:
        app_label = "tests"
        indexes = [
            Vec0Index(
                ["embedding"],
                "compact_bytes",
                distance="cosine",
                precision="int8",
                partition_by=["section"],
                metadata=["pages"],
            ),
            HnswIndex(["embedding"], "compact_graph", distance="cosine", precision="int8"),
        ]


ROWS: Any = Compact.objects


@pytest.fixture
def filled(database: Database) -> Iterator[Database]:
    """Real embeddings, a row without a vector, and one whose vector has no direction."""
    database.use()
    create_tables(database.connection, (Compact,))
    vectors: list[Any] = [*packages().embeddings[:COUNT].tolist(), None, [0.0] * 384]
    ROWS.bulk_create(
        [Compact(id=n + 1, section=f"s{n % 3}", pages=n % 50, embedding=vector) for n, vector in enumerate(vectors)]
    )
    yield database
    database.use()
    drop_table(database, Compact)


def questions() -> list[list[float]]:
    found: list[list[float]] = asked().embeddings[:5].tolist()
    return found


def nearest(query: list[float], rows: Any = ROWS, **options: Any) -> Any:
    return rows.nearest("embedding", query, distance="cosine", **options)


def keys(rows: Any) -> list[int]:
    return [row.pk for row in rows]


def expected(query: list[float], where: Callable[[int], bool] = lambda _key: True) -> dict[int, float]:
    """Return the distances of the nearest rows, by key and nearest first, in plain Python."""
    vectors = enumerate(packages().embeddings[:COUNT].tolist(), 1)
    return nearest_of({key: vector for key, vector in vectors if where(key)}, query)


def nearest_of(rows: dict[int, Any], query: list[float]) -> dict[int, float]:
    known = ((distance(Metric.COSINE, vector, query), key) for key, vector in rows.items())
    return {key: far for far, key in sorted((far, key) for far, key in known if far is not None)[:K]}


def finds(db: Database, *, shortlist: bool = False) -> tuple[str | None, str]:
    """Return the index of an approximate search, and what ``explain_search()`` calls the way it is answered."""
    if not isinstance(db.dialect.indexes["vec0_int8"], Unsupported):
        return "compact_bytes", "8-bit integers"
    return ("compact_graph", "index") if db.dialect.index_rules.int8 is True and not shortlist else (None, "")


def assert_nearest(db: Database, rows: Any, wanted: dict[int, float]) -> None:
    """The rows are sorted by their exact distances, and they are the nearest; libSQL's graph may lose two."""
    found = {row.pk: row.distance for row in rows}
    assert list(found.values()) == sorted(found.values())
    assert len(found) == len(wanted)
    assert len(found.keys() & wanted.keys()) >= len(wanted) - 2 * (db.dialect.index_rules.int8 is True)
    for key in found.keys() & wanted.keys():
        assert found[key] == pytest.approx(wanted[key], abs=1e-5)


def test_what_it_finds_is_ranked_exactly(filled: Database) -> None:
    built = [index.name for index in Compact._meta.indexes if index.is_built_by(filled.dialect)]
    assert built == [name for name in [finds(filled)[0]] if name]
    for query in questions():
        wanted = expected(query)
        assert_nearest(filled, nearest(query, exact=False)[:K], wanted)
        assert_nearest(filled, nearest(query).rerank(4 * K)[:K], wanted)
        assert keys(nearest(query)[:K]) == list(wanted)
    for search, shortlist in ((nearest(query, exact=False)[:K], False), (nearest(query).rerank(40)[:K], True)):
        index, name = finds(filled, shortlist=shortlist)
        plan = search.explain_search()
        assert (plan.index, plan.name if index else "") == (index, name)
    assert nearest(query)[:K].explain_search().index is None


FILTERS: list[tuple[dict[str, Any], Callable[[int], bool]]] = [
    ({"section": "s1"}, lambda key: key % 3 == 2),
    ({"section__in": ["s0", "s2"], "pages__lt": 25}, lambda key: key % 3 != 2 and (key - 1) % 50 < 25),
    ({"pages__gte": 45}, lambda key: (key - 1) % 50 >= 45),
    ({"pk__gt": 100}, lambda key: key > 100),
    ({"pk__gt": 100, "section": "s0"}, lambda key: key > 100 and key % 3 == 1),
]


def test_filters(filled: Database) -> None:
    query = questions()[0]
    for conditions, where in FILTERS:
        for rows in (nearest(query, ROWS.filter(**conditions), exact=False), nearest(query).filter(**conditions)):
            assert_nearest(filled, rows[:K], expected(query, where))
        if finds(filled)[1] == "8-bit integers":
            plan = nearest(query, ROWS.filter(**conditions), exact=False)[:K].explain_search()
            assert (plan.index is None) == ("pk__gt" in conditions)


def test_a_row_without_a_vector_or_a_direction_is_not_lost(filled: Database) -> None:
    query = questions()[0]
    found = keys(nearest(query, exact=False)[: COUNT + 2])
    assert len(found) == COUNT + 1
    assert found[-1] == NO_DIRECTION
    assert set(found) == {*range(1, COUNT + 3)} - {NO_VECTOR}


def _rolled_back(query: list[float]) -> None:
    with atomic() as transaction:
        ROWS.filter(pk__lt=9).update(embedding=query)
        transaction.set_rollback()


WRITES: list[Callable[[list[float]], Any]] = [
    lambda query: ROWS.create(id=1000, section="s9", pages=1, embedding=query),
    lambda _query: ROWS.filter(pk=1000).update(section="s1", pages=7),
    lambda _query: ROWS.filter(pk=1000).update(embedding=None),
    lambda query: ROWS.filter(pk=NO_VECTOR).update(embedding=query),
    lambda query: ROWS.filter(pk=NO_DIRECTION).update(embedding=[2 * value for value in query]),
    lambda _query: ROWS.filter(pk=NO_VECTOR).delete(),
    _rolled_back,
    lambda query: ROWS.bulk_update([Compact(id=4, section="s0", pages=3, embedding=query)], ["embedding"]),
]


def test_it_follows_every_write(filled: Database) -> None:
    query = questions()[1]
    for write in WRITES:
        write(query)
        stored = {row.pk: row.embedding for row in ROWS.exclude(embedding=None)}
        assert_nearest(filled, nearest(query, exact=False)[:K], nearest_of(stored, query))
        assert_stored(filled, stored)
    moved = ROWS.filter(section="s1", pages=7)
    ROWS.filter(pk=1000).update(embedding=query)
    assert 1000 in keys(nearest(query, moved, exact=False)[:K])


def assert_stored(db: Database, rows: dict[int, Any]) -> None:
    """On SQLite, the table of the index has the integers that plain Python rounds the vectors to."""
    if finds(db)[0] != "compact_bytes":
        return
    stored = {row["id"]: array("b", row["vector"]) for row in db.connection.execute("SELECT * FROM compact_bytes")}
    assert stored.keys() == {key for key, vector in rows.items() if any(vector)}
    for key, integers in stored.items():
        length = math.hypot(*rows[key])
        # sqlite-vec's steps go from -1 to 1.
        assert all(
            abs(held - ((value / length + 1) * 255 / 2 - 128)) <= 1.01
            for held, value in zip(integers, rows[key], strict=True)
        )


async def test_async(filled: Database) -> None:
    query = questions()[2]
    found: list[Any] = [row async for row in nearest(query, exact=False)[:K]]
    assert_nearest(filled, found, expected(query))
    listed: list[Any] = [row async for row in nearest(query).rerank(4 * K)[:K]]
    assert_nearest(filled, listed, expected(query))
    assert (await nearest(query, exact=False)[:K].aexplain_search()).index == finds(filled)[0]
    async with aatomic():
        row = await ROWS.acreate(section="s9", pages=1, embedding=query)
        assert [each.pk async for each in nearest(query, exact=False)[:1]] == [row.pk]
    await ROWS.filter(pk=row.pk).adelete()
    assert_nearest(filled, [each async for each in nearest(query, exact=False)[:K]], expected(query))
