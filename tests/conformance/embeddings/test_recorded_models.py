"""Which model each vector is from: recorded with it, counted, and said when a search compares two."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import dorm
import pytest
from dorm.migrations.operations import AddField
from dorm.signals import pre_query

from dorm_vector import (
    EmbeddingError,
    EmbeddingField,
    OtherEmbeddingModel,
    abulk_load,
    areembed,
    astale_count,
    bulk_load,
    reembed,
    stale_count,
)
from tests.databases import Database, create_tables, drop_table, state_of


class Changing:
    """An embedder whose model can be changed; it counts what it embeds."""

    name, dimensions, embedded = "model-1", 3, 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.embedded += len(texts)
        return [[len(text), 1, 2] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [len(text), 1, 2]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        return self.embed_query(text)


EMBEDDER = Changing()


class UnrecordedMemo(dorm.Model):
    """As earlier releases create it."""

    body = dorm.CharField(max_length=50, null=True)
    embedding = EmbeddingField(3, source="body", embedder=EMBEDDER, null=True)

    class Meta:
        db_table = "recorded_memo"


class RecordedMemo(dorm.Model):
    body = dorm.CharField(max_length=50, null=True)
    embedding = EmbeddingField(3, source="body", embedder=EMBEDDER, null=True, record_model=True)

    class Meta:
        db_table = "recorded_memo"


@pytest.fixture
def upgraded(db: Database) -> Iterator[Database]:
    """A table of an earlier release, with rows, and then with the new column."""
    EMBEDDER.name = "model-1"
    create_tables(db.connection, (UnrecordedMemo,))
    UnrecordedMemo.objects.bulk_create([UnrecordedMemo(body=f"{n} old") for n in range(3)])
    before, after = state_of((UnrecordedMemo,)), state_of((RecordedMemo,))
    after.models = {key.replace("recordedmemo", "unrecordedmemo"): model for key, model in after.models.items()}
    (model,) = after.models.values()
    operation = AddField("UnrecordedMemo", "embedding_model", model["fields"]["embedding_model"])
    operation.database_forwards("tests", db.connection, before, after)
    yield db
    drop_table(db, UnrecordedMemo)


def recorded() -> dict[Any, str | None]:
    return {row.body: row.embedding_model for row in RecordedMemo.objects.order_by("body")}


async def test_each_write_records_the_model(upgraded: Database) -> None:
    embedded = EMBEDDER.embedded
    assert set(recorded().values()) == {None}
    assert (stale_count(RecordedMemo), reembed(RecordedMemo, dry_run=True)) == (0, 0)
    EMBEDDER.name = "model-2"
    RecordedMemo.objects.create(body="create")
    await RecordedMemo.objects.acreate(body="acreate")
    RecordedMemo.objects.bulk_create([RecordedMemo(body="bulk_create")])
    bulk_load(RecordedMemo, [{"body": "rows"}])
    bulk_load(RecordedMemo, {"body": ["columns"]})
    await abulk_load(RecordedMemo, [RecordedMemo(body="instances")])
    RecordedMemo.objects.create(body="assigned", embedding=[1, 2, 3])
    RecordedMemo.objects.create(body="from elsewhere", embedding=[1, 2, 3], embedding_model="model-0")
    RecordedMemo.objects.create(body="without text").save()
    RecordedMemo.objects.filter(body="without text").update(body=None)
    RecordedMemo.objects.filter(body="rows").update(body="updated")
    expected: dict[Any, str | None] = {
        "0 old": None,
        "1 old": None,
        "2 old": None,
        **dict.fromkeys(("acreate", "assigned", "bulk_create", "columns", "create", "instances", "updated"), "model-2"),
        "from elsewhere": "model-0",
        None: None,
    }
    assert recorded() == expected
    # What is unknown is not counted, and a dry run writes and embeds nothing.
    assert (stale_count(RecordedMemo), await astale_count(RecordedMemo)) == (1, 1)
    before = EMBEDDER.embedded
    assert (reembed(RecordedMemo, dry_run=True), await areembed(RecordedMemo, dry_run=True)) == (4, 4)
    assert EMBEDDER.embedded == before > embedded
    assert reembed(RecordedMemo) == 4
    assert set(recorded().values()) == {"model-2", None}
    assert (stale_count(RecordedMemo), reembed(RecordedMemo, dry_run=True)) == (0, 0)


# As commit 9d7693a has written them, for these texts and model-1.
HASHES_OF_9D7693A = {
    "0 old": "74df09fe53fbd98cae78396189545b35e192948116c123aa4fcd30f75060f3c1",
    "1 old": "4d5d55146d3b3c0152f2cb96dc14e264e14bff80c97fb618e5f435a5c726680d",
    "2 old": "6e93c3c580ef4e764fa529aead4283d0a995d2bd8effd5c94f1d90648b0f038d",
}


def test_an_upgrade_embeds_nothing(upgraded: Database) -> None:
    embedded = EMBEDDER.embedded
    for body, known in HASHES_OF_9D7693A.items():
        upgraded.connection.execute_write(
            'UPDATE "recorded_memo" SET "embedding_hash" = %s WHERE "body" = %s', [known, body]
        )
    assert reembed(RecordedMemo, dry_run=True) == 0
    assert reembed(RecordedMemo) == 0
    # The hash has told which model it was.
    assert set(recorded().values()) == {"model-1"}
    for memo in RecordedMemo.objects.all():
        memo.save()
    assert EMBEDDER.embedded == embedded
    with pytest.raises(EmbeddingError, match="record_model=True"):
        stale_count(UnrecordedMemo)


# Their texts are as long as the one that is searched for.
EQUALLY_NEAR = (["0 old"], ["1 old"], ["2 old"])


def searched() -> list[str]:
    return [row.body for row in RecordedMemo.objects.nearest("embedding", "0 old")[:1]]


def statements_of(search: Callable[[], object]) -> int:
    sent: list[Any] = []
    pre_query.connect(lambda *_sender, **statement: sent.append(statement), weak=False, dispatch_uid="recorded models")
    try:
        search()
    finally:
        pre_query.disconnect(dispatch_uid="recorded models")
    return len(sent)


async def test_a_search_among_vectors_of_another_model_says_so(upgraded: Database) -> None:
    with warnings.catch_warnings():
        # Unknown models are none.
        warnings.simplefilter("error")
        assert searched() in EQUALLY_NEAR
    reembed(RecordedMemo)
    searched()
    by_vector = statements_of(lambda: list(RecordedMemo.objects.nearest("embedding", [5, 1, 2])[:1]))
    assert statements_of(searched) == by_vector
    EMBEDDER.name = "model-2"
    for _time in range(2):
        with pytest.warns(OtherEmbeddingModel, match="vectors of 'model-1', and searches are embedded by 'model-2'"):
            searched()
        with pytest.warns(OtherEmbeddingModel, match="'model-2': distances between the two mean nothing"):
            await RecordedMemo.objects.nearest("embedding", "0 old")[:1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert RecordedMemo.objects.nearest("embedding", [1, 1, 2])[:1]
        reembed(RecordedMemo)
        assert searched() in EQUALLY_NEAR
