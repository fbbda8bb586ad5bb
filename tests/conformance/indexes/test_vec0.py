"""A Vec0Index answers as reading every row does, whatever was written; on another database it is nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import dorm
import pytest
from dorm.transaction import aatomic, atomic

from dorm_vector import (
    CosineDistance,
    CosineSimilarity,
    HnswIndex,
    L2Distance,
    Metric,
    Vec0Index,
    VectorField,
    abulk_load,
    ato_matrix,
    bulk_load,
    measure_recall,
    recommend_search_options,
    to_matrix,
)
from tests.conformance.inside import Unsupported
from tests.databases import Database, create_tables
from tests.helpers.oracle import distance, vectors
from tests.helpers.real_data import asked, packages

COUNT, DIMENSIONS = 300, 12
STORED, QUERIES = vectors(1000, DIMENSIONS), vectors(8, DIMENSIONS, seed=8)
OTHERS, QUERY = vectors(40, DIMENSIONS, seed=9), QUERIES[0]


class Shelf(dorm.Model):
    name = dorm.CharField(max_length=20)

    class Meta:
        app_label = "tests"


class Volume(dorm.Model):
    shelf = dorm.ForeignKey(Shelf, on_delete=dorm.CASCADE, null=True, related_name="volumes")
    language = dorm.CharField(max_length=40)
    pages = dorm.IntegerField(default=1)
    price = dorm.FloatField(default=1.0)
    lent = dorm.BooleanField(default=False)
    title = dorm.CharField(max_length=20)
    code = dorm.CharField(max_length=20, unique=True)
    embedding = VectorField(dimensions=DIMENSIONS, null=True)

    class Meta:
        app_label = "tests"
        indexes = [
            Vec0Index(
                ["embedding"],
                "volume_vec0",
                distance="cosine",
                partition_by=["shelf", "language"],
                metadata=["pages", "price", "lent", "title", "code"],
            ),
            Vec0Index(
                ["embedding"],
                "volume_signs",
                distance="cosine",
                precision="bit",
                partition_by=["shelf"],
                metadata=["pages"],
            ),
            Vec0Index(
                ["embedding"],
                "volume_bytes",
                distance="cosine",
                precision="int8",
                partition_by=["shelf"],
                metadata=["pages"],
            ),
        ]


class Keyed(dorm.Model):
    """Found by text, and by its L2 distance."""

    key = dorm.CharField(max_length=20, primary_key=True)
    embedding = VectorField(dimensions=DIMENSIONS)

    class Meta:
        app_label = "tests"
        indexes = [
            Vec0Index(["embedding"], "keyed_vec0", distance="l2"),
            Vec0Index(["embedding"], "keyed_signs", distance="l2", precision="bit"),
        ]


class Everywhere(dorm.Model):
    """With a small index for each of several databases."""

    embedding = VectorField(dimensions=DIMENSIONS)

    class Meta:
        app_label = "tests"
        indexes = [
            HnswIndex(["embedding"], "everywhere_hnsw", distance="cosine", precision="bit"),
            Vec0Index(["embedding"], "everywhere_signs", distance="cosine", precision="bit"),
        ]


class Sentence(dorm.Model):
    embedding = VectorField(dimensions=384)

    class Meta:
        app_label = "tests"
        indexes = [
            Vec0Index(["embedding"], "sentence_signs", distance="cosine", precision="bit"),
            Vec0Index(["embedding"], "sentence_bytes", distance="cosine", precision="int8"),
        ]


TABLES = (Shelf, Volume, Keyed, Everywhere, Sentence)
INDEXES = tuple(index.name for model in TABLES for index in model._meta.indexes if isinstance(index, Vec0Index))
VOLUMES: Any = Volume.objects


@pytest.fixture(scope="module")
def made(database: Database) -> Iterator[Database]:
    database.use()
    create_tables(database.connection, TABLES)
    yield database
    database.use()
    for name in INDEXES:
        for drop in database.dialect.drop_index("vec0", name, ""):
            database.connection.execute_write(drop)
    for model in reversed(TABLES):
        database.connection.execute_script(f'DROP TABLE "{model._meta.db_table}"')


def volume(number: int, **fields: Any) -> Volume:
    values: dict[str, Any] = {
        "shelf_id": None if number % 7 == 0 else number % 3 + 1,
        "language": ["de", "en", "a language with a long name"][number % 3],
        "pages": number % 50,
        "price": number / 4,
        "lent": number % 2 == 0,
        "title": f"c{number}",
        "code": f"c{number}",
        "embedding": STORED[number],
    }
    return Volume(**(values | fields))


@pytest.fixture
def shop(made: Database) -> Database:
    """Three shelves and three hundred volumes, one without a vector, and one whose vector has no direction."""
    made.use()
    for model in reversed(TABLES):
        made.connection.execute_write(f'DELETE FROM "{model._meta.db_table}"')
    Shelf.objects.bulk_create([Shelf(pk=number, name=str(number)) for number in (1, 2, 3)])
    rows = [volume(number, id=number + 1) for number in range(COUNT)]
    rows[10].embedding, rows[11].embedding = None, [0.0] * DIMENSIONS
    VOLUMES.bulk_create(rows)
    return made


def has_vec0(db: Database) -> bool:
    return not isinstance(db.dialect.indexes["vec0"], Unsupported)


def nearest(rows: Any = None, **options: Any) -> Any:
    return (rows if rows is not None else VOLUMES).nearest("embedding", QUERY, distance="cosine", **options)


def expected(count: int, query: list[float] = QUERY, where: Callable[[Any], bool] = lambda row: True) -> list[int]:
    """Return the keys of the nearest by reading every row in Python; those without a direction come last."""
    rows = [row for row in VOLUMES.exclude(embedding=None).order_by("id") if where(row)]
    known = [(distance(Metric.COSINE, row.embedding, query), row.pk) for row in rows]
    directed = sorted((far, key) for far, key in known if far is not None)
    return [*(key for _far, key in directed), *(key for far, key in known if far is None)][:count]


def keys(rows: Any) -> list[Any]:
    return [row.pk for row in rows]


def assert_in_step(db: Database) -> None:
    """The answers are right, and where there is a companion it holds what the table does."""
    for query in QUERIES[:3]:
        assert keys(VOLUMES.order_by(CosineDistance("embedding", query))[:7]) == expected(7, query)
    assert keys(nearest(exact=False).search_options(oversample=1000)[:7] if has_vec0(db) else nearest()[:7]) == (
        expected(7)
    )
    if not has_vec0(db):
        return
    rows = list(VOLUMES.exclude(embedding=None))
    held = {
        row["id"]: (
            row["by_shelf_id"],
            row["by_language"],
            row["by_pages"],
            row["by_price"],
            row["by_code"],
            row["vector"],
        )
        for row in db.connection.execute("SELECT * FROM volume_vec0")
    }
    assert held == {
        row.pk: (
            row.shelf_id,
            row.language,
            row.pages,
            row.price,
            row.code,
            Volume._meta.get_field("embedding").to_vector(row.embedding),
        )
        for row in rows
        if any(row.embedding)
    }
    assert {row["id"] for row in db.connection.execute("SELECT id FROM volume_signs")} == {row.pk for row in rows}
    assert nearest()[:5].explain_search().index == "volume_vec0"


# where it is built, and where it is not


def test_it_is_built_where_the_database_has_it_and_nowhere_else(shop: Database) -> None:
    claim = shop.dialect.indexes["vec0"]
    if has_vec0(shop):
        names = {row["name"] for row in shop.connection.execute("SELECT name FROM sqlite_master")}
        assert {"volume_vec0", "volume_signs", "volume_vec0_insert", "keyed_vec0"} <= names
    else:
        assert isinstance(claim, Unsupported)
        with pytest.raises(Exception):  # noqa: B017, PT011  # whatever this driver raises: the point is that it fails
            shop.connection.execute_script(claim.probe)
        assert not shop.connection.table_exists("volume_vec0")
    assert_in_step(shop)


# writes


def _saved(key: int, **values: Any) -> None:
    row = VOLUMES.get(pk=key)
    for name, value in values.items():
        setattr(row, name, value)
    row.save()


def _deleted_and_created() -> None:
    VOLUMES.filter(pk=7).delete()
    volume(6, id=7).save()


def _bulk_updated() -> None:
    rows = list(VOLUMES.filter(pk__lt=30))
    for row in rows:
        row.embedding, row.shelf_id = OTHERS[row.pk], 1
    VOLUMES.bulk_update(rows, ["embedding", "shelf"])


def _failed() -> None:
    with pytest.raises(RuntimeError, match="out"), atomic():
        _much()


def _much() -> None:
    VOLUMES.filter(pk__lt=50).delete()
    volume(800, id=801).save()
    VOLUMES.filter(pk__gt=200).update(embedding=QUERY)
    raise RuntimeError("out")


def _inside(work: Callable[[], Any]) -> None:
    with atomic():
        volume(700, id=701).save()
        work()


def _columns(first: int, last: int) -> dict[str, Any]:
    rows = [volume(number, id=number + 1) for number in range(first, last)]
    names = ("id", "shelf_id", "language", "pages", "price", "lent", "title", "code", "embedding")
    return {name.removesuffix("_id") if name != "id" else name: [getattr(row, name) for row in rows] for name in names}


def _failed_load() -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011  # each driver's own: the code of a row is there already
        bulk_load(Volume, _columns(500, 540) | {"code": ["c1"] * 40}, defer_indexes=True)


WRITES: dict[str, Callable[[], Any]] = {
    "create": lambda: volume(400, id=401).save(),
    "save": lambda: _saved(5, embedding=QUERY),
    "save of all but the vector": lambda: _saved(5, pages=49, price=7.25, code="new"),
    "save on another shelf": lambda: _saved(5, shelf_id=3, language="en"),
    "save without a shelf": lambda: _saved(5, shelf_id=None),
    "save without a vector": lambda: _saved(5, embedding=None),
    "save of a vector without direction": lambda: _saved(5, embedding=[0.0] * DIMENSIONS),
    "save of a vector where none was": lambda: _saved(11, embedding=QUERY),
    "save of a direction where none was": lambda: _saved(12, embedding=QUERY),
    "update": lambda: VOLUMES.filter(pk=5).update(embedding=QUERY, pages=3),
    "update of many": lambda: VOLUMES.filter(pk__lt=50).update(pages=3, shelf_id=2),
    "update of the key": lambda: VOLUMES.filter(pk=5).update(id=1000),
    "bulk_update": _bulk_updated,
    "bulk_create over what is there": lambda: VOLUMES.bulk_create(
        [volume(3, id=900), volume(900, id=901)],
        update_conflicts=True,
        unique_fields=["code"],
        update_fields=["embedding", "pages"],
    ),
    "bulk_create that ignores conflicts": lambda: VOLUMES.bulk_create(
        [volume(3, id=900), volume(900, id=901)], ignore_conflicts=True
    ),
    "update_or_create": lambda: VOLUMES.update_or_create(code="c9", defaults={"embedding": QUERY}),
    "delete": lambda: VOLUMES.get(pk=7).delete(),
    "delete of many": lambda: VOLUMES.filter(pages__lt=10).delete(),
    "delete of all": lambda: VOLUMES.all().delete(),
    "delete of what they refer to": lambda: Shelf.objects.filter(pk=2).delete(),
    "delete and create": _deleted_and_created,
    "a transaction that fails": _failed,
    "a savepoint that fails": lambda: _inside(_failed),
    "bulk_load": lambda: bulk_load(Volume, _columns(500, 540)),
    "bulk_load over what is there": lambda: bulk_load(Volume, _columns(280, 320), on_conflict="update"),
    "bulk_load with the indexes deferred": lambda: bulk_load(Volume, _columns(500, 540), defer_indexes=True),
    "a bulk_load that fails": _failed_load,
}


@pytest.mark.parametrize("write", WRITES)
def test_it_follows_every_write(shop: Database, write: str) -> None:
    before = keys(VOLUMES.order_by("id"))
    WRITES[write]()
    assert_in_step(shop)
    if write.endswith("fails") and "savepoint" not in write:
        assert keys(VOLUMES.order_by("id")) == before


def test_it_follows_a_row_that_replaces_others(shop: Database) -> None:
    if not has_vec0(shop):
        return
    columns = "id, language, pages, price, lent, title, code, embedding"
    # By its key, and by its code: no trigger of SQLite's tells of a row that goes that way.
    for key, code in ((5, "other"), (999, "c20")):
        row = volume(3, embedding=QUERY)
        values = [
            key,
            row.language,
            row.pages,
            row.price,
            row.lent,
            row.title,
            code,
            Volume._meta.get_field("embedding").to_vector(QUERY),
        ]
        shop.connection.execute_write(
            f"INSERT OR REPLACE INTO tests_volume ({columns}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", values
        )
        assert keys(nearest()[:9]) == expected(9)
        assert keys(nearest()[:300]) == expected(300)


def test_a_write_says_what_it_did(shop: Database) -> None:
    VOLUMES.all().delete()
    row = volume(600)
    row.save()
    assert VOLUMES.get(code="c600").pk == row.pk
    assert VOLUMES.filter(pages=3).update(embedding=QUERY) == VOLUMES.filter(pages=3).count()


def test_a_write_that_the_companion_refuses_leaves_nothing(shop: Database) -> None:
    if not has_vec0(shop):
        return
    with pytest.raises(Exception, match=r"Dimension mismatch|divisible by 8|Error reading 1st vector"):
        shop.connection.execute_write("UPDATE tests_volume SET embedding = zeroblob(8) || X'01020304' WHERE id = 5")
    assert_in_step(shop)


def test_it_stands_when_the_file_is_packed(shop: Database) -> None:
    if not has_vec0(shop):
        return
    VOLUMES.filter(pk__lt=150).delete()
    Keyed.objects.bulk_create([Keyed(key=f"k{n}", embedding=vector) for n, vector in enumerate(STORED[:COUNT])])
    Keyed.objects.filter(key__lt="k2").delete()
    shop.connection.execute("VACUUM")
    assert_in_step(shop)
    assert_keyed()


# searches


def test_every_form_of_a_search(shop: Database) -> None:
    five = expected(5)
    by = CosineDistance("embedding", QUERY)
    for rows in (
        nearest()[:5],
        VOLUMES.order_by(by)[:5],
        VOLUMES.annotate(far=by).order_by("far")[:5],
        VOLUMES.alias(far=by).order_by("far")[:5],
        VOLUMES.annotate(near=CosineSimilarity("embedding", QUERY)).order_by("-near")[:5],
        nearest().only("code")[:5],
        nearest().defer("embedding")[:5],
        nearest().select_related("shelf")[:5],
        VOLUMES.nearest("embedding", QUERY, distance="cosine", as_="far")[:5],
    ):
        assert keys(rows) == five
        assert rows.explain_search().index == ("volume_vec0" if has_vec0(shop) else None)
    assert keys(nearest()[3:8]) == expected(8)[3:]
    assert list(nearest().values_list("pk", flat=True)[:5]) == five
    assert [row["id"] for row in nearest().values("id", "distance")[:5]] == five
    assert nearest().first().pk == five[0]
    assert keys(nearest()[:5].iterator()) == five
    assert keys(VOLUMES.filter(pk__in=nearest()[:5]).order_by("id")) == sorted(five)
    assert nearest()[:5].count() == 5
    assert [row.distance for row in nearest()[:5]] == pytest.approx(
        sorted(far for row in VOLUMES.all() if (far := distance(Metric.COSINE, row.embedding, QUERY)) is not None)[:5],
        abs=1e-5,
    )


def test_the_row_that_is_searched_by_is_left_out(shop: Database) -> None:
    row = VOLUMES.get(pk=42)
    assert keys(VOLUMES.nearest("embedding", row, distance="cosine")[:5]) == (
        [key for key in expected(6, row.embedding) if key != 42]
    )


def test_a_greatest_distance(shop: Database) -> None:
    near = [far for row in VOLUMES.all() if (far := distance(Metric.COSINE, row.embedding, QUERY)) is not None]
    bound = sorted(near)[20] + 1e-6
    assert keys(nearest(max_distance=bound)[:100]) == expected(21)
    assert keys(nearest(max_distance=bound)[:7]) == expected(7)


def test_no_row_is_lost(shop: Database) -> None:
    """Rows without a vector, and without a direction, come last, and come where as many are asked for."""
    every = keys(VOLUMES.order_by(CosineDistance("embedding", QUERY))[:COUNT])
    assert len(every) == COUNT
    assert every[: COUNT - 2] == expected(COUNT - 2)
    assert set(every[-2:]) == {11, 12}
    assert len(keys(nearest()[:COUNT])) == COUNT - 1


FILTERS: list[tuple[dict[str, Any], Callable[[Any], bool]]] = [
    ({"shelf": 1}, lambda row: row.shelf_id == 1),
    ({"shelf_id": 2}, lambda row: row.shelf_id == 2),
    ({"shelf__in": [1, 3]}, lambda row: row.shelf_id in (1, 3)),
    ({"language": "a language with a long name"}, lambda row: len(row.language) > 2),
    ({"shelf": 1, "language": "en"}, lambda row: row.shelf_id == 1 and row.language == "en"),
    ({"pages": 3}, lambda row: row.pages == 3),
    ({"pages__gt": 45}, lambda row: row.pages > 45),
    ({"pages__gte": 10, "pages__lt": 12}, lambda row: 10 <= row.pages < 12),
    ({"pages__in": [1, 2, 49]}, lambda row: row.pages in (1, 2, 49)),
    ({"pages__range": (5, 8)}, lambda row: 5 <= row.pages <= 8),
    ({"price__lte": 20}, lambda row: row.price <= 20),
    ({"price": 20.25}, lambda row: row.price == 20.25),
    ({"lent": True}, lambda row: row.lent),
    ({"title__in": ["c7", "c8"]}, lambda row: row.title in ("c7", "c8")),
    ({"shelf": 3, "pages__lt": 25, "lent": False}, lambda row: row.shelf_id == 3 and row.pages < 25 and not row.lent),
]


@pytest.mark.parametrize("number", range(len(FILTERS)))
def test_a_filter_that_it_knows_is_answered_by_it(shop: Database, number: int) -> None:
    conditions, where = FILTERS[number]
    for count in (3, 40):
        rows = nearest(VOLUMES.filter(**conditions))[:count]
        assert keys(rows) == expected(count, where=where)
        assert rows.explain_search().index == ("volume_vec0" if has_vec0(shop) else None)


OTHER_FILTERS: list[tuple[Callable[[], Any], Callable[[Any], bool]]] = [
    (lambda: VOLUMES.filter(code__startswith="c1"), lambda row: row.code.startswith("c1")),
    (lambda: VOLUMES.filter(title__gte="c25"), lambda row: row.title >= "c25"),
    (lambda: VOLUMES.exclude(pages=3), lambda row: row.pages != 3),
    (lambda: VOLUMES.filter(shelf=None), lambda row: row.shelf_id is None),
    (lambda: VOLUMES.filter(shelf__name="2"), lambda row: row.shelf_id == 2),
    (lambda: VOLUMES.filter(dorm.Q(pages=3) | dorm.Q(lent=True)), lambda row: row.pages == 3 or row.lent),
    (lambda: VOLUMES.filter(pages=dorm.F("id")), lambda row: row.pages == row.pk),
    (lambda: VOLUMES.filter(shelf__gt=1), lambda row: (row.shelf_id or 0) > 1),
    (lambda: VOLUMES.filter(shelf=1, pk__gt=100), lambda row: row.shelf_id == 1 and row.pk > 100),
]


@pytest.mark.parametrize("number", range(len(OTHER_FILTERS)))
def test_any_other_filter_is_answered_by_reading_what_passes(shop: Database, number: int) -> None:
    rows, where = OTHER_FILTERS[number]
    plan = nearest(rows())[:9].explain_search()
    assert keys(nearest(rows())[:9]) == expected(9, where=where)
    assert plan.index is None
    if has_vec0(shop):
        assert {reason.code for reason in plan.reasons} == {"uncovered-filter"}


def test_random_filters_and_writes(shop: Database) -> None:
    generator = random.Random(3)
    for turn in range(60):
        key = generator.randrange(1, COUNT)
        VOLUMES.filter(pk=key).update(
            embedding=generator.choice([STORED[turn], None]),
            pages=generator.randrange(50),
            shelf_id=generator.choice([1, 2, None]),
        )
        conditions, where = FILTERS[turn % len(FILTERS)]
        query = QUERIES[turn % len(QUERIES)]
        rows = VOLUMES.filter(**conditions).order_by(CosineDistance("embedding", query))[:6]
        assert keys(row for row in rows if row.embedding is not None) == expected(6, query, where)


MISSES: dict[str, Callable[[], Any]] = {
    "exact": lambda: nearest(exact=True)[:5],
    "no-limit": nearest,
    "descending": lambda: VOLUMES.order_by(CosineDistance("embedding", QUERY).desc())[:5],
    "arithmetic": lambda: VOLUMES.order_by(CosineDistance("embedding", QUERY) * 2)[:5],
    "second-key": lambda: nearest().order_by("distance", "id")[:5],
    "not-first": lambda: nearest().order_by("pages", "distance")[:5],
    "distinct": lambda: nearest().distinct()[:5],
    "another-column": lambda: VOLUMES.order_by(CosineDistance("embedding", dorm.F("embedding")))[:5],
    "other-distance": lambda: VOLUMES.order_by(L2Distance("embedding", QUERY))[:5],
    "too-many-rows": lambda: nearest()[:501],
    "no-direction": lambda: VOLUMES.order_by(CosineDistance("embedding", [0.0] * DIMENSIONS))[:5],
    "no-distance": lambda: VOLUMES.order_by("pages")[:5],
    "uncovered-filter": lambda: nearest(VOLUMES.filter(code__contains="1"))[:5],
    "indexed-filter": lambda: nearest(VOLUMES.filter(code__in=["c2", "c3"], pages__gt=1))[:5],
}


@pytest.mark.parametrize("code", MISSES)
def test_each_reason_why_it_does_not_answer(shop: Database, code: str) -> None:
    rows = MISSES[code]()
    assert len(list(rows)) > 0
    plan = rows.explain_search()
    assert plan.index is None
    if has_vec0(shop):
        assert code in {reason.code for reason in plan.reasons}
        assert all(reason.problem and reason.remedy for reason in plan.reasons)


def test_what_is_declared_and_not_built_is_not_asked(shop: Database, caplog: pytest.LogCaptureFixture) -> None:
    if not has_vec0(shop):
        return
    for gone in (["update"], ["insert", "update", "move", "delete", ""]):
        caplog.clear()
        with pytest.raises(RuntimeError, match="out"), atomic():
            _without(shop, gone)
        told = [message for name, _level, message in caplog.record_tuples if name == "dorm_vector"]
        assert "fell back to an exact one: the table of its index is not there. Run: dorm migrate." in told[0]
    assert_in_step(shop)


def _without(shop: Database, gone: list[str]) -> None:
    for event in gone:
        shop.connection.execute_write(f'DROP TRIGGER "volume_vec0_{event}"' if event else 'DROP TABLE "volume_vec0"')
    assert keys(nearest()[:5]) == expected(5)
    assert nearest()[:5].explain_search().index is None
    raise RuntimeError("out")


def test_what_is_declared_otherwise_than_built_is_not_asked(shop: Database) -> None:
    """The declaration was changed, and the migration has not run: it would answer by the distance of before."""
    Keyed.objects.bulk_create([Keyed(key=f"k{n}", embedding=vector) for n, vector in enumerate(OTHERS)])
    Keyed.objects.filter(key="k3").update(embedding=[9 * value for value in QUERY])
    declared = Keyed._meta.indexes
    Keyed._meta.indexes = [Vec0Index(["embedding"], "keyed_vec0", distance="cosine"), declared[1]]
    try:
        rows = Keyed.objects.nearest("embedding", QUERY, distance="cosine")[:3]
        assert keys(rows)[0] == "k3"
        assert rows.explain_search().index is None
    finally:
        Keyed._meta.indexes = declared
    assert Keyed.objects.nearest("embedding", QUERY)[:3].explain_search().index == (
        "keyed_vec0" if has_vec0(shop) else None
    )


async def test_a_matrix_of_the_nearest(shop: Database) -> None:
    """Of the rows and in the order that the companion answers with."""
    for rows in (nearest()[2:9], VOLUMES.order_by(CosineDistance("embedding", QUERY))[2:9]):
        for ids, matrix in (to_matrix(rows, "embedding"), await ato_matrix(rows, "embedding")):
            assert ids == expected(9)[2:]
            stored = dict(VOLUMES.filter(pk__in=ids).values_list("pk", "embedding"))
            assert matrix.tolist() == [stored[key] for key in ids]


async def test_async(shop: Database) -> None:
    rows = [row.pk async for row in nearest()[:5]]
    assert rows == keys(nearest()[:5])
    assert (await nearest()[:5].aexplain_search()).index == ("volume_vec0" if has_vec0(shop) else None)
    async with aatomic():
        await VOLUMES.acreate(**_values(volume(600, id=600, embedding=QUERY)))
        assert [row.pk async for row in nearest()[:1]] == [600]
    await VOLUMES.filter(pk=600).adelete()
    assert [row.pk async for row in nearest()[:5]] == rows
    await abulk_load(Volume, _columns(500, 540), defer_indexes=True)
    assert_in_step(shop)
    with pytest.raises(Exception):  # noqa: B017, PT011  # each driver's own: the code of a row is there already
        await abulk_load(Volume, _columns(600, 640) | {"code": ["c1"] * 40}, defer_indexes=True)
    assert_in_step(shop)


def _values(row: Volume) -> dict[str, Any]:
    names = ("id", "shelf_id", "language", "pages", "price", "lent", "title", "code", "embedding")
    return {name: getattr(row, name) for name in names}


# keys that are text


def assert_keyed() -> None:
    known = sorted((distance(Metric.L2, row.embedding, QUERY) or 0.0, row.key) for row in Keyed.objects.all())
    assert keys(Keyed.objects.nearest("embedding", QUERY)[:8]) == [key for _far, key in known][:8]
    assert keys(Keyed.objects.nearest("embedding", QUERY).rerank(200)[:2]) == [key for _far, key in known][:2]


def test_a_key_that_is_text(shop: Database) -> None:
    Keyed.objects.bulk_create([Keyed(key=f"k{n}", embedding=vector) for n, vector in enumerate(STORED[:200])])
    assert_keyed()
    plan = Keyed.objects.nearest("embedding", QUERY)[:8].explain_search()
    assert plan.index == ("keyed_vec0" if has_vec0(shop) else None)
    Keyed.objects.filter(key="k7").update(embedding=QUERY)
    Keyed.objects.filter(key="k8").delete()
    Keyed.objects.bulk_create(
        [Keyed(key="k9", embedding=OTHERS[0])],
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=["embedding"],
    )
    assert Keyed.objects.nearest("embedding", QUERY).first().key == "k7"
    assert Keyed.objects.nearest("embedding", OTHERS[0]).first().key == "k9"
    assert_keyed()


# signs


def test_signs_are_asked_only_where_rows_may_be_lost(shop: Database) -> None:
    for rows in (nearest(exact=False)[:5], nearest().rerank(150)[:5]):
        plan = rows.explain_search()
        assert plan.index == ("volume_signs" if has_vec0(shop) else None)
        assert len(set(keys(rows)) & set(expected(5))) >= 3
        far = [row.distance for row in rows]
        assert far == sorted(far)
    assert nearest(VOLUMES.filter(lent=True), exact=False)[:5].explain_search().index == (
        "volume_vec0" if has_vec0(shop) else None
    )


def test_a_shortlist_of_all_rows_loses_none(shop: Database) -> None:
    for conditions, where in FILTERS[:3] + FILTERS[5:10]:
        rows = nearest(VOLUMES.filter(**conditions)).rerank(COUNT)[:6]
        assert keys(rows) == expected(6, where=where)
        assert rows.explain_search().index == ("volume_signs" if has_vec0(shop) else None)
    assert len(keys(nearest().rerank(5)[:COUNT])) == COUNT - 1


def test_how_many_signs_are_compared_exactly(shop: Database) -> None:
    if not has_vec0(shop):
        return
    few = keys(nearest(exact=False).search_options(oversample=1)[:5])
    assert keys(nearest(exact=False).search_options(oversample=60)[:5]) == expected(5)
    assert few != expected(5)
    with pytest.raises(ValueError, match="oversample=0: SQLite requires a whole number from 1 to 1000"):
        list(nearest(exact=False).search_options(oversample=0)[:5])


def test_each_database_has_its_own_small_index(shop: Database) -> None:
    rows: Any = Everywhere.objects
    rows.bulk_create([Everywhere(id=n + 1, embedding=vector) for n, vector in enumerate(STORED[:100])])
    known = sorted((distance(Metric.COSINE, vector, QUERY) or 0.0, n + 1) for n, vector in enumerate(STORED[:100]))
    found = rows.nearest("embedding", QUERY).rerank(100)[:5]
    assert keys(found) == [key for _far, key in known][:5]
    if has_vec0(shop):
        assert found.explain_search().index == "everywhere_signs"
        plan = rows.nearest("embedding", QUERY)[:5].explain_search()
        assert {reason.code for reason in plan.reasons} == {"not-asked-for"}


def test_signs_find_nearly_all_of_real_sentences(shop: Database) -> None:
    rows: Any = Sentence.objects
    bulk_load(Sentence, {"id": list(range(1, 2001)), "embedding": packages().embeddings}, defer_indexes=True)
    # Two tell as much as all of them where every search is exact.
    queries = list(asked().embeddings[: None if has_vec0(shop) else 2])
    measured = measure_recall(rows, "embedding", k=10, queries=queries)
    assert measured.recall >= 0.99
    if not has_vec0(shop):
        return
    few = measure_recall(rows, "embedding", k=10, queries=queries, oversample=1)
    assert few.recall < 0.9
    advice = recommend_search_options(rows, "embedding", target_recall=0.99, k=10, queries=queries)
    assert advice.reached
    assert 1 < int(advice.options["oversample"]) <= 40
    # Of two small indexes, the one declared first answers, unless the search names one.
    found: Any = rows.nearest("embedding", queries[0], distance="cosine").rerank(40, index="sentence_bytes")
    assert found[:10].explain_search().index == "sentence_bytes"
    exact = rows.nearest("embedding", queries[0], distance="cosine", exact=True)
    assert keys(found[:10]) == keys(exact[:10])


# what is declared


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: Vec0Index(["a"], "x", distance="inner_product"),
            r"Vec0Index\(distance='inner_product'\): want one of",
        ),
        (
            lambda: Vec0Index(["a"], "x", precision="half"),
            r"Vec0Index\(precision='half'\): want one of bit, int8, or leave it out",
        ),
        (
            lambda: Vec0Index(["a"], "x", distance="l2", precision="int8"),
            r"Vec0Index\(precision='int8', distance='l2'\): .* Use distance='cosine'\.",
        ),
        (
            lambda: Vec0Index(["a"], "x", metadata="section"),
            r"want a list of the names of fields, metadata=\[\"section\"\]",
        ),
        (lambda: Vec0Index(["a"], "x", partition_by=["b"], metadata=["b"]), r"has b in partition_by and in metadata"),
        (lambda: Vec0Index(["a", "b"], "x"), r"indexes one vector field"),
    ],
)
def test_a_wrong_parameter_is_refused_at_definition(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_it_is_made_again_from_its_parts() -> None:
    for index in (*Volume._meta.indexes, *Keyed._meta.indexes):
        path, arguments, options = index.deconstruct()
        assert path == "dorm_vector.Vec0Index"
        assert Vec0Index(*arguments, **options) == index
        assert repr(index).startswith("Vec0Index(fields=['embedding'], name=")
    first, other = Vec0Index(["a"], "x", metadata=["b"]), Vec0Index(["a"], "x", metadata=["c"])
    assert first != other
