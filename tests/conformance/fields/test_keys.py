"""Rows with keys of their own, and the keys that the database gives out afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from dorm import serialize

from dorm_vector import abulk_load, bulk_load
from tests.databases import Database
from tests.models import Author

KEYS = (3, 40, 5000)


def rows() -> list[dict[str, Any]]:
    return [{"id": key, "name": f"author {key}"} for key in KEYS]


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
    Author.objects.create(name="before")
    for row in rows():
        write([row])
        assert Author.objects.create(name="next").pk > row["id"]
    write([{"id": 2, "name": "low"}] if not Author.objects.filter(pk=2).exists() else [{"id": 10**6, "name": "high"}])
    assert Author.objects.create(name="last").pk > max(KEYS)


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
