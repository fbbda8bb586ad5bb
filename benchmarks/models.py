"""The tables that are measured, all of the same columns."""

from __future__ import annotations

from functools import cache
from typing import Any

import dorm

from dorm_vector import HnswIndex, VectorField

APP = "benchmarks"
HNSW = HnswIndex(fields=["embedding"], name="benchmark_hnsw", distance="cosine")


@cache
def item(dimensions: int, *, indexed: bool = False) -> Any:
    """Return a model of ``(id, part, embedding)``, with an HNSW index where asked for."""
    name = f"Item{dimensions}{'Indexed' if indexed else ''}"
    meta = type("Meta", (), {"app_label": APP, "db_table": table(dimensions, indexed), "indexes": [HNSW] * indexed})
    attributes = {
        "__module__": __name__,
        "Meta": meta,
        "part": dorm.IntegerField(),
        "embedding": VectorField(dimensions=dimensions, as_numpy=True),
    }
    made: Any = type(dorm.Model)
    return made(name, (dorm.Model,), attributes)


def table(dimensions: int, indexed: bool = False) -> str:
    return f"benchmark_{dimensions}{'_indexed' if indexed else ''}"
