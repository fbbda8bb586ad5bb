"""What is missing is NULL, and what a row says of its time is kept, on every way into a table."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from typing import Any

import dorm
import numpy as np
import pytest

from dorm_vector import EmbeddingField, VectorField, abulk_load, bulk_load
from tests.databases import Database, create_tables, drop_table
from tests.helpers.memos import WORDS, embedded


class Gappy(dorm.Model):
    title = dorm.CharField(max_length=50, null=True)
    pages = dorm.IntegerField(null=True)
    day = dorm.DateField(null=True)
    color = VectorField(2, null=True)
    embedding = EmbeddingField(WORDS.dimensions, source="title", embedder=WORDS, null=True)

    class Meta:
        app_label = "tests"


class Dated(dorm.Model):
    title = dorm.CharField(max_length=50)
    since = dorm.DateTimeField(auto_now_add=True)
    color = VectorField(2)

    class Meta:
        app_label = "tests"


@pytest.fixture
def tables(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (Gappy, Dated))
    WORDS.calls.clear()
    yield db
    drop_table(db, Gappy)
    drop_table(db, Dated)


class NAType:
    """What pandas calls the type of its NA: the suite does without pandas."""


class NaTType:
    """That of its NaT."""


NAN = math.nan


def _rows() -> list[dict[str, Any]]:
    return [
        {"title": "a", "pages": 1, "day": dt.date(2026, 1, 2), "color": [1, 2]},
        {"title": NAN, "pages": NAN, "day": NaTType(), "color": NAN},
        {"title": NAType(), "pages": NAType(), "day": NAType(), "color": NAType()},
        {"title": np.float64("nan"), "pages": None, "day": None, "color": None},
    ]


def _found() -> list[Any]:
    rows = Gappy.objects.order_by("id")
    return [(row.title, row.pages, row.day, row.color, row.embedding_hash is None) for row in rows]


EXPECTED = [("a", 1, dt.date(2026, 1, 2), [1, 2], False), *[(None, None, None, None, True)] * 3]


async def test_what_pandas_calls_missing_is_null(tables: Database) -> None:
    names = ("title", "pages", "day", "color")
    columns = {name: np.array([None, *(row[name] for row in _rows())], dtype=object)[1:] for name in names}
    assert bulk_load(Gappy, columns) == 4
    assert _found() == EXPECTED
    Gappy.objects.all().delete()
    assert await abulk_load(Gappy, _rows()) == 4
    assert _found() == EXPECTED
    assert embedded() == ["a", "a"]


async def test_a_given_date_is_kept_by_every_load(tables: Database) -> None:
    day, now = dt.datetime(2001, 2, 3, 4, 5, 6, tzinfo=dt.UTC), dt.datetime.now(dt.UTC)
    bulk_load(Dated, [Dated(title="instance", since=day, color=[1, 2])])
    await abulk_load(Dated, [Dated(title="async", since=day, color=[1, 2])])
    bulk_load(Dated, [{"title": "dict", "since": day, "color": [1, 2]}])
    bulk_load(Dated, [Dated(title="none", color=[1, 2]), Dated(title="empty", since=None, color=[1, 2])])
    found = {row.title: row.since.replace(tzinfo=None) for row in Dated.objects.all()}
    assert {name: found[name] for name in ("instance", "async", "dict")} == dict.fromkeys(
        ("instance", "async", "dict"), day.replace(tzinfo=None)
    )
    assert all(abs(found[name] - now.replace(tzinfo=None)) < dt.timedelta(days=1) for name in ("none", "empty"))
