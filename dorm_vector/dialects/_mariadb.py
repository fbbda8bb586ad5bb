"""MariaDB's functions of vectors. A vector is a string of its bytes there, so that parts of it are parts of the string.

Source: https://mariadb.com/docs/server/reference/sql-functions/vector-functions
"""

from __future__ import annotations

from ..elements import Element
from ..routines import Routine
from .base import RoutineKey, Unsupported

_SEE = "https://mariadb.com/docs/server/reference/sql-functions/vector-functions"


def _none(what: str, probe: str) -> Unsupported:
    return Unsupported(f"it has no function that {what}.", "Read the vectors and compute it in Python.", probe, _SEE)


_ARITHMETIC = _none("adds or multiplies vectors", "SELECT VEC_ADD(VEC_FromText('[1]'), VEC_FromText('[1]'))")
_AGGREGATE = _none("aggregates vectors, and AVG() takes none", "SELECT AVG(embedding) FROM tests_package")

ROUTINES: dict[RoutineKey, str | Unsupported] = {
    Routine.DIMENSIONS: "LENGTH({left}) DIV 4",
    # Bits are stored by the eight.
    (Routine.DIMENSIONS, Element.BIT): "{dimensions} + 0 * LENGTH({left})",
    Routine.NORM: "VEC_DISTANCE_EUCLIDEAN({left}, REPEAT(X'00', LENGTH({left})))",
    Routine.NORMALIZE: _none("normalizes a vector", "SELECT VEC_NORMALIZE(VEC_FromText('[1]'))"),
    Routine.SUBVECTOR: "SUBSTR({left}, 4 * {offset} + 1, 4 * {count})",
    Routine.CONCATENATE: "CONCAT({left}, {right})",
    Routine.ADD: _ARITHMETIC,
    Routine.SUBTRACT: _ARITHMETIC,
    Routine.MULTIPLY: _ARITHMETIC,
    Routine.BINARY_QUANTIZE: _none("makes plain bits of a vector", "SELECT VEC_QUANTIZE(VEC_FromText('[1]'))"),
    Routine.TO_VECTOR: "{left}",
    Routine.TO_HALFVEC: _none("rounds to half", "SELECT VEC_HALF(VEC_FromText('[1]'))"),
    Routine.TO_SPARSEVEC: "{left}",
    Routine.AVERAGE: _AGGREGATE,
    Routine.SUM: _AGGREGATE,
}
