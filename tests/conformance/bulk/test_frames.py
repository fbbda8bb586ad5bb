"""Data frames of pyarrow, pandas and polars: out of a queryset, and back into a table."""

from __future__ import annotations

import datetime as dt
import decimal
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dorm
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from dorm.contrib.extra_fields import MoneyField
from dorm.exceptions import IntegrityError

from dorm_vector import (
    BitField,
    HalfVectorField,
    InvalidVector,
    SparseVector,
    SparseVectorField,
    VectorField,
    abulk_load,
    aexport_parquet,
    aimport_parquet,
    bulk_load,
    export_parquet,
    import_parquet,
)
from tests.databases import Database, create_tables, drop_table
from tests.models import Author, Document


class Framed(dorm.Model):
    title = dorm.CharField(max_length=50, null=True)
    author = dorm.ForeignKey(Author, on_delete=dorm.DO_NOTHING, null=True)
    count = dorm.IntegerField(null=True, db_column="how_many")
    share = dorm.FloatField(null=True)
    price = dorm.DecimalField(max_digits=8, decimal_places=2, null=True)
    fee = MoneyField(null=True)
    is_right = dorm.BooleanField(null=True)
    day = dorm.DateField(null=True)
    at = dorm.DateTimeField(null=True)
    opens = dorm.TimeField(null=True)
    lasts = dorm.DurationField(null=True)
    key = dorm.UUIDField(null=True)
    raw = dorm.BinaryField(null=True)
    labels = dorm.JSONField(null=True)
    full = VectorField(3, null=True)
    half = HalfVectorField(3, null=True)
    sparse = SparseVectorField(5, null=True)
    bits = BitField(11, null=True)

    class Meta:
        app_label = "tests"
        ordering = ["id"]


TYPES = {
    "id": pa.int64(),
    "title": pa.string(),
    "author_id": pa.int64(),
    "count": pa.int64(),
    "share": pa.float64(),
    "price": pa.decimal128(8, 2),
    "fee": pa.decimal128(20, 2),
    "is_right": pa.bool_(),
    "day": pa.date32(),
    "at": pa.timestamp("us"),
    "opens": pa.time64("us"),
    "lasts": pa.duration("us"),
    "key": pa.string(),
    "raw": pa.binary(),
    "labels": pa.string(),
    "full": pa.list_(pa.float32(), 3),
    "half": pa.list_(pa.float16(), 3),
    "sparse": pa.struct([("indices", pa.list_(pa.int32())), ("values", pa.list_(pa.float32()))]),
    "bits": pa.list_(pa.bool_(), 11),
}
MOMENT = dt.datetime(2026, 11, 30, 7, 8, 9, 123456)  # noqa: DTZ001  # as databases without zones keep it
KEY = uuid.UUID(int=7)
BITS = "10110000001"
ROW: dict[str, Any] = {
    "title": "größer 😀",
    "count": 2**20,
    "share": 0.5,
    "price": decimal.Decimal("12.50"),
    "fee": decimal.Decimal("0.10"),
    "is_right": True,
    "day": dt.date(2026, 11, 30),
    "at": MOMENT,
    "opens": dt.time(7, 8, 9, 123456),
    "lasts": dt.timedelta(days=-2, microseconds=5),
    "key": KEY,
    "raw": b"\x00\xff",
    "labels": {"a": [1, None]},
    "full": [1.0, 2.0, 0.5],
    "half": [1.0, 2.0, 0.5],
    "sparse": SparseVector({1: 2.0, 4: -1.5}, 5),
    "bits": BITS,
}
# As Arrow's own to_pylist() returns them.
ARROW: dict[str, Any] = {
    **ROW,
    "key": str(KEY),
    "labels": '{"a": [1, null]}',
    "sparse": {"indices": [1, 4], "values": [2.0, -1.5]},
    "bits": [bit == "1" for bit in BITS],
}
FRAMES: dict[str, Callable[[pa.Table], Any]] = {
    "table": lambda table: table,
    "batch": lambda table: table.combine_chunks().to_batches()[0],
    "reader": lambda table: table.to_reader(max_chunksize=1),
    "pandas": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "polars": pl.from_arrow,
}


@pytest.fixture
def rows(db: Database) -> Iterator[list[dict[str, Any]]]:
    """Two whole rows around one of NULLs, as Arrow has them."""
    create_tables(db.connection, (Framed,))
    author = Author.objects.create(name="A")
    Framed.objects.create(**ROW, author=author)
    Framed.objects.create()
    Framed.objects.create(**ROW, author=author)
    keys = list(Framed.objects.order_by("id").values_list("id", flat=True))
    whole = {**ARROW, "author_id": author.pk}
    yield [
        {"id": key, **{name: values.get(name) for name in TYPES if name != "id"}}
        for key, values in zip(keys, (whole, {}, whole), strict=True)
    ]
    drop_table(db, Framed)


def stored() -> list[tuple[Any, ...]]:
    return [tuple(getattr(row, name) for name in TYPES if name != "id") for row in Framed.objects.all()]


async def test_frames_hold_every_type_and_load_again(rows: list[dict[str, Any]]) -> None:
    table = Framed.objects.to_arrow()
    assert {name: table.schema.field(name).type for name in table.schema.names} == TYPES
    assert table.to_pylist() == rows
    assert (await Framed.objects.ato_arrow()).equals(table)
    assert pa.Table.from_pandas(Framed.objects.to_pandas()).to_pylist() == rows
    assert pa.Table.from_pandas(await Framed.objects.ato_pandas()).to_pylist() == rows
    assert Framed.objects.to_polars().to_arrow().to_pylist() == rows
    assert (await Framed.objects.ato_polars()).to_arrow().to_pylist() == rows
    before = stored()
    for name, framed in FRAMES.items():
        Framed.objects.all().delete()
        assert bulk_load(Framed, framed(table), batch_size=2) == 3, name
        assert stored() == before, name
        Framed.objects.all().delete()
        assert await abulk_load(Framed, framed(table)) == 3, name
        assert stored() == before, name


async def test_parquet_files_hold_every_type_and_load_again(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    before, file, seen = stored(), tmp_path / "framed.parquet", []
    for batch_size in (1, 2, 5000):
        assert export_parquet(Framed, file, batch_size=batch_size, progress=lambda *done: seen.append(done)) == 3
        assert pa.parquet.read_table(file).to_pylist() == rows
        assert await aexport_parquet(Framed.objects.all(), file, batch_size=batch_size) == 3
        Framed.objects.all().delete()
        assert import_parquet(Framed, file, batch_size=batch_size) == 3
        assert stored() == before
        Framed.objects.all().delete()
        assert await aimport_parquet(Framed, file, batch_size=batch_size) == 3
        assert stored() == before
    assert [done for done, _total in seen] == [0, 1, 2, 3, 0, 2, 3, 0, 3]
    assert os.listdir(tmp_path) == [file.name]  # noqa: PTH208  # no partial file is left
    assert export_parquet(Framed.objects.filter(title="none"), file) == 0
    assert pa.parquet.read_table(file).schema.names == list(TYPES)
    assert import_parquet(Framed, file) == 0
    with pytest.raises(IntegrityError, match="row 0"):
        bulk_load(Framed, Framed.objects.to_arrow())
    assert stored() == before


async def test_a_frame_has_what_the_queryset_shows(db: Database) -> None:
    author = Author.objects.create(name="A")
    vectors = [[float(n), 0.0, 0.0] for n in range(4)]
    Document.objects.bulk_create(
        [Document(title=f"t{n}", pages=n, author=author, embedding=v, other=v) for n, v in enumerate(vectors)]
    )
    Document.objects.create(title="none")
    found = Document.objects.nearest("embedding", [3, 0, 0])
    columns = found.values("title", "author__name", "embedding", "distance")[:2]
    expected = [
        {"title": "t3", "author__name": "A", "embedding": vectors[3], "distance": 0.0},
        {"title": "t2", "author__name": "A", "embedding": vectors[2], "distance": 1.0},
    ]
    assert columns.to_arrow().to_pylist() == (await columns.ato_arrow()).to_pylist() == expected
    assert columns.to_arrow().schema.field("distance").type == pa.float64()
    assert found.only("title").to_arrow().schema.names == ["id", "title", "distance"]
    assert found.defer("embedding").select_related("author").to_arrow().num_rows == 4
    assert Document.objects.values_list("pages", flat=True).to_arrow().to_pydict() == {"pages": [0, 1, 2, 3, 1]}
    summed = Document.objects.filter(title__in=["t1", "t2"]).values("author").annotate(many=dorm.Count("id"))
    assert summed.to_arrow().to_pylist() == [{"author": author.pk, "many": 2}]
    other = Document.objects.filter(title="t2").values("embedding")[:1]
    seconds = Document.objects.annotate(second=dorm.Subquery(other)).values("second")
    assert seconds[:1].to_arrow().to_pylist() == [{"second": vectors[2]}]
    ends = Document.objects.filter(pages=0).union(Document.objects.filter(pages=3)).order_by("pages")
    assert ends.to_arrow().column("other").to_pylist() == [vectors[0], vectors[3]]
    nothing = Document.objects.filter(pages=99).to_arrow()
    assert (nothing.num_rows, nothing.schema) == (0, Document.objects.to_arrow().schema)
    html = found._repr_html_()
    assert "<th>distance</th>" in html
    assert "<td>[3, 0, 0] (3 dimensions)</td>" in html
    assert "<summary>Query plan</summary>" in found[:2].explain_search()._repr_html_()


def test_what_pandas_calls_missing_is_null(db: Database) -> None:
    frame = pd.DataFrame(
        {
            "title": ["a", "b", "c"],
            "pages": pd.array([1, 2, 3], dtype="Int64"),
            "embedding": [np.array([1, 2, 3], np.float64), None, float("nan")],
            "other": [[1, 2, 3], [4, 5, 6], [7, 8, 9]],
        }
    )
    assert bulk_load(Document, frame) == 3
    assert list(Document.objects.values_list("title", "pages", "embedding", "other")) == [
        ("a", 1, [1, 2, 3], [1, 2, 3]),
        ("b", 2, None, [4, 5, 6]),
        ("c", 3, None, [7, 8, 9]),
    ]
    moments = pd.DataFrame({"at": pd.to_datetime(["2026-11-30 07:08:09.123456789", None]), "share": [float("nan"), 1]})
    create_tables(db.connection, (Framed,))
    bulk_load(Framed, moments)
    loaded = [(row.at, row.share) for row in Framed.objects.all()]
    drop_table(db, Framed)
    assert loaded == [(MOMENT, None), (None, 1)]


def test_rows_that_a_field_refuses_are_named(db: Database) -> None:
    kind = pa.list_(pa.float32(), 3)
    vectors = pa.array([None, [1, 2, 3], [1, float("inf"), 3]], kind)
    with pytest.raises(InvalidVector, match=r"row 2: Document\.embedding: value 1 of 3 is inf"):
        bulk_load(Document, pa.table({"title": ["a", "b", "c"], "embedding": vectors}))
    with pytest.raises(InvalidVector, match=r"row 1: Document\.embedding: value 1 of 3 is None"):
        bulk_load(Document, pa.table({"title": ["a", "b"], "embedding": pa.array([[1, 2, 3], [1, None, 3]], kind)}))
    with pytest.raises(ValueError, match="Document has no column for 'distance'"):
        bulk_load(Document, pl.DataFrame({"title": ["a"], "distance": [0.5]}))
    assert Document.objects.count() == 0
