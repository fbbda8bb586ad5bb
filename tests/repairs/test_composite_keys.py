"""The repairs of inserts by composite keys, and the errors that come back without them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import dorm
import pytest
from dorm.exceptions import ProgrammingError
from dorm.serialize import dumps, load

from dorm_vector.patching import registry
from tests.databases import Database, create_tables, drop_table


class Bin(dorm.Model):
    aisle = dorm.IntegerField()
    shelf = dorm.IntegerField()
    pk = dorm.CompositePrimaryKey("aisle", "shelf")

    class Meta:
        app_label = "tests"


@pytest.fixture
def bins(db: Database) -> Iterator[Any]:
    create_tables(db.connection, (Bin,))
    yield Bin.objects
    drop_table(db, Bin)


def _bug(db: Database) -> Any:
    """Only PostgreSQL is asked for the column "None"."""
    if db.name != "postgresql":
        return nullcontext()
    return pytest.raises(ProgrammingError, match='"None" does not exist')


async def test_inserts_by_composite_key(db: Database, bins: Any) -> None:
    with registry.switched_off("inserts_by_composite_key"):
        with _bug(db):
            bins.bulk_create([Bin(aisle=1, shelf=1)])
        with _bug(db):
            await bins.abulk_create([Bin(aisle=1, shelf=2)])
    bins.all().delete()
    made = [*bins.bulk_create([Bin(aisle=1, shelf=1)]), *await bins.abulk_create([Bin(aisle=1, shelf=2)])]
    assert [row.pk for row in made] == sorted((row.aisle, row.shelf) for row in bins.all()) == [(1, 1), (1, 2)]


def test_inserts_without_a_key(db: Database, bins: Any) -> None:
    bins.create(aisle=1, shelf=1)
    fixture = dumps([Bin])
    bins.all().delete()
    with registry.switched_off("inserts_without_a_key"), _bug(db):
        load(fixture)
    bins.all().delete()
    assert load(fixture) == 1
    assert [(row.aisle, row.shelf) for row in bins.all()] == [(1, 1)]
