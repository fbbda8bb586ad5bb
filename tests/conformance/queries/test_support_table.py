"""What the support table says is what the databases of this run do; and what it lacks, they still cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dorm.migrations.operations import AddIndex, RemoveIndex
from dorm.migrations.state import ProjectState

import dorm_vector
from dorm_vector import Element, HnswIndex, IvfflatIndex, Metric, UnsupportedByDatabase
from tests.conformance.inside import Unsupported
from tests.databases import Database
from tests.helpers import support
from tests.helpers.oracle import distance
from tests.models import Sample

PUBLIC: list[Any] = [getattr(dorm_vector, name) for name in dorm_vector.__all__]
DISTANCES = {value.metric: value for value in PUBLIC if isinstance(getattr(value, "metric", None), Metric)}
STORED_NUMBERS = {"near": [1.0, 2.0, 3.0], "far": [-3.0, 0.5, 4.0], "none": None}
STORED_BITS = {"near": "101", "far": "010", "none": None}


def example(metric: Metric) -> tuple[str, dict[str, Any], Any]:
    """Return a field with that metric, what to store in it by title, and what to ask for."""
    return ("bits", STORED_BITS, "111") if is_of_bits(metric) else ("full", STORED_NUMBERS, [1.0, 2.5, 3.0])


def is_of_bits(metric: Metric) -> bool:
    return Element.BIT in metric.elements


def true_distance(metric: Metric, left: Any, right: Any) -> float | None:
    if left is None:
        return None
    if not is_of_bits(metric):
        return distance(metric, left, right)
    pairs = list(zip(left, right, strict=True))
    unlike, either = sum(a != b for a, b in pairs), sum("1" in pair for pair in pairs)
    return float(unlike if metric is Metric.HAMMING else unlike / either)


def measured(metric: Metric, field: str, query: Any) -> dict[str, float]:
    queryset = Sample.objects.annotate(distance=DISTANCES[metric](field, query)).order_by("distance")
    return {row.title: row.distance for row in queryset}


def assert_impossible(db: Database, claim: Unsupported) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011  # whatever this driver raises: the point is that it fails
        db.connection.execute(claim.probe)


@pytest.mark.parametrize("metric", Metric, ids=lambda metric: metric.value)
def test_a_distance_is_what_the_table_says(db: Database, metric: Metric) -> None:
    field, stored, query = example(metric)
    for title, value in stored.items():
        Sample.objects.create(title=title, **{field: value})
    claim = db.dialect.distances[metric]
    if isinstance(claim, Unsupported):
        with pytest.raises(UnsupportedByDatabase) as raised:
            measured(metric, field, query)
        assert claim.reason in str(raised.value)
        assert claim.instead in str(raised.value)
        assert_impossible(db, claim)
        return
    found = measured(metric, field, query)
    assert list(found) == ["near", "far", "none"]
    for title, value in stored.items():
        expected = true_distance(metric, value, query)
        assert found[title] == (None if expected is None else pytest.approx(expected, abs=1e-5))


@pytest.mark.parametrize("element", Element, ids=lambda element: element.value)
def test_a_column_is_what_the_table_says(db: Database, element: Element) -> None:
    claim = db.dialect.forms.get(element)
    if isinstance(claim, Unsupported):
        assert_impossible(db, claim)
        return
    field = next(field for field in Sample._meta.concrete_fields if type(field) is support.FIELDS[element])
    value = "101" if element is Element.BIT else [1.0, 0.0, 3.0]
    Sample.objects.create(title="x", **{field.name: value})
    assert Sample.objects.filter(**{field.name: value}).count() == 1


@pytest.mark.parametrize("index_class", [HnswIndex, IvfflatIndex], ids=lambda index_class: index_class.kind)
def test_an_index_is_what_the_table_says(db: Database, index_class: Any) -> None:
    """The database takes its statements; where there are none, it refuses the probe."""
    state = ProjectState.from_apps()
    index = index_class(fields=["embedding"], name="support_probe", distance="cosine")
    AddIndex("Chunk", index).database_forwards("tests", db.connection, state, state)
    RemoveIndex("Chunk", index).database_forwards("tests", db.connection, state, state)
    claim = db.dialect.indexes[index.kind]
    statements = index.statements(db.dialect, "support_probe", "tests_chunk", "embedding")
    assert bool(statements) != isinstance(claim, Unsupported)
    if isinstance(claim, Unsupported):
        assert_impossible(db, claim)


def test_an_index_of_8_bit_integers_is_what_the_table_says(db: Database) -> None:
    claim = support.without_int8(db.dialect)
    if claim is not None:
        assert_impossible(db, claim)


def test_bm25_is_what_the_table_says(db: Database) -> None:
    if isinstance(db.dialect.bm25, Unsupported):
        assert_impossible(db, db.dialect.bm25)
    else:
        assert support.ranked_by_bm25(db.dialect) != "no"


@pytest.mark.parametrize("page", [support.README, support.TABLE], ids=lambda page: page.name)
def test_the_table_is_that_of_the_dialects(page: Path, pytestconfig: pytest.Config) -> None:
    support.assert_fresh(page, update=pytestconfig.getoption("--update-golden"))
