"""A load writes what was given, all of it or nothing; a matrix reads it back."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import dorm
import numpy as np
import pytest
from dorm.exceptions import IntegrityError
from dorm.transaction import aatomic, atomic

from dorm_vector import (
    DimensionMismatch,
    InvalidVector,
    UnsupportedByDatabase,
    VectorField,
    abulk_load,
    ato_matrix,
    bulk_load,
    rich_progress,
    to_matrix,
    tqdm_progress,
)
from tests.databases import Database, create_tables
from tests.helpers.clusters.index_plans import serves
from tests.helpers.oracle import float32, vectors
from tests.models import Author, Chunk, Document, Package, Sample

VECTORS = [float32(vector) for vector in vectors(7, 3)]
INDEX = "package_embedding_hnsw"


def stored() -> list[tuple[Any, ...]]:
    return list(Document.objects.order_by("pk").values_list("title", "pages", "embedding", "other"))


def as_dicts() -> list[dict[str, Any]]:
    return [{"title": f"t{n}", "pages": n, "embedding": vector} for n, vector in enumerate(VECTORS)]


def as_instances() -> list[Document]:
    return [Document(**row) for row in as_dicts()]


def as_generator() -> Iterator[dict[str, Any]]:
    yield from as_dicts()


def as_columns() -> dict[str, Any]:
    titles = [row["title"] for row in as_dicts()]
    return {"title": titles, "pages": np.arange(len(VECTORS)), "embedding": np.array(VECTORS)}


WAYS = pytest.mark.parametrize("make", [as_dicts, as_instances, as_generator, as_columns])


@WAYS
@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_every_form_of_rows_is_written(db: Database, make: Callable[[], Any], batch_size: int) -> None:
    assert bulk_load(Document, make(), batch_size=batch_size) == 7
    assert stored() == [(f"t{n}", n, vector, None) for n, vector in enumerate(VECTORS)]


@WAYS
async def test_so_it_is_on_an_async_connection(db: Database, make: Callable[[], Any]) -> None:
    assert await abulk_load(Document, make(), batch_size=3) == 7
    assert stored() == [(f"t{n}", n, vector, None) for n, vector in enumerate(VECTORS)]


async def test_rows_may_come_asynchronously(db: Database) -> None:
    async def rows() -> AsyncIterator[dict[str, Any]]:
        for row in as_dicts():
            yield row

    assert await abulk_load(Document, rows(), batch_size=3) == 7
    assert [row[0] for row in stored()] == [f"t{n}" for n in range(7)]


def test_no_rows_are_no_error(db: Database) -> None:
    assert bulk_load(Document, []) == 0
    assert bulk_load(Document, {"title": [], "embedding": np.empty((0, 3))}) == 0


def test_what_rows_leave_out_gets_its_default_and_null_stays_null(db: Database) -> None:
    bulk_load(Document, [{"title": "a", "embedding": None}, {"title": "b", "embedding": VECTORS[0]}])
    assert stored() == [("a", 1, None, None), ("b", 1, VECTORS[0], None)]


def test_a_relation_is_named_as_its_model_names_it(db: Database) -> None:
    author = Author.objects.create(name="A")
    bulk_load(Document, [{"title": "a", "author": author}])
    bulk_load(Document, {"title": ["b"], "author_id": [author.pk]})
    assert list(Document.objects.values_list("author_id", flat=True)) == [author.pk, author.pk]


def test_every_element_type_is_loaded(db: Database) -> None:
    row = {"title": "x", "full": [1, 2, 3], "half": [1, 2, 3], "sparse": [0, 2, 0], "bits": "101", "unit": [0, 3, 4]}
    try:
        Sample.objects.create(**row)
    except UnsupportedByDatabase:
        return
    bulk_load(Sample, [row])
    bulk_load(Sample, {name: [value] for name, value in row.items()})
    saved, *loaded = Sample.objects.order_by("pk").values_list("full", "half", "sparse", "bits", "unit")
    assert loaded == [saved, saved]


@pytest.mark.parametrize(
    "value, kind, text",
    [
        ([1, 2], DimensionMismatch, r"row 5: Document.embedding holds 3 dimensions; this vector has 2\."),
        ([1, float("nan"), 3], InvalidVector, "row 5: Document.embedding: value 1 of 3 is nan"),
        (["a", "b", "c"], InvalidVector, "row 5: Document.embedding: value 0 of 3 is 'a', not a number"),
    ],
)
def test_a_bad_vector_is_named_by_its_row_and_nothing_is_left(
    db: Database, value: Any, kind: type[Exception], text: str
) -> None:
    rows = as_dicts()
    rows[5]["embedding"] = value
    with pytest.raises(kind, match=text) as raised:
        bulk_load(Document, rows, batch_size=2)
    assert vars(raised.value)["row"] == 5
    assert stored() == []


def test_so_it_is_in_a_matrix(db: Database) -> None:
    matrix = np.array(VECTORS)
    matrix[6, 2] = np.inf
    with pytest.raises(InvalidVector, match=r"row 6: Document\.embedding: value 2 of 3 is inf"):
        bulk_load(Document, as_columns() | {"embedding": matrix}, batch_size=2)
    with pytest.raises(DimensionMismatch, match="holds 3 dimensions; the rows of 'embedding' have 4"):
        bulk_load(Document, {"embedding": np.zeros((2, 4))})
    assert stored() == []


def test_what_the_database_refuses_is_named_by_its_row(db: Database) -> None:
    rows = [{"id": number, "title": "x"} for number in (1, 2, 3, 4, 2)]
    with pytest.raises(IntegrityError, match="row 4: ") as raised:
        bulk_load(Document, rows, batch_size=3)
    assert vars(raised.value)["row"] == 4
    assert stored() == []


async def test_so_it_is_on_async(db: Database) -> None:
    with pytest.raises(IntegrityError, match="row 4: "):
        await abulk_load(Document, [{"id": number, "title": "x"} for number in (1, 2, 3, 4, 2)], batch_size=3)
    assert stored() == []


@pytest.mark.parametrize("spoilt", [{"embedding": [1, float("nan"), 3]}, {"id": 7}])
async def test_of_many_batches_nothing_is_left_where_the_last_has_a_bad_row(db: Database, spoilt: Any) -> None:
    """Whether the field refuses it, or the database."""
    rows = [{"id": number, "title": "x", "embedding": VECTORS[0]} for number in range(1, 30_001)]
    rows[29_998] |= spoilt
    with pytest.raises((InvalidVector, IntegrityError), match="row 29998: ") as raised:
        bulk_load(Document, iter(rows))
    assert vars(raised.value)["row"] == 29_998
    assert stored() == []
    with pytest.raises((InvalidVector, IntegrityError), match="row 29998: "):
        await abulk_load(Document, iter(rows))
    assert stored() == []


class Broad(dorm.Model):
    """Of 300 rows the vectors take 19 MB, which is more than MySQL and MariaDB take in a statement."""

    embedding = VectorField(dimensions=16_000)

    class Meta:
        app_label = "tests"


def test_a_batch_may_be_larger_than_a_statement(db: Database) -> None:
    create_tables(db.connection, (Broad,))
    matrix = np.full((300, 16_000), 0.5, np.float32)
    matrix[:, 0] = range(300)
    try:
        assert bulk_load(Broad, {"embedding": matrix}) == 300
        first, last = Broad.objects.order_by("pk")[0], Broad.objects.order_by("-pk")[0]
        assert (first.embedding[:2], last.embedding[:2], len(last.embedding)) == ([0, 0.5], [299, 0.5], 16_000)
    finally:
        db.connection.execute_script('DROP TABLE "tests_broad"')


def test_a_transaction_outlives_a_load_that_fails_in_it(db: Database) -> None:
    with atomic():
        Document.objects.create(title="before")
        with pytest.raises(IntegrityError):
            bulk_load(Document, [{"id": 7, "title": "x"}, {"id": 7, "title": "y"}])
        Document.objects.create(title="after")
    assert [row[0] for row in stored()] == ["before", "after"]


def test_a_load_is_undone_with_its_transaction(db: Database) -> None:
    with atomic() as transaction:
        bulk_load(Document, as_dicts())
        transaction.set_rollback()
    assert stored() == []


async def test_so_it_is_with_an_async_one(db: Database) -> None:
    async with aatomic() as transaction:
        await abulk_load(Document, as_dicts())
        transaction.set_rollback()
    assert stored() == []


def test_ignore_keeps_the_row_that_is_there(db: Database) -> None:
    bulk_load(Document, [{"id": 1, "title": "old", "embedding": VECTORS[0]}])
    rows = [{"id": 1, "title": "new", "embedding": VECTORS[1]}, {"id": 2, "title": "two", "embedding": VECTORS[2]}]
    assert bulk_load(Document, rows, on_conflict="ignore") == 1
    assert [(row[0], row[2]) for row in stored()] == [("old", VECTORS[0]), ("two", VECTORS[2])]


def test_update_overwrites_what_is_given_and_the_last_row_counts(db: Database) -> None:
    Document.objects.create(id=1, title="old", pages=9, embedding=VECTORS[0])
    rows = [{"id": 1, "title": title, "embedding": VECTORS[n]} for n, title in enumerate("abc")]
    with atomic():
        bulk_load(Document, [{"id": 5, "title": "five", "embedding": VECTORS[4]}], on_conflict="update")
        bulk_load(Document, rows, on_conflict="update")
    assert [(row[0], row[2]) for row in stored()] == [("c", VECTORS[2]), ("five", VECTORS[4])]
    with pytest.raises(ValueError, match="on_conflict='update' finds rows by id: give it with every row"):
        bulk_load(Document, as_dicts(), on_conflict="update")


async def test_so_they_do_on_async(db: Database) -> None:
    await abulk_load(Document, [{"id": 1, "title": "old", "embedding": VECTORS[0]}])
    rows = [{"id": 1, "title": "new", "embedding": VECTORS[1]}, {"id": 2, "title": "two", "embedding": VECTORS[2]}]
    assert await abulk_load(Document, rows, on_conflict="ignore") == 1
    assert [row[0] for row in stored()] == ["old", "two"]
    assert await abulk_load(Document, rows, on_conflict="update") == 2
    assert [row[0] for row in stored()] == ["new", "two"]


@pytest.mark.parametrize(
    "rows, text",
    [
        ([{"title": "a"}, {"title": "b", "pages": 2}], "row 1: it has .*; the first row has 1 keys"),
        ([{"title": "a"}, {"pages": 2}], "row 1: it has no 'title'; the first row has"),
        ([{"name": "a"}], "Document has no column for 'name'. It has id, title, pages"),
        ({"title": ["a", "b"], "pages": [1]}, "Columns have one length; these have {'title': 2, 'pages': 1}"),
    ],
)
def test_rows_of_another_shape_are_refused(db: Database, rows: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        bulk_load(Document, rows)
    assert stored() == []


def test_rows_of_another_kind_are_refused(db: Database) -> None:
    with pytest.raises(TypeError, match="row 1: a dict after Document"):
        bulk_load(Document, [Document(title="a"), {"title": "b"}])
    with pytest.raises(TypeError, match=r"Row 0 is a tuple\. Give Document instances, dicts, or columns"):
        bulk_load(Document, [("a", "b")])


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"batch_size": 1.5}, {"on_conflict": "replace"}])
def test_a_wrong_option_is_refused(db: Database, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="want "):
        bulk_load(Document, as_dicts(), **options)


def test_progress_is_told_at_once_and_after_every_batch(db: Database) -> None:
    told: list[tuple[int, int | None]] = []
    bulk_load(Document, as_columns(), batch_size=3, progress=lambda done, total: told.append((done, total)))
    bulk_load(Document, as_generator(), batch_size=5, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 7), (3, 7), (6, 7), (7, 7), (0, None), (5, None), (7, None)]
    told.clear()
    bulk_load(
        Document,
        as_columns(),
        defer_indexes=True,
        progress=lambda done, total: told.append((done, total)),
    )
    # Once more at least when the indexes are built.
    assert set(told) == {(0, 7), (7, 7)}
    assert told.count((7, 7)) >= 3


@pytest.mark.parametrize("bar", [rich_progress, tqdm_progress])
def test_a_ready_one_draws_a_bar(db: Database, bar: Callable[[str], Any], capsys: pytest.CaptureFixture[str]) -> None:
    with bar("Loading seven") as progress:
        bulk_load(Document, as_columns(), batch_size=3, progress=progress)
    printed = capsys.readouterr()
    assert "Loading seven" in printed.out + printed.err
    assert "100%" in printed.out + printed.err


def test_rows_may_come_from_a_query(db: Database) -> None:
    bulk_load(Author, {"name": list("abcdefg")})
    rows = ({"title": author.name, "author": author} for author in Author.objects.iterator(chunk_size=2))
    assert bulk_load(Document, rows, batch_size=2) == 7
    assert sorted(row[0] for row in stored()) == list("abcdefg")


def test_deferred_indexes_are_there_again(db: Database) -> None:
    matrix = np.array(vectors(3000, 16), np.float32)
    load: dict[str, Any] = {"section": ["s"] * len(matrix), "embedding": matrix}
    assert bulk_load(Package, load, defer_indexes=True, batch_size=1200) == 3000
    nearest = Package.objects.nearest("embedding", matrix[3], distance="cosine", exact=False)[:5]
    has_indexes = db.dialect.is_approximate or bool(db.dialect.index_use.probe)
    assert serves(db, nearest, INDEX) is has_indexes
    with pytest.raises(InvalidVector):
        bulk_load(Package, [{"section": "s", "embedding": [float("nan")] * 16}], defer_indexes=True)
    with pytest.raises(IntegrityError):
        bulk_load(Package, {"id": [-1, -1], **{name: column[:2] for name, column in load.items()}}, defer_indexes=True)
    assert serves(db, nearest, INDEX) is has_indexes
    assert nearest[0].distance == pytest.approx(0, abs=1e-6)


async def test_so_they_are_on_async(db: Database) -> None:
    matrix = np.array(vectors(3000, 16), np.float32)
    assert await abulk_load(Package, {"section": ["s"] * 3000, "embedding": matrix}, defer_indexes=True) == 3000
    nearest = Package.objects.nearest("embedding", matrix[3], distance="cosine", exact=False)[:5]
    has_indexes = db.dialect.is_approximate or bool(db.dialect.index_use.probe)
    assert serves(db, nearest, INDEX) is has_indexes
    with pytest.raises(InvalidVector):
        await abulk_load(Package, [{"section": "s", "embedding": [float("nan")] * 16}], defer_indexes=True)
    twice = {"id": [-1, -1], "section": ["s"] * 2, "embedding": matrix[:2]}
    with pytest.raises(IntegrityError):
        await abulk_load(Package, twice, defer_indexes=True)
    assert serves(db, nearest, INDEX) is has_indexes


def test_memory_is_that_of_a_batch(db: Database) -> None:
    matrix = np.broadcast_to(np.float32(0.5), (20_000, 3))
    tracemalloc.start()
    try:
        bulk_load(Document, ({"title": "x", "embedding": row} for row in matrix), batch_size=500)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # All of the rows would be 20,000 dicts and vectors, 8 MB and more.
    assert peak < 2_000_000


def test_a_matrix_is_what_was_stored(db: Database) -> None:
    bulk_load(Document, as_columns())
    ids, matrix = to_matrix(Document.objects.order_by("-pages"), "embedding")
    assert ids == list(Document.objects.order_by("-pages").values_list("pk", flat=True))
    assert matrix.dtype == np.float32
    assert matrix.flags.writeable
    assert matrix.tolist() == VECTORS[::-1]


async def test_so_it_is_in_async(db: Database) -> None:
    bulk_load(Document, as_columns())
    async with aatomic():
        _ids, matrix = await ato_matrix(Document.objects.order_by("pk")[2:5], "embedding")
    assert matrix.tolist() == VECTORS[2:5]


def test_a_matrix_leaves_out_null_and_may_be_empty(db: Database) -> None:
    last = Document.objects.create(title="b", embedding=VECTORS[0])
    Document.objects.create(title="a")
    ids, matrix = to_matrix(Document.objects.order_by("title"), "embedding")
    assert (ids, matrix.tolist()) == ([last.pk], [VECTORS[0]])
    ids, matrix = to_matrix(Document.objects.filter(title="z"), "embedding")
    assert (ids, matrix.shape) == ([], (0, 3))


def test_a_matrix_crosses_relations_and_knows_other_columns(db: Database) -> None:
    document = Document.objects.create(title="a", other=VECTORS[1])
    chunk = Chunk.objects.create(document=document, embedding=VECTORS[0])
    assert to_matrix(Chunk.objects.all(), "document__other")[1].tolist() == [VECTORS[1]]
    assert to_matrix(Chunk.objects.all(), "embedding")[0] == [chunk.pk]
    with pytest.raises(TypeError, match="Document has none at 'title'"):
        to_matrix(Document.objects.all(), "title")


class Missing(dorm.Model):
    """Has no table."""

    embedding = VectorField(dimensions=3)

    class Meta:
        app_label = "tests"


async def test_a_matrix_leaves_the_connection_as_it_was(db: Database) -> None:
    """Some drivers are asked for rows without names, also in a transaction and before an error."""
    bulk_load(Document, as_columns())
    ranked = Document.objects.order_by("pk")
    with atomic():
        assert to_matrix(ranked, "embedding")[1].tolist() == VECTORS
        assert [document.title for document in ranked[:2]] == ["t0", "t1"]
    async with aatomic():
        assert (await ato_matrix(ranked, "embedding"))[1].tolist() == VECTORS
        assert [document.title async for document in ranked[:2]] == ["t0", "t1"]
    with pytest.raises(dorm.exceptions.DatabaseError):
        to_matrix(Missing.objects.all(), "embedding")
    with pytest.raises(dorm.exceptions.DatabaseError):
        await ato_matrix(Missing.objects.all(), "embedding")
    assert [document.title for document in ranked[:2]] == ["t0", "t1"]
    assert [document.title async for document in ranked[:2]] == ["t0", "t1"]
