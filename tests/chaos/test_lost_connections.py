"""A transaction whose connection was lost is over: nothing of it is stored, and nothing that follows either."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import dorm
import pymysql
import pytest
from dorm.transaction import aatomic, atomic

from dorm_vector import ConnectionLost, abulk_load, bulk_load
from dorm_vector.patching import registry as repairs
from tests.chaos.faults import Faults
from tests.databases import Database
from tests.models import Document

ON_SERVERS = pytest.mark.not_on("sqlite", "turso", "libsql", reason="they have no connection to lose here")
pytestmark = ON_SERVERS
VECTOR = [1.0, 2.0, 3.0]
Lose = Callable[[], object]


@pytest.fixture
def lost(request: pytest.FixtureRequest) -> str:
    """How the connection is lost, for the table of faults."""
    given = request.node.callspec.params
    return (
        "a connection that is killed" if "kill" in (given.get("lose"), given.get("alose")) else "a network that is cut"
    )


def create(title: str) -> None:
    Document.objects.create(title=title, embedding=VECTOR)


def titles() -> list[str]:
    return list(Document.objects.order_by("pk").values_list("title", flat=True))


def test_every_later_statement_raises(proxied: Database, lose: Lose, lost: str, faults: Faults) -> None:
    def interrupted() -> None:
        with atomic():
            create("first")
            lose()
            for title in ("second", "third"):
                with pytest.raises(dorm.OperationalError):
                    create(title)
            with pytest.raises(dorm.OperationalError):
                titles()

    with pytest.raises(ConnectionLost):
        interrupted()
    assert titles() == []
    create("again")
    faults.count(f"{lost} in `atomic()`", acknowledged=["again"], stored=titles())


@pytest.mark.not_on("postgresql", reason="it opens no other connection")
def test_lost_transactions(proxied: Database, lose: Lose) -> None:
    """The bug that the repair is for: the rest of the block is stored, and its beginning is not."""

    def interrupted() -> None:
        with atomic():
            create("first")
            lose()
            with pytest.raises(dorm.OperationalError):
                create("second")
            create("third")

    with repairs.switched_off("lost_transactions"), suppress(pymysql.MySQLError):
        interrupted()
    assert titles() == ["third"]


def test_an_inner_block_does_not_begin(proxied: Database, lose: Lose) -> None:
    def interrupted() -> None:
        with atomic():
            create("first")
            lose()
            for title in ("second", "third"):
                with pytest.raises(dorm.OperationalError), atomic():
                    create(title)

    with pytest.raises(ConnectionLost):
        interrupted()
    assert titles() == []


def test_an_inner_block_that_loses_it_ends_the_outer_one(proxied: Database, lose: Lose) -> None:
    def interrupted() -> None:
        with atomic():
            create("first")
            with pytest.raises(dorm.OperationalError):
                inner()
            create("fourth")

    def inner() -> None:
        with atomic():
            create("second")
            lose()
            create("third")

    with pytest.raises(dorm.OperationalError):
        interrupted()
    assert titles() == []


def test_a_block_that_runs_nothing_more_raises_at_its_end(proxied: Database, lose: Lose) -> None:
    def interrupted() -> None:
        with atomic():
            create("first")
            lose()

    with pytest.raises(ConnectionLost, match="Whether its COMMIT arrived"):
        interrupted()
    assert titles() == []


def rows(lose: Lose) -> Iterator[dict[str, Any]]:
    for number in range(30):
        if number == 15:
            lose()
        yield {"title": str(number), "embedding": VECTOR}


def test_a_load_stores_nothing(proxied: Database, lose: Lose, lost: str, faults: Faults) -> None:
    with pytest.raises(dorm.OperationalError) as raised:
        bulk_load(Document, rows(lose), batch_size=10)
    assert not hasattr(raised.value, "row")
    assert titles() == []
    assert bulk_load(Document, [{"title": "again", "embedding": VECTOR}]) == 1
    faults.count(f"{lost} in `bulk_load()`", acknowledged=["again"], stored=titles())


async def acreate(title: str) -> None:
    await Document.objects.acreate(title=title, embedding=VECTOR)


async def test_every_later_async_statement_raises(proxied: Database, alose: Any, lost: str, faults: Faults) -> None:
    async def interrupted() -> None:
        async with aatomic():
            await acreate("first")
            await alose()
            for title in ("second", "third"):
                with pytest.raises(dorm.OperationalError):
                    await acreate(title)
            with pytest.raises(dorm.OperationalError):
                await inner("fourth")

    async def inner(title: str) -> None:
        async with aatomic():
            await acreate(title)

    with pytest.raises(ConnectionLost):
        await interrupted()
    assert titles() == []
    await inner("again")
    faults.count(f"{lost} in `aatomic()`", acknowledged=["again"], stored=titles())


async def test_an_async_inner_block_that_loses_it_ends_the_outer_one(proxied: Database, alose: Any) -> None:
    async def interrupted() -> None:
        async with aatomic():
            await acreate("first")
            with pytest.raises(dorm.OperationalError):
                await inner()

    async def inner() -> None:
        async with aatomic():
            await acreate("second")
            await alose()
            await acreate("third")

    with pytest.raises(ConnectionLost):
        await interrupted()
    assert titles() == []


async def test_an_async_block_that_runs_nothing_more_raises_at_its_end(proxied: Database, alose: Any) -> None:
    async def interrupted() -> None:
        async with aatomic():
            await acreate("first")
            await alose()

    with pytest.raises(ConnectionLost):
        await interrupted()
    assert titles() == []


async def arows(alose: Any) -> AsyncIterator[dict[str, Any]]:
    for number in range(30):
        if number == 15:
            await alose()
        yield {"title": str(number), "embedding": VECTOR}


async def test_an_async_load_stores_nothing(proxied: Database, alose: Any, lost: str, faults: Faults) -> None:
    with pytest.raises(dorm.OperationalError) as raised:
        await abulk_load(Document, arows(alose), batch_size=10)
    assert not hasattr(raised.value, "row")
    assert titles() == []
    assert await abulk_load(Document, [{"title": "again", "embedding": VECTOR}]) == 1
    faults.count(f"{lost} in `abulk_load()`", acknowledged=["again"], stored=titles())


@pytest.mark.not_on("postgresql", reason="its savepoints survive a deadlock")
def test_a_deadlock_ends_the_block(db: Database) -> None:
    """The connection is alive, and its transaction is gone."""
    create("one")
    create("two")
    first, second = Document.objects.order_by("pk")

    def change(document: Document, title: str) -> None:
        Document.objects.filter(pk=document.pk).update(title=title)

    def wait_for_each_other(pool: ThreadPoolExecutor) -> Any:
        """Let another thread deadlock with this one, and win."""
        begun = threading.Event()

        def other() -> None:
            with atomic():
                # The server rolls back the transaction that has changed less.
                for number in range(50):
                    create(f"other {number}")
                change(second, "other")
                begun.set()
                change(first, "other")

        with atomic():
            change(first, "mine")
            running = pool.submit(other)
            assert begun.wait(20)
            with pytest.raises(dorm.OperationalError), atomic():
                change(second, "mine")
            with pytest.raises(dorm.OperationalError):
                create("later")
            running.result(20)

    with ThreadPoolExecutor(max_workers=1) as pool, pytest.raises(dorm.OperationalError):
        wait_for_each_other(pool)
    assert [title for title in titles() if title in ("mine", "later")] == []
    create("again")
    assert titles()[-1] == "again"
