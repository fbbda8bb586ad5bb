"""Vectors from the shortest to the longest that are taken are measured as plain Python does; others are refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from dorm import F

from dorm_vector import InvalidVector, Metric, Vector, bulk_load
from tests.conformance.inside import LONGEST, SHORTEST, Unsupported
from tests.conformance.search.test_distances import DISTANCES
from tests.databases import Database
from tests.helpers.oracle import distance
from tests.models import Document, Sample

DOCUMENTS: Any = Document.objects
# Directions with a right angle, an obtuse one, and numbers that differ by more than float32 can add.
DIRECTIONS = [[1.0, -2.0, 3.0], [3.0, 1.0, 0.5], [-1.0, 1e-9, 0.0], [1.0, 1e-38, 1e-45]]
LENGTHS = [SHORTEST * 4, 1e-12, 1e-3, 1.0, 1e6, 1e12, LONGEST / 8]
# A sum of numbers far apart keeps the precision of the larger; Turso adds 1 to the L1 distance and takes it away.
SLACK = {Metric.COSINE: 2e-6, Metric.L1: 1e-14}


def scaled(direction: list[float], length: float) -> list[float]:
    return [value * length / 2 for value in direction]


def is_close(metric: Metric, found: float | None, stored: list[float], query: list[float]) -> bool:
    expected = distance(metric, stored, query)
    if found is None or expected is None:
        return found is expected
    size = math.hypot(*stored) * math.hypot(*query) if metric is Metric.INNER_PRODUCT else 0.0
    return math.isclose(found, expected, rel_tol=1e-5, abs_tol=SLACK.get(metric, 0) + 2e-6 * size)


def test_every_length_is_measured(db: Database) -> None:
    stored = [scaled(direction, length) for direction in DIRECTIONS for length in LENGTHS] + [[0.0] * 3]
    DOCUMENTS.bulk_create([Document(title=str(number), embedding=vector) for number, vector in enumerate(stored)])
    queries = [scaled(DIRECTIONS[number % 2], length) for number, length in enumerate(LENGTHS)]
    for metric, measure in DISTANCES.items():
        if isinstance(db.dialect.distances[metric], Unsupported):
            continue
        names = {f"d{number}": measure("embedding", query) for number, query in enumerate(queries)}
        wrong = [
            (metric, row.embedding, query, getattr(row, name), distance(metric, row.embedding, query))
            for row in DOCUMENTS.annotate(**names)
            for name, query in zip(names, queries, strict=True)
            if not is_close(metric, getattr(row, name), row.embedding, query)
        ]
        assert wrong == []


def test_every_length_is_measured_between_columns(db: Database) -> None:
    pairs = [(scaled(DIRECTIONS[0], one), scaled(DIRECTIONS[1], other)) for one in LENGTHS for other in LENGTHS]
    pairs += [([0.0] * 3, DIRECTIONS[0]), (DIRECTIONS[0], [0.0] * 3)]
    DOCUMENTS.bulk_create([Document(title="x", embedding=one, other=other) for one, other in pairs])
    measures = {
        metric: measure for metric, measure in DISTANCES.items() if metric in (Metric.COSINE, Metric.INNER_PRODUCT)
    }
    for metric, measure in measures.items():
        rows = DOCUMENTS.annotate(there=measure("embedding", F("other")), back=measure("other", F("embedding")))
        wrong = [
            (metric, row.embedding, row.other, found)
            for row in rows
            for found in (row.there, row.back)
            if not is_close(metric, found, row.embedding, row.other)
        ]
        assert wrong == []


LONG, SHORT, LARGEST = [1e20, 0, 0], [0, 1e-20, 0], [3.4e38, 1, 1]
REFUSED: dict[str, Callable[[Any], Any]] = {
    "create": lambda vector: DOCUMENTS.create(title="x", embedding=vector),
    "save": lambda vector: Document(title="x", embedding=vector).save(),
    "update": lambda vector: DOCUMENTS.update(embedding=vector),
    "bulk_create": lambda vector: DOCUMENTS.bulk_create([Document(title="x", embedding=vector)]),
    "bulk_load of rows": lambda vector: bulk_load(Document, [{"title": "x", "embedding": vector}]),
    "bulk_load of a matrix": lambda vector: bulk_load(
        Document, {"title": ["x", "y"], "embedding": np.array([[1, 2, 3], vector])}
    ),
    "a sparse vector": lambda vector: Sample.objects.create(title="x", sparse=vector),
    "nearest": lambda vector: DOCUMENTS.nearest("embedding", vector)[:1],
    "a distance": lambda vector: DOCUMENTS.order_by(DISTANCES[Metric.COSINE]("embedding", vector))[:1],
}


@pytest.mark.parametrize("vector", [LONG, SHORT, LARGEST], ids=["long", "short", "largest"])
def test_other_lengths_are_refused(db: Database, vector: list[float]) -> None:
    for refuse in REFUSED.values():
        with pytest.raises(
            InvalidVector, match=r"its length is .*, and databases measure lengths from 1.4e-17 to 9.2e"
        ):
            refuse(vector)
    assert (DOCUMENTS.count(), Sample.objects.count()) == (0, 0)


def test_a_normalized_field_takes_every_length(db: Database) -> None:
    for vector in (LONG, SHORT, LARGEST, [1e-45, 0, 0], [0, 0, 0]):
        Sample.objects.create(title="x", unit=vector)
    unit = [[1, 0, 0], [0, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert [row.unit for row in Sample.objects.order_by("id")] == [pytest.approx(each, abs=1e-6) for each in unit]


def test_a_row_that_was_written_around_the_field_is_read(db: Database) -> None:
    """One of a length that is refused now stays readable, so that it can be rewritten."""
    DOCUMENTS.create(title="x", embedding=[1e15, 0, 0], other=[1, 2, 3])
    longest = min(db.dialect.longest / 2, 1e30)
    packed = db.dialect.literal(Vector([longest, 0, 0]))
    db.connection.execute_write(f"UPDATE tests_document SET embedding = {packed}")
    row = DOCUMENTS.get()
    assert row.embedding == pytest.approx([longest, 0, 0], rel=1e-6)
    row.embedding = [value / longest for value in row.embedding]
    row.save()
    assert DOCUMENTS.filter(embedding=F("embedding")).get().embedding == [1, 0, 0]
