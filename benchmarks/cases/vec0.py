"""The ten nearest rows of SQLite with a Vec0Index and without: exact, by signs, filtered; and what they cost a load."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import dorm
import numpy as np
from dorm.db.connection import get_connection

from benchmarks.bench import COUNT, Bench
from benchmarks.data import Data, Floats, synthetic
from benchmarks.measuring import Contestant, Group
from benchmarks.models import APP
from dorm_vector import Vec0Index, VectorField, bulk_load


def groups(bench: Bench) -> Iterator[Group]:
    if bench.name != "sqlite":
        return
    for data in (bench.data, synthetic(5_000 if bench.quick else 100_000, 384)):
        yield from searches(bench, data)
        bench.bare.execute('DROP TABLE "bare_vec0"')
    yield from loads(bench)


def searches(bench: Bench, data: Data) -> Iterator[Group]:
    models = {kind: loaded(bench, data, kind) for kind in INDEXES}
    fill_bare(bench, data, models["plain"])
    every = f"{len(data):,} x {data.dimensions}"
    exact = Contestant("bare vec0", bare(bench, data), recall=judge(data))
    yield Group(
        "vec0",
        f"vec0, exact k={COUNT} with vectors, {every}",
        [
            exact,
            ours(models["vec0"], data, "Vec0Index"),
            ours(models["plain"], data, "dorm_vector, no index"),
            Contestant("bare sqlite-vec, plain table", scan(bench, data, models["plain"]), recall=judge(data)),
        ],
        bench.rounds(15),
        {"Vec0Index": 1.2},
    )
    yield Group(
        "vec0",
        f"vec0, signs, k={COUNT} with vectors, {every}",
        [
            Contestant("numpy scan of a matrix in memory", in_memory(data), recall=judge(data)),
            *(ours(models["signs"], data, f"precision='bit', oversample={n}", oversample=n) for n in (10, 20, 40, 80)),
            Contestant(
                "bare vec0 of bits, 400 measured exactly", bare_bits(bench, data, models["plain"]), recall=judge(data)
            ),
        ],
        bench.rounds(50),
        {"precision='bit', oversample=40": 3.0},
    )
    for below, share in ((100, "50 %"), (10, "5 %"), (1, "0.5 %")):
        yield Group(
            "vec0",
            f"vec0, k={COUNT} with vectors, {every}, {share} of the rows pass",
            [
                ours(models["plain"], data, "dorm_vector, no index", below),
                ours(models["vec0"], data, "Vec0Index, metadata", below),
                *([ours(models["parts"], data, "Vec0Index, partition_by", below)] if below == 1 else []),
            ],
            bench.rounds(15),
        )


# the contestants


def ours(model: Any, data: Data, name: str, below: int = 200, oversample: int = 0) -> Contestant:
    rows = (
        model.objects
        if below == 200
        else model.objects.filter(part=0)
        if below == 1
        else model.objects.filter(part__lt=below)
    )
    options = {"oversample": oversample} if oversample else {}

    def work(number: int) -> list[int]:
        found = rows.nearest("embedding", asked(data, number), distance="cosine", exact=False if options else None)
        return [row.pk for row in found.search_options(**options)[:COUNT]]

    return Contestant(name, work, recall=judge(data, below))


def bare(bench: Bench, data: Data) -> Any:
    sql = f'SELECT id, embedding, distance FROM "bare_vec0" WHERE embedding MATCH ? AND k = {COUNT} ORDER BY distance'

    def work(number: int) -> list[int]:
        rows = bench.bare.execute(sql, asked(data, number).tobytes())
        return [(row[0], np.frombuffer(row[1], np.float32), row[2])[0] for row in rows]

    return work


def bare_bits(bench: Bench, data: Data, model: Any) -> Any:
    sql = (
        f'SELECT id, embedding, vec_distance_cosine(embedding, ?) AS d FROM "{model._meta.db_table}" WHERE id IN'
        ' (SELECT id FROM "bare_bits" WHERE bits MATCH vec_quantize_binary(?) AND k = 400)'
        f" ORDER BY d LIMIT {COUNT}"
    )
    return lambda number: [row[0] for row in bench.bare.execute(sql, *[asked(data, number).tobytes()] * 2)]


def scan(bench: Bench, data: Data, model: Any) -> Any:
    table = model._meta.db_table
    return lambda number: [row[0] for row in bench.bare.nearest(table, asked(data, number), COUNT)]


def in_memory(data: Data) -> Any:
    def work(number: int) -> list[int]:
        distances = 1 - data.vectors @ asked(data, number)
        nearest = np.argpartition(distances, COUNT)[:COUNT]
        return [int(row) + 1 for row in nearest[np.argsort(distances[nearest])]]

    return work


def asked(data: Data, number: int) -> Floats:
    query: Floats = data.queries[number % len(data.queries)]
    return query


def judge(data: Data, below: int = 200) -> Any:
    return lambda number, found: data.recall(asked(data, number), found, below)


# the tables

INDEXES: dict[str, dict[str, Any] | None] = {
    "plain": None,
    "vec0": {"metadata": ["part"]},
    "parts": {"partition_by": ["part"]},
    "signs": {"precision": "bit"},
}


@cache
def table(dimensions: int, kind: str) -> Any:
    """Return a model of ``(id, part, embedding)`` with that index."""
    name, options = f"{kind.capitalize()}{dimensions}", INDEXES[kind]
    index = Vec0Index(["embedding"], f"{name}_index".lower(), distance="cosine", **options or {})
    indexes = [index] if options is not None else []
    meta = type("Meta", (), {"app_label": APP, "db_table": f"vec0_{name}".lower(), "indexes": indexes})
    fields = {"part": dorm.IntegerField(), "embedding": VectorField(dimensions=dimensions, as_numpy=True)}
    made: Any = type(dorm.Model)
    return made(name, (dorm.Model,), {"__module__": __name__, "Meta": meta, **fields})


def loaded(bench: Bench, data: Data, kind: str) -> Any:
    model = emptied(bench, data.dimensions, kind)
    bulk_load(model, data.columns(), defer_indexes=True)
    return model


def emptied(bench: Bench, dimensions: int, kind: str) -> Any:
    model = table(dimensions, kind)
    if not get_connection().table_exists(model._meta.db_table):
        bench.create(model)
    model.objects.all().delete()
    return model


def fill_bare(bench: Bench, data: Data, model: Any) -> None:
    created = (
        "CREATE VIRTUAL TABLE bare_vec0 USING"
        f" vec0(id integer primary key, embedding float[{data.dimensions}] distance_metric=cosine)"
    )
    for sql in (
        created,
        f'INSERT INTO bare_vec0 (id, embedding) SELECT id, embedding FROM "{model._meta.db_table}"',
        "DROP TABLE IF EXISTS bare_bits",
        f"CREATE VIRTUAL TABLE bare_bits USING vec0(id integer primary key, bits bit[{data.dimensions}])",
        f'INSERT INTO bare_bits (id, bits) SELECT id, vec_quantize_binary(embedding) FROM "{model._meta.db_table}"',
    ):
        bench.bare.execute(sql)


def loads(bench: Bench) -> Iterator[Group]:
    """Load with each index in place, and with it deferred."""
    yield Group(
        "vec0",
        f"vec0, bulk_load {len(bench.data):,} x {bench.data.dimensions}",
        [
            Contestant("no index", *load(bench, "plain")),
            Contestant("Vec0Index", *load(bench, "vec0")),
            Contestant("Vec0Index, defer_indexes=True", *load(bench, "vec0", defer_indexes=True)),
            Contestant("precision='bit'", *load(bench, "signs")),
            Contestant("precision='bit', defer_indexes=True", *load(bench, "signs", defer_indexes=True)),
        ],
        bench.rounds(3),
    )


def load(bench: Bench, kind: str, **options: Any) -> tuple[Any, Any]:
    def prepare() -> None:
        emptied(bench, bench.data.dimensions, kind)

    def work(_: int) -> None:
        bulk_load(table(bench.data.dimensions, kind), bench.data.columns(), **options)

    return work, prepare
