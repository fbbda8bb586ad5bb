"""contrib.history, contrib.temporal and contrib.audit: a trail has the vectors that the row has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import dorm
import numpy as np
import pytest
from dorm.contrib.audit import audited
from dorm.contrib.history import track_history
from dorm.contrib.temporal import temporal

from dorm_vector import VectorField
from tests.databases import Database, create_tables, drop_table


@track_history
class RecordedDoc(dorm.Model):
    title = dorm.CharField(max_length=50)
    embedding = VectorField(3, as_numpy=True)

    class Meta:
        app_label = "tests"


@temporal
class VersionedDoc(dorm.Model):
    title = dorm.CharField(max_length=50)
    embedding = VectorField(3)

    class Meta:
        app_label = "tests"


@audited()
class AuditedDoc(dorm.Model):
    title = dorm.CharField(max_length=50)
    embedding = VectorField(3, as_numpy=True)

    class Meta:
        app_label = "tests"


@audited()
class AuditedNote(dorm.Model):
    """The same without a vector."""

    title = dorm.CharField(max_length=50)
    embedding = dorm.TextField()

    class Meta:
        app_label = "tests"


AUDITED: dict[Any, Any] = {model: vars(model)["_audit_model"] for model in (AuditedDoc, AuditedNote)}
RECORDED: Any = vars(RecordedDoc)["_history_model"]
VERSIONED: Any = vars(VersionedDoc)["_temporal_model"]
MODELS = (RecordedDoc, RECORDED, VersionedDoc, VERSIONED, *AUDITED, *AUDITED.values())
TRAILS = {RecordedDoc: (RECORDED, "history_id", "history_type"), VersionedDoc: (VERSIONED, "temporal_id", "operation")}


@pytest.fixture
def tables(db: Database) -> Iterator[Database]:
    create_tables(db.connection, MODELS)
    yield db
    for model in MODELS:
        drop_table(db, model)


def trail(model: Any) -> list[tuple[str, str, list[float]]]:
    recorded, key, kind = TRAILS[model]
    rows = recorded.objects.order_by(key)
    return [(getattr(row, kind), row.title, list(row.embedding)) for row in rows]


EXPECTED = [("+", "a", [1, 2, 3]), ("~", "b", [1, 2, 3]), ("~", "b", [4, 5, 6]), ("-", "b", [4, 5, 6])]


@pytest.mark.parametrize("model", TRAILS)
def test_a_partial_row_leaves_a_whole_trail(tables: Database, model: Any) -> None:
    made = model.objects.create(title="a", embedding=[1, 2, 3])
    partial = model.objects.only("title").get(pk=made.pk)
    partial.title = "b"
    partial.save()
    whole = model.objects.get(pk=made.pk)
    assert list(whole.embedding) == [1, 2, 3]
    whole.embedding = np.array([4, 5, 6])
    whole.save()
    model.objects.defer("embedding").get(pk=made.pk).delete()
    assert trail(model) == EXPECTED


@pytest.mark.parametrize("model", TRAILS)
async def test_an_async_partial_row_leaves_a_whole_trail(tables: Database, model: Any) -> None:
    made = await model.objects.acreate(title="a", embedding=[1, 2, 3])
    partial = await model.objects.only("title").aget(pk=made.pk)
    partial.title = "b"
    await partial.asave()
    whole = await model.objects.aget(pk=made.pk)
    whole.embedding = np.array([4, 5, 6])
    await whole.asave()
    await (await model.objects.defer("embedding").aget(pk=made.pk)).adelete()
    assert trail(model) == EXPECTED


def audit(model: Any, field: str) -> list[tuple[Any, ...]]:
    rows = AUDITED[model].objects.filter(field=field).order_by("audit_id")
    values = [(row.operation, row.old_value, row.new_value) for row in rows]
    if field == "title":
        return values
    return [(kind, *(None if text is None else json.loads(text) for text in texts)) for kind, *texts in values]


@pytest.mark.parametrize("model", AUDITED)
def test_an_audit_holds_the_numbers(tables: Database, model: Any) -> None:
    def stored(vector: list[float]) -> Any:
        return vector if model is AuditedDoc else json.dumps(vector)

    row = model.objects.create(title="a", embedding=stored([1, 2, 3]))
    for _ in range(2):
        row.title += "!"
        row.save()
        row = model.objects.get(pk=row.pk)
    row.embedding = stored([4, 5, 6])
    row.save()
    row.delete()
    assert audit(model, "embedding") == [("+", None, [1, 2, 3]), ("~", [1, 2, 3], [4, 5, 6]), ("-", [4, 5, 6], None)]
    titles = [("+", None, "a"), ("~", "a", "a!"), ("~", "a!", "a!!"), ("-", "a!!", None)]
    assert audit(model, "title") == titles


def test_an_audit_of_a_partial_row(tables: Database) -> None:
    made = AuditedDoc.objects.create(title="a", embedding=[1, 2, 3])
    partial = AuditedDoc.objects.only("title").get(pk=made.pk)
    partial.title = "b"
    partial.save()
    AuditedDoc.objects.only("title").get(pk=made.pk).delete()
    assert audit(AuditedDoc, "embedding") == [("+", None, [1, 2, 3]), ("-", [1, 2, 3], None)]
