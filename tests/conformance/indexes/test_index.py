"""The index that a model declares serves its searches: from the real plan, and by recall against exact answers."""

from __future__ import annotations

from typing import Any

import pytest

from dorm_vector import CosineDistance, HnswIndex, IvfflatIndex, L2Distance
from tests.conformance.inside import Unsupported
from tests.databases import Database
from tests.helpers.clusters.index_plans import serves
from tests.helpers.oracle import vectors
from tests.models import Package

INDEX = "package_embedding_hnsw"
STORED, QUERY = vectors(3000, 16), vectors(1, 16, seed=8)[0]


@pytest.fixture
def packages(db: Database) -> Database:
    Package.objects.bulk_create([Package(section=f"s{n % 2}", embedding=vector) for n, vector in enumerate(STORED)])
    return db


def nearest(query: list[float] = QUERY) -> Any:
    return Package.objects.annotate(distance=CosineDistance("embedding", query)).order_by("distance")


@pytest.mark.parametrize("kind", ["hnsw", "ivfflat", "vec0", "vec0_bit", "vec0_int8"])
def test_where_there_is_no_such_index_the_database_says_so(db: Database, kind: str) -> None:
    claim = db.dialect.indexes[kind]
    if isinstance(claim, Unsupported):
        with pytest.raises(Exception):  # noqa: B017, PT011  # whatever this driver raises: the point is that it fails
            db.connection.execute_script(claim.probe)
    else:
        assert claim.startswith("CREATE")


def test_a_search_uses_the_index(packages: Database) -> None:
    if not packages.dialect.is_approximate:
        assert not packages.dialect.uses_index(nearest()[:10].explain(), INDEX)
        return
    for queryset in (
        nearest()[:10],
        nearest()[5:10],
        nearest().values("pk", "distance")[:10],
        nearest().values_list("pk", flat=True)[:10],
        Package.objects.order_by(CosineDistance("embedding", QUERY))[:10],
        Package.objects.alias(distance=CosineDistance("embedding", QUERY)).order_by("distance")[:10],
        nearest().only("section")[:10],
    ):
        assert serves(packages, queryset, INDEX), queryset.explain()


def test_a_search_by_another_distance_does_not(packages: Database) -> None:
    queryset = Package.objects.annotate(distance=L2Distance("embedding", QUERY)).order_by("distance")[:10]
    assert not packages.dialect.uses_index(queryset.explain(), INDEX)


def test_what_the_index_finds_is_what_there_is(packages: Database) -> None:
    shares = [recall(query) for query in vectors(10, 16, seed=8)]
    # Random vectors are the hardest to find.
    assert sum(shares) / len(shares) >= 0.7


def recall(query: list[float]) -> float:
    """Return the share of the ten nearest that the index finds."""
    exact = sorted(nearest(query), key=lambda row: row.distance)[:10]
    return len({row.pk for row in exact} & {row.pk for row in nearest(query)[:10]}) / 10


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: HnswIndex(["a", "b"], "x"), r"HnswIndex indexes one vector field; got \['a', 'b'\]"),
        (lambda: HnswIndex(["a"], "x", m=1), r"HnswIndex\(m=1\): want a whole number from 2 to 100\."),
        (
            lambda: HnswIndex(["a"], "x", ef_construction=2000),
            r"ef_construction=2000\): want a whole number from 4 to 1000",
        ),
        (lambda: HnswIndex(["a"], "x", m=40), r"ef_construction must be at least 80"),
        (lambda: HnswIndex(["a"], "x", distance="near"), r"want one of l2, cosine, inner_product, l1"),
        (lambda: HnswIndex(["a"], "x", opclass="text_ops"), r"want one of vector_l2_ops, vector_cosine_ops"),
        (lambda: HnswIndex(["a"], "x", "vector_l2_ops", distance="l2"), r"takes opclass or distance, not both"),
        (lambda: IvfflatIndex(["a"], "x", lists=0), r"IvfflatIndex\(lists=0\): want a whole number from 1 to 32768"),
        (lambda: IvfflatIndex(["a"], "x", distance="l1"), r"want one of l2, cosine, inner_product"),
    ],
)
def test_a_wrong_parameter_is_refused_at_definition(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
