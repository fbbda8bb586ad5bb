"""libSQL's index after a table was emptied: it holds what the table does, and finds it."""

from __future__ import annotations

import asyncio
import random

import pytest
from dorm.db.connection import get_async_connection

from dorm_vector import ameasure_recall, measure_recall, rebuild_index
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


def test_rows_that_cannot_be_reached_after_deletes(db: Database) -> None:
    fill(1)
    fill(2)
    whole = measure_recall(Package, "embedding", 10, 30)
    assert (whole.worst, whole.lost, whole.remedy) == (1, 0, "")
    keys = Package.objects.order_by("id").values_list("id", flat=True)
    Package.objects.filter(id__in=[key for place, key in enumerate(keys) if place % 10]).delete()
    assert entries(db) == Package.objects.count()
    search = Package.objects.nearest("embedding", [1.0] * 16, exact=False)[:10]
    fell_apart = measure_recall(Package, "embedding", 10, 30)
    assert 0.05 < fell_apart.lost < 1
    assert f'rebuild_index(Package, "{INDEX}")' in str(fell_apart)
    plan = search.explain_search()
    (warning,) = plan.warnings
    assert (warning.code, warning.remedy) == ("lost-rows", f'Rebuild it: rebuild_index(Package, "{INDEX}").')
    assert str(warning) in str(plan)
    assert asyncio.run(awarned()) == "lost-rows"
    rebuild_index(Package, INDEX)
    rebuilt = measure_recall(Package, "embedding", 10, 30)
    assert (rebuilt.worst, rebuilt.lost) == (1, 0)
    assert search.explain_search().warnings == ()


async def awarned() -> str:
    search = Package.objects.nearest("embedding", [1.0] * 16, exact=False)[:10]
    (warning,) = (await search.aexplain_search()).warnings
    assert (await ameasure_recall(Package, "embedding", 10, 10)).lost > 0
    await get_async_connection().close()
    return str(warning.code)


def test_equal_rows_are_not_lost(db: Database) -> None:
    Package.objects.bulk_create(Package(section="x", embedding=[1.0, 2.0] * 8) for _ in range(120))
    assert measure_recall(Package, "embedding", 5, 10).lost == 0
