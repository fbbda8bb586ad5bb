"""PgBouncer in transaction mode, with fewer connections to the server than clients: PGBOUNCER_MODE."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from dorm.db.connection import get_connection
from dorm.transaction import aatomic, atomic

from backends.servers.pgbouncer import pooling
from dorm_vector import abulk_load, bulk_load, search_options
from tests.chaos import workers
from tests.chaos.faults import Faults
from tests.databases import Database
from tests.helpers.project import Project
from tests.models import Document, Package

ROWS, CLIENTS, EF_SEARCH = 40, 6, 17
pytestmark = pytest.mark.not_on("sqlite", "turso", "libsql", "mariadb", "mysql", reason="PgBouncer pools PostgreSQL")


@pytest.fixture(scope="module")
def pooled_settings(database: Database) -> Iterator[dict[str, Any]]:
    with TemporaryDirectory(prefix="dorm-vector-") as folder, pooling(database.settings, Path(folder)) as settings:
        yield settings


@pytest.fixture
def pooled(database: Database, pooled_settings: dict[str, Any]) -> Iterator[Database]:
    """The database through PgBouncer, with empty tables."""
    there = replace(database, settings=pooled_settings)
    there.use()
    there.clear()
    yield there
    database.use()


def load(client: int) -> list[str]:
    """Write in each way, search in between, and return the titles that were acknowledged."""
    titles = [f"{client} {number}" for number in range(ROWS)]
    bulk_load(Document, [{"title": title, "embedding": workers.vector(client)} for title in titles])
    with atomic():
        Document.objects.create(title=f"{client} block", embedding=workers.vector(client))
        assert Document.objects.nearest("embedding", workers.vector(client))[:1][0].title.startswith(f"{client} ")
    assert len(list(Document.objects.filter(title__startswith=f"{client} ").iterator(chunk_size=7))) == ROWS + 1
    return [*titles, f"{client} block"]


async def aload(client: int) -> list[str]:
    titles = [f"{client} {number}" for number in range(ROWS)]
    await abulk_load(Document, [{"title": title, "embedding": workers.vector(client)} for title in titles])
    async with aatomic():
        await Document.objects.acreate(title=f"{client} block", embedding=workers.vector(client))
        assert (await workers.anearest(client)).startswith(f"{client} ")
    rows = [row async for row in Document.objects.filter(title__startswith=f"{client} ").aiterator(chunk_size=7)]
    assert len(rows) == ROWS + 1
    return [*titles, f"{client} block"]


def test_more_clients_than_connections(pooled: Database, faults: Faults) -> None:
    async def all_at_once() -> list[list[str]]:
        return await asyncio.gather(*(aload(client) for client in range(CLIENTS, 2 * CLIENTS)))

    with ThreadPoolExecutor(CLIENTS) as pool:
        sync = pool.map(load, range(CLIENTS))
        written = [*workers.run(all_at_once()), *sync]
    workers.stop()
    acknowledged = [title for titles in written for title in titles]
    stored = Document.objects.values_list("title", flat=True)
    faults.count("12 clients share 2 connections of PgBouncer", acknowledged=acknowledged, stored=stored)


def test_search_options_stay_in_their_transaction(pooled: Database) -> None:
    bulk_load(Package, [{"section": "a", "embedding": [n, *[1] * 15]} for n in range(ROWS)])
    for _search in range(2 * CLIENTS):
        with search_options(ef_search=EF_SEARCH):
            assert len(Package.objects.nearest("embedding", [1] * 16)[:3]) == 3
        assert get_connection().execute("SHOW hnsw.ef_search")[0]["hnsw.ef_search"] == "40"


def test_migrate(database: Database, pooled_settings: dict[str, Any], tmp_path: Path) -> None:
    fresh = database.running.new_database()
    project = Project(tmp_path, {**pooled_settings, "NAME": fresh["NAME"]})
    project.models("class Doc(dorm.Model):\n    v = VectorField(3)\n")
    project.dorm("makemigrations", "--enable-pgvector", "shop")
    project.dorm("makemigrations", "shop")
    project.dorm("migrate")
    nearest = "Doc(v=[1, 2, 3]).save()\nprint(Doc.objects.nearest('v', [1, 2, 3])[0].v)"
    assert project.python(nearest) == "[1.0, 2.0, 3.0]"
    project.dorm("migrate", "shop", "zero")
    database.running.drop_database(fresh)
