"""What more rows, and more dimensions, cost: an exact search, and each index with its build and its size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dorm.db.connection import get_connection
from dorm.migrations.operations import AddIndex, RemoveIndex
from dorm.migrations.state import ProjectState

from benchmarks import models
from benchmarks.bench import COUNT, Bench
from benchmarks.data import synthetic
from benchmarks.measuring import Contestant, Group
from benchmarks.sizes import MILLION
from dorm_vector import HnswIndex, IvfflatIndex, Vec0Index, bulk_load
from dorm_vector.commands.database import Database
from dorm_vector.commands.index_size import index_size

DIMENSIONS = (128, 384, 1_536)
SHORTLIST = 400
BUILDING = {"maintenance_work_mem": "4GB"}
"""What a graph of a million rows needs to be built in memory."""


@dataclass(frozen=True)
class Kind:
    """An index of a database, and the most rows over which it builds in a few minutes."""

    name: str
    make: Callable[..., Any]
    most: int
    most_if_large: int = MILLION
    options: dict[str, Any] | None = None
    shortlist: int = 0


HNSW = "HnswIndex"
SIGNS = "HnswIndex(precision='bit')"
KINDS = {
    "postgresql": (
        Kind(HNSW, HnswIndex, 100_000),
        Kind("IvfflatIndex", IvfflatIndex, 100_000, options={"lists": "auto"}),
        Kind(SIGNS, HnswIndex, 100_000, options={"precision": "bit"}, shortlist=SHORTLIST),
    ),
    "sqlite": (
        Kind("Vec0Index", Vec0Index, 100_000),
        Kind("Vec0Index(precision='bit')", Vec0Index, 100_000, options={"precision": "bit"}, shortlist=SHORTLIST),
    ),
    "libsql": (Kind(HNSW, HnswIndex, 10_000, 100_000),),
    "mariadb": (Kind(HNSW, HnswIndex, 10_000, 100_000),),
    "turso": (Kind(SIGNS, HnswIndex, 100_000, options={"precision": "bit"}, shortlist=SHORTLIST),),
    "mysql": (Kind(SIGNS, HnswIndex, 100_000, options={"precision": "bit"}, shortlist=SHORTLIST),),
}


def groups(bench: Bench) -> Iterator[Group]:
    for rows in bench.sizes.growth:
        yield from at(bench.over(synthetic(rows, 384)))
    for dimensions in DIMENSIONS:
        if (bench.sizes.wide, dimensions) not in [(rows, 384) for rows in bench.sizes.growth]:
            yield exactly(bench.over(synthetic(bench.sizes.wide, dimensions)), [])


def at(bench: Bench) -> Iterator[Group]:
    """Search that many rows exactly, then with each index that can be built over them."""
    rows = len(bench.data)
    if rows <= bench.sizes.exact:
        yield exactly(bench, [f"{rows:,}"])
    for kind in KINDS.get(bench.name, ()):
        if rows <= (kind.most_if_large if bench.large else kind.most):
            yield from by(bench, kind)


def exactly(bench: Bench, setting: list[str]) -> Group:
    model, data = bench.filled(), bench.data
    return Group(
        "growth",
        f"exact k={COUNT} of {len(data):,} x {data.dimensions}, seeded clusters",
        [bench.theirs(model._meta.db_table), bench.ours(model)],
        bench.rounds(7),
        {"dorm_vector": 1.1} if bench.name == "sqlite" and len(data) == 100_000 else {},
        setting=setting,
    )


def by(bench: Bench, kind: Kind) -> Iterator[Group]:
    """Build the index over the rows, and search by it."""
    model, rows = filled(bench, kind), f"{len(bench.data):,} x {bench.data.dimensions}, seeded clusters"
    setting = [f"{len(bench.data):,}"]
    before = used(bench)

    def build(_: int) -> None:
        altered(AddIndex(model.__name__, models.index(model)))

    def figures(_answers: Any, _times: Any) -> dict[str, float]:
        return {"MB": size(bench, model, before) / 1e6}

    built = Contestant(kind.name, build, figures=figures)
    yield Group("growth", f"build {kind.name} of {rows}", [built], 1, setting=[*setting, "build"])
    bench.settle(model)
    search = Contestant(kind.name, searching(bench, model, kind), recall=bench.judge())
    yield Group("growth", f"{kind.name} k={COUNT} of {rows}", [search], bench.rounds(20), setting=setting)
    bench.drop_rows(model)


def searching(bench: Bench, model: Any, kind: Kind) -> Callable[[int], list[int]]:
    lists = max(1, len(bench.data) // 1_000)
    # pgvector recommends the square root of the lists.
    options = {"probes": max(1, round(lists**0.5))} if kind.make is IvfflatIndex else {}

    def work(number: int) -> list[int]:
        rows = model.objects.search_options(**options)
        near = {"exact": False} if not kind.shortlist else {}
        found = rows.nearest("embedding", bench.query(number), distance="cosine", **near)
        return [row.pk for row in (found.rerank(kind.shortlist) if kind.shortlist else found)[:COUNT]]

    return work


def table(dimensions: int, name: str, make: Callable[..., Any], options: dict[str, Any]) -> Any:
    stem = f"growth_{''.join(filter(str.isalnum, name)).lower()}" + ("_large" if "build_options" in options else "")
    if stem not in TABLES:
        index = make(["embedding"], name=f"{stem}_index", distance="cosine", **options)
        TABLES[stem] = models.model(stem.title().replace("_", ""), stem, dimensions, [index])
    return TABLES[stem]


def filled(bench: Bench, kind: Kind) -> Any:
    """Return a model whose table holds the data, and whose index is not built yet."""
    options = dict(kind.options or {})
    if bench.name == "postgresql" and len(bench.data) >= MILLION:
        options["build_options"] = BUILDING
    model = table(bench.data.dimensions, kind.name, kind.make, options)
    if not get_connection().table_exists(model._meta.db_table):
        bench.create(model)
    altered(RemoveIndex(model.__name__, models.index(model)))
    bulk_load(model, bench.data.columns())
    bench.settle(model)
    return model


def altered(operation: Any) -> None:
    state = ProjectState.from_apps()
    operation.database_forwards(models.APP, get_connection(), state, state)


def size(bench: Bench, model: Any, before: float) -> float:
    """Return the bytes of the index: as the database says, else by how much its file has grown."""
    if bench.name == "mysql":
        bench.bare.execute(f'ANALYZE TABLE "{model._meta.db_table}"')
    found, _why = index_size(Database("default"), model, models.index(model).name)
    return used(bench) - before if found is None else found


def used(bench: Bench) -> float:
    """Return the bytes of a database file that hold something; 0 where the database is no file."""
    if bench.name not in FILES:
        return 0.0
    pages, free, size = (
        bench.bare.execute(f"PRAGMA {name}")[0][0] for name in ("page_count", "freelist_count", "page_size")
    )
    return float((pages - free) * size)


TABLES: dict[str, Any] = {}
"""The models that were made, by the name of their table."""
FILES = ("sqlite", "libsql", "turso")
