"""A search option is gone from the connection after its search: read on that very connection, whatever happened."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any

import dorm
import pytest
from dorm.db.connection import get_async_connection, get_connection, reset_connections
from dorm.transaction import aatomic, atomic

from dorm_vector import UnsupportedByDatabase, search_options
from tests.databases import Database
from tests.helpers.real_data import Real, asked

VECTOR = asked().embeddings[0]
WHO = {"postgresql": "SELECT pg_backend_pid() AS who", "mariadb": "SELECT CONNECTION_ID() AS who"}
RANGES = {
    "postgresql": "SELECT min_val AS least, max_val AS greatest FROM pg_settings WHERE name = %s",
    "mariadb": "SELECT numeric_min_value AS least, numeric_max_value AS greatest"
    " FROM information_schema.system_variables WHERE variable_name = upper(%s)",
}
FAILURES = (dorm.exceptions.OperationalError, dorm.exceptions.ProgrammingError, dorm.exceptions.DatabaseError)


@pytest.fixture
def one(real: Database) -> Iterator[Database]:
    """The database behind a pool of one connection, so that the next statement is on the same one."""
    reset_connections()
    alone = real.settings | {"MIN_POOL_SIZE": 1, "MAX_POOL_SIZE": 1}
    dorm.configure(DATABASES={"default": alone}, INSTALLED_APPS=[])
    yield real
    real.use()


def nearest(**filters: Any) -> Any:
    return Real.objects.filter(**filters).nearest("embedding", VECTOR)


def an_option(database: Database) -> dict[str, Any]:
    name = database.dialect.tuning.width
    return {name: database.dialect.tuning.options[name].allowed[-1]} if name else {}


def questions(database: Database) -> list[str]:
    """Return what asks a connection who it is, and what its settings are."""
    dialect = database.dialect
    variables = [name for option in dialect.tuning.options.values() for name in option.variables]
    return [WHO[database.name], *(dialect.tuning.setting.format(variable=name) for name in variables)]


def read(database: Database) -> list[Any]:
    """Return what the connection answers; inside a transaction it is that of the transaction."""
    return [next(iter(get_connection().execute(sql)[0].values())) for sql in questions(database)]


async def aread(database: Database) -> list[Any]:
    connection = get_async_connection()
    return [next(iter((await connection.execute(sql))[0].values())) for sql in questions(database)]


def broken() -> Any:
    """A search that fails on the server."""
    return nearest(name__regex="[")


WAYS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "on the queryset": lambda option: list(nearest().search_options(**option)[:3]),
    "where a filter needs more": lambda _option: list(nearest(share__lt=0.005)[:9]),
    "where the slice needs more": lambda _option: list(nearest()[:900]),
    "streamed": lambda option: list(nearest().search_options(**option)[:3].iterator(chunk_size=2)),
    "counted": lambda option: nearest().search_options(**option)[:3].count(),
    "explained": lambda option: nearest().search_options(**option)[:3].explain_search(),
    "inside another": lambda option: list(Real.objects.filter(pk__in=nearest().search_options(**option)[:3])),
}


@pytest.mark.parametrize("way", WAYS)
def test_after_a_search(one: Database, way: str) -> None:
    list(nearest()[:1])
    if not one.dialect.tuning.setting:  # its options, if any, are in the statement itself
        assert not any((one.dialect.tuning.for_statement, one.dialect.tuning.for_transaction))
        return
    before = read(one)
    WAYS[way](an_option(one))
    assert read(one) == before
    with atomic():
        WAYS[way](an_option(one))
        assert read(one) == before
    with search_options(**an_option(one)):
        WAYS[way]({})
        assert read(one) == before
    assert read(one) == before


def test_after_a_failure(one: Database) -> None:
    if not one.dialect.tuning.setting:
        with pytest.raises(UnsupportedByDatabase, match="It has "):
            list(nearest().search_options(effort=10)[:3])
        return
    list(nearest()[:1])
    before, option = read(one), an_option(one)
    with pytest.raises(FAILURES):
        list(broken().search_options(**option)[:3])
    assert read(one) == before
    with pytest.raises(FAILURES), search_options(**option):
        list(broken()[:3])
    assert read(one) == before
    with pytest.raises(RuntimeError, match="rolled back"):
        search_and_fail(option)
    assert read(one) == before
    with atomic():
        with pytest.raises(FAILURES), atomic():
            list(broken().search_options(**option)[:3])
        assert read(one) == before
    assert read(one) == before


def search_and_fail(option: dict[str, Any]) -> None:
    with atomic():
        list(nearest().search_options(**option)[:3])
        raise RuntimeError("rolled back")


async def test_async(one: Database) -> None:
    if not one.dialect.tuning.setting:
        with pytest.raises(UnsupportedByDatabase, match="It has "):
            await nearest().search_options(effort=10)[:3]
        return
    await nearest()[:1]
    option = an_option(one)
    # Outside a transaction djanorm opens a connection of MySQL and MariaDB for each async statement.
    before = (await aread(one))[1:]
    assert len(await nearest().search_options(**option)[:3]) == 3
    assert (await aread(one))[1:] == before
    async with search_options(**option):
        assert len(await nearest(share__lt=0.05)[:60]) == 60
    assert (await aread(one))[1:] == before
    with pytest.raises(FAILURES):
        await broken().search_options(**option)[:3]
    assert (await aread(one))[1:] == before
    async with aatomic():
        inside = await aread(one)
        assert inside[1:] == before
        assert len(await nearest().search_options(**option)[:3]) == 3
        assert await aread(one) == inside
        with pytest.raises(FAILURES):
            async with aatomic():
                await broken().search_options(**option)[:3]
        assert await aread(one) == inside
    assert (await aread(one))[1:] == before


async def test_a_block_is_that_of_its_task_and_thread(one: Database) -> None:
    entered, left = asyncio.Event(), asyncio.Event()

    async def other() -> None:
        async with search_options(effort=1):
            entered.set()
            await left.wait()
            with pytest.raises(UnsupportedByDatabase, match="effort"):
                await nearest()[:3]

    task = asyncio.ensure_future(other())
    await entered.wait()
    assert len(await nearest()[:3]) == 3
    left.set()
    await task
    found: list[Any] = []
    with search_options(effort=1):
        thread = threading.Thread(target=lambda: found.extend(nearest()[:1]))
        thread.start()
        thread.join()
        with pytest.raises(UnsupportedByDatabase, match="effort"):
            list(nearest()[:3])
    assert len(found) == 1


async def test_one_block_is_entered_by_many(one: Database) -> None:
    """By tasks at once, again inside itself, and left from where it was not entered."""
    block = search_options(effort=1)

    async def inside(seconds: float) -> None:
        async with block:
            await asyncio.sleep(seconds)
            with pytest.raises(UnsupportedByDatabase, match="effort"):
                await nearest()[:3]
        assert len(await nearest()[:3]) == 3

    await asyncio.gather(inside(0.02), inside(0), inside(0.01))
    with block:
        with block:
            pass
        with pytest.raises(UnsupportedByDatabase, match="effort"):
            list(nearest()[:3])
    assert len(nearest()[:3]) == 3
    contextvars.copy_context().run(block.__enter__)
    assert len(nearest()[:3]) == 3
    contextvars.copy_context().run(block.__exit__, None, None, None)
    assert len(nearest()[:3]) == 3


def test_the_ranges_are_those_of_the_server(one: Database) -> None:
    """And an unknown option is an error that names what there is."""
    list(nearest()[:1])
    options = one.dialect.tuning.options
    there = f"It has {', '.join(options)}" if options else "It has none"
    with pytest.raises(UnsupportedByDatabase, match=there):
        list(nearest().search_options(effort=3)[:3])
    for option in options.values():
        if isinstance(option.allowed, range):
            # The suite's server has no pgvectorscale; tests/engines/postgresql/test_diskann.py uses one that has it.
            for variable in (name for name in option.variables if not name.startswith("diskann.")):
                (row,) = get_connection().execute(RANGES[one.name], [variable])
                assert (int(row["least"]), int(row["greatest"])) == (option.allowed[0], option.allowed[-1])
