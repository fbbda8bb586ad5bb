"""``select_for_update()`` locks rows on MySQL and MariaDB, and so do updates that read before they write."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context
from typing import Any

import pytest
from dorm.transaction import aatomic, atomic

from dorm_vector.integrations import create_table, document_model
from dorm_vector.integrations.haystack import DormDocumentStore
from tests.databases import Database
from tests.models import Document

haystack = pytest.importorskip("haystack")
pytestmark = pytest.mark.not_on("sqlite", "turso", "libsql", "postgresql", reason="it is about InnoDB's locks")

PAUSE = 0.15
"""The view keeps what it shows while it is read every 100 ms."""

WAITING = (
    "SELECT COUNT(*) AS waiting FROM information_schema.innodb_trx t JOIN information_schema.processlist p"
    " ON p.id = t.trx_mysql_thread_id WHERE t.trx_state = 'LOCK WAIT' AND p.db = DATABASE()"
)
EVERY_ID = {"field": "id", "operator": "==", "value": "a"}


def _is_waiting(db: Database) -> bool:
    return bool(db.connection.execute(WAITING)[0]["waiting"])


def _wait_for_the_other(db: Database, other: Future[Any]) -> None:
    """Return once another thread waits for a lock of this one."""
    until = time.monotonic() + 60
    while not _is_waiting(db):
        assert not other.done(), other.result()
        assert time.monotonic() < until
        time.sleep(PAUSE)


def _count_up(pk: Any) -> None:
    with atomic():
        row = Document.objects.select_for_update().get(pk=pk)
        row.pages += 1
        row.save()


async def _acount_up(pk: Any) -> None:
    async with aatomic():
        row = await Document.objects.select_for_update().aget(pk=pk)
        row.pages += 1
        await row.asave()


def _both(db: Database, pk: Any) -> int:
    """Return what a row holds after this thread and another one have read it, and then counted it up."""
    with ThreadPoolExecutor(1) as pool:
        with atomic():
            row = Document.objects.select_for_update().get(pk=pk)
            other = pool.submit(_count_up, pk)
            _wait_for_the_other(db, other)
            row.pages += 1
            row.save()
        other.result(timeout=60)
    return int(Document.objects.get(pk=pk).pages)


async def _aboth(db: Database, pk: Any) -> int:
    async with aatomic():
        row = await Document.objects.select_for_update().aget(pk=pk)
        # A task inherits the transaction, unless it has a context of its own.
        other = asyncio.create_task(_acount_up(pk), context=Context())
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(_is_waiting, db):
                assert not other.done()
                await asyncio.sleep(PAUSE)
        row.pages += 1
        await row.asave()
    await asyncio.wait_for(other, 60)
    return int((await Document.objects.aget(pk=pk)).pages)


async def test_rows_that_are_read_for_update_are_locked(db: Database) -> None:
    pk = Document.objects.create(title="a", pages=0).pk
    assert _both(db, pk) == 2
    assert await _aboth(db, pk) == 4


@pytest.fixture
def store(db: Database) -> DormDocumentStore:
    store = DormDocumentStore(create_table(document_model("locked_texts", 2, vector_index=False)))
    store.delete_all_documents()
    return store


def test_two_updates_of_metadata_both_count(db: Database, store: DormDocumentStore) -> None:
    store.write_documents([haystack.Document(id="a", content="a", meta={"year": 1}, embedding=[1.0, 2.0])])
    with ThreadPoolExecutor(1) as pool:
        with atomic():
            store.update_by_filter(EVERY_ID, {"mine": 1})
            other = pool.submit(store.update_by_filter, EVERY_ID, {"theirs": 2})
            _wait_for_the_other(db, other)
        assert other.result(timeout=60) == 1
    (document,) = store.filter_documents()
    assert document.meta == {"year": 1, "mine": 1, "theirs": 2}
