"""MariaDB's vector functions: byte functions where they suffice, and otherwise float32 arithmetic in SQL.

The arithmetic reads each float from its four bytes and writes the result as text, which takes a few milliseconds for
a vector of 384 dimensions.
Source: https://mariadb.com/docs/server/reference/sql-structure/vectors/vector-functions
"""

from __future__ import annotations

from ..values.elements import Element
from ..values.metrics import Metric
from ..values.routines import Routine
from . import _float32
from .base import RoutineKey
from .shared.costs import Estimating, PlanCosts
from .shared.groups import Ordering
from .shared.index_bytes import NO_PROCESS, innodb_text_index_bytes
from .shared.index_rules import IndexRules
from .shared.unsupported import Unsupported
from .shared.upkeep import Upkeep

_SEE = "https://mariadb.com/docs/server/reference/sql-structure/vectors/vector-functions"

_LEFT, _RIGHT = _float32.number("{left}", "4 * n.i"), _float32.number("{right}", "4 * n.i")

_SIGNS = f"GROUP_CONCAT(CHAR({_float32.signs('{left}')}) ORDER BY n.i SEPARATOR '')"

_NORM = "VEC_DISTANCE_EUCLIDEAN({left}, REPEAT(X'00', LENGTH({left})))"

_AGGREGATE = Unsupported(
    "it has no aggregate over vectors.",
    "Read the vectors and compute it in Python.",
    "SELECT AVG(embedding) FROM tests_document",
    _SEE,
)

_NO_INT8 = Unsupported(
    "its index has one precision, 16 bits per number.",
    "Declare an HnswIndex without precision.",
    "CREATE TABLE int8_probe (e VECTOR(3) NOT NULL, VECTOR INDEX (e) PRECISION=int8)",
    "https://mariadb.com/docs/server/reference/sql-structure/vectors/vector-overview",
)

INDEX_RULES = IndexRules(
    metrics={Metric.L2: "euclidean", Metric.COSINE: "cosine"},
    links=range(3, 201),
    not_null=True,
    whole_table=True,
    one_per_table=True,
    int8=_NO_INT8,
    graph="MHNSW",
)

GENERATED_SUBQUERY = Unsupported(
    "a generated column takes no subquery, and is NULL for ever where one reads JSON_TABLE.",
    "Compute the vector in Python, and save it.",
    "CREATE TABLE generated_probe (a INT, b INT GENERATED ALWAYS AS ((SELECT 1)) STORED)",
    "https://mariadb.com/docs/server/reference/sql-statements/data-definition/create/generated-columns",
)

CORRELATED_SLICE = Unsupported(
    "a slice of several rows inside IN cannot refer to the outer query, because it has to be a derived table.",
    "Slice it to one row, [:1], or filter by Exists().",
    "SELECT id FROM tests_author WHERE id IN"
    " (SELECT id FROM (SELECT d.id FROM tests_document d WHERE d.author_id = tests_author.id LIMIT 2) AS chosen)",
    "https://mariadb.com/docs/server/reference/sql-statements/data-manipulation/selecting-data/joins-subqueries/subqueries/subqueries-in-a-from-clause",
)

CORRELATED_GROUPS = Unsupported(
    "one row of each group, in a subquery that refers to the outer query, has to be a derived table, which cannot.",
    "Group without OuterRef(), or run a search for each row of the outer query.",
    "SELECT id, (SELECT COUNT(*) FROM (SELECT d.id, ROW_NUMBER() OVER (PARTITION BY d.pages) AS place"
    " FROM tests_document d WHERE d.author_id = tests_author.id) AS placed WHERE place = 1) FROM tests_author",
    CORRELATED_SLICE.see,
)

ORDERING = Ordering(
    ascending="{rank} IS NULL, {rank} ASC",
    correlated_slice=CORRELATED_SLICE,
    correlated_groups=CORRELATED_GROUPS,
    nearest_first="-{rank} DESC",  # it sorts the same way, but measures the distance only once
    descending="{value} DESC",
    second_key=False,
)


def _each(value: str) -> str:
    return f"VEC_FromText((SELECT CONCAT('[', GROUP_CONCAT({value} ORDER BY n.i), ']') FROM {_float32.POSITIONS}))"


ROUTINES: dict[RoutineKey, str | Unsupported] = {
    Routine.DIMENSIONS: "LENGTH({left}) DIV 4",
    # Bits are stored in whole bytes.
    (Routine.DIMENSIONS, Element.BIT): "{dimensions} + 0 * LENGTH({left})",
    Routine.NORM: _NORM,
    Routine.NORMALIZE: f"IF({_NORM} = 0, {{left}}, {_each(f'{_LEFT} / {_NORM}')})",
    Routine.SUBVECTOR: "SUBSTR({left}, 4 * {offset} + 1, 4 * {count})",
    Routine.CONCATENATE: "CONCAT({left}, {right})",
    Routine.ADD: _each(f"{_LEFT} + {_RIGHT}"),
    Routine.SUBTRACT: _each(f"{_LEFT} - {_RIGHT}"),
    Routine.MULTIPLY: _each(f"{_LEFT} * {_RIGHT}"),
    Routine.BINARY_QUANTIZE: f"IF({{left}} IS NULL, NULL, (SELECT {_SIGNS} FROM {_float32.BYTES}))",
    Routine.TO_VECTOR: "{left}",
    Routine.TO_HALFVEC: Unsupported(
        "it has no function that rounds to half.",
        "Write the values to a HalfVectorField, which rounds them.",
        "SELECT VEC_ToHalf(embedding) FROM tests_document",
        _SEE,
    ),
    Routine.TO_SPARSEVEC: "{left}",
    Routine.AVERAGE: _AGGREGATE,
    Routine.SUM: _AGGREGATE,
}

# PROGRESS is that of the current STATE, in percent.
_BUILDING = (
    "FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()"
    " AND INFO REGEXP '^(CREATE|ALTER) .*INDEX ' AND INSTR(INFO"
)

UPKEEP = Upkeep(
    quote="`",
    version="SELECT VERSION() AS version",
    # A table has at most one vector index, stored as a separate table: shop_product#i#01.
    index_bytes="SELECT SUM(file_size) AS bytes FROM information_schema.innodb_sys_tablespaces"
    " WHERE SUBSTRING_INDEX(name, '#i#', 1) = CONCAT(DATABASE(), '/{table}') AND INSTR(name, '#i#') > 0",
    text_index_bytes=innodb_text_index_bytes("innodb_sys_"),
    no_index_bytes=NO_PROCESS,
    text_index="SELECT 1 AS valid FROM information_schema.statistics WHERE table_schema = DATABASE()"
    " AND table_name = '{table}' AND index_name = '{name}' AND index_type = 'FULLTEXT' LIMIT 1",
    index_definition='SHOW CREATE TABLE "{table}"',
    # https://mariadb.com/docs/server/reference/system-tables/information-schema/information-schema-tables/information-schema-processlist-table
    building=f"SELECT STATE AS phase, ROUND(PROGRESS) AS done, 100 AS total {_BUILDING}, %s) > 0",
    building_index=f"SELECT 1 AS found {_BUILDING}, '{{name}}') > 0",
    # How it quotes options depends on sql_mode.
    index_metric=r"DISTANCE\W?=\W?(\w+)",
    statement_limit="SELECT @@max_statement_time AS seconds",
    optimize=('ANALYZE TABLE "{table}"',),
)

COSTS = PlanCosts(
    statement=0.2,
    row=0.0001,
    row_number=1.0e-6,
    measured_row=0.0001,
    measured_number=1.6e-6,
    index=0.8,
    visited_row=0.012,
    visited_number=5.0e-6,
    # Each search returns as many rows as LIMIT says, and LIMIT counts the rows that pass the filter.
    at_once=40,
    again=1.25,
    # A graph larger than mhnsw_max_cache_size is dropped from memory after the search that fills the cache.
    loading=20.0,
    # Fitted to the sizes at which searches slow down with the default cache: 8,000 x 384 fits, 10,000 x 384 does not.
    node=560.0,
    node_number=3.0,
    # https://mariadb.com/docs/server/reference/sql-structure/vectors/vector-system-variables: mhnsw_ef_search
    most_overfetched=10_000,
)

ESTIMATING = Estimating(
    table='SELECT MIN("{key}") AS low, MAX("{key}") AS high, (SELECT table_rows FROM information_schema.tables'
    " WHERE table_schema = DATABASE() AND table_name = '{table}') AS \"rows\","
    ' @@mhnsw_max_cache_size AS cache FROM "{table}"',
    sampled=128,
)

# https://mariadb.com/docs/server/reference/sql-structure/vectors/create-table-with-vectors
MHNSW = 'CREATE VECTOR INDEX IF NOT EXISTS "{name}" ON "{table}" ("{column}") M={m} DISTANCE={metric}'

# Without FORCE, an index that replaces another one lacks all rows that were written while the other one existed.
FULLTEXT_INDEX = 'ALTER TABLE "{table}" ADD FULLTEXT INDEX "{name}" ({columns}), FORCE'
