"""The 2,000 packages of the quickstart, in a table that can be filtered by any share of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import dorm
import numpy as np

from dorm_vector import HnswIndex, VectorField
from examples.package_search.corpus import Corpus, Questions, corpus, questions
from tests.databases import Database, create_tables

INDEX = "real_embedding_hnsw"
SHARES = (0.5, 0.05, 0.005, 0.0005)


class Real(dorm.Model):
    """``share`` is spread evenly from 0 to 1, whatever the row is about."""

    name = dorm.CharField(max_length=100)
    share = dorm.FloatField()
    embedding = VectorField(dimensions=384)

    class Meta:
        app_label = "tests"
        indexes = [HnswIndex(fields=["embedding"], name=INDEX, distance="cosine")]


@cache
def packages() -> Corpus:
    return corpus()


@cache
def asked() -> Questions:
    return questions()


@cache
def shares() -> list[float]:
    # The fractional parts of the multiples of the golden ratio.
    return [float((n + 1) * 0.6180339887498949 % 1) for n in range(len(packages().rows))]


@contextmanager
def real_table(database: Database) -> Iterator[None]:
    create_tables(database.connection, (Real,))
    rows = zip(packages().rows, shares(), packages().embeddings, strict=True)
    made = [Real(name=row[0], share=share, embedding=vector) for row, share, vector in rows]
    for start in range(0, len(made), 100):
        Real.objects.bulk_create(made[start : start + 100])
    try:
        yield
    finally:
        database.connection.execute_script('DROP TABLE "tests_real"')


def nearest_names(vector: Any, count: int, share: float = 1.0) -> list[str]:
    """Return the names of the exact nearest by cosine distance, in float64, among those below the share."""
    every = packages().embeddings.astype(np.float64)
    similarity = every @ np.asarray(vector, dtype=np.float64) / np.linalg.norm(every, axis=1)
    return [packages().rows[n][0] for n in np.argsort(-similarity, kind="stable") if shares()[n] < share][:count]
