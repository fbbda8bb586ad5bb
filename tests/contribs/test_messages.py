"""contrib.outbox, inbox, idempotency, saga and tasks: their rows and the vectors of one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm.contrib.idempotency import IdempotencyRecord, aidempotency_key, idempotency_key
from dorm.contrib.inbox import InboxRecord, idempotent
from dorm.contrib.outbox import OutboxEvent, OutboxRelay, arecord_event, record_event
from dorm.contrib.saga import Saga, Step
from dorm.contrib.tasks import TaskQueue, reset_registry, task
from dorm.transaction import aatomic, atomic

from dorm_vector import EmbeddingField, VectorField
from tests.databases import Database, create_tables, drop_table
from tests.helpers.memos import WORDS, is_of


class VectorOrder(dorm.Model):
    title = dorm.CharField(max_length=50)
    place: Any = VectorField(2)
    embedding = EmbeddingField(WORDS.dimensions, source="title", embedder=WORDS)

    class Meta:
        app_label = "tests"


class PlainOrder(dorm.Model):
    title = dorm.CharField(max_length=50)
    place: Any = dorm.JSONField()

    class Meta:
        app_label = "tests"


class VectorEvent(OutboxEvent):
    embedding = EmbeddingField(WORDS.dimensions, source="event_type", embedder=WORDS)

    class Meta:
        app_label = "tests"


class PlainEvent(OutboxEvent):
    class Meta:
        app_label = "tests"


class VectorInbox(InboxRecord):
    embedding = EmbeddingField(WORDS.dimensions, source="message_id", embedder=WORDS)

    class Meta:
        app_label = "tests"
        unique_together = (("message_id", "handler_name"),)


class VectorAnswer(IdempotencyRecord):
    embedding = EmbeddingField(WORDS.dimensions, source="key", embedder=WORDS)

    class Meta:
        app_label = "tests"


PAIRS: list[tuple[Any, Any]] = [(VectorOrder, VectorEvent), (PlainOrder, PlainEvent)]


class Undone(Exception):
    """What a step of a saga and a block of a transaction fail with."""


@pytest.fixture
def tables(db: Database) -> Iterator[Database]:
    models = (VectorOrder, PlainOrder, VectorEvent, PlainEvent, VectorInbox, VectorAnswer)
    create_tables(db.connection, models)
    yield db
    for model in models:
        drop_table(db, model)


def assert_stored(model: Any, *titles: str) -> None:
    """The table has these rows, each with its vectors."""
    rows = list(model.objects.order_by("pk"))
    assert [(row.title, list(row.place)) for row in rows] == [(title, [1, 2]) for title in titles]
    if model is VectorOrder:
        assert all(is_of(row, row.title) for row in rows)


def fail_after_writing(order: Any, event: Any) -> None:
    with atomic():
        record_event(event, "undone", {"id": order.objects.create(title="undone", place=[1, 2]).pk})
        raise Undone


async def test_events_are_published_with_their_rows(tables: Database) -> None:
    """A relay saves the rows of events that it read; the vectors of a row go with the event that announces it."""
    for order, event in PAIRS:
        with atomic():
            made = order.objects.create(title="sync", place=[1, 2])
            record_event(event, "made", {"place": list(made.place)})
        async with aatomic():
            await order.objects.acreate(title="async", place=[1, 2])
            await arecord_event(event, "amade", {"place": [1, 2]})
        with pytest.raises(Undone):
            fail_after_writing(order, event)
        assert_stored(order, "sync", "async")
        relay = OutboxRelay(event)
        assert relay.drain_once(lambda row: row.event_type == "made") == 1
        assert await relay.adrain_once(lambda row: row.event_type == "amade") == 1
        assert {row.status for row in event.objects.all()} == {"published"}
        assert [row.payload for row in event.objects.all()] == [{"place": [1, 2]}] * 2
    assert all(is_of(row, row.event_type) for row in VectorEvent.objects.all())


def test_a_task_stores_vectors(tables: Database) -> None:
    for order, event in PAIRS:
        queue = TaskQueue(model=event, channel=None)

        @task(queue=queue, name=f"store in {order.__name__}")
        def store(title: str, place: list[float], order: Any = order) -> None:
            order.objects.create(title=title, place=place)

        store.delay("later", place=[1, 2])
        assert_stored(order)
        queue.drain_once()
        assert_stored(order, "later")
    reset_registry()


def test_a_message_is_handled_once(tables: Database) -> None:
    for order, _event in PAIRS:

        @idempotent(VectorInbox, handler_name=order.__name__)
        def handle(message: str, order: Any = order) -> None:
            order.objects.create(title=message, place=[1, 2])

        for _ in range(2):
            handle("m1")
        assert_stored(order, "m1")
    assert [is_of(row, "m1") for row in VectorInbox.objects.all()] == [True, True]


async def test_a_request_is_answered_once(tables: Database) -> None:
    for order, _event in PAIRS:
        for attempt in range(2):
            with idempotency_key(f"sync {order.__name__}", model=VectorAnswer) as request:
                assert request.replay == bool(attempt)
                if not request.replay:
                    made = order.objects.create(title="sync", place=[1, 2])
                    request.store({"place": list(made.place)})
            async with aidempotency_key(f"async {order.__name__}", model=VectorAnswer) as request:
                if not request.replay:
                    made = await order.objects.acreate(title="async", place=[1, 2])
                    await request.astore({"place": list(made.place)})
            assert request.cached_response == ({"place": [1, 2]} if attempt else None)
        assert_stored(order, "sync", "async")
    assert all(is_of(row, row.key) for row in VectorAnswer.objects.all())


def test_a_saga_undoes_what_its_steps_stored(tables: Database) -> None:
    def fail(_context: Any) -> None:
        raise Undone

    for order, _event in PAIRS:

        def store(context: Any, order: Any = order) -> None:
            context["row"] = order.objects.create(title="step", place=[1, 2])

        def undo(context: Any) -> None:
            context["row"].delete()

        kept = Saga(steps=[Step("store", store, undo)]).run({})
        assert kept.ok
        assert not Saga(steps=[Step("store", store, undo), Step("fail", fail)]).run({}).ok
        assert_stored(order, "step")
