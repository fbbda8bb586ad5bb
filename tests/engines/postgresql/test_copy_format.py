"""PostgreSQL's binary COPY stores what a save stores, for every type of column; bars and repairs of bulk loading."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm.db.connection import reset_connections
from dorm.migrations.operations import CreateModel
from dorm.migrations.state import ProjectState

import backends
from dorm_vector import CosineDistance, VectorExtension, VectorField, bulk_load, rich_progress
from dorm_vector.engines.statement import Statement
from tests.databases import Database


class Everything(dorm.Model):
    key = dorm.UUIDField(primary_key=True)
    text = dorm.TextField()
    flag = dorm.BooleanField(null=True)
    small = dorm.SmallIntegerField()
    large = dorm.BigIntegerField()
    ratio = dorm.FloatField()
    price = dorm.DecimalField(max_digits=8, decimal_places=2)
    day = dorm.DateField()
    moment = dorm.DateTimeField()
    hour = dorm.TimeField()
    span = dorm.DurationField()
    document = dorm.JSONField()
    embedding = VectorField(dimensions=3)

    class Meta:
        app_label = "tests"
        db_table = "copying_everything"


class Ranged(dorm.Model):
    pages = dorm.IntegerRangeField(null=True)
    embedding = VectorField(dimensions=3)

    class Meta:
        app_label = "tests"
        db_table = "copying_ranged"


ROW: dict[str, Any] = {
    "text": 'wörds\t"\\\n',
    "flag": True,
    "small": -7,
    "large": 2**40,
    "ratio": 0.1,
    "price": decimal.Decimal("123.40"),
    "day": dt.date(2024, 2, 29),
    "moment": dt.datetime.fromisoformat("2024-02-29T12:30:01.000005"),
    "hour": dt.time(23, 59, 58),
    "span": dt.timedelta(days=3, seconds=4),
    "document": {"a": [1, None, "ü"]},
    "embedding": [1.0, -2.0, 0.5],
}


@pytest.fixture(scope="module")
def db() -> Iterator[Database]:
    with backends.get("postgresql").start() as running:
        database = Database(running, running.new_database())
        database.use()
        VectorExtension().database_forwards("tests", database.connection, ProjectState(), ProjectState())
        for model in (Everything, Ranged):
            fields = [(field.name, field) for field in model._meta.fields]
            create = CreateModel(model.__name__, fields, {"db_table": model._meta.db_table})
            create.database_forwards("tests", database.connection, ProjectState(), ProjectState())
        yield database
        reset_connections()


def test_copy_stores_what_a_save_stores(db: Database) -> None:
    Everything.objects.create(key=uuid.UUID(int=1), **ROW)
    bulk_load(Everything, [{"key": uuid.UUID(int=2), **ROW}, {"key": uuid.UUID(int=3), **ROW, "flag": None}])
    saved, copied, null = Everything.objects.order_by("key").values_list(*ROW)
    assert copied == saved
    assert null[1] is None


def test_a_number_past_its_column_is_named_by_its_row(db: Database) -> None:
    with pytest.raises(Exception, match="row 1: 9000000 does not fit in an integer of 2 bytes"):
        bulk_load(Everything, [{"key": uuid.UUID(int=n), **ROW, "small": n * 10**6} for n in (0, 9)])


def test_a_column_without_a_known_binary_form_is_inserted(db: Database) -> None:
    rows = [{"pages": dorm.Range(n, n + 5), "embedding": [1, 2, n]} for n in range(4)]
    assert bulk_load(Ranged, rows) == 4
    assert Ranged.objects.get(embedding=[1, 2, 3]).pages == dorm.Range(3, 8)


def test_binary_rows(db: Database) -> None:
    """A ranked slice is fetched in binary, its vectors as they are."""
    Everything.objects.all().delete()
    Everything.objects.create(key=uuid.UUID(int=1), **ROW)
    found = Everything.objects.annotate(distance=CosineDistance("embedding", [1, 1, 1])).order_by("distance")
    plain = found.only("key", "text", "embedding")[:5]
    sql, _params = plain._query.as_select(db.connection)
    assert isinstance(sql, Statement)
    assert sql.binary
    assert "vector_send" not in sql
    assert [row.embedding for row in plain] == [ROW["embedding"]]


def test_a_bar_of_rich_follows_the_load(db: Database) -> None:
    with rich_progress("Loading ranges") as progress:
        assert bulk_load(Ranged, [{"embedding": [1, 2, 3]}] * 5, batch_size=2, progress=progress) == 5
