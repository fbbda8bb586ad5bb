"""What the tests of sign bits share: the rows, and their nearest in plain Python."""

from __future__ import annotations

from typing import Any

from dorm_vector import Metric, bulk_load
from dorm_vector.commands.database import Database as CommandDatabase
from dorm_vector.commands.index_state import index_states
from tests.helpers.oracle import distance, vectors

DIMENSIONS = 40
ROWS = vectors(160, DIMENSIONS)
QUERY = vectors(1, DIMENSIONS, seed=5)[0]
ODD = [[0.0] * DIMENSIONS, [1e-40, -1e-40, 2.0, -0.0] * 10, [-1.0] * DIMENSIONS, [3e17, -3e17, 1e-30, 0.0] * 10]
FILTERS: dict[str, Any] = {
    "few rows": ({"number__lt": 7}, lambda row: row.number < 7),
    "half": ({"number__gte": 80}, lambda row: row.number >= 80),
    "none": ({"number": -1}, lambda row: False),
}


def fill(model: Any, count: int = len(ROWS)) -> None:
    bulk_load(model, [{"title": f"r{n}", "number": n, "embedding": ROWS[n]} for n in range(count)])


def expected(model: Any, count: int, matches: Any = None) -> list[int]:
    """Return the keys of the nearest rows, in plain Python, of what the table holds now."""
    rows = [row for row in model.objects.all() if row.embedding is not None and (matches is None or matches(row))]
    return [pk for _, pk in sorted((distance(Metric.L2, row.embedding, QUERY), row.pk) for row in rows)[:count]]


def nearest(model: Any, **options: Any) -> Any:
    return model.objects.nearest("embedding", QUERY, **({"exact": False} | options))


def state(model: Any) -> Any:
    (found,) = index_states(CommandDatabase("default"), model)
    return found


def step(connection: Any, operation: Any, state: Any, *, back: bool = False) -> Any:
    """Apply an operation of a migration, and unapply it if ``back``; return the state that follows."""
    after = state.clone()
    operation.state_forwards("tests", after)
    operation.database_forwards("tests", connection, state, after)
    if back:
        operation.database_backwards("tests", connection, after, state)
        return state
    return after
