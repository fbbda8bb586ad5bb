"""The instances of a queryset: each field of each row, in whatever form the queryset asks for them."""

from __future__ import annotations

from typing import Any

import dorm
import numpy as np
import pytest

from dorm_vector import CosineDistance, L2Distance, VectorField
from tests.databases import Database
from tests.models import Author, Document, Sample

VECTORS = [[1.0, 0.5, -0.25], [-0.5, 0.25, 2.0], [3.0, 4.0, 0.0]]


class Loud(dorm.CharField):
    def from_db_value(self, value: Any) -> Any:
        return value if value is None else value.upper()


class Doubled(VectorField):
    def stored_vector(self, value: Any) -> Any:
        stored = super().stored_vector(value)
        return stored if stored is None else type(stored)([2 * number for number in stored.to_list()])


class Read(dorm.Model):
    """The documents, in fields that read in ways of their own."""

    word = Loud(max_length=50, db_column="title")
    embedding = VectorField(dimensions=3, as_numpy=True, null=True)
    doubled = Doubled(dimensions=3, null=True, db_column="other_vector")

    class Meta:
        db_table = Document._meta.db_table
        managed = False


class Counted(dorm.Model):
    """The documents, in a model that reads in a way of its own."""

    embedding = VectorField(dimensions=3, null=True)

    class Meta:
        db_table = Document._meta.db_table
        managed = False

    @classmethod
    def _from_db_row(cls, row: Any, connection: Any = None) -> Any:
        instance = super()._from_db_row(row, connection)
        instance.counted = True
        return instance


@pytest.fixture
def documents(db: Database) -> list[Document]:
    ada = Author.objects.create(name="Ada")
    made = [
        Document(title=f"d{number}", pages=number, embedding=vector, other=None if number else vector, author=ada)
        for number, vector in enumerate(VECTORS)
    ]
    Document.objects.bulk_create(made)
    return list(Document.objects.all())


def held(row: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(row).items() if name not in ("_state", "id", "author_id")}


def expected(number: int, **more: Any) -> dict[str, Any]:
    other = None if number else VECTORS[number]
    return {"title": f"d{number}", "pages": number, "embedding": VECTORS[number], "other": other, **more}


async def read(queryset: Any) -> list[Any]:
    """Return the rows, which must be the same without blocking."""
    rows = list(queryset)
    again = [row async for row in queryset.all()]
    awaited = await queryset.all()
    assert [held(row) for row in rows] == [held(row) for row in again] == [held(row) for row in awaited]
    return rows


@pytest.mark.usefixtures("documents")
async def test_rows_have_what_their_queryset_asks_for(db: Database) -> None:
    by = Document.objects.annotate(d=L2Distance("embedding", VECTORS[0])).order_by("d")
    far = [float(np.linalg.norm(np.subtract(vector, VECTORS[0]))) for vector in VECTORS]
    order = sorted(range(3), key=far.__getitem__)
    whole = await read(by[:3])
    assert [held(row) for row in whole] == [expected(number, d=pytest.approx(far[number])) for number in order]
    assert not any(row._state.adding for row in whole)
    assert len({id(row._state) for row in whole}) == 3
    for name in ("title", "embedding", "other"):
        part = await read(by.only(name)[:3])
        assert [getattr(row, name) for row in part] == [expected(number)[name] for number in order]
        without = await read(by.defer(name)[:3])
        rest = [{**expected(number), "d": pytest.approx(far[number])} for number in order]
        assert [held(row) for row in without] == [{k: v for k, v in row.items() if k != name} for row in rest]
    hidden = await read(Document.objects.alias(d=L2Distance("embedding", VECTORS[0])).order_by("d")[:3])
    assert [held(row) for row in hidden] == [expected(number) for number in order]
    two = await read(
        by.annotate(c=CosineDistance("embedding", VECTORS[0]), half=L2Distance("embedding", VECTORS[0]) / 2)[:1]
    )
    assert held(two[0]) == expected(0, d=0, half=0, c=pytest.approx(0, abs=1e-6))
    joined = await read(by.select_related("author")[:3])
    assert [row.author.name for row in joined] == ["Ada"] * 3
    prefetched = await read(Document.objects.prefetch_related("author").order_by("pages"))
    assert [(row.title, row.author.name) for row in prefetched] == [("d0", "Ada"), ("d1", "Ada"), ("d2", "Ada")]
    distinct = await read(Document.objects.distinct().order_by("pages")[:1])
    assert [held(row) for row in distinct] == [expected(0)]
    assert await read(Document.objects.filter(pages=9)) == []


async def test_fields_read_in_their_own_way(db: Database) -> None:
    Document.objects.create(title="a", embedding=VECTORS[0], other=VECTORS[1])
    Document.objects.create(title="b")
    for first, empty in (list(Read.objects.order_by("id")), [row async for row in Read.objects.order_by("id")]):
        assert (first.word, list(first.embedding), first.doubled) == ("A", VECTORS[0], [-1.0, 0.5, 4.0])
        assert isinstance(first.embedding, np.ndarray)
        assert not first.embedding.flags.writeable
        assert (empty.word, empty.embedding, empty.doubled) == ("B", None, None)
    assert Counted.objects.nearest("embedding", VECTORS[0])[0].counted
    assert [row.counted async for row in Counted.objects.all()] == [True] * 2


async def test_every_element_type_is_read(db: Database) -> None:
    Sample.objects.create(title="a", full=[1, 0, 2], half=[0.5, 0, 1], bits="101", unit=[3, 4, 0])
    Sample.objects.create(title="b")
    for rows in (list(Sample.objects.order_by("title")), [row async for row in Sample.objects.order_by("title")]):
        full, none = rows
        assert (full.full, full.half, full.bits) == ([1, 0, 2], [0.5, 0, 1], "101")
        assert full.unit == pytest.approx([0.6, 0.8, 0])
        assert (none.full, none.half, none.sparse, none.bits, none.unit) == (None,) * 5
