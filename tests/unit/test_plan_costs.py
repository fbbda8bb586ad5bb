"""The plan of a filtered search, by the shape of its table: what was the fastest when it was measured.

Each row was measured with ten rows wanted; where two plans took the same time within a quarter, either is right, and
the row is not here.
"""

from __future__ import annotations

import math

import pytest

from dorm_vector.dialects import dialect_named
from dorm_vector.search.plans.index_scan import IndexScanPlan
from dorm_vector.search.plans.overfetch import OverfetchPlan
from dorm_vector.search.plans.plan import Estimate, ExactPlan

GIB, DEFAULT = 2.0**30, 16 * 2.0**20
"""Of mhnsw_max_cache_size: enough, and MariaDB's default."""

SHAPES = [
    # dialect, rows, dimensions, share that passes, cache of the index, plan
    ("mariadb", 40_000, 50, 0.5, GIB, "index"),
    ("mariadb", 40_000, 50, 0.25, GIB, "overfetch"),
    ("mariadb", 40_000, 50, 0.05, GIB, "exact"),
    ("mariadb", 40_000, 50, 0.005, GIB, "exact"),
    ("mariadb", 40_000, 50, 0.5, DEFAULT, "exact"),
    ("mariadb", 40_000, 50, 0.05, DEFAULT, "exact"),
    ("mariadb", 8_000, 384, 0.5, DEFAULT, "index"),
    ("mariadb", 10_000, 384, 0.5, GIB, "index"),
    ("mariadb", 10_000, 384, 0.2, GIB, "overfetch"),
    ("mariadb", 10_000, 384, 0.2, DEFAULT, "exact"),
    ("mariadb", 20_000, 128, 0.5, GIB, "index"),
    ("mariadb", 20_000, 128, 0.2, GIB, "overfetch"),
    ("mariadb", 20_000, 128, 0.2, DEFAULT, "exact"),
    ("mariadb", 10_000, 384, 0.05, DEFAULT, "exact"),
    ("mariadb", 8_000, 1_536, 0.5, GIB, "index"),
    ("mariadb", 8_000, 1_536, 0.25, GIB, "overfetch"),
    ("mariadb", 8_000, 1_536, 0.05, GIB, "exact"),
    ("libsql", 20_000, 50, 0.5, None, "index"),
    ("libsql", 20_000, 50, 0.05, None, "exact"),
    ("libsql", 8_000, 50, 0.2, None, "exact"),
    ("libsql", 10_000, 384, 0.5, None, "index"),
    ("libsql", 10_000, 384, 0.2, None, "exact"),
    ("libsql", 8_000, 1_536, 0.5, None, "index"),
    ("libsql", 8_000, 1_536, 0.2, None, "exact"),
]


@pytest.mark.parametrize("name, rows, dimensions, share, cache, kind", SHAPES)
def test_the_plan_is_the_fastest_for_the_shape_of_the_table(
    name: str, rows: int, dimensions: int, share: float, cache: float | None, kind: str
) -> None:
    costs = dialect_named(name).costs
    estimate = Estimate(rows, rows * share, dimensions, 10, cache=cache)
    plans = [IndexScanPlan(None, None), OverfetchPlan(None), ExactPlan()]
    known = {plan.kind: plan.cost(estimate, costs) for plan in plans}
    assert min(known, key=lambda each: known[each]) == kind, known


@pytest.mark.parametrize("name", ["mariadb", "libsql", "postgresql"])
def test_no_plan_costs_less_for_more_rows_or_dimensions(name: str) -> None:
    costs = dialect_named(name).costs
    for plan in (IndexScanPlan(None, None), OverfetchPlan(None), ExactPlan()):
        for share in (1.0, 0.5, 0.05, 0.005):
            grown = [
                plan.cost(Estimate(rows, rows * share, dimensions, 10, cache=DEFAULT), costs)
                for rows, dimensions in ((8_000, 50), (8_000, 384), (40_000, 384), (400_000, 1_536))
            ]
            assert grown == sorted(grown), (plan.kind, share)


def test_an_index_past_its_cache_is_loaded_again() -> None:
    costs = dialect_named("mariadb").costs
    fits, half, tenth = (costs.loaded(rows, 50, DEFAULT) for rows in (20_000, 60_000, 400_000))
    assert fits == 1.0
    assert 1.0 < half < tenth < 1.0 + costs.loading
    assert costs.loaded(400_000, 50, None) == 1.0
    assert math.isclose(dialect_named("postgresql").costs.loaded(400_000, 50, DEFAULT), 1.0)
