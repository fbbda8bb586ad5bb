"""What a driver raises arrives as djanorm's exception, which is also of the driver's class."""

from __future__ import annotations

import copy
import pickle
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import dorm
import psycopg
import pytest
from dorm.db.connection import get_async_connection, get_connection
from dorm.transaction import aatomic, atomic

from dorm_vector import ConnectionLost
from dorm_vector.patching import registry as repairs
from tests.chaos.proxy import Proxy
from tests.databases import Database
from tests.models import Author, Document

DRIVERS = {"sqlite": "sqlite3", "postgresql": "psycopg", "mariadb": "pymysql", "mysql": "pymysql", "turso": "turso"}
CREATE = f"""INSERT INTO "{Author._meta.db_table}" ("name") VALUES ('Ada')"""
HEARD: list[str] = []
VECTOR = [1.0, 2.0, 3.0]
ON_SERVERS = pytest.mark.not_on("sqlite", "turso", "libsql", reason="they have no connection to lose here")
ON_FILES = pytest.mark.not_on("postgresql", "mariadb", "mysql", reason="they write on another machine's disk")
WITH_DEFERRED = pytest.mark.not_on("mariadb", "mysql", reason="they check no constraint at COMMIT")


def assert_both(error: BaseException, database: Database, ours: type[Exception] = dorm.DatabaseError) -> None:
    assert isinstance(error, ours)
    assert isinstance(error.__cause__, Exception)
    # libsql raises ValueError for everything, which nobody catches for a database's error.
    if driver := DRIVERS.get(database.name):
        assert isinstance(error, type(error.__cause__))
        assert type(error.__cause__).__module__.partition(".")[0].removesuffix("_pool") == driver
    assert str(error)
    assert pickle.dumps(error)
    again = copy.copy(error)
    assert isinstance(again, ours)
    assert (type(again).__name__, str(again)) == (type(error).__name__, str(error))


def test_a_statement(db: Database) -> None:
    key = Author.objects.create(name="Ada").pk
    with pytest.raises(dorm.IntegrityError) as raised:
        Author(id=key, name="Bob").save(force_insert=True)
    assert_both(raised.value, db, dorm.IntegrityError)


async def test_an_async_statement(db: Database) -> None:
    key = (await Author.objects.acreate(name="Ada")).pk
    with pytest.raises(dorm.IntegrityError) as raised:
        await Author(id=key, name="Bob").asave(force_insert=True)
    assert_both(raised.value, db, dorm.IntegrityError)


def test_a_script(db: Database) -> None:
    with pytest.raises(dorm.DatabaseError) as raised:
        db.connection.execute_script("SELEKT 1")
    assert_both(raised.value, db)


async def test_an_async_script(db: Database) -> None:
    with pytest.raises(dorm.DatabaseError) as raised:
        await db.async_connection.execute_script("SELEKT 1")
    assert_both(raised.value, db)


def test_an_error_of_the_user_is_left_alone(db: Database) -> None:
    mine = sqlite3.OperationalError("mine")

    def fail() -> None:
        raise mine

    with pytest.raises(sqlite3.OperationalError) as raised:
        write(CREATE, fail)
    assert raised.value is mine


def write(sql: str, *then: Callable[[], object]) -> None:
    """Write in a block, with callbacks of it, and do the rest before its end."""
    with atomic():
        dorm.transaction.on_commit(lambda: HEARD.append("committed"))
        dorm.transaction.on_rollback(lambda: HEARD.append("rolled back"))
        get_connection().execute_write(sql)
        for each in then:
            each()


async def awrite(sql: str, *then: Callable[[], Any]) -> None:
    async with aatomic():
        dorm.transaction.aon_commit(lambda: HEARD.append("committed"))
        dorm.transaction.aon_rollback(lambda: HEARD.append("rolled back"))
        await get_async_connection().execute_write(sql)
        for each in then:
            await each()


def later() -> None:
    with atomic():
        dorm.transaction.on_commit(lambda: HEARD.append("later"))


async def alater() -> None:
    async with aatomic():
        dorm.transaction.aon_commit(lambda: HEARD.append("later"))


@pytest.fixture(autouse=True)
def _nothing_heard() -> None:
    HEARD.clear()


@ON_SERVERS
def test_a_lost_commit(proxied: Database, lose: Callable[[], object]) -> None:
    with pytest.raises(ConnectionLost) as raised:
        write(CREATE, lose)
    assert_both(raised.value, proxied, dorm.OperationalError)
    # Whether it is stored, nobody here knows: nothing may act on either.
    assert raised.value.may_be_stored
    later()
    assert HEARD == ["later"]


@ON_SERVERS
async def test_an_async_lost_commit(proxied: Database, alose: Any) -> None:
    with pytest.raises(ConnectionLost) as raised:
        await awrite(CREATE, alose)
    assert_both(raised.value, proxied, dorm.OperationalError)
    assert raised.value.may_be_stored
    await alater()
    assert HEARD == ["later"]


@pytest.fixture
def unreachable(proxied: Database, proxy: Proxy) -> Database:
    """A database whose server has gone, and which PostgreSQL's pool does not wait for during ten seconds."""
    options = {**proxied.settings.get("OPTIONS", {}), "connect_timeout": 1}
    impatient = replace(proxied, settings={**proxied.settings, "OPTIONS": options})
    impatient.use()
    assert Author.objects.count() == 0
    proxy.close()
    return impatient


@ON_SERVERS
def test_a_begin_that_reaches_nobody(unreachable: Database) -> None:
    with pytest.raises(dorm.OperationalError) as raised:
        write(CREATE)
    assert_both(raised.value, unreachable, dorm.OperationalError)


@ON_SERVERS
async def test_an_async_begin_that_reaches_nobody(unreachable: Database) -> None:
    with pytest.raises(dorm.OperationalError) as raised:
        await awrite(CREATE)
    assert_both(raised.value, unreachable, dorm.OperationalError)


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow past 64 KiB."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def fill() -> None:
    for number in range(2000):
        Document.objects.create(title=f"{number} " * 200, embedding=VECTOR)


async def afill() -> None:
    for number in range(2000):
        await Document.objects.acreate(title=f"{number} " * 200, embedding=VECTOR)


@ON_FILES
def test_a_full_disk(db: Database) -> None:
    with full_disk(), pytest.raises(dorm.DatabaseError) as raised:
        write(CREATE, fill)
    assert_both(raised.value, db, dorm.OperationalError)
    assert Author.objects.count() == Document.objects.count() == 0


@ON_FILES
async def test_an_async_full_disk(db: Database) -> None:
    with full_disk(), pytest.raises(dorm.DatabaseError) as raised:
        await awrite(CREATE, afill)
    assert_both(raised.value, db, dorm.OperationalError)
    assert Author.objects.count() == Document.objects.count() == 0


@pytest.fixture
def refused_at_commit(db: Database) -> Iterator[str]:
    """An INSERT that a deferred constraint refuses, at COMMIT."""
    db.connection.execute_script('CREATE TABLE "parent" ("id" INTEGER PRIMARY KEY)')
    db.connection.execute_script(
        'CREATE TABLE "child" ("of" INTEGER REFERENCES "parent" ("id") DEFERRABLE INITIALLY DEFERRED)'
    )
    yield 'INSERT INTO "child" VALUES (1)'
    for table in ("child", "parent"):
        db.connection.execute_script(f'DROP TABLE "{table}"')


@WITH_DEFERRED
def test_a_deferred_constraint(db: Database, refused_at_commit: str) -> None:
    with pytest.raises(dorm.IntegrityError) as raised:
        write(refused_at_commit)
    assert_both(raised.value, db, dorm.IntegrityError)
    later()
    assert HEARD == ["rolled back", "later"]


@WITH_DEFERRED
async def test_an_async_deferred_constraint(db: Database, refused_at_commit: str) -> None:
    with pytest.raises(dorm.IntegrityError) as raised:
        await awrite(refused_at_commit)
    assert_both(raised.value, db, dorm.IntegrityError)
    await alater()
    assert HEARD == ["rolled back", "later"]


@WITH_DEFERRED
def test_commit_callbacks(db: Database, refused_at_commit: str) -> None:
    """The bug that the repair is for: the failed block stays, and later ones are inside of it."""
    with repairs.switched_off("commit_callbacks"), pytest.raises(dorm.IntegrityError):
        write(refused_at_commit)
    later()
    assert HEARD == []
    dorm.transaction._pop_sync_frame("default", committed=False)


@pytest.mark.not_on("mariadb", "mysql", "turso", "libsql", reason="they check none, or translate it elsewhere")
def test_driver_errors(db: Database, refused_at_commit: str) -> None:
    """The bug that the repair is for: the driver's own exception comes out of a COMMIT."""
    driver = {"sqlite": sqlite3.IntegrityError, "postgresql": psycopg.IntegrityError}[db.name]
    with repairs.switched_off("driver_errors", "lost_transactions"), pytest.raises(driver) as raised:
        write(refused_at_commit)
    assert not isinstance(raised.value, dorm.DatabaseError)
