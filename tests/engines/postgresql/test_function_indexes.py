"""An index over a function serves the same function in a query; on PostgreSQL, which has such indexes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from dorm.db.connection import reset_connections

import backends
from dorm_vector import (
    BinaryQuantize,
    CastVector,
    HalfVectorField,
    HammingDistance,
    L2Distance,
    SubVector,
    Vector,
    bulk_load,
)
from tests.databases import Database, create_tables
from tests.helpers.oracle import vectors
from tests.models import Package

QUERY = [0.5] * 16
INDEXES = {
    "subvector": "((subvector(embedding, 1, 8)::vector(8)) vector_l2_ops)",
    "halfvec": "((embedding::halfvec(16)) halfvec_l2_ops)",
    "bits": "((binary_quantize(embedding)::bit(16)) bit_hamming_ops)",
}
DISTANCES = {
    "subvector": L2Distance(SubVector("embedding", 1, 8), QUERY[:8]),
    "halfvec": L2Distance(CastVector("embedding", HalfVectorField(dimensions=16)), QUERY),
    "bits": HammingDistance(BinaryQuantize("embedding"), BinaryQuantize(Vector(QUERY))),
}


@pytest.fixture(scope="module")
def packages() -> Iterator[None]:
    with backends.get("postgresql").start() as postgresql:
        database = Database(postgresql, postgresql.new_database())
        database.use()
        create_tables(database.connection)
        bulk_load(Package, [{"section": "a", "embedding": vector} for vector in vectors(2000, 16)])
        for name, expression in INDEXES.items():
            database.connection.execute_script(f"CREATE INDEX over_{name} ON tests_package USING hnsw {expression}")
        database.connection.execute_script("ANALYZE tests_package")
        yield
        reset_connections()


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("name", DISTANCES)
def test_an_index_over_a_function_serves_it(name: str) -> None:
    distance: Any = DISTANCES[name]
    for rows in (Package.objects.order_by(distance), Package.objects.annotate(distance=distance).order_by("distance")):
        assert f"Index Scan using over_{name} " in rows[:5].explain()
        assert len(rows[:5]) == 5
