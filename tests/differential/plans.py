"""The plans of a search: how each is forced, where there is one, and how many of the nearest it has to find."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from tests.differential.literals import OF_KIND
from tests.differential.model import Column, Shape, Table, VectorColumn, VectorIndex
from tests.differential.rows import Rows

COUNT, DIMENSIONS, METRIC = 300, 16, "cosine"
NAMES = {
    "hnsw": "itemplans_0",
    "signs of hnsw": "itemplans_1",
    "vec0": "itemplans_2",
    "signs of vec0": "itemplans_3",
}


@dataclass(frozen=True)
class Plan:
    """A plan, by the name of its module in dorm_vector/search/plans, or of what it asks."""

    name: str
    indexes: Mapping[str, str | None]
    """The index that has to serve it, by database; other databases have no such plan."""
    exact: bool | None = None
    shortlist: int | None = None
    recall: float = 1.0
    """How many of the nearest it finds, over many searches; at 1 every answer is the exact one."""


PLANS = (
    Plan("exact", dict.fromkeys(("sqlite", "postgresql", "turso", "libsql", "mariadb", "mysql")), exact=True),
    Plan("index", {"postgresql": NAMES["hnsw"], "mariadb": NAMES["hnsw"]}, recall=0.95),
    Plan("companion", {"sqlite": NAMES["vec0"]}),
    Plan(
        "shortlist",
        {"postgresql": NAMES["signs of hnsw"], "sqlite": NAMES["signs of vec0"]},
        shortlist=100,
        recall=0.9,
    ),
    Plan("probe", {"libsql": NAMES["hnsw"], "sqlite": NAMES["signs of vec0"]}, exact=False, recall=0.9),
)

SHAPE = Shape(
    (
        Table(
            "Item",
            columns={
                "word": Column("text"),
                "number": Column("integer"),
                "price": Column("float"),
                "flag": Column("boolean", null=True),
            },
            vectors={"embedding": VectorColumn(DIMENSIONS)},
            indexes=(
                VectorIndex("HnswIndex", METRIC),
                VectorIndex("HnswIndex", METRIC, precision="bit"),
                VectorIndex("Vec0Index", METRIC, ("word",), ("number", "price")),
                VectorIndex("Vec0Index", METRIC, ("word",), ("number", "price"), precision="bit"),
            ),
        ),
    )
)


def seeded_rows(seed: int) -> Rows:
    """Return enough rows for an index to be worth it."""
    chosen = random.Random(seed)
    rows = []
    for number in range(1, COUNT + 1):
        row = {name: chosen.choice(OF_KIND[column.kind]) for name, column in SHAPE.tables[0].columns.items()}
        row |= {"flag": None} if number % 5 == 0 else {}
        rows.append({"id": number, **row, "embedding": vector(chosen)})
    return {"Item": rows}


def vector(chosen: random.Random) -> list[float]:
    return [chosen.uniform(-1, 1) for _ in range(DIMENSIONS)]
