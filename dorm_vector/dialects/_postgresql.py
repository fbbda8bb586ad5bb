"""PostgreSQL's vector functions, its full-text search, and its upkeep.

Source: https://github.com/pgvector/pgvector#vector-functions
"""

from __future__ import annotations

from ..values.elements import Element
from ..values.routines import Routine
from .base import RoutineKey
from .shared.costs import Estimating, PlanCosts
from .shared.text_search import TextSearch
from .shared.unsupported import Unsupported
from .shared.upkeep import Upkeep

# Expressions that an index can cover must include the dimensions.
ROUTINES: dict[RoutineKey, str | Unsupported] = {
    Routine.DIMENSIONS: "vector_dims({left})",
    # sparsevec has no such function, but every value of a column has the declared dimensions.
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
    # Aggregates of a sparse column are computed over dense vectors.
    (Routine.AVERAGE, Element.SPARSE): "{left}::sparsevec({dimensions})",
    (Routine.SUM, Element.SPARSE): "{left}::sparsevec({dimensions})",
}

# https://www.postgresql.org/docs/current/textsearch-controls.html
# One matching word is enough, but plainto_tsquery joins words with &.
_QUERY = "replace(plainto_tsquery('{language}', {query})::text, '&', '|')::tsquery"

_VECTOR = "to_tsvector('{language}', {document})"

TEXT_SEARCH = TextSearch(
    title="tsvector",
    # The index is on an expression, so that the table needs no extra column.
    create=(f'CREATE INDEX IF NOT EXISTS "{{name}}" ON "{{table}}" USING gin ({_VECTOR})',),
    condition=f"{_VECTOR} @@ {_QUERY}",
    # Flag 1 divides by 1 + the logarithm of the length, so that long texts have no advantage.
    score=f"ts_rank({_VECTOR}, {_QUERY}, 1)::float8",
    part="coalesce({column}, '')",
    joint=" || ' ' || ",
    needs_index=False,
    in_plan="Index Scan on {name} ",
)

# nextval() never goes back, even with concurrent callers; setval() skips gaps that are too wide for it.
_BEHIND = (
    " FROM (SELECT name, COALESCE(pg_sequence_last_value(name), 0) AS last,"
    """ (SELECT MAX("{key}") FROM "{table}") AS top"""
    """ FROM (SELECT pg_get_serial_sequence('"{table}"', '{key}')::regclass AS name) AS sequence"""
    " WHERE name IS NOT NULL) AS counter WHERE last < top"
)

COUNT_PAST_KEYS = (
    "SELECT CASE WHEN top - last <= 1000 THEN (SELECT MAX(step) FROM (SELECT nextval(name) AS step"
    f" FROM generate_series(1, top - last)) AS steps) ELSE setval(name, top) END AS counted{_BEHIND}"
)

# https://www.postgresql.org/docs/current/progress-reporting.html#CREATE-INDEX-PROGRESS-REPORTING
# pgvector counts the tuples that are in the graph; other phases count the blocks that were read.
_BUILDING = (
    "SELECT phase, CASE WHEN tuples_total > 0 THEN tuples_done ELSE blocks_done END AS done,"
    " CASE WHEN tuples_total > 0 THEN tuples_total ELSE blocks_total END AS total"
    " FROM pg_stat_progress_create_index WHERE relid = to_regclass(quote_ident(%s))"
)

_BYTES = "SELECT pg_relation_size(to_regclass('\"{name}\"')) AS bytes"

UPKEEP = Upkeep(
    version="SELECT current_setting('server_version') AS version",
    index_bytes=_BYTES,
    text_index_bytes=_BYTES,
    text_index="SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass('\"{name}\"')",
    building=_BUILDING,
    build_memory="SELECT pg_size_bytes(current_setting('maintenance_work_mem')) AS bytes,"
    " current_setting('maintenance_work_mem') AS setting",
    build_memory_option="maintenance_work_mem",
    sequence_behind=f"SELECT name::text AS name, last, top{_BEHIND}",
    sequence_fix="SELECT setval('{name}', {top});",
    # In milliseconds; the unit is not part of the setting here.
    statement_limit="SELECT setting::float8 / 1000 AS seconds FROM pg_settings WHERE name = 'statement_timeout'",
    optimize=('VACUUM (ANALYZE) "{table}"',),
    outside_transactions=True,
)

# https://github.com/pgvector/pgvector/blob/master/CHANGELOG.md
UNSOUND = (
    "VACUUM can damage an HNSW index there. Upgrade pgvector on the server, run ALTER EXTENSION vector UPDATE, and"
    " rebuild the HNSW indexes: dorm_vector.rebuild_index()."
)

COSTS = PlanCosts(
    statement=0.3,
    row=0.00002,
    row_number=6.5e-7,
    unit=0.0013,
    measured_row=0.0002,
    # Vectors of more than about 500 dimensions are stored out of line, and read from there.
    measured_number=2.5e-6,
    index=0.8,
    visited_row=0.017,
    visited_number=1.3e-5,
    at_once=40,
    most=20_000,
    widest=1_000,
)

ESTIMATING = Estimating(
    # It is -1 before the first ANALYZE or VACUUM.
    table="SELECT reltuples::float8 AS rows, NULL AS low, NULL AS high, NULL AS cache FROM pg_class"
    " WHERE oid = to_regclass('\"{table}\"')",
    filter="EXPLAIN SELECT 1 {source}",
    filter_found=r"cost=[\d.]+\.\.([\d.]+) rows=(\d+)",
    part='"{table}" AS "{alias}" TABLESAMPLE SYSTEM ({percent})',
    sampled=500,
)
