"""libSQL's vector functions, most of which are plain BLOB functions.

Source: https://docs.turso.tech/features/ai-and-embeddings
"""

from __future__ import annotations

from ..values.elements import Element
from ..values.routines import Routine
from .base import RoutineKey
from .shared.costs import Estimating, PlanCosts
from .shared.unsupported import Unsupported


def _none(what: str, probe: str) -> Unsupported:
    see = "https://docs.turso.tech/features/ai-and-embeddings#functions"
    return Unsupported(f"it has no function that {what}.", "Read the vectors and compute it in Python.", probe, see)


_ARITHMETIC = _none("adds or multiplies vectors", "SELECT vector_add(vector32('[1]'), vector32('[1]'))")

_AGGREGATE = _none("aggregates vectors, and avg() of one is 0.0", "SELECT vector_avg(vector32('[1]'))")

ROUTINES: dict[RoutineKey, str | Unsupported] = {
    Routine.DIMENSIONS: "length({left}) / 4",
    # Bits are stored in whole bytes.
    (Routine.DIMENSIONS, Element.BIT): "{dimensions} + 0 * length({left})",
    Routine.NORM: "vector_distance_l2({left}, zeroblob(length({left})))",
    Routine.NORMALIZE: _none("normalizes a vector", "SELECT vector_normalize(vector32('[1]'))"),
    Routine.SUBVECTOR: "substr({left}, 4 * {offset} + 1, 4 * {count})",
    Routine.CONCATENATE: "CAST({left} || {right} AS BLOB)",
    Routine.ADD: _ARITHMETIC,
    Routine.SUBTRACT: _ARITHMETIC,
    Routine.MULTIPLY: _ARITHMETIC,
    Routine.BINARY_QUANTIZE: "vector1bit({left})",
    Routine.TO_VECTOR: "vector32({left})",
    Routine.TO_HALFVEC: "vector16({left})",
    Routine.TO_SPARSEVEC: "vector32({left})",
    Routine.AVERAGE: _AGGREGATE,
    Routine.SUM: _AGGREGATE,
}

COSTS = PlanCosts(
    statement=0.1,
    row=0.0001,
    row_number=1.4e-6,
    measured_row=0.0003,
    measured_number=2.4e-6,
    index=2.6,
    visited_row=0.003,
    visited_number=6.0e-6,
    at_once=200,
    most=200,
    # With 4, it finds 0.93 of the nearest of real embeddings, and 0.6 to 0.7 of those of clusters (10,000 x 384).
    spare=8,
)

ESTIMATING = Estimating(
    table='SELECT MIN(rowid) AS low, MAX(rowid) AS high, NULL AS "rows", NULL AS cache FROM "{table}"',
    row_key="rowid",
    sampled=100,
)
