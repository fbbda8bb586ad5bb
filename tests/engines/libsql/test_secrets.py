"""The token of a libSQL server: shown by no log, no repr and no error, wherever it was written."""

from __future__ import annotations

import asyncio
import logging
import re
import traceback
from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm.db.connection import _create_async_connection, _create_sync_connection, get_connection

from backends import BackendUnavailable
from backends.libsql import create
from tests.helpers.hrana_process import TOKEN, Server


def in_url(server: Server) -> dict[str, Any]:
    return {"ENGINE": "hrana", "URL": f"{server.settings()['URL']}?authToken={TOKEN}"}


def failure(call: Any) -> str:
    """Return all that an error says, with those that it came of."""
    with pytest.raises(dorm.DatabaseError) as raised:
        call()
    return told(raised.value)


def told(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + "".join(f"{each!r} {vars(each)}" for each in chain(error))


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    for name in ("asyncio", "aiohttp", "dorm", "dorm.db.backends", "libsql_client"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


def test_by_nothing(server: Server, remote: Any, logged: pytest.LogCaptureFixture) -> None:
    shown = []
    for settings in (server.settings(), in_url(server)):
        opened = _create_sync_connection("remote", settings)
        opened.execute('SELECT "a" FROM "t"')
        shown += [repr(opened), str(vars(opened)["_address"]), repr(opened.get_connection()), str(opened.pool_stats())]
        shown += [str(opened.database), failure(lambda opened=opened: opened.execute("SELECT * FROM nowhere"))]
        opened.close()
    refused = _create_sync_connection("remote", server.settings(token=f"{TOKEN}x"))
    shown.append(failure(lambda: refused.execute("SELECT 1")))
    assert re.search(r"cannot be used: (Bad JWT \*\*\*|Authentication failed)", shown[-1])
    server.kill()
    shown.append(failure(lambda: _create_sync_connection("remote", in_url(server)).execute("SELECT 1")))
    shown.append(failure(lambda: remote.execute("SELECT 1")))
    assert "SELECT * FROM nowhere" in logged.text
    assert TOKEN not in "\n".join([*shown, logged.text])


async def test_by_nothing_async(server: Server, remote: Any, logged: pytest.LogCaptureFixture) -> None:
    asyncio.get_running_loop().set_debug(True)
    twin: Any = _create_async_connection("remote", in_url(server))
    refused: Any = _create_async_connection("remote", server.settings(token=f"{TOKEN}x"))
    await twin.execute('SELECT "a" FROM "t"')
    shown = [repr(twin), str(twin.pool_stats())]
    for connection, sql in ((twin, "SELECT * FROM nowhere"), (refused, "SELECT 1")):
        with pytest.raises(dorm.DatabaseError) as raised:
            await connection.execute(sql)
        shown.append(told(raised.value))
    server.kill()
    with pytest.raises(dorm.DatabaseError) as raised:
        await twin.execute("SELECT 1")
    await twin.close()
    asyncio.get_running_loop().set_debug(False)
    assert TOKEN not in "\n".join([*shown, told(raised.value), logged.text])


@pytest.mark.parametrize(
    "url, message",
    [
        ("wx://host?authToken={}", "has no transport for the URL wx://…"),
        ("https://host?authToken={}", "has no transport for the URL https://…"),
        ("libsql:host?authToken={}", "has no transport for the URL libsql://…"),
        ("ws://host?token={}", "URL has unknown parameters: token. It takes authToken, tls."),
        ("ws://name:{}@host", "takes no user and password in its URL: set AUTH_TOKEN instead"),
        ("file:x.db?authToken={}", "takes an authToken to a server"),
        ("x.db?authToken={}", "takes an authToken to a server"),
    ],
)
def test_by_no_error_of_a_wrong_url(url: str, message: str) -> None:
    with pytest.raises(dorm.ImproperlyConfigured, match=message) as raised:
        _create_sync_connection("x", {"ENGINE": "hrana", "URL": url.format(TOKEN)})
    assert TOKEN not in told(raised.value)


def test_by_the_backend_of_the_tests(server: Server, remote: Any) -> None:
    with pytest.raises(BackendUnavailable, match=r"holds tables\. Name an empty one") as raised:
        create({**in_url(server), "URL": in_url(server)["URL"].replace("/default", "/")}, "name")
    assert TOKEN not in str(raised.value)


def test_by_djanorm_where_there_is_no_such_alias(server: Server) -> None:
    dorm.configure(DATABASES={"main": in_url(server)}, INSTALLED_APPS=[])
    with pytest.raises(dorm.ImproperlyConfigured, match="'default' not found in DATABASES") as raised:
        get_connection("default")
    assert TOKEN not in told(raised.value)
