"""JSON that another program wrote and the database cannot read: the error of a filter finds its rows."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import dorm
import pytest
from dorm.db.connection import get_async_connection

from tests.databases import Database, create_tables, drop_table


class Foreign(dorm.Model):
    """A table of another program."""

    facts = dorm.JSONField(null=True)

    class Meta:
        db_table = "tests_foreign"


# jsonb and MySQL's JSON hold no such value, but columns of other types do.
TYPES = {"postgresql": 'ALTER "facts" TYPE json', "mysql": 'MODIFY "facts" LONGTEXT'}
UNREAD = {"postgresql": (r'{"k": "\u0000"}', r'{"z": ["\ud800"]}', '{"n": 1e999999}')}
# Such a filter has no guard, so that indexes on its expression serve it.
PATHS: tuple[dict[str, Any], ...] = ({"facts__n__gt": 0}, {"facts__k": "x"}, {"facts__k__isnull": True})


@pytest.fixture
def foreign(db: Database) -> Iterator[Database]:
    create_tables(db.connection, (Foreign,))
    if db.name in TYPES:
        db.connection.execute_write(f'ALTER TABLE "tests_foreign" {TYPES[db.name]}')
    yield db
    db.use()
    drop_table(db, Foreign)


@pytest.mark.not_on("mariadb", reason="it reads NULL where text is no JSON")
def test_the_error_names_the_column_and_finds_the_rows(foreign: Database) -> None:
    good, bad = (Foreign.objects.create(facts={"k": "x", "n": 1}) for _ in range(2))
    for stored in UNREAD.get(foreign.name, ("no JSON",)):
        foreign.connection.execute_write('UPDATE "tests_foreign" SET "facts" = %s WHERE "id" = %s', [stored, bad.pk])
        for path in PATHS[:1] if "999" in stored else PATHS:
            for message in (sync_error(path), asyncio.run(async_error(path))):
                assert 'wrote to "facts"' in message
                (condition,) = re.findall("SQL condition (.*) and rewrite", message)
                rows = foreign.connection.execute(f'SELECT "id" FROM "tests_foreign" WHERE {condition}')
                assert [row["id"] for row in rows] == [bad.pk]
    Foreign.objects.filter(pk=bad.pk).delete()
    assert [list(Foreign.objects.filter(**path)) for path in PATHS] == [[good], [good], []]


def sync_error(path: dict[str, Any]) -> str:
    with pytest.raises(dorm.DatabaseError) as told:
        list(Foreign.objects.filter(**path))
    return str(told.value)


async def async_error(path: dict[str, Any]) -> str:
    with pytest.raises(dorm.DatabaseError) as told:
        [row async for row in Foreign.objects.filter(**path)]
    await get_async_connection().close()
    return str(told.value)
