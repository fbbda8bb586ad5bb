"""A process that writes to a SQLite file while others do: ``python -m tests.helpers.writers WORK FILE NUMBER``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import dorm

from dorm_vector import TextIndex, Vec0Index, VectorField, abulk_load, bulk_load

WRITERS = 4
LOADS = 80
ASYNC_LOADS = 20
ROWS_A_LOAD = 2
UPDATES = 30


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
    for each in range(ASYNC_LOADS):
        await abulk_load(Passage, rows(number, each))


def _names() -> Iterator[str]:
    return (f"name {each}" for each in range(UPDATES))


def update(number: int) -> None:
    for name in _names():
        Counter.objects.update_or_create(name=name, defaults={"number": number})


async def aupdate(number: int) -> None:
    for name in _names():
        await Counter.objects.aupdate_or_create(name=name, defaults={"number": number})


def main(work: str, path: str, number: int) -> None:
    dorm.configure(DATABASES={"default": {"ENGINE": "sqlite", "NAME": path}}, INSTALLED_APPS=[])
    done = {"load": load, "update": update}.get(work)
    if done is not None:
        done(number)
    else:
        asyncio.run({"aload": aload, "aupdate": aupdate}[work](number))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
