"""A server of libSQL that goes away: the client says so, loses nothing committed, and works again when it is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm.db.connection import _create_async_connection, get_connection, reset_connections
from dorm.transaction import aatomic, atomic

from dorm_vector import abulk_load, bulk_load
from dorm_vector.exceptions import ConnectionLost
from tests.databases import create_tables
from tests.helpers.hrana_process import Server
from tests.models import Author, Document

INSERT = 'INSERT INTO "t" ("a") VALUES (%s)'
STORED = 'SELECT "a" FROM "t" ORDER BY "id"'
GONE = r"was lost.* Nothing of the open transaction was stored: run it again\."
NO_SERVER = r"ws://127\.0\.0\.1:\d+(/default)? cannot be used: Cannot connect to host"


def stored(remote: Any) -> list[str]:
    return [row["a"] for row in remote.execute(STORED)]


def insert(remote: Any, text: str) -> None:
    remote.execute_insert(INSERT, [text])


def test_in_a_transaction(server: Server, remote: Any) -> None:
    insert(remote, "kept")

    def interrupted() -> None:
        with remote.atomic():
            insert(remote, "gone")
            with remote.atomic():
                insert(remote, "gone with its savepoint")
            server.kill()
            insert(remote, "gone, too")

    with pytest.raises(ConnectionLost, match=GONE) as raised:
        interrupted()
    assert isinstance(raised.value, dorm.OperationalError)
    assert remote.pool_stats() == {"open": False, "connections": 0, "vendor": "sqlite"}
    with pytest.raises(ConnectionLost, match=NO_SERVER):
        stored(remote)
    server.start()
    assert stored(remote) == ["kept"]
    with remote.atomic():
        insert(remote, "again")
    assert stored(remote) == ["kept", "again"]
    assert remote.pool_stats() == {"open": True, "connections": 1, "vendor": "sqlite"}


def test_no_statement_of_a_lost_transaction_commits_itself_on_a_new_connection(server: Server, remote: Any) -> None:
    def failing() -> None:
        with remote.atomic():
            insert(remote, "gone")
            server.kill()
            server.start()
            for text in ("first", "second"):
                with pytest.raises(ConnectionLost):
                    insert(remote, text)

    with pytest.raises(ConnectionLost):
        failing()
    assert stored(remote) == []


def stopped(server: Server) -> None:
    """Let the server answer nothing more, and die a moment later."""
    server.freeze()
    threading.Timer(0.3, server.kill).start()


def test_before_its_commit(server: Server, remote: Any) -> None:
    def interrupted() -> None:
        with remote.atomic():
            insert(remote, "gone")
            server.kill()

    with pytest.raises(ConnectionLost, match="was lost"):
        interrupted()
    server.start()
    assert stored(remote) == []


def test_in_its_commit(server: Server, remote: Any) -> None:
    def interrupted() -> None:
        with remote.atomic():
            insert(remote, "who knows")
            stopped(server)

    with pytest.raises(ConnectionLost, match=r"was lost.* Whether COMMIT arrived cannot be known from here"):
        interrupted()
    server.start()
    assert stored(remote) in ([], ["who knows"])


def test_in_a_statement_outside_of_a_transaction(server: Server, remote: Any) -> None:
    insert(remote, "kept")
    stopped(server)
    with pytest.raises(ConnectionLost, match=r"was lost.* Whether the statement arrived cannot be known from here"):
        insert(remote, "who knows")
    server.start()
    assert stored(remote)[0] == "kept"


def test_while_nothing_was_asked_it_is_not_noticed(server: Server, remote: Any) -> None:
    insert(remote, "kept")
    server.kill()
    server.start()
    while not remote._local.conn.is_lost:
        time.sleep(0.01)  # until the loop of the client has seen the socket close
    assert stored(remote) == ["kept"]


async def test_async(server: Server, remote: Any) -> None:
    twin: Any = _create_async_connection("remote", server.settings())
    await twin.execute_write(INSERT, ["kept"])

    async def interrupted() -> None:
        async with twin.aatomic():
            await twin.execute_write(INSERT, ["gone"])
            async with twin.aatomic():
                await twin.execute_write(INSERT, ["gone with its savepoint"])
            server.kill()
            await twin.execute_write(INSERT, ["gone, too"])

    with pytest.raises(ConnectionLost, match=GONE):
        await interrupted()
    assert twin.pool_stats() == {"open": False, "connections": 0, "vendor": "sqlite"}
    with pytest.raises(ConnectionLost, match=NO_SERVER):
        await twin.execute(STORED)
    server.start()
    assert [row["a"] for row in await twin.execute(STORED)] == ["kept"]
    async with twin.aatomic():
        await twin.execute_write(INSERT, ["again"])
    assert [row["a"] for row in await twin.execute(STORED)] == ["kept", "again"]
    assert twin.pool_stats() == {"open": True, "connections": 1, "vendor": "sqlite"}
    await twin.close()


@pytest.fixture
def models(server: Server) -> None:
    reset_connections()
    dorm.configure(DATABASES={"default": server.settings()}, INSTALLED_APPS=[])
    create_tables(get_connection(), (Author, Document))
    Document.objects.create(title="kept", embedding=[1, 2, 3])


def rows(server: Server) -> Iterator[dict[str, Any]]:
    for number in range(10):
        if number == 7:
            server.kill()
        yield {"title": str(number), "embedding": [1, 2, number]}


def titles() -> list[str]:
    return list(Document.objects.order_by("pk").values_list("title", flat=True))


def test_under_models(server: Server, models: None) -> None:
    def interrupted() -> None:
        with atomic():
            Document.objects.create(title="gone", embedding=[1, 2, 3])
            server.kill()
            Document.objects.nearest("embedding", [1, 2, 3])[0]

    with pytest.raises(ConnectionLost, match=GONE):
        interrupted()
    server.start()
    assert titles() == ["kept"]
    with pytest.raises(ConnectionLost):
        bulk_load(Document, rows(server), batch_size=2)
    server.start()
    assert titles() == ["kept"]
    assert bulk_load(Document, [{"title": "again", "embedding": [1, 2, 3]}]) == 1
    assert titles() == ["kept", "again"]


async def test_under_models_async(server: Server, models: None) -> None:
    async def interrupted() -> None:
        async with aatomic():
            await Document.objects.acreate(title="gone", embedding=[1, 2, 3])
            server.kill()
            await Document.objects.acreate(title="gone, too", embedding=[1, 2, 3])

    with pytest.raises(ConnectionLost, match=GONE):
        await interrupted()
    server.start()
    with pytest.raises(ConnectionLost):
        await abulk_load(Document, rows(server), batch_size=2)
    server.start()
    assert await abulk_load(Document, [{"title": "again", "embedding": [1, 2, 3]}]) == 1
    assert titles() == ["kept", "again"]
