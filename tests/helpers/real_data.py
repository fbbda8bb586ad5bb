"""Real packages and their embeddings: the 2,000 of the quickstart, and the 40,000 they are from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import dorm
import numpy as np

from dorm_vector import HnswIndex, TextIndex, VectorField, bulk_load
from examples.package_search.corpus import DATA, Corpus, Questions, corpus, questions, vectors
from tests.databases import Database, create_tables, drop_table

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


class Described(dorm.Model):
    """A package with its words."""

    name = dorm.CharField(max_length=100)
    summary = dorm.TextField()
    embedding = VectorField(dimensions=384)

    class Meta:
        app_label = "tests"
        indexes = [
            HnswIndex(fields=["embedding"], name="described_embedding_hnsw", distance="cosine"),
            TextIndex(fields=["name", "summary"], name="described_words"),
        ]


@contextmanager
def described_table(database: Database) -> Iterator[None]:
    create_tables(database.connection, (Described,))
    names, summaries = ([row[column] for row in packages().rows] for column in (0, 3))
    columns = {"name": names, "summary": summaries, "embedding": packages().embeddings}
    bulk_load(Described, columns, defer_indexes=True)
    if database.dialect.planning.analyze:
        database.connection.execute_script(database.dialect.planning.analyze.format(table="tests_described"))
    try:
        yield
    finally:
        drop_table(database, Described)


# the 40,000


ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared/data/debian_packages"
FOLDER = Path(os.environ.get("DORM_VECTOR_PACKAGES") or (SHARED if SHARED.exists() else DATA))
TAKES = {"libsql": 4_000, "mariadb": 8_000, "mysql": 4_000}
"""As many as are loaded where an index of all is built in minutes, or a distance is computed number by number."""


class Sectioned(dorm.Model):
    """A package in its section."""

    name = dorm.CharField(max_length=100)
    section = dorm.CharField(max_length=20)
    embedding = VectorField(dimensions=384)

    class Meta:
        app_label = "tests"
        indexes = [HnswIndex(fields=["embedding"], name="sectioned_embedding_hnsw", distance="cosine")]


@cache
def every_package() -> Corpus:
    return corpus(FOLDER)


@cache
def sectioned_questions() -> Any:
    return vectors(FOLDER / "queries.npy")


def sectioned_packages(database: Database) -> tuple[list[list[str]], Any]:
    """Return the rows and the embeddings that this database takes in reasonable time."""
    everything = os.environ.get("DORM_VECTOR_PACKAGES_ALL")
    count = len(every_package().rows) if everything else TAKES.get(database.name)
    return every_package().rows[:count], every_package().embeddings[:count]


@contextmanager
def sectioned_table(database: Database) -> Iterator[None]:
    create_tables(database.connection, (Sectioned,))
    rows, embeddings = sectioned_packages(database)
    columns = {"name": [row[0] for row in rows], "section": [row[1] for row in rows], "embedding": embeddings}
    bulk_load(Sectioned, columns, defer_indexes=True)
    if database.dialect.planning.analyze:
        database.connection.execute_script(database.dialect.planning.analyze.format(table="tests_sectioned"))
    try:
        yield
    finally:
        database.connection.execute_script('DROP TABLE "tests_sectioned"')
