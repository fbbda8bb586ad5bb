"""What a load makes of rows that do not say all, or say it twice: the same as a save, or an error, never less."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from typing import Any

import dorm
import numpy as np
import pytest

from dorm_vector import InvalidVector, Vector, VectorField, as_vector, bulk_load, to_matrix
from tests.databases import Database, create_tables, drop_table
from tests.helpers.oracle import float32, vectors
from tests.models import Author, Document

VECTORS = [float32(vector) for vector in vectors(4, 3)]


class Reading(dorm.Model):
    """Of many types, with a key that Python makes and a value that the database makes."""

    key = dorm.UUIDField(primary_key=True, default=uuid.uuid4)
    level = dorm.IntegerField(db_default=7)
    count = dorm.SmallIntegerField(null=True)
    share = dorm.FloatField(null=True)
    text = dorm.TextField(null=True)
    is_right = dorm.BooleanField(null=True)
    day = dorm.DateField(null=True)
    hour = dorm.TimeField(null=True)
    at = dorm.DateTimeField(null=True)
    other_key = dorm.UUIDField(null=True)
    data = dorm.JSONField(null=True)
    raw = dorm.BinaryField(null=True)
    address = dorm.GenericIPAddressField(null=True)
    embedding = VectorField(dimensions=3, null=True)

    class Meta:
        app_label = "tests"


MOMENT = dt.datetime(2024, 1, 2, 3, 4, 5)  # noqa: DTZ001  # as databases without zones keep it
VALUES: dict[str, Any] = {
    "level": 3,
    "count": -5,
    "share": 1.25,
    "text": "ü'\"\\%s % \\N \t\n",
    "is_right": True,
    "day": dt.date(2024, 2, 29),
    "hour": dt.time(1, 2, 3),
    "at": MOMENT,
    "other_key": uuid.UUID(int=5),
    "data": {"a": [1, None, "ü"]},
    "raw": b"\x00\xff'",
    "address": "10.0.0.1",
    "embedding": VECTORS[0],
}


@pytest.fixture
def readings(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (Reading,))
    yield db
    db.use()
    drop_table(db, Reading)


def test_every_type_is_stored_as_a_save_stores_it(readings: Database) -> None:
    first, *keys = [uuid.UUID(int=number) for number in range(5)]
    Reading.objects.create(key=first, **VALUES)
    bulk_load(Reading, [{"key": keys[0], **VALUES}])
    bulk_load(Reading, [Reading(key=keys[1], **VALUES)])
    bulk_load(Reading, {"key": [keys[2]], **{name: [value] for name, value in VALUES.items()}})
    bulk_load(Reading, [{"key": keys[3], **dict.fromkeys(VALUES), "level": 1}])
    saved, *loaded, empty = readings.connection.execute('SELECT * FROM "tests_reading" ORDER BY "key"')
    for row in loaded:
        assert [row[name] for name in VALUES] == [saved[name] for name in VALUES]
    assert {empty[name] for name in VALUES if name != "level"} == {None}


def test_columns_of_numpy(readings: Database) -> None:
    moments = np.array([MOMENT, None], "datetime64[ns]")
    columns = {
        "count": np.array([1, 2], np.int8),
        "share": np.array([0.5, 1], np.float32),
        "text": np.array(["a", "b"]),
        "is_right": np.array([True, False]),
        "day": np.array(["2024-01-02", "NaT"], "datetime64[D]"),
        "at": moments,
    }
    bulk_load(Reading, columns)
    one, two = Reading.objects.order_by("count")
    assert (one.count, one.share, one.text, one.is_right, one.day) == (1, 0.5, "a", True, MOMENT.date())
    assert one.at.replace(tzinfo=None) == MOMENT
    assert two.day is None
    assert two.at is None


def test_numbers_of_numpy(readings: Database) -> None:
    row = {"count": np.int16(3), "share": np.float32(0.5), "is_right": np.bool_(True), "embedding": np.ones(3)}
    bulk_load(Reading, [row])
    found = Reading.objects.get()
    assert (found.count, found.share, found.is_right, found.embedding) == (3, 0.5, True, [1, 1, 1])


@pytest.mark.parametrize("later", [0, 1])
def test_what_the_database_makes_is_left_to_it_in_every_row_or_in_none(readings: Database, later: int) -> None:
    keyed = [Document(title="a"), Document(title="b")]
    keyed[later].id = 500
    words = ("a value of id, and the first row has none", "no value of id, and the first row has one")
    with pytest.raises(ValueError, match=f"row 1: it has {words[1 - later]}: leave it to the database in every row"):
        bulk_load(Document, keyed)
    assert Document.objects.count() == 0
    levels = [Reading(), Reading()]
    levels[later].level = 9
    with pytest.raises(ValueError, match=r"row 1: it has .* value of level"):
        bulk_load(Reading, levels)
    assert bulk_load(Reading, [Reading(), Reading()]) == bulk_load(Reading, [Reading(level=9), Reading(level=8)]) == 2
    assert sorted(Reading.objects.values_list("level", flat=True)) == [7, 7, 8, 9]


def test_rows_that_were_read_in_part_are_refused(db: Database) -> None:
    Document.objects.create(title="a", embedding=VECTORS[0])
    copies = list(Document.objects.only("title", "pages", "author"))
    for copy in copies:
        copy.id = 99
    with pytest.raises(ValueError, match=r"row 0: its embedding was not read .*: leave out only\(\) and defer\(\)"):
        bulk_load(Document, copies)
    assert Document.objects.count() == 1


def test_a_relation_refers_to_what_is_saved_and_of_its_model(db: Database) -> None:
    author, document = Author(name="A"), Document.objects.create(title="x")
    for rows in ([{"title": "a", "author": author}], [Document(title="a", author=author)]):
        with pytest.raises(ValueError, match=r"row 0: Document\.author: the Author has no key yet\. Save it first"):
            bulk_load(Document, rows)
    with pytest.raises(TypeError, match=r"row 0: Document\.author refers to a Author; this is a Document"):
        bulk_load(Document, {"title": ["a"], "author": [document]})
    waiting = Document(title="saved since", author=author)
    author.save()
    bulk_load(Document, [waiting])
    assert Document.objects.get(title="saved since").author_id == author.pk


def test_a_field_is_named_once(db: Database) -> None:
    author = Author.objects.create(name="A")
    row = {"title": "a", "author": author, "author_id": author.pk}
    for rows in ([row], {name: [value] for name, value in row.items()}):
        with pytest.raises(ValueError, match=r"Document\.author is given twice, as 'author' and as 'author_id'"):
            bulk_load(Document, rows)


@pytest.mark.parametrize("column", ["ab", iter("ab"), 5, None])
def test_a_column_is_a_list_or_an_array(db: Database, column: Any) -> None:
    with pytest.raises(TypeError, match=r"Column 'title' is a .*\. Give a list or an array, of a value a row\."):
        bulk_load(Document, {"title": column})


def test_a_masked_number_is_none(db: Database) -> None:
    masked = np.ma.masked_array(np.ones((2, 3)), [[0, 0, 0], [0, 1, 0]])
    with pytest.raises(InvalidVector, match=r"row 1: Document\.embedding: value 1 of 3 is nan"):
        bulk_load(Document, {"title": ["a", "b"], "embedding": masked})


# a matrix


def test_a_matrix_is_of_the_rows_of_a_queryset_of_any_form(db: Database) -> None:
    author = Author.objects.create(name="A")
    bulk_load(
        Document, {"title": list("abcd"), "pages": [3, 1, 2, 2], "embedding": np.array(VECTORS), "author": [author] * 4}
    )
    rows: Any = Document.objects
    for queryset in (
        rows,
        rows.only("title"),
        rows.defer("embedding"),
        rows.values("title"),
        rows.values_list("title", "pages"),
        rows.select_related("author"),
        rows.annotate(chunked=dorm.Count("chunks")),
        as_vector(rows),
        dorm.QuerySet(Document),
    ):
        ids, matrix = to_matrix(queryset, "embedding")
        assert dict(zip(ids, matrix.tolist(), strict=True)) == dict(rows.values_list("pk", "embedding"))
    assert to_matrix(rows.distinct().order_by("-pages", "author__name", "pk"), "embedding")[1].tolist() == [
        VECTORS[0],
        VECTORS[2],
        VECTORS[3],
        VECTORS[1],
    ]
    assert to_matrix(rows.none(), "embedding")[0] == []


def test_a_matrix_of_what_is_combined_is_of_its_rows_alone(db: Database) -> None:
    """It was that of the whole table."""
    bulk_load(Document, {"title": list("abcd"), "pages": [3, 1, 2, 2], "embedding": np.array(VECTORS)})
    rows: Any = Document.objects
    found = rows.filter(pages=1).union(rows.filter(pages=3)).order_by("-pages")
    ids, matrix = to_matrix(found, "embedding")
    assert ids == [row.pk for row in found]
    assert matrix.tolist() == [VECTORS[0], VECTORS[1]]


def test_what_is_no_queryset_has_no_matrix(db: Database) -> None:
    with pytest.raises(TypeError, match=r"rows of union\(\), .* are taken from their parts"):
        to_matrix(Author.objects.filter(name="A").union(Author.objects.filter(name="B")), "name")
    for other in (Document(), [1], None):
        with pytest.raises(TypeError, match=r"not a queryset\. Give Document\.objects\.all\(\)"):
            to_matrix(other, "embedding")


def test_a_matrix_knows_keys_of_every_type(readings: Database) -> None:
    keys = [uuid.UUID(int=number) for number in range(3)]
    bulk_load(Reading, {"key": keys, "embedding": np.array(VECTORS[:3])})
    ids, matrix = to_matrix(Reading.objects.order_by("key"), "embedding")
    assert (ids, matrix.tolist()) == (keys, VECTORS[:3])


COLUMNS: dict[str, list[Any]] = {
    "float32": [np.array(each, np.float32) for each in VECTORS],
    "float64 and NULL": [None, np.array(VECTORS[0]), np.array(VECTORS[1]), None],
    "whole numbers": [np.array([1, 2, 3]), np.array([0, 0, 0]), np.array([-1, 0, 1])],
    "lists": [list(each) for each in VECTORS],
    "tuples and NULL": [tuple(VECTORS[0]), None, tuple(VECTORS[1]), None],
    "of every kind": [VECTORS[0], None, np.array(VECTORS[1]), Vector(VECTORS[2]), "[1,2,3]"],
    "packed": [Vector(each) for each in VECTORS],
    "zeros and NULL": [[0.0, 0.0, 0.0], None, [0.0, 0.0, 0.0]],
    "NULL": [None, None],
}


def test_vectors_of_a_batch_are_stored_as_a_save_stores_them(readings: Database) -> None:
    for vectors_given in COLUMNS.values():
        expected = [None if each is None else Vector(each).to_list() for each in vectors_given]
        for load in (
            [{"level": n, "embedding": each} for n, each in enumerate(vectors_given)],
            [Reading(level=n, embedding=each) for n, each in enumerate(vectors_given)],
            {"level": list(range(len(vectors_given))), "embedding": vectors_given},
        ):
            assert bulk_load(Reading, load) == len(vectors_given)
            assert [row.embedding for row in Reading.objects.order_by("level")] == expected
            Reading.objects.all().delete()


def test_a_vector_of_a_batch_is_refused_with_its_row(readings: Database) -> None:
    bad: list[Any] = [[1, 2], [1, float("nan"), 2], ["1", 2, 3], [1e30, 0, 0], np.array([1.0, 2.0]), [1, None, 2], []]
    for each in bad:
        with pytest.raises(InvalidVector, match=r"row 3: Reading\.embedding"):
            bulk_load(Reading, [{"embedding": value} for value in (*VECTORS[:3], each, VECTORS[3])])
    if readings.name not in ("sqlite", "turso", "libsql"):  # whose integers all have 64 bits
        with pytest.raises(Exception, match="row 1: ") as refused:
            bulk_load(Reading, [{"count": 1}, {"count": 1 << 40}])
        assert refused.value.row == 1
    assert Reading.objects.count() == 0
