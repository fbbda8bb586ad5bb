"""SQLite's vector functions: those of sqlite-vec, and those that dorm_vector registers on each connection.

Source: https://alexgarcia.xyz/sqlite-vec/api-reference.html
"""

from __future__ import annotations

from ..values.elements import Element
from ..values.routines import Routine
from .base import RoutineKey
from .shared.unsupported import Unsupported

_NORM = "vec_distance_l2({left}, zeroblob(length({left})))"

ROUTINES: dict[RoutineKey, str | Unsupported] = {
    Routine.DIMENSIONS: "vec_length({left})",
    # Bits are stored in whole bytes.
    (Routine.DIMENSIONS, Element.BIT): "{dimensions} + 0 * length({left})",
    Routine.NORM: _NORM,
    # vec_normalize() returns NaN for a zero vector.
    Routine.NORMALIZE: f"iif({_NORM} = 0, {{left}}, vec_normalize({{left}}))",
    Routine.SUBVECTOR: "vec_slice({left}, {offset}, {end})",
    Routine.CONCATENATE: "CAST({left} || {right} AS BLOB)",
    Routine.ADD: "vec_add({left}, {right})",
    Routine.SUBTRACT: "vec_sub({left}, {right})",
    Routine.MULTIPLY: "dorm_vector_multiply({left}, {right})",
    # vec_quantize_binary() requires a multiple of eight dimensions, and stores the first bit lowest.
    Routine.BINARY_QUANTIZE: "dorm_vector_binary_quantize({left})",
    Routine.TO_VECTOR: "{left}",
    Routine.TO_HALFVEC: "dorm_vector_halves({left})",
    Routine.TO_SPARSEVEC: "{left}",
    Routine.AVERAGE: "dorm_vector_avg",
    Routine.SUM: "dorm_vector_sum",
}
