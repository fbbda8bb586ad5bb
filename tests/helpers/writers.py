"""A process that writes to a SQLite file while others do: ``python -m tests.helpers.writers FILE NUMBER``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import dorm

from dorm_vector import TextIndex, Vec0Index, VectorField, abulk_load, bulk_load

LOADS = 15
ASYNC_LOADS = 5
ROWS_A_LOAD = 2
UPDATES = 8


class Passage(dorm.Model):
    text = dorm.TextField()
    embedding = VectorField(4)

    class Meta:
        db_table = "passage"
        indexes = [
            Vec0Index(fields=["embedding"], name="passage_vec"),
            TextIndex(fields=["text"], name="passage_words"),
        ]


class Counter(dorm.Model):
    name = dorm.CharField(max_length=20, unique=True)
    number = dorm.IntegerField(default=0)

    class Meta:
        db_table = "counter"


def rows(number: int, load: int) -> list[dict[str, Any]]:
    return [{"text": f"row {n} of {load}", "embedding": [number, load, n, 0.5]} for n in range(ROWS_A_LOAD)]


def load(number: int) -> None:
    for each in range(LOADS):
        bulk_load(Passage, rows(number, each))


async def aload(number: int) -> None:
    for each in range(LOADS, LOADS + ASYNC_LOADS):
        await abulk_load(Passage, rows(number, each))


def _names() -> Iterator[str]:
    return (f"name {each}" for each in range(UPDATES))


def update(number: int) -> None:
    for name in _names():
        Counter.objects.update_or_create(name=name, defaults={"number": number})


async def aupdate(number: int) -> None:
    for name in _names():
        await Counter.objects.aupdate_or_create(name=name, defaults={"number": number})


def main(path: str, number: int) -> None:
    dorm.configure(DATABASES={"default": {"ENGINE": "sqlite", "NAME": path}}, INSTALLED_APPS=[])
    load(number)
    update(number)
    asyncio.run(awrite(number))


async def awrite(number: int) -> None:
    await aload(number)
    await aupdate(number)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
