"""Many small searches: per second with one thread, eight threads and sixteen tasks, and the client's CPU for each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import local
from typing import Any

from benchmarks import bare
from benchmarks.bench import COUNT, Bench
from benchmarks.measuring import Aim, Contestant, Group
from dorm_vector import CosineDistance

THREADS, TASKS = 8, 16
SEARCHES = 160
FEW = 1_000
"""Rows that a server searches quickly, so that the client is what is measured."""
SERVERS = ("postgresql", "mariadb", "mysql")

Batch = Callable[[int], Any]


def groups(bench: Bench) -> Iterator[Group]:
    if bench.name not in (*SERVERS, "sqlite"):
        return
    bench = bench.first(min(FEW, bench.sizes.searched))
    model, rounds = bench.filled(indexed=bench.dialect.is_approximate), bench.rounds(5)
    ours, theirs = bench.ours(model).work, each_threads_own(bench, model._meta.db_table)
    size = f"k={COUNT} with vectors, {len(bench.data):,} x {bench.data.dimensions}"
    yield Group(
        "concurrency",
        f"client CPU of {SEARCHES} searches, {size}",
        [Contestant("bare driver", one_by_one(theirs)), Contestant("dorm_vector", one_by_one(ours))],
        rounds,
        aims=[Aim("dorm_vector", 1.7)],
        clock=time.process_time,
    )
    with ThreadPoolExecutor(THREADS) as pool:
        yield Group(
            "concurrency",
            f"{SEARCHES} searches by {THREADS} threads, {size}",
            [Contestant("bare driver", by_threads(pool, theirs)), Contestant("dorm_vector", by_threads(pool, ours))],
            rounds,
            aims=[Aim("dorm_vector", 1.25)],
        )
    if bench.name == "postgresql":
        with asyncio.Runner() as runner:
            yield Group(
                "concurrency",
                f"{SEARCHES} searches by {TASKS} tasks, {size}",
                [
                    Contestant("bare driver", by_tasks(runner, Connections(bench, model._meta.db_table))),
                    Contestant("dorm_vector", by_tasks(runner, lambda task, number: anearest(bench, model, number))),
                ],
                rounds,
                aims=[Aim("dorm_vector", 1.25)],
            )


def each_threads_own(bench: Bench, table: str) -> Batch:
    """Return a search by a connection of the bare driver that the thread keeps."""
    mine = local()

    def work(number: int) -> list[int]:
        if not hasattr(mine, "connection"):
            mine.connection = bare.get(bench.name, bench.settings)
        return [row[0] for row in mine.connection.nearest(table, bench.query(number), COUNT)]

    return work


def one_by_one(search: Batch) -> Batch:
    return lambda number: [search(number * SEARCHES + each) for each in range(SEARCHES)]


def by_threads(pool: ThreadPoolExecutor, search: Batch) -> Batch:
    return lambda number: list(pool.map(search, range(number * SEARCHES, (number + 1) * SEARCHES)))


def by_tasks(runner: asyncio.Runner, search: Callable[[int, int], Any]) -> Batch:
    """Return the searches of a round, shared by tasks of one event loop; a task has a number, as its searches have."""

    async def task(number: int, first: int) -> None:
        for each in range(number, SEARCHES, TASKS):
            await search(number, first + each)

    async def every(first: int) -> None:
        await asyncio.gather(*(task(number, first) for number in range(TASKS)))

    return lambda number: runner.run(every(number * SEARCHES))


class Connections:
    """A search by the bare driver's connection of each task."""

    def __init__(self, bench: Bench, table: str) -> None:
        self.bench, self.known = bench, dict[int, Any]()
        self.sql = f'SELECT id, embedding, embedding <=> %b AS d FROM "{table}" ORDER BY d LIMIT {COUNT}'

    async def __call__(self, task: int, number: int) -> list[int]:
        if task not in self.known:
            self.known[task] = await self.opened()
        found = await self.known[task].execute(self.sql, [self.bench.query(number)])
        return [row[0] for row in await found.fetchall()]

    async def opened(self) -> Any:
        import psycopg
        from pgvector.psycopg import register_vector_async

        names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
        address = {key: self.bench.settings[name] for key, name in names.items()}
        connection = await psycopg.AsyncConnection.connect(**address, autocommit=True)
        await register_vector_async(connection)
        return connection.cursor(binary=True)


async def anearest(bench: Bench, model: Any, number: int) -> list[int]:
    ranked = model.objects.annotate(distance=CosineDistance("embedding", bench.query(number))).order_by("distance")
    return [row.pk async for row in ranked[:COUNT]]
