"""PostgreSQL's functions of vectors.

Source: https://github.com/pgvector/pgvector#vector-functions
"""

from __future__ import annotations

from ..values.elements import Element
from ..values.routines import Routine
from .base import RoutineKey
from .shared.text_search import TextSearch
from .shared.unsupported import Unsupported

# What an index can be over has to be said with the dimensions.
ROUTINES: dict[RoutineKey, str | Unsupported] = {
    Routine.DIMENSIONS: "vector_dims({left})",
    # There is none; a column holds what it says.
    (Routine.DIMENSIONS, Element.SPARSE): "CASE WHEN {left} IS NOT NULL THEN {dimensions} END",
    (Routine.DIMENSIONS, Element.BIT): "length({left})",
    Routine.NORM: "vector_norm({left})",
    (Routine.NORM, Element.SPARSE): "l2_norm({left})",
    Routine.NORMALIZE: "l2_normalize({left})",
    Routine.SUBVECTOR: "subvector({left}, {start}, {count})::vector({count})",
    Routine.CONCATENATE: "{left} || {right}",
    Routine.ADD: "{left} + {right}",
    Routine.SUBTRACT: "{left} - {right}",
    Routine.MULTIPLY: "{left} * {right}",
    Routine.BINARY_QUANTIZE: "binary_quantize({left})::bit({dimensions})",
    Routine.TO_VECTOR: "{left}::vector({dimensions})",
    Routine.TO_HALFVEC: "{left}::halfvec({dimensions})",
    Routine.TO_SPARSEVEC: "{left}::sparsevec({dimensions})",
    Routine.AVERAGE: "AVG",
    Routine.SUM: "SUM",
    # Those of a sparse column are taken over dense vectors.
    (Routine.AVERAGE, Element.SPARSE): "{left}::sparsevec({dimensions})",
    (Routine.SUM, Element.SPARSE): "{left}::sparsevec({dimensions})",
}

# https://www.postgresql.org/docs/current/textsearch-controls.html
# One of the words is enough: what it makes of them is joined by &.
_QUERY = "replace(plainto_tsquery('{language}', {query})::text, '&', '|')::tsquery"

_VECTOR = "to_tsvector('{language}', {document})"

TEXT_SEARCH = TextSearch(
    title="tsvector",
    # Of an expression, so that the table needs no column for it.
    create=(f'CREATE INDEX IF NOT EXISTS "{{name}}" ON "{{table}}" USING gin ({_VECTOR})',),
    condition=f"{_VECTOR} @@ {_QUERY}",
    # Divided by 1 + the logarithm of the length, so that a long text is not better for being long.
    score=f"ts_rank({_VECTOR}, {_QUERY}, 1)::float8",
    part="coalesce({column}, '')",
    joint=" || ' ' || ",
    needs_index=False,
    in_plan="Index Scan on {name} ",
)
