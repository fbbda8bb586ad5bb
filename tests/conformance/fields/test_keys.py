"""Rows with keys of their own, and the keys that the database gives out afterwards."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import dorm
import pytest
from dorm import serialize

from dorm_vector import VectorField, abulk_load, bulk_load
from tests.databases import Database, create_tables, drop_table
from tests.models import Author

KEYS = (3, 40, 5000)


def rows(after: int = 0) -> list[dict[str, Any]]:
    return [{"id": after + key, "name": f"author {key}"} for key in KEYS]


def save(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        Author(**row).save()


def create(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        Author.objects.create(**row)


def bulk_create(rows: list[dict[str, Any]]) -> None:
    Author.objects.bulk_create([Author(**row) for row in rows])


def load(rows: list[dict[str, Any]]) -> None:
    bulk_load(Author, rows)


def loaddata(rows: list[dict[str, Any]]) -> None:
    label = f"{Author._meta.app_label}.Author"
    records = [{"model": label, "pk": row["id"], "fields": {"name": row["name"]}} for row in rows]
    serialize.load(json.dumps(records))


@pytest.mark.parametrize("write", [save, create, bulk_create, load, loaddata])
def test_keys_are_counted_past_those_given(db: Database, write: Callable[[list[dict[str, Any]]], None]) -> None:
    # Where the table counts from depends on the tests before.
    before = Author.objects.create(name="before").pk
    for row in rows(before):
        write([row])
        assert Author.objects.create(name="next").pk > row["id"]
    write([{"id": before + 2, "name": "low"}])
    assert Author.objects.create(name="last").pk > before + max(KEYS)


async def asave(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        await Author(**row).asave()


async def abulk_create(rows: list[dict[str, Any]]) -> None:
    await Author.objects.abulk_create([Author(**row) for row in rows])


async def aload(rows: list[dict[str, Any]]) -> None:
    await abulk_load(Author, rows)


@pytest.mark.parametrize("write", [asave, abulk_create, aload])
async def test_keys_are_counted_past_those_given_async(db: Database, write: Callable[..., Any]) -> None:
    await write(rows())
    assert (await Author.objects.acreate(name="next")).pk > max(KEYS)


class KeyedByText(dorm.Model):
    name = dorm.CharField(max_length=20, primary_key=True)
    embedding = VectorField(dimensions=2, null=True)


class KeyedByUuid(dorm.Model):
    token = dorm.UUIDField(primary_key=True)
    embedding = VectorField(dimensions=2, null=True)


class KeyedByDay(dorm.Model):
    day = dorm.DateField(primary_key=True)
    embedding = VectorField(dimensions=2, null=True)


class KeyedByNumber(dorm.Model):
    number = dorm.IntegerField(primary_key=True)
    embedding = VectorField(dimensions=2, null=True)


class OfText(dorm.Model):
    owner = dorm.ForeignKey(KeyedByText, on_delete=dorm.CASCADE, related_name="parts")


KEYED: dict[Any, list[Any]] = {
    KeyedByText: ["one", "it's", "Ü", "4", "100%"],
    KeyedByUuid: [UUID(int=2**number) for number in range(0, 125, 25)],
    KeyedByDay: [dt.date(2026, 11, day) for day in range(1, 6)],
    KeyedByNumber: [70, -1, 0, 9, 2**31 - 1],
}


@pytest.fixture(scope="module")
def keyed(database: Database) -> Iterator[None]:
    database.use()
    create_tables(database.connection, (*KEYED, OfText))
    yield
    for model in (OfText, *KEYED):
        drop_table(database, model)


async def test_a_row_keeps_the_key_that_it_was_given(keyed: None) -> None:
    for model, keys in KEYED.items():
        name = model._meta.pk.name
        made = [model.objects.create(**{name: keys[0]}), await model.objects.acreate(**{name: keys[1]})]
        made += [model(**{name: keys[2]}), model(**{name: keys[3]})]
        made[2].save()
        await made[3].asave()
        made += [model.objects.get_or_create(**{name: keys[4]})[0]]
        assert [row.pk for row in made] == keys
        for row in made:
            row.embedding = [1, 2]
            row.save()
            row.refresh_from_db()
        assert model.objects.filter(embedding=[1, 2]).count() == model.objects.count() == len(keys)
        made[0].delete()
        assert model.objects.count() == len(keys) - 1
    owner = KeyedByText.objects.create(name="owner")
    assert OfText.objects.create(owner=owner).owner_id == "owner"
    assert owner.parts.count() == 1
