"""The tables that are measured, all of the same columns."""

from __future__ import annotations

from functools import cache
from typing import Any

import dorm

from dorm_vector import HnswIndex, VectorField

APP = "benchmarks"


@cache
def item(dimensions: int, *, indexed: bool = False) -> Any:
    """Return a model of ``(id, part, embedding)``, with an HNSW index where asked for."""
    name = table(dimensions, indexed)
    index = HnswIndex(fields=["embedding"], name=f"{name}_hnsw", distance="cosine")
    return model(f"Item{dimensions}{'Indexed' if indexed else ''}", name, dimensions, [index] * indexed)


def table(dimensions: int, indexed: bool = False) -> str:
    return f"benchmark_{dimensions}{'_indexed' if indexed else ''}"


def index(of: Any) -> Any:
    """Return the one index of a model."""
    return of._meta.indexes[0]


def model(name: str, table: str, dimensions: int, indexes: list[Any]) -> Any:
    meta = type("Meta", (), {"app_label": APP, "db_table": table, "indexes": indexes})
    attributes = {
        "__module__": __name__,
        "Meta": meta,
        "part": dorm.IntegerField(),
        "embedding": VectorField(dimensions=dimensions, as_numpy=True),
    }
    made: Any = type(dorm.Model)
    return made(name, (dorm.Model,), attributes)
