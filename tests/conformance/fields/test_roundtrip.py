"""What is written is what is read, on every database."""

from __future__ import annotations

from array import array
from typing import Any

import dorm
import numpy as np
import pgvector
import pytest

from dorm_vector import DimensionMismatch, InvalidVector, L2Distance, Vector
from tests.databases import Database
from tests.helpers.oracle import float32
from tests.models import Chunk, Document

INPUTS: dict[str, Any] = {
    "list": [1, 2.5, -3],
    "tuple": (1.0, 2.5, -3.0),
    "array of floats": array("f", [1, 2.5, -3]),
    "array of doubles": array("d", [1, 2.5, -3]),
    "float16": np.array([1, 2.5, -3], dtype=np.float16),
    "float32": np.array([1, 2.5, -3], dtype=np.float32),
    "float64": np.array([1, 2.5, -3]),
    "big-endian": np.array([1, 2.5, -3], dtype=">f4"),
    "non-contiguous": np.array([1, 9, 2.5, 9, -3, 9])[::2],
    "pgvector": pgvector.Vector([1, 2.5, -3]),
    "pgvector half": pgvector.HalfVector([1, 2.5, -3]),
    "text": "[1,2.5,-3]",
    "Vector": Vector([1, 2.5, -3]),
    "packed bytes": bytes(Vector([1, 2.5, -3])),
}


@pytest.mark.parametrize("value", INPUTS.values(), ids=INPUTS.keys())
def test_every_kind_of_vector_is_stored(db: Database, value: Any) -> None:
    created = Document.objects.create(title="a", embedding=value)
    saved = Document(title="b")
    saved.embedding = value
    saved.save()
    Document.objects.bulk_create([Document(title="c", embedding=value)])
    assert [row.embedding for row in Document.objects.all()] == [[1, 2.5, -3]] * 3
    assert created.embedding == saved.embedding == [1, 2.5, -3]


def test_values_are_rounded_to_float32(db: Database) -> None:
    values = [0.1, 1e-40, 9e18]
    Document.objects.create(title="a", embedding=values)
    assert Document.objects.get().embedding == float32(values)


def test_as_numpy_reads_a_float32_array(db: Database) -> None:
    document = Document.objects.create(title="a")
    Chunk.objects.create(document=document, embedding=[1, 2, 3])
    vector = Chunk.objects.get().embedding
    assert isinstance(vector, np.ndarray)
    assert (vector.dtype, vector.tolist()) == (np.float32, [1, 2, 3])


def test_null_is_no_error(db: Database) -> None:
    Document.objects.create(title="a", embedding=None)
    assert Document.objects.get().embedding is None
    assert Document.objects.filter(embedding=None).count() == 1
    assert Document.objects.filter(embedding__isnull=False).count() == 0


def test_update_writes_a_vector(db: Database) -> None:
    Document.objects.create(title="a", embedding=[1, 2, 3])
    assert Document.objects.filter(title="a").update(embedding=np.array([4, 5, 6]), pages=2) == 1
    assert Document.objects.get().embedding == [4, 5, 6]


def test_bulk_update_writes_vectors(db: Database) -> None:
    documents = [Document(title=str(n), embedding=[n, n, n]) for n in range(3)]
    Document.objects.bulk_create(documents)
    for document in documents:
        document.embedding, document.other = [document.embedding[0] + 1, 0, 0], [9, 9, 9]
    Document.objects.bulk_update(documents, ["embedding", "other"])
    assert [row.embedding for row in Document.objects.all()] == [[1, 0, 0], [2, 0, 0], [3, 0, 0]]
    assert [row.other for row in Document.objects.all()] == [[9, 9, 9]] * 3


def test_get_or_create_finds_by_vector(db: Database) -> None:
    first, created = Document.objects.get_or_create(embedding=[1, 2, 3], defaults={"title": "a"})
    again, created_again = Document.objects.get_or_create(embedding=[1, 2, 3], defaults={"title": "b"})
    assert (created, created_again, first.pk) == (True, False, again.pk)


def test_a_vector_can_be_looked_up(db: Database) -> None:
    for number in range(3):
        Document.objects.create(title=str(number), embedding=[number, 0, 0])
    assert Document.objects.get(embedding=[1, 0, 0]).title == "1"
    assert Document.objects.filter(embedding__in=[[0, 0, 0], np.array([2, 0, 0])]).count() == 2
    assert Document.objects.filter(embedding__in=[]).count() == 0
    assert Document.objects.exclude(embedding=[1, 0, 0]).count() == 2


def test_one_vector_is_copied_from_another_column(db: Database) -> None:
    Document.objects.create(title="a", other=[1, 2, 3])
    Document.objects.update(embedding=dorm.F("other"))
    assert Document.objects.get().embedding == [1, 2, 3]


def test_changing_an_element_of_a_read_vector_is_saved(db: Database) -> None:
    Document.objects.create(title="a", embedding=[1, 2, 3])
    document = Document.objects.get()
    document.embedding[0] = 9.0
    document.save()
    assert Document.objects.get().embedding == [9, 2, 3]


WRONG_VALUES: dict[str, tuple[Any, str]] = {
    "nan": ([1, float("nan"), 3], r"Document\.embedding: value 1 of 3 is nan, not finite\."),
    "infinity": (np.array([1, 2, np.inf]), r"Document\.embedding: value 2 of 3 is inf, not finite\."),
    "past float32": ([1e39, 2, 3], r"Document\.embedding: value 0 of 3 is 1e\+39, past float32\."),
    "a string": ([1, "x", 3], r"Document\.embedding: value 1 of 3 is 'x', not a number\."),
    "None inside": ([1, 2, None], r"Document\.embedding: value 2 of 3 is None, not a number\."),
    "nested": ([[1, 2, 3]], r"Document\.embedding: value 0 of 1 is \[1, 2, 3\], not a number\."),
    "a matrix": (np.ones((1, 3)), r"Document\.embedding: an array of shape \(1, 3\) is not a vector\."),
    "a number": (5, r"Document\.embedding: 5 is not a vector\."),
}


@pytest.mark.parametrize("value, message", WRONG_VALUES.values(), ids=WRONG_VALUES.keys())
def test_what_is_no_vector_is_refused_before_anything_is_sent(db: Database, value: Any, message: str) -> None:
    existing = Document.objects.create(title="a", embedding=[1, 2, 3])
    with pytest.raises(InvalidVector, match=message):
        Document.objects.create(title="b", embedding=value)
    with pytest.raises(InvalidVector, match=message):
        existing.embedding = value
    with pytest.raises(InvalidVector, match=message):
        Document.objects.update(embedding=value)
    with pytest.raises(InvalidVector, match=message):
        Document.objects.filter(embedding=value).count()
    with pytest.raises(InvalidVector):
        L2Distance("embedding", value)
    assert [row.embedding for row in Document.objects.all()] == [[1, 2, 3]]


def test_a_vector_of_the_wrong_length_is_refused(db: Database) -> None:
    existing = Document.objects.create(title="a", embedding=[1, 2, 3])
    wanted = pytest.raises(DimensionMismatch, match=r"^Document\.embedding holds 3 dimensions; this vector has 4\.$")
    for write in (
        lambda: Document.objects.create(title="b", embedding=[1, 2, 3, 4]),
        lambda: Document.objects.bulk_create([Document(title="b", embedding=[1, 2, 3, 4])]),
        lambda: Document.objects.update(embedding=[1, 2, 3, 4]),
        lambda: Document.objects.filter(embedding=[1, 2, 3, 4]).exists(),
        lambda: Document.objects.get_or_create(embedding=[1, 2, 3, 4]),
    ):
        with wanted:
            write()
    existing.embedding = [1, 2, 3, 4]
    with wanted:
        existing.save()
    with wanted:
        Document.objects.bulk_update([existing], ["embedding"])
    with pytest.raises(dorm.ValidationError, match="holds 3 dimensions"):
        existing.full_clean()
    assert [row.embedding for row in Document.objects.all()] == [[1, 2, 3]]


def test_a_failed_write_leaves_the_transaction_as_it_was(db: Database) -> None:
    from dorm.transaction import atomic

    with atomic():
        Document.objects.create(title="kept", embedding=[1, 2, 3])
        with pytest.raises(DimensionMismatch):
            Document.objects.create(title="lost", embedding=[1])
        with pytest.raises(DimensionMismatch):
            list(Document.objects.annotate(distance=L2Distance("embedding", [1])))
        Document.objects.create(title="kept too", embedding=[1, 2, 3])
    assert [row.title for row in Document.objects.all()] == ["kept", "kept too"]
