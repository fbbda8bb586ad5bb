"""Databases behind a proxy, and ways to lose a connection to one."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from dorm.db.connection import _create_sync_connection

from tests.chaos.faults import Faults
from tests.chaos.proxy import Proxy
from tests.databases import Database

NUMBERS = {"mysql": "SELECT connection_id() AS number", "postgresql": "SELECT pg_backend_pid() AS number"}
KILLS = {"mysql": "KILL {}", "postgresql": "SELECT pg_terminate_backend({}, 5000)"}


@pytest.fixture
def faults(database: Database, pytestconfig: pytest.Config) -> Iterator[Faults]:
    """Where a test counts the rows that were acknowledged and the rows that are there."""
    counted = Faults(database.name)
    yield counted
    if pytestconfig.getoption("--update-golden"):
        counted.write()


def self_signed() -> ssl.SSLContext:
    """Return a context that trusts the certificate which MariaDB and MySQL sign for themselves."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    """A proxy in front of the server."""
    host, port = database.settings.get("HOST", ""), int(database.settings.get("PORT") or 5432)
    with Proxy(f"{host}/.s.PGSQL.{port}" if host.startswith("/") else port) as running:
        yield running


@pytest.fixture
def proxied(database: Database, proxy: Proxy) -> Iterator[Database]:
    """The database through the proxy, with empty tables."""
    there = replace(database, settings={**database.settings, "HOST": "127.0.0.1", "PORT": proxy.port})
    there.use()
    there.clear()
    yield there
    database.use()


@pytest.fixture(params=["kill", "cut"])
def lose(request: pytest.FixtureRequest, proxied: Database, proxy: Proxy) -> Callable[[], object]:
    """A function that loses the connection of the open transaction: killed by the server, or cut by the network."""
    return proxy.cut if request.param == "cut" else lambda: kill(proxied)


@pytest.fixture(params=["kill", "cut"])
def alose(request: pytest.FixtureRequest, proxied: Database, proxy: Proxy) -> Any:
    """The same for an async connection."""

    async def cut() -> None:
        proxy.cut()

    return cut if request.param == "cut" else lambda: akill(proxied)


def kill(database: Database) -> None:
    connection = database.connection
    (row,) = connection.execute(NUMBERS[connection.vendor])
    _kill(database, row["number"])


async def akill(database: Database) -> None:
    connection = database.async_connection
    (row,) = await connection.execute(NUMBERS[connection.vendor])
    _kill(database, row["number"])


def _kill(database: Database, number: int) -> None:
    other = _create_sync_connection("other", database.settings)
    other.execute(KILLS[other.vendor].format(int(number)))
    other.close()
