"""Numbers of double precision and texts of any length, in every table that is created."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import dorm
import pytest

from dorm_vector import LongTextField, VectorField, bulk_load
from tests.databases import Database, create_tables

NUMBERS = [149.99, 0.1 + 0.2, 1 / 3, 16_777_217.0, 1e300, 5e-324, -2.5, math.pi]
LENGTHS = [0, 65_535, 65_536, 300_000]


class Tome(dorm.Model):
    title = dorm.CharField(max_length=20)
    text = LongTextField(default="")
    price = dorm.FloatField(null=True)
    embedding = VectorField(2)

    class Meta:
        db_table = "tomes_tome"
        app_label = "tomes"


@pytest.fixture
def tomes(db: Database) -> Iterator[Any]:
    create_tables(db.connection, (Tome,))
    yield Tome
    db.use()
    db.connection.execute_write('DELETE FROM "tomes_tome"')


def test_floats_come_back_as_they_were(tomes: Any) -> None:
    rows = [Tome(title=str(at), price=number, embedding=[1, 1]) for at, number in enumerate(NUMBERS)]
    Tome.objects.bulk_create(rows[:4])
    bulk_load(Tome, rows[4:])
    for at, number in enumerate(NUMBERS):
        assert [row.title for row in Tome.objects.filter(price=number)] == [str(at)]
        assert Tome.objects.get(price=number).price == number


async def test_floats_come_back_as_they_were_async(tomes: Any) -> None:
    for at, number in enumerate(NUMBERS):
        await Tome.objects.acreate(title=str(at), price=number, embedding=[1, 1])
        assert (await Tome.objects.aget(price=number)).price == number


@pytest.mark.parametrize("letter", ["x", "ф", "😀"])
def test_a_long_text_comes_back_as_it_was(tomes: Any, letter: str) -> None:
    texts = [letter * length for length in LENGTHS]
    Tome.objects.bulk_create([Tome(title=f"{len(text)}", text=text, embedding=[1, 1]) for text in texts])
    bulk_load(Tome, [{"title": "loaded", "text": texts[-1], "embedding": [1, 1]}])
    found = {row.title: row.text for row in Tome.objects.all()}
    assert found == {str(len(text)): text for text in texts} | {"loaded": texts[-1]}
    Tome.objects.filter(title="0").update(text=texts[-1])
    assert Tome.objects.get(title="0").text == texts[-1]
