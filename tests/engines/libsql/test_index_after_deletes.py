"""libSQL's index after a table was emptied: it holds what the table does, and finds it."""

from __future__ import annotations

import asyncio
import random

import pytest

from dorm_vector import measure_recall
from tests.databases import Database
from tests.models import Package

ROWS = 300
INDEX = "package_embedding_hnsw"
TABLE = Package._meta.db_table

pytestmark = pytest.mark.not_on("sqlite", "turso", "postgresql", "mariadb", "mysql", reason="it is libSQL's index")


def fill(seed: int) -> None:
    numbers = random.Random(seed)
    rows = [Package(section="x", embedding=[numbers.gauss(0, 1) for _ in range(16)]) for _ in range(ROWS)]
    Package.objects.bulk_create(rows)


def entries(database: Database) -> int:
    """Return how many rows the index has."""
    return int(database.connection.execute(f'SELECT COUNT(*) AS "rows" FROM "{INDEX}_shadow"')[0]["rows"])


def recall() -> float:
    return measure_recall(Package, "embedding", 10, 20).worst


@pytest.mark.parametrize("statement", ['DELETE FROM "{}"', "delete  from {} ;", '-- all\nDELETE FROM main."{}"'])
def test_a_table_that_was_emptied(db: Database, statement: str) -> None:
    for seed in range(3):
        fill(seed)
        assert entries(db) == ROWS
        assert recall() == 1
        db.connection.execute_write(statement.format(TABLE))
        assert entries(db) == 0


def test_a_table_that_was_emptied_in_async_code(db: Database) -> None:
    fill(1)

    async def empty() -> None:
        await db.async_connection.execute_write(f'DELETE FROM "{TABLE}"')
        await db.async_connection.close()

    asyncio.run(empty())
    assert entries(db) == 0
    fill(2)
    assert recall() == 1


def test_what_was_left_in_the_index_is_taken_out_by_reindex(db: Database) -> None:
    """The bug itself, past what this package sends: rows that are gone stay in the index."""
    fill(1)
    db.connection.get_connection()._transport.execute(f'DELETE FROM "{TABLE}"', [])
    assert entries(db) == ROWS
    fill(2)
    assert entries(db) == 2 * ROWS
    db.connection.execute_script(f'REINDEX "{INDEX}"')
    assert entries(db) == ROWS
    assert recall() == 1
